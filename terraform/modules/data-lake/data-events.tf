# Who read and wrote which object: the access logs are delivered at S3's leisure, and may lack some; CloudTrail lacks none.

locals {
  trail_name   = "${var.prefix}-data-events"
  trail_arn    = "arn:${local.partition}:cloudtrail:${local.region}:${local.account}:trail/${local.trail_name}"
  trail_prefix = "cloudtrail"

  deliver_trail = var.data_events ? [
    {
      Sid       = "TrailLooksAtTheBucket"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "s3:GetBucketAcl"
      Resource  = local.arns["access-logs"]
      Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
    },
    {
      Sid       = "DeliverTrail"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "${local.arns["access-logs"]}/${local.trail_prefix}/AWSLogs/${local.account}/*"
      Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn, "s3:x-amz-acl" = "bucket-owner-full-control" } }
    },
  ] : []
}

resource "aws_cloudtrail" "data_events" {
  #checkov:skip=CKV_AWS_35:It lies with the access logs, under S3's own encryption; it names keys and no content.
  #checkov:skip=CKV_AWS_67:The buckets lie in one region.
  #checkov:skip=CKV_AWS_252:An event is read when somebody asks, and is no news to anybody.
  #checkov:skip=CKV2_AWS_10:The events are looked up in the bucket; a second copy in CloudWatch would cost more than the pipeline.
  count = var.data_events ? 1 : 0

  name                          = local.trail_name
  s3_bucket_name                = aws_s3_bucket.this["access-logs"].id
  s3_key_prefix                 = local.trail_prefix
  include_global_service_events = false
  enable_log_file_validation    = true

  advanced_event_selector {
    name = "Objects of the data's buckets"

    field_selector {
      field  = "eventCategory"
      equals = ["Data"]
    }
    field_selector {
      field  = "resources.type"
      equals = ["AWS::S3::Object"]
    }
    field_selector {
      field       = "resources.ARN"
      starts_with = [for role in local.roles : "${local.arns[role]}/"]
    }
  }

  # CloudTrail asks whether it may write before it starts.
  depends_on = [aws_s3_bucket_policy.this]
}
