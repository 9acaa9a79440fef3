# The topic of what cannot wait: the pipeline or its database does not work. Notices about files are none of its business.

locals {
  urgent_name = "${var.name}-alarms"
  urgent_arn  = "arn:${data.aws_partition.current.partition}:sns:${local.region}:${local.account}:${local.urgent_name}"
}

resource "aws_sns_topic" "urgent" {
  name              = local.urgent_name
  display_name      = "${var.name} alarms"
  kms_master_key_id = var.kms_key_arn
}

# CloudWatch may publish to both topics, RDS to this one only, and rules of EventBridge to the other only.
resource "aws_sns_topic_policy" "urgent" {
  arn = aws_sns_topic.urgent.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        for statement in jsondecode(aws_sns_topic_policy.this.policy).Statement : merge(statement, { Resource = [local.urgent_arn] })
        if contains(["AlarmsPublish", "TlsOnly"], statement.Sid)
      ],
      [{
        Sid       = "DatabasePublishes"
        Effect    = "Allow"
        Action    = ["sns:Publish"]
        Resource  = [local.urgent_arn]
        Principal = { Service = "events.rds.amazonaws.com" }
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      }],
    )
  })
}

resource "aws_sns_topic_subscription" "urgent" {
  for_each = toset(coalesce(var.alarm_emails, var.emails))

  topic_arn = aws_sns_topic.urgent.arn
  protocol  = "email"
  endpoint  = each.key
}
