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
    condition     = output.buckets["bronze"] == "fonderie-staging-123456789012-bronze"
    error_message = "The buckets bear the names of environment and account."
  }

  assert {
    condition = output.protection == {
      multi_az             = false
      backup_days          = 7
      deletion_protection  = true
      final_snapshot       = true
      buckets_keep_objects = true
    }
    error_message = "staging is not protected as it should be: ${jsonencode(output.protection)}."
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
