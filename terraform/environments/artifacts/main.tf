# The bucket of the functions' packages: one for all environments, applied once.
provider "aws" {
  region = var.region

  default_tags {
    tags = { project = "fonderie", environment = "artifacts" }
  }
}

data "aws_caller_identity" "current" {}

module "artifacts" {
  source = "../../modules/artifacts"

  bucket          = "${data.aws_caller_identity.current.account_id}-fonderie-artifacts"
  reader_accounts = var.reader_accounts
}
