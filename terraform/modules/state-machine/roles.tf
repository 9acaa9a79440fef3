# What each state machine may do: call its stages, and for `backfill` what a Distributed Map and a nested execution need.

locals {
  stages = {
    pipeline = ["admit", "transform", "validate", "load", "score", "publish", "summarize", "record-failure"]
    backfill = [
      "admit", "rebuild", "prepare-database", "transform", "validate", "load", "score", "publish", "summarize", "record-failure",
    ]
  }

  statements = {
    pipeline = []
    backfill = concat(local.map_statements, local.nested_statements, local.key_statements)
  }

  map_statements = [
    {
      Sid      = "StartChildren"
      Effect   = "Allow"
      Action   = ["states:StartExecution"]
      Resource = [local.machines["backfill"].arn]
    },
    {
      Sid    = "FollowChildren"
      Effect = "Allow"
      Action = ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"]
      Resource = [
        "${local.arn_prefix["execution"]}:${local.names["backfill"]}:*",
        "${local.arn_prefix["execution"]}:${local.names["backfill"]}/objects:*",
        "${local.arn_prefix["execution"]}:${local.names["backfill"]}/loads:*",
      ]
    },
    {
      Sid      = "CountChildren"
      Effect   = "Allow"
      Action   = ["states:DescribeMapRun"]
      Resource = ["${local.arn_prefix["mapRun"]}:${local.names["backfill"]}/objects:*"]
    },
    {
      Sid      = "ReadPlan"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = ["arn:${data.aws_partition.current.partition}:s3:::${var.reports_bucket}/rebuilds/*"]
    },
    {
      Sid      = "WriteResults"
      Effect   = "Allow"
      Action   = ["s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"]
      Resource = ["arn:${data.aws_partition.current.partition}:s3:::${var.reports_bucket}/backfills/*"]
    },
  ]

  nested_statements = [
    {
      Sid      = "RunObjects"
      Effect   = "Allow"
      Action   = ["states:StartExecution"]
      Resource = [local.machines["pipeline"].arn]
    },
    {
      Sid      = "FollowRuns"
      Effect   = "Allow"
      Action   = ["states:DescribeExecution", "states:StopExecution"]
      Resource = ["${local.arn_prefix["execution"]}:${local.names["pipeline"]}:*"]
    },
    {
      # Step Functions keeps this rule of its own to hear of the end of a nested execution.
      Sid    = "HearOfRuns"
      Effect = "Allow"
      Action = ["events:PutTargets", "events:PutRule", "events:DescribeRule"]
      Resource = [
        "arn:${data.aws_partition.current.partition}:events:${local.region}:${data.aws_caller_identity.current.account_id}:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"
      ]
    },
  ]

  # The results are encrypted with the key of the reports bucket.
  key_statements = var.kms_key_arn == null ? [] : [{
    Sid      = "EncryptResults"
    Effect   = "Allow"
    Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
    Resource = [var.kms_key_arn]
  }]

  common_statements = [
    {
      # CloudWatch Logs has no resource for log deliveries: AWS takes these actions on "*" alone.
      Sid    = "DeliverLogs"
      Effect = "Allow"
      Action = [
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:UpdateLogDelivery",
      ]
      Resource = ["*"]
    },
    {
      # Traces have no resource either.
      Sid    = "WriteTraces"
      Effect = "Allow"
      Action = [
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
      ]
      Resource = ["*"]
    },
  ]
}

resource "aws_iam_role" "this" {
  for_each = local.machines
  name     = "${each.value.name}-states"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "StepFunctions"
      Effect    = "Allow"
      Action    = ["sts:AssumeRole"]
      Principal = { Service = "states.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
        ArnLike      = { "aws:SourceArn" = "${local.arn_prefix["stateMachine"]}:*" }
      }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.machines
  name     = "run"
  role     = aws_iam_role.this[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid      = "InvokeStages"
        Effect   = "Allow"
        Action   = ["lambda:InvokeFunction"]
        Resource = [for stage in local.stages[each.key] : var.function_arns[stage]]
      }],
      local.statements[each.key],
      local.common_statements,
    )
  })
}
