locals {
  # The files that fonderie_contract::Bundle takes; scenarios and notes are none of the pipeline's business.
  patterns = ["dataset.toml", "messages.toml", "records/*.toml", "sources/*.toml", "warehouse/*.sql", "models/*.sql", "checks/*.sql", "preparation/*.sql", "marts/*.sql", "queries/*.sql", "exports/*.toml", "exports/*.sql"]
  files    = toset(flatten([for pattern in local.patterns : tolist(fileset(var.folder, pattern))]))

  # Keys above the tables of dataset.toml, which Terraform cannot parse; the bundle's contract says what they may be.
  declaration = file("${var.folder}/dataset.toml")
  root_key    = "(?m)^[ \\t]*%s[ \\t]*=[ \\t]*[\"']([^\"'\\n]+)[\"']"
  schedule    = flatten(regexall(format(local.root_key, "schedule"), local.declaration))
  cron        = length(local.schedule) == 1 ? split(" ", local.schedule[0]) : null
}

# One object, so that a run never sees half of a change.
resource "aws_s3_object" "this" {
  bucket       = var.bucket
  key          = "${var.name}.json"
  content_type = "application/json"
  content      = jsonencode({ for path in local.files : path => file("${var.folder}/${path}") })
  kms_key_id   = var.kms_key_arn
}
