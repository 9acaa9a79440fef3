# The whole of prod against a mocked AWS. It is applied, so that the state that `terraform test -json -verbose` prints has each
# policy in full.

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

  # The guard refuses to be destroyed, by the end of a test too.
  override_module {
    target  = module.environment.module.destroy_guard
    outputs = { guarded = true }
  }

  assert {
    condition     = output.buckets["bronze"] == "fonderie-prod-123456789012-bronze"
    error_message = "The buckets bear the names of environment and account."
  }

  assert {
    condition     = startswith(output.database_changes, "In the maintenance window")
    error_message = "A change of the database is made at another time than it should: ${output.database_changes}"
  }

  assert {
    condition     = output.network.cidr == "10.20.32.0/20" && output.network.bastion_instance_id == null
    error_message = "prod has addresses of its own, and a bastion on demand."
  }

  assert {
    condition     = output.database.replica_host == null
    error_message = "There is a replica that nobody asked for."
  }

  assert {
    condition = output.functions == {
      for key in [
        "admit", "ingest", "load", "prepare-database", "publish", "rebuild", "record-failure", "rotate-secret", "score",
        "summarize", "transform", "validate",
      ] : key => "fonderie-prod-${key}"
    }
    error_message = "The functions are those of functions/, each with the environment's name."
  }
}

# Planned only: what the guard protects cannot be cleaned up after a test.
run "protected" {
  command = plan

  assert {
    condition = output.protection == {
      multi_az             = true
      backup_days          = 30
      deletion_protection  = true
      final_snapshot       = true
      keeps_statements     = false
      buckets_keep_objects = true
      destroy_guard        = true
    }
    error_message = "prod is not protected as it should be: ${jsonencode(output.protection)}."
  }
}

run "now" {
  command = plan

  variables {
    apply_immediately = true
  }

  assert {
    condition     = startswith(output.database_changes, "At once")
    error_message = "An operator who cannot wait for the window does not: ${output.database_changes}"
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
