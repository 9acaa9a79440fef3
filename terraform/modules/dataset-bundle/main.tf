locals {
  # The files that fonderie_contract::Bundle takes; scenarios and notes are none of the pipeline's business.
  patterns = ["dataset.toml", "messages.toml", "records/*.toml", "sources/*.toml", "warehouse/*.sql", "models/*.sql", "checks/*.sql", "preparation/*.sql", "marts/*.sql", "queries/*.sql", "exports/*.toml", "exports/*.sql"]
  files    = toset(flatten([for pattern in local.patterns : tolist(fileset(var.folder, pattern))]))
}

# One object, so that a run never sees half of a change.
resource "aws_s3_object" "this" {
  bucket       = var.bucket
  key          = "${var.name}.json"
  content_type = "application/json"
  content      = jsonencode({ for path in local.files : path => file("${var.folder}/${path}") })
  kms_key_id   = var.kms_key_arn
}
