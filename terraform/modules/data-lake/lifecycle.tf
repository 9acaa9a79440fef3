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

  # What a killed function began to write and nobody will finish.
  rule {
    id     = "abandoned-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  dynamic "rule" {
    for_each = local.expiry[each.key] == null ? [] : [local.expiry[each.key]]
    content {
      id     = "expiry"
      status = "Enabled"
      filter {}

      expiration {
        days = rule.value
      }
    }
  }

  dynamic "rule" {
    for_each = local.noncurrent[each.key] == null ? [] : [local.noncurrent[each.key]]
    content {
      id     = "older-versions"
      status = "Enabled"
      filter {}

      noncurrent_version_expiration {
        noncurrent_days = rule.value
      }
    }
  }

  # Rules on older versions need versions.
  depends_on = [aws_s3_bucket_versioning.this]
}
