locals {
  # What the pipeline itself keeps, and the log of who touched it.
  roles = ["bronze", "silver", "quarantine", "reports", "datasets"]
  names = { for role in concat(local.roles, ["access-logs"]) : role => "${var.prefix}-${role}" }
  arns  = { for role, name in local.names : role => "arn:${local.partition}:s3:::${name}" }
}

# Who names no encryption gets the bucket's key. An object under another one could be written, and be read by no function: it is
# refused where it is written, so that the sender is told.
locals {
  no_foreign_key = {
    for role in local.roles : role => [
      {
        # Of KMS, no key but ours. Without the header of the key S3 would take the account's `aws/s3`; a condition that negates is
        # true where its key is absent, so that it is refused too.
        Sid       = "NoForeignKey"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${local.arns[role]}/*"
        Condition = {
          StringLike      = { "s3:x-amz-server-side-encryption" = "aws:kms*" }
          StringNotEquals = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = var.kms_key_arn }
        }
      },
      {
        # A key that the sender keeps.
        Sid       = "NoKeyOfTheSender"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:PutObject"
        Resource  = "${local.arns[role]}/*"
        Condition = { Null = { "s3:x-amz-server-side-encryption-customer-algorithm" = "false" } }
      },
    ]
  }
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144:A copy in another region would carry health data out of it; versions and the facilities' own files guard against loss.
  #checkov:skip=CKV2_AWS_62:Only uploads to bronze start anything.
  #checkov:skip=CKV_AWS_18:Every bucket but that of the access logs is logged; that one would log itself without end.
  for_each      = local.names
  bucket        = each.value
  force_destroy = var.force_destroy
}

# A run pins the versions of the object and of the bundle; what a stage writes again replaces what it wrote before.
resource "aws_s3_bucket_versioning" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  rule {
    # One data key per bucket and hour rather than one per object: KMS is asked, and paid, less.
    bucket_key_enabled = each.key != "access-logs"

    apply_server_side_encryption_by_default {
      # S3 delivers access logs to a bucket with S3's own encryption, and to no other.
      sse_algorithm     = each.key == "access-logs" ? "AES256" : "aws:kms"
      kms_master_key_id = each.key == "access-logs" ? null : var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = aws_s3_bucket.this
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# No access lists: what a facility uploads belongs to the bucket's owner.
resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_logging" "this" {
  for_each      = toset(local.roles)
  bucket        = aws_s3_bucket.this[each.key].id
  target_bucket = aws_s3_bucket.this["access-logs"].id
  target_prefix = "${each.key}/"

  depends_on = [aws_s3_bucket_policy.this]
}

resource "aws_s3_bucket_policy" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.arns[each.key], "${local.arns[each.key]}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      each.key == "access-logs" ? [] : local.no_foreign_key[each.key],
      each.key == "access-logs" ? [{
        Sid       = "DeliverAccessLogs"
        Effect    = "Allow"
        Principal = { Service = "logging.s3.amazonaws.com" }
        Action    = "s3:PutObject"
        Resource  = "${local.arns[each.key]}/*"
        Condition = {
          ArnEquals    = { "aws:SourceArn" = [for role in local.roles : local.arns[role]] }
          StringEquals = { "aws:SourceAccount" = local.account }
        }
      }] : [],
      each.key == "access-logs" ? local.deliver_trail : [],
    )
  })

  # S3 refuses two changes of a bucket's access at once.
  depends_on = [aws_s3_bucket_public_access_block.this]
}
