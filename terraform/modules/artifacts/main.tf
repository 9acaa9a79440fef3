# The functions' packages, built once for all environments. A package's key has its hash in it, so that a manifest names bytes.

data "aws_partition" "current" {}

locals {
  arn = "arn:${data.aws_partition.current.partition}:s3:::${var.bucket}"
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_144:A package can be built again from its commit.
  #checkov:skip=CKV_AWS_145:Code and no data; a key of our own would have to be shared with each account that reads.
  #checkov:skip=CKV_AWS_18:Who reads a package matters to nobody: it is built from a public repository.
  #checkov:skip=CKV2_AWS_62:An upload starts nothing.
  bucket        = var.bucket
  force_destroy = var.force_destroy
}

# A package that was overwritten or deleted can be had back.
resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "keep"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = 365
    }
  }

  # Older versions are there once versions are on.
  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.arn, "${local.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }],
      # Lambda reads a package with the rights of whoever deploys.
      length(var.reader_accounts) == 0 ? [] : [{
        Sid       = "OtherAccountsDeploy"
        Effect    = "Allow"
        Principal = { AWS = [for account in var.reader_accounts : "arn:${data.aws_partition.current.partition}:iam::${account}:root"] }
        Action    = ["s3:GetObject", "s3:GetObjectVersion"]
        Resource  = ["${local.arn}/functions/*"]
      }],
    )
  })

  # S3 refuses two changes of a bucket's access at once.
  depends_on = [aws_s3_bucket_public_access_block.this]
}
