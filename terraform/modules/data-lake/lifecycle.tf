locals {
  # Days after which the current version of an object becomes an older one; null where objects stay.
  expiry = {
    bronze      = var.lifecycle_days.bronze
    silver      = var.lifecycle_days.silver
    quarantine  = var.lifecycle_days.quarantine
    reports     = var.lifecycle_days.reports
    datasets    = null
    access-logs = var.lifecycle_days.access_logs
  }

  # Days after which an older version goes. A bundle stays: the ledger names the version that a run read.
  noncurrent = {
    for role in keys(local.expiry) : role => role == "datasets" ? null : var.lifecycle_days.noncurrent
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  rule {
    id     = "keep"
    status = "Enabled"
    filter {}

    # What a killed function began to write and nobody will finish.
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    dynamic "expiration" {
      for_each = local.expiry[each.key] == null ? [] : [local.expiry[each.key]]
      content {
        days = expiration.value
      }
    }

    dynamic "noncurrent_version_expiration" {
      for_each = local.noncurrent[each.key] == null ? [] : [local.noncurrent[each.key]]
      content {
        noncurrent_days = noncurrent_version_expiration.value
      }
    }
  }

  # Older versions are there once versions are on.
  depends_on = [aws_s3_bucket_versioning.this]
}
