# How a facility uploads with an account of its own: a role that puts files below one prefix of bronze, and does nothing else.

data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket}"
  prefixes   = { for name, facility in var.facilities : name => "${facility.dataset}/${name}/" }
}

resource "aws_iam_role" "this" {
  for_each = var.facilities

  name                 = "${var.name}-upload-${each.key}"
  description          = "The facility ${each.key} uploads its files to ${local.prefixes[each.key]}."
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [merge(
      {
        Sid       = "Facility"
        Effect    = "Allow"
        Action    = ["sts:AssumeRole"]
        Principal = { AWS = each.value.principals }
      },
      each.value.external_id == null ? {} : { Condition = { StringEquals = { "sts:ExternalId" = each.value.external_id } } },
    )]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = var.facilities

  name = "upload"
  role = aws_iam_role.this[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # By its name a file belongs to a facility: another facility's name is refused here.
        Sid      = "Upload"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
        Resource = [for pattern in each.value.files : "${local.bucket_arn}/${local.prefixes[each.key]}${pattern}"]
      },
      {
        # A large file comes in parts, which S3 reads to put them together.
        Sid       = "Encrypt"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [var.kms_key_arn]
        Condition = { StringEquals = { "kms:ViaService" = "s3.${data.aws_region.current.name}.amazonaws.com" } }
      },
    ]
  })
}
