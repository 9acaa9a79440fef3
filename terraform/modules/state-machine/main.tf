locals {
  # A quoted placeholder gives way, quotes included, to the JSON of its value: a number becomes a number, an ARN a string.
  # So the definition is valid JSON before the substitution as well as after it.
  template = replace(file(var.definition), "/\"(\\$\\{[a-z_]+\\})\"/", "$1")
  values = merge(
    { for stage, arn in var.function_arns : "${replace(stage, "-", "_")}_arn" => jsonencode(arn) },
    { for name, seconds in var.retry : name => jsonencode(seconds) },
  )
}

resource "aws_sfn_state_machine" "this" {
  name       = var.name
  type       = "STANDARD"
  role_arn   = aws_iam_role.this.arn
  definition = templatestring(local.template, local.values)

  logging_configuration {
    level                  = "ERROR"
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.this.arn}:*"
  }

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/vendedlogs/states/${var.name}"
  retention_in_days = var.log_retention_days
}

resource "aws_iam_role" "this" {
  name               = "${var.name}-states"
  assume_role_policy = data.aws_iam_policy_document.assume.json
}

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "assume" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "run"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.run.json
}

data "aws_iam_policy_document" "run" {
  statement {
    sid       = "InvokeStages"
    actions   = ["lambda:InvokeFunction"]
    resources = values(var.function_arns)
  }

  statement {
    # CloudWatch Logs has no resource for log deliveries: AWS takes these actions on "*" alone.
    sid = "DeliverLogs"
    actions = [
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeLogGroups",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }
}
