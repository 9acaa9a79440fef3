terraform {
  required_version = ">= 1.11"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }

  # Bucket and region are the account's: terraform init -backend-config=backend.hcl
  backend "s3" {
    key          = "fonderie/artifacts.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
