module "key" {
  source = "../../modules/key"

  name                 = var.name
  deletion_window_days = 7
}

locals {
  manifest = jsondecode(file("${var.packages}/manifest.json"))
}

module "artifacts" {
  source = "../../modules/artifacts"

  bucket        = "${var.name}-artifacts"
  force_destroy = true
}

resource "aws_s3_object" "package" {
  #checkov:skip=CKV_AWS_186:Code and no data.
  for_each = local.manifest.packages

  bucket      = module.artifacts.bucket
  key         = each.value.key
  source      = "${var.packages}/${each.key}.zip"
  source_hash = each.value.hash
}

module "pipeline" {
  source = "../../modules/pipeline"

  name             = var.name
  architecture     = local.manifest.architecture
  datasets         = var.datasets
  default_dataset  = var.default_dataset
  kms_key_arn      = module.key.arn
  emails           = var.emails
  paused           = var.paused
  runbook_base_url = "https://example.org/runbooks"
  force_destroy    = true
  network          = null # functions reach the database as this machine does

  # Once they are uploaded.
  packages = {
    for name, package in local.manifest.packages :
    name => { bucket = module.artifacts.bucket, key = aws_s3_object.package[name].key, hash = package.hash }
  }

  database = merge(var.database, {
    # The version's, so that nobody asks for the secret before it has a value.
    master_secret_arn = aws_secretsmanager_secret_version.master.arn
    tls               = var.database_tls
    roots_file        = var.database_roots_file
  })

  # Seconds, so that a test sees the last attempt; two of them outlast a database that is away for ten.
  retry = {
    inactive_interval_seconds  = 1
    inactive_max_delay_seconds = 3
    transient_interval_seconds = 6
    busy_interval_seconds      = 1
    busy_max_delay_seconds     = 3
    service_interval_seconds   = 1
  }

  log_retention_days = 1
}

# What RDS makes by itself.
resource "aws_secretsmanager_secret" "master" {
  #checkov:skip=CKV2_AWS_57:RDS rotates the master's password by itself; here it is a server of this machine.
  name                    = "${var.name}-master"
  description             = "The master of the database: {username, password}."
  kms_key_id              = module.key.arn
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "master" {
  secret_id     = aws_secretsmanager_secret.master.id
  secret_string = jsonencode(var.master)
}
