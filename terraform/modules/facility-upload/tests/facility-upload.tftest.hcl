mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name        = "fonderie-test"
  bucket      = "fonderie-test-123456789012-bronze"
  kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/test"
  facilities = {
    clinique_b = {
      dataset     = "facturation"
      principals  = ["arn:aws:iam::210987654321:role/export"]
      external_id = "c0ffee"
      files       = ["etablissement_B*.csv"]
    }
    hopital_a = {
      dataset    = "facturation"
      principals = ["arn:aws:iam::310987654321:root"]
      files      = ["etablissement_A*.csv", "etablissement_A*.xlsx"]
    }
  }
}

run "a_facility_puts_its_own_files_below_its_own_prefix" {
  command = apply

  assert {
    condition = jsondecode(aws_iam_role_policy.this["clinique_b"].policy).Statement == [
      {
        Sid      = "Upload"
        Effect   = "Allow"
        Action   = ["s3:PutObject", "s3:AbortMultipartUpload"]
        Resource = ["arn:aws:s3:::fonderie-test-123456789012-bronze/facturation/clinique_b/etablissement_B*.csv"]
      },
      {
        Sid       = "Encrypt"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [var.kms_key_arn]
        Condition = { StringEquals = { "kms:ViaService" = "s3.eu-west-1.amazonaws.com" } }
      },
    ]
    error_message = "The role puts files of the facility's names below its prefix, and uses the key through S3 only."
  }
  assert {
    condition     = toset([for policy in aws_iam_role_policy.this : jsondecode(policy.policy).Statement[0].Resource[0]]) == toset([for name, letter in { clinique_b = "B", hopital_a = "A" } : "arn:aws:s3:::${var.bucket}/facturation/${name}/etablissement_${letter}*.csv"])
    error_message = "No two facilities share a prefix."
  }
  assert {
    condition     = jsondecode(aws_iam_role.this["clinique_b"].assume_role_policy).Statement[0].Condition.StringEquals["sts:ExternalId"] == "c0ffee"
    error_message = "The external id is asked for."
  }
  assert {
    condition     = output.instructions["clinique_b"].command == "aws s3 cp FILE s3://fonderie-test-123456789012-bronze/facturation/clinique_b/ --region eu-west-1" && output.instructions["hopital_a"].external_id == null
    error_message = "The output has what a facility needs: ${jsonencode(output.instructions)}."
  }
}

run "everybody_is_no_facility" {
  command = plan

  variables {
    facilities = { x = { dataset = "facturation", principals = ["*"], files = ["x*.csv"] } }
  }

  expect_failures = [var.facilities]
}

run "every_name_is_nobody_s" {
  command = plan

  variables {
    facilities = { x = { dataset = "facturation", principals = ["arn:aws:iam::210987654321:root"], files = ["*.csv"] } }
  }

  expect_failures = [var.facilities]
}

run "none" {
  command = plan

  variables {
    facilities = {}
  }

  assert {
    condition     = length(aws_iam_role.this) == 0
    error_message = "A role is there that nobody asked for."
  }
}
