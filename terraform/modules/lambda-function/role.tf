data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  # As they will be, so that a plan shows the policy.
  here         = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
  function_arn = "arn:${data.aws_partition.current.partition}:lambda:${local.here}:function:${var.name}"
  log_group    = "/aws/lambda/${var.name}"

  # What Lambda itself does, in the role's name, to put the function into a network.
  network_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]

  work = [
    for statement in var.statements : {
      Sid      = statement.sid
      Effect   = "Allow"
      Action   = statement.actions
      Resource = statement.resources
    }
  ]

  write_log = [{
    Sid      = "WriteLog"
    Effect   = "Allow"
    Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    Resource = "arn:${data.aws_partition.current.partition}:logs:${local.here}:log-group:${local.log_group}:*"
  }]

  # X-Ray knows no resources: AWS takes these actions on "*" alone.
  write_traces = [{
    Sid      = "WriteTraces"
    Effect   = "Allow"
    Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    Resource = "*"
  }]

  # A network interface has no name before it is made: Lambda asks for these actions on "*". The function's own code may not
  # use them.
  join_network = [for statement in [
    {
      Sid      = "JoinNetwork"
      Effect   = "Allow"
      Action   = local.network_actions
      Resource = "*"
    },
    {
      Sid       = "JoinNetworkByLambdaAlone"
      Effect    = "Deny"
      Action    = local.network_actions
      Resource  = "*"
      Condition = { ArnEquals = { "lambda:SourceFunctionArn" = local.function_arn } }
    },
  ] : statement if var.network != null]
}

resource "aws_iam_role" "this" {
  name = "${var.name}-lambda"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "work"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(local.work, local.write_log, local.write_traces, local.join_network)
  })
}
