# The scheduled run of each dataset, daily by default: score, publish, summarize, and the question which expected file did not come.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  group_arn = "arn:${data.aws_partition.current.partition}:scheduler:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:schedule-group/${var.name}"
}

resource "aws_scheduler_schedule_group" "this" {
  name = var.name
}

resource "aws_scheduler_schedule" "daily" {
  for_each = var.datasets

  name        = "${each.key}-daily"
  group_name  = aws_scheduler_schedule_group.this.name
  description = "Scores, marts and missing files of the dataset ${each.key}."
  state       = var.enabled ? "ENABLED" : "DISABLED"
  kms_key_arn = var.kms_key_arn

  schedule_expression          = coalesce(each.value.expression, var.expression)
  schedule_expression_timezone = each.value.time_zone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.state_machine_arn
    role_arn = aws_iam_role.this.arn
    input    = jsonencode({ dataset = each.key })

    # A start that is an hour late still makes up for the day; a second one on the same day does no harm.
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 10
    }

    dead_letter_config {
      arn = var.dead_letter_queue_arn
    }
  }

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_iam_role" "this" {
  name = "${var.name}-schedule"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Scheduler"
      Effect    = "Allow"
      Action    = ["sts:AssumeRole"]
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = {
        StringEquals = {
          "aws:SourceAccount" = data.aws_caller_identity.current.account_id
          "aws:SourceArn"     = local.group_arn
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "start"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "StartRuns"
          Effect   = "Allow"
          Action   = ["states:StartExecution"]
          Resource = [var.state_machine_arn]
        },
        {
          Sid      = "KeepLostStarts"
          Effect   = "Allow"
          Action   = ["sqs:SendMessage"]
          Resource = [var.dead_letter_queue_arn]
        },
      ],
      # Decrypts the schedule's input, and encrypts what goes to the dead-letter queue.
      var.kms_key_arn == null ? [] : [{
        Sid      = "UseKey"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = [var.kms_key_arn]
      }],
    )
  })
}
