provider "aws" {
  region = var.region

  default_tags {
    tags = { project = "fonderie", environment = "prod" }
  }
}

module "environment" {
  source = "../../modules/environment"

  region                   = var.region
  allow_region_outside_eea = var.allow_region_outside_eea
  manifest                 = var.manifest
  artifacts_bucket         = var.artifacts_bucket
  datasets                 = var.datasets
  default_dataset          = var.default_dataset
  emails                   = var.emails
  alarm_emails             = var.alarm_emails
  monthly_budget_usd       = var.monthly_budget_usd
  runbook_base_url         = var.runbook_base_url
  cidr                     = var.cidr
  paused                   = var.paused
  facilities               = var.facilities
  largest_file_mb          = var.largest_file_mb
  data_events              = var.data_events
  analyst_cidrs            = var.analyst_cidrs
  endpoint_zones           = var.endpoint_zones
  bastion                  = var.bastion
  master_password          = var.master_password
  apply_immediately        = var.apply_immediately

  # What is prod's own.
  name               = "fonderie-prod"
  protected          = true
  log_retention_days = 365
  lifecycle_days     = { noncurrent = 90 }

  database = {
    multi_az     = true
    backup_days  = 30
    read_replica = false
  }
}
