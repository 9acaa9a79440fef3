locals {
  # The files that fonderie_contract::Bundle takes; scenarios and notes are none of the pipeline's business.
  patterns = ["dataset.toml", "messages.toml", "records/*.toml", "sources/*.toml", "warehouse/*.sql", "models/*.sql", "checks/*.sql", "preparation/*.sql", "marts/*.sql", "queries/*.sql", "exports/*.toml", "exports/*.sql"]
  files    = toset(flatten([for pattern in local.patterns : tolist(fileset(var.folder, pattern))]))
}

# What the database is made ready for. Runs begin with the copy that is published afterwards, as `<name>.json`. One object, so that
# nobody ever sees half of a change.
resource "aws_s3_object" "next" {
  bucket       = var.bucket
  key          = "next/${var.name}.json"
  content_type = "application/json"
  content      = jsonencode({ for path in local.files : path => file("${var.folder}/${path}") })
  kms_key_id   = var.kms_key_arn
}
