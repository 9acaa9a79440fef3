locals {
  localstack = var.endpoint != null
}

# LocalStack takes any credentials, has no metadata service to ask, and no DNS names for buckets.
provider "aws" {
  region                      = var.region
  access_key                  = local.localstack ? "test" : null
  secret_key                  = local.localstack ? "test" : null
  skip_credentials_validation = local.localstack
  skip_metadata_api_check     = local.localstack
  skip_region_validation      = local.localstack
  s3_use_path_style           = local.localstack

  endpoints {
    cloudwatchlogs = var.endpoint
    iam            = var.endpoint
    lambda         = var.endpoint
    s3             = var.endpoint
    secretsmanager = var.endpoint
    sfn            = var.endpoint
    sqs            = var.endpoint
    sts            = var.endpoint
  }
}
