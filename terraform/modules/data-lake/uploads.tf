locals {
  queue_names = {
    uploads      = "${var.prefix}-uploads"
    dead_letters = "${var.prefix}-dead-letters"
  }
  queue_arns = { for role, name in local.queue_names : role => "arn:${local.partition}:sqs:${local.region}:${local.account}:${name}" }

  queue_tls_only = {
    for role, arn in local.queue_arns : role => {
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }
  }
}

# The policies of both queues are attributes and no resources of their own: each change of a queue is waited for.
resource "aws_sqs_queue" "uploads" {
  name                       = local.queue_names.uploads
  visibility_timeout_seconds = 6 * var.consumer_timeout_seconds
  message_retention_seconds  = 1209600 # the longest that SQS has: 14 days
  receive_wait_time_seconds  = 20
  kms_master_key_id          = var.kms_key_arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.queue_tls_only.uploads,
      {
        Sid       = "BronzeTellsOfUploads"
        Effect    = "Allow"
        Principal = { Service = "s3.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.queue_arns.uploads
        Condition = {
          ArnEquals    = { "aws:SourceArn" = local.arns.bronze }
          StringEquals = { "aws:SourceAccount" = local.account }
        }
      },
    ]
  })

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
    maxReceiveCount     = var.max_receive_count
  })
}

# Uploads that could not be taken, and daily runs that could not be started.
resource "aws_sqs_queue" "dead_letters" {
  name                      = local.queue_names.dead_letters
  message_retention_seconds = 1209600
  kms_master_key_id         = var.kms_key_arn

  policy = jsonencode({ Version = "2012-10-17", Statement = [local.queue_tls_only.dead_letters] })

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arns.uploads]
  })
}

resource "aws_s3_bucket_notification" "bronze" {
  bucket = aws_s3_bucket.this["bronze"].id

  queue {
    id        = "uploads"
    queue_arn = aws_sqs_queue.uploads.arn
    events    = ["s3:ObjectCreated:*"]
  }

  # An upload before versioning would have no version to pin, one before encryption would lie under another key.
  depends_on = [aws_s3_bucket_versioning.this, aws_s3_bucket_server_side_encryption_configuration.this]
}
