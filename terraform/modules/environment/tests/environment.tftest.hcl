mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name               = "fonderie-test"
  region             = "eu-west-1"
  cidr               = "10.20.0.0/20"
  protected          = true
  manifest           = "../../mocks/manifest.json"
  artifacts_bucket   = "123456789012-fonderie-artifacts"
  datasets           = { facturation = "../../../datasets/facturation" }
  default_dataset    = "facturation"
  emails             = []
  runbook_base_url   = "https://example.org/runbooks"
  log_retention_days = 30
  database           = { multi_az = false, backup_days = 7, read_replica = true }
  master_password    = "correct-horse-battery"
}

run "a_region_of_the_eea" {
  command = plan

  variables {
    region = "eu-south-2"
  }

  assert {
    condition     = output.buckets["access-logs"] == "fonderie-test-123456789012-access-logs"
    error_message = "The buckets bear the names of environment and account."
  }
}

run "london_is_outside" {
  command = plan

  variables {
    region = "eu-west-2"
  }

  expect_failures = [var.region]
}

run "zurich_is_outside" {
  command = plan

  variables {
    region = "eu-central-2"
  }

  expect_failures = [var.region]
}

run "a_budget" {
  command = plan

  variables {
    monthly_budget_usd = 250
    alarm_emails       = ["astreinte@example.org"]
  }

  assert {
    condition = (
      output.monthly_budget_usd == "250.00"
      && [for notification in aws_budgets_budget.this[0].notification : notification.subscriber_email_addresses] == [toset(["astreinte@example.org"]), toset(["astreinte@example.org"])]
    )
    error_message = "Those on call hear of a month that costs more."
  }
}

run "a_bastion" {
  command = apply

  variables {
    protected = false
    bastion   = true
  }

  assert {
    condition     = output.network.bastion_instance_id != null
    error_message = "There is no bastion."
  }
}

run "outside_on_purpose" {
  command = plan

  variables {
    region                   = "us-east-1"
    allow_region_outside_eea = true
  }

  assert {
    condition     = output.protection.deletion_protection
    error_message = "Protection has nothing to do with the region."
  }
}

run "a_new_account_is_told_before_the_apply" {
  command = plan

  override_data {
    target = data.aws_servicequotas_service_quota.lambda_concurrency
    values = { value = 10 }
  }

  expect_failures = [terraform_data.quota]
}

run "a_facility_is_told_what_it_needs" {
  command = plan

  variables {
    facilities = {
      clinique_b = { dataset = "facturation", principals = ["arn:aws:iam::210987654321:root"], files = ["etablissement_B*.csv"] }
    }
  }

  assert {
    condition     = output.facilities.largest_file_mb == 256 && keys(output.facilities.instructions) == ["clinique_b"]
    error_message = "The output names the facility and the largest file."
  }
}
