# Who hears of what: a topic of notices, which the functions publish to by their own roles, CloudWatch and EventBridge by the topic's
# policy; a topic of what cannot wait is in urgent.tf.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  region  = data.aws_region.current.name

  topic_name = "${var.name}-notifications"
  topic_arn  = "arn:${data.aws_partition.current.partition}:sns:${local.region}:${local.account}:${local.topic_name}"
}

resource "aws_sns_topic" "this" {
  name              = local.topic_name
  display_name      = var.name
  kms_master_key_id = var.kms_key_arn
}

resource "aws_sns_topic_policy" "this" {
  arn = aws_sns_topic.this.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsPublish"
        Effect    = "Allow"
        Action    = ["sns:Publish"]
        Resource  = [local.topic_arn]
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account }
          ArnLike      = { "aws:SourceArn" = "arn:${data.aws_partition.current.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}-*" }
        }
      },
      {
        # EventBridge names no source to encrypted topics, so there is nothing to compare with.
        Sid       = "RulesPublish"
        Effect    = "Allow"
        Action    = ["sns:Publish"]
        Resource  = [local.topic_arn]
        Principal = { Service = "events.amazonaws.com" }
      },
      {
        # A role of another account could only come in by this policy, which does not name one; the account's own need their own leave.
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Action    = ["sns:Publish"]
        Resource  = [local.topic_arn]
        Principal = { AWS = "*" }
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.emails)

  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = each.key
}
