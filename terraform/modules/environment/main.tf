# An environment in an AWS account: key, network, database, and the pipeline between them.

data "aws_caller_identity" "current" {}

locals {
  # No zip is hashed here: whoever plans on another machine sees the same packages.
  manifest = jsondecode(file(var.manifest))
  packages = { for name, package in local.manifest.packages : name => merge(package, { bucket = var.artifacts_bucket }) }
}

module "destroy_guard" {
  source    = "../destroy-guard"
  protected = var.protected
}

module "key" {
  source = "../key"
  name   = var.name
}

module "network" {
  source = "../network"

  name               = var.name
  cidr               = var.cidr
  endpoint_zones     = var.endpoint_zones
  bucket_prefix      = "${var.name}-${data.aws_caller_identity.current.account_id}"
  analyst_cidrs      = var.analyst_cidrs
  kms_key_arn        = module.key.arn
  log_retention_days = var.log_retention_days
}

module "bastion" {
  source = "../bastion"
  count  = var.bastion ? 1 : 0

  name               = var.name
  vpc_id             = module.network.vpc_id
  subnet_id          = module.network.subnet_ids[0]
  security_group_ids = module.network.security_group_ids
  kms_key_arn        = module.key.arn
}

module "database" {
  source = "../database"

  name             = var.name
  postgres_version = var.database.postgres_version
  instance_class   = var.database.instance_class
  allocated_gb     = var.database.allocated_gb
  max_allocated_gb = var.database.max_allocated_gb
  max_connections  = var.database.max_connections
  multi_az         = var.database.multi_az
  backup_days      = var.database.backup_days
  insights         = coalesce(var.database.insights, var.protected ? "off" : "standard")
  log_exports      = var.database.log_exports
  read_replica     = var.database.read_replica
  final_snapshot   = var.database.final_snapshot

  master_password         = var.master_password
  master_password_version = var.database.master_password_version

  apply_immediately  = coalesce(var.apply_immediately, !var.protected)
  protected          = var.protected
  subnet_ids         = module.network.subnet_ids
  security_group_id  = module.network.security_group_ids["database"]
  kms_key_arn        = module.key.arn
  log_retention_days = var.log_retention_days
}

module "pipeline" {
  source = "../pipeline"

  name               = var.name
  packages           = local.packages
  architecture       = local.manifest.architecture
  datasets           = var.datasets
  default_dataset    = var.default_dataset
  kms_key_arn        = module.key.arn
  concurrency        = var.concurrency
  backfill           = var.backfill
  schedule           = var.schedule
  paused             = var.paused
  lifecycle_days     = var.lifecycle_days
  largest_file_mb    = coalesce(var.largest_file_mb, 256)
  data_events        = var.data_events
  emails             = var.emails
  alarm_emails       = var.alarm_emails
  runbook_base_url   = var.runbook_base_url
  log_retention_days = var.log_retention_days
  force_destroy      = !var.protected

  network = {
    subnet_ids        = module.network.subnet_ids
    security_group_id = module.network.security_group_ids["functions"]
  }

  database = {
    host              = module.database.host
    port              = module.database.port
    name              = module.database.name
    master_secret_arn = module.database.master_secret_arn
    max_connections   = module.database.max_connections
    instance = {
      identifier     = module.database.identifier
      allocated_gb   = module.database.allocated_gb
      instance_class = module.database.instance_class
      replica        = module.database.replica_identifier
    }
  }
}

module "facility_upload" {
  source = "../facility-upload"

  name        = var.name
  bucket      = module.pipeline.buckets["bronze"]
  kms_key_arn = module.key.arn
  facilities  = var.facilities
}

# How many invocations the account may run at once: a new account may have 10, and the apply would fail in its middle.
data "aws_servicequotas_service_quota" "lambda_concurrency" {
  service_code = "lambda"
  quota_code   = "L-B99A9384"
}

locals {
  # AWS keeps these for the functions that reserve nothing.
  concurrency_needed = module.pipeline.reserved_concurrency + 100
}

resource "terraform_data" "quota" {
  input = local.concurrency_needed

  lifecycle {
    precondition {
      condition     = data.aws_servicequotas_service_quota.lambda_concurrency.value >= local.concurrency_needed
      error_message = "This account may run ${data.aws_servicequotas_service_quota.lambda_concurrency.value} Lambda invocations at once, and ${local.concurrency_needed} are needed: the functions reserve ${module.pipeline.reserved_concurrency}, and AWS keeps 100 for the others. Ask AWS for 1,000 (Service Quotas, AWS Lambda, Concurrent executions), or lower `concurrency`."
    }
  }
}
