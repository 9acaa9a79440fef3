mock_provider "aws" {
  source = "../../mocks"
}

variables {
  bucket = "123456789012-fonderie-artifacts"
}

run "versions_are_kept_and_nothing_is_public" {
  command = plan

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled" && !aws_s3_bucket.this.force_destroy
    error_message = "A package that was overwritten can be had back."
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls, aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls, aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "Public access is off."
  }
}

run "other_accounts_read_packages_and_write_nothing" {
  command = apply

  variables {
    reader_accounts = ["210987654321"]
  }

  assert {
    condition = jsondecode(aws_s3_bucket_policy.this.policy).Statement[1] == {
      Sid       = "OtherAccountsDeploy"
      Effect    = "Allow"
      Principal = { AWS = ["arn:aws:iam::210987654321:root"] }
      Action    = ["s3:GetObject", "s3:GetObjectVersion"]
      Resource  = ["arn:aws:s3:::123456789012-fonderie-artifacts/functions/*"]
    }
    error_message = "The accounts of staging and prod read packages."
  }
}

run "of_this_account_alone" {
  command = apply

  assert {
    condition     = [for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement : statement.Sid] == ["TlsOnly"]
    error_message = "Nobody else reads unless it is named."
  }
}

run "an_account_that_is_none" {
  command = plan

  variables {
    reader_accounts = ["staging"]
  }

  expect_failures = [var.reader_accounts]
}
