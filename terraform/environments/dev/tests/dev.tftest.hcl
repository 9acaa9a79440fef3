mock_provider "aws" {
  source = "../../mocks"
}

variables {
  manifest         = "../../mocks/manifest.json"
  artifacts_bucket = "123456789012-fonderie-artifacts"
  emails           = ["exploitation@example.org"]
  runbook_base_url = "https://example.org/runbooks"

  # Unused without a replica; `terraform test` loses track of a variable that is in no state unless it has a value.
  master_password = "correct-horse-battery"
}

run "apply" {
  command = apply

  assert {
    condition     = output.buckets["bronze"] == "fonderie-dev-123456789012-bronze"
    error_message = "The buckets bear the names of environment and account."
  }

  assert {
    condition     = startswith(output.database_changes, "At once")
    error_message = "A change of the database is made at another time than it should: ${output.database_changes}"
  }

  assert {
    condition     = output.network.cidr == "10.20.0.0/20" && output.network.bastion_instance_id == null
    error_message = "dev has addresses of its own, and a bastion on demand."
  }

  assert {
    condition = output.protection == {
      multi_az             = false
      backup_days          = 1
      deletion_protection  = false
      final_snapshot       = false
      keeps_statements     = true
      buckets_keep_objects = false
      destroy_guard        = false
    }
    error_message = "dev is not protected as it should be: ${jsonencode(output.protection)}."
  }
}

run "paused" {
  command = plan

  variables {
    paused = true
  }

  assert {
    condition     = output.at_rest == { schedule = true, uploads = true, alarms = true }
    error_message = "A paused environment works or complains: ${jsonencode(output.at_rest)}."
  }
}
