data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  queue_name = "${var.prefix}-uploads"
  queue_arn  = "arn:${data.aws_partition.current.partition}:sqs:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}:${local.queue_name}"
}

# The policies of both queues are attributes and no resources of their own: each change of a queue is waited for.
resource "aws_sqs_queue" "uploads" {
  name                       = local.queue_name
  visibility_timeout_seconds = 6 * var.consumer_timeout_seconds
  message_retention_seconds  = 1209600 # the longest that SQS has: 14 days
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true
  policy                     = data.aws_iam_policy_document.uploads.json

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.max_receive_count
  })
}

resource "aws_sqs_queue" "dead_letters" {
  name                      = "${local.queue_name}-dead-letters"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arn]
  })
}

data "aws_iam_policy_document" "uploads" {
  statement {
    sid       = "BronzeTellsOfUploads"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arn]

    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_s3_bucket.this["bronze"].arn]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_s3_bucket_notification" "bronze" {
  bucket = aws_s3_bucket.this["bronze"].id

  queue {
    id        = "uploads"
    queue_arn = aws_sqs_queue.uploads.arn
    events    = ["s3:ObjectCreated:*"]
  }

  # An upload before versioning would have no version to pin.
  depends_on = [aws_s3_bucket_versioning.this]
}
