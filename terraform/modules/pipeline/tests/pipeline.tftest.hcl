mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name = "fonderie-test"
  packages = {
    for name in [
      "admit", "ingest", "load", "prepare-database", "publish", "rebuild", "record-failure", "rotate-secret", "score", "summarize",
      "transform", "validate",
    ] : name => { bucket = "artifacts", key = "functions/${name}/e3b0.zip", hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
  }
  datasets           = { facturation = "../../../datasets/facturation" }
  default_dataset    = "facturation"
  kms_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/test"
  runbook_base_url   = "https://example.org/runbooks"
  network            = { subnet_ids = ["subnet-a", "subnet-b"], security_group_id = "sg-functions" }
  log_retention_days = 30

  database = {
    host              = "database.example.org"
    port              = 5432
    name              = "fonderie"
    master_secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:master-AbCdEf"
    max_connections   = 200
    instance          = { identifier = "fonderie-test", allocated_gb = 50 }
  }
}

run "plan" {
  command = plan

  assert {
    condition     = output.buckets["bronze"] == "fonderie-test-123456789012-bronze"
    error_message = "The buckets bear the names of environment and account."
  }

  assert {
    condition     = aws_secretsmanager_secret.database.kms_key_id == var.kms_key_arn && aws_secretsmanager_secret.database.recovery_window_in_days == 30
    error_message = "The secret is encrypted with our key, and can be had back."
  }

  assert {
    condition     = aws_secretsmanager_secret_rotation.database.rotation_rules[0].automatically_after_days == 30
    error_message = "The password is changed every 30 days."
  }

  assert {
    condition     = aws_lambda_permission.rotate_secret.principal == "secretsmanager.amazonaws.com" && aws_lambda_permission.rotate_secret.source_account == "123456789012"
    error_message = "Secrets Manager rotates, for this account."
  }

  assert {
    condition     = jsondecode(aws_lambda_invocation.prepare_database.input).datasets == ["facturation"] && jsondecode(aws_lambda_invocation.prepare_database.input).next
    error_message = "The warehouse is prepared for each dataset, as it is about to be published."
  }
}

run "the_bundle_is_published_as_it_was_prepared_for" {
  command = apply

  assert {
    condition     = aws_s3_object.bundle["facturation"].key == "facturation.json" && aws_s3_object.bundle["facturation"].content == module.dataset["facturation"].content
    error_message = "Runs begin with another bundle than the database was made ready for."
  }
}

run "the_largest_file_is_stated" {
  command = plan

  variables {
    largest_file_mb = 100
  }

  assert {
    condition     = local.stages.admit.environment.LARGEST_FILE_MB == "100" && output.largest_file_mb == 100
    error_message = "`admit` refuses a file that is larger than the environment says."
  }
}

run "at_work" {
  command = plan

  assert {
    condition     = aws_lambda_event_source_mapping.uploads.enabled && output.at_rest == { schedule = false, uploads = false, alarms = false }
    error_message = "Schedule, uploads and alarms are on: ${jsonencode(output.at_rest)}."
  }
}

run "paused" {
  command = plan

  variables {
    paused = true
  }

  assert {
    condition     = !aws_lambda_event_source_mapping.uploads.enabled && output.at_rest == { schedule = true, uploads = true, alarms = true }
    error_message = "Schedule, uploads and alarms are off: ${jsonencode(output.at_rest)}."
  }

  assert {
    condition     = jsondecode(aws_lambda_invocation.prepare_database.input).max_connections == 200
    error_message = "The pipeline's share is counted of the connections that are to be."
  }
}

run "only_daily_runs_are_missed" {
  command = plan

  # The wine merchant's run is monthly.
  variables {
    datasets = { facturation = "../../../datasets/facturation", vin = "../../../datasets/vin" }
  }

  assert {
    condition     = output.daily_datasets == toset(["facturation"])
    error_message = "An alarm on a daily run watches ${jsonencode(output.daily_datasets)}."
  }
}

run "without_a_schedule_nothing_is_missed" {
  command = plan

  variables {
    schedule = { enabled = false }
  }

  assert {
    condition     = length(output.daily_datasets) == 0
    error_message = "A run that is switched off is not missed."
  }
}

run "what_is_not_protected_goes_at_once" {
  command = plan

  variables {
    force_destroy = true
  }

  # A secret that is kept for days would refuse the next apply its name.
  assert {
    condition     = aws_secretsmanager_secret.database.recovery_window_in_days == 0 && !output.keeps_objects
    error_message = "A secret or a bucket outlives an environment that is not protected."
  }
}

run "two_datasets" {
  command = plan

  variables {
    datasets = { facturation = "../../../datasets/facturation", admissions = "../../../datasets/facturation" }
  }

  assert {
    condition     = toset(jsondecode(aws_lambda_invocation.prepare_database.input).datasets) == toset(["facturation", "admissions"])
    error_message = "The warehouse is prepared for each dataset."
  }

  assert {
    condition     = local.datasets_environment.DATASETS == "facturation,admissions"
    error_message = "The default dataset comes first: ${local.datasets_environment.DATASETS}."
  }

  assert {
    condition     = toset([for bundle in local.read_bundles.resources : split("/", bundle)[1]]) == toset(["facturation.json", "admissions.json"])
    error_message = "The functions read the bundle of each dataset, and no other object: ${jsonencode(local.read_bundles.resources)}."
  }
}

run "refused_rows_lie_below_their_dataset" {
  command = plan

  variables {
    datasets = { facturation = "../../../datasets/facturation", admissions = "../../../datasets/facturation" }
  }

  assert {
    condition = alltrue(flatten([
      for stage in ["transform", "validate"] : [
        for statement in local.stages[stage].statements : [
          for resource in statement.resources : contains([
            "arn:aws:s3:::fonderie-test-123456789012-quarantine/facturation/*",
            "arn:aws:s3:::fonderie-test-123456789012-quarantine/admissions/*",
          ], resource) if strcontains(resource, "-quarantine")
        ]
      ]
    ]))
    error_message = "transform or validate may write beside the refused rows of the datasets."
  }
}

run "a_dataset_with_the_name_of_a_folder" {
  command = plan

  variables {
    datasets        = { failures = "../../../datasets/facturation" }
    default_dataset = "failures"
  }

  expect_failures = [var.datasets]
}

run "more_invocations_than_connections" {
  command = plan

  variables {
    concurrency = { load = 131 }
  }

  expect_failures = [var.concurrency]
}

run "rds_without_tls" {
  command = plan

  variables {
    database = {
      host              = "database.example.org"
      port              = 5432
      name              = "fonderie"
      master_secret_arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:master-AbCdEf"
      max_connections   = 200
      tls               = "disable"
      instance          = { identifier = "fonderie-test", allocated_gb = 50 }
    }
  }

  expect_failures = [var.database]
}

run "an_unknown_default" {
  command = plan

  variables {
    default_dataset = "admissions"
  }

  expect_failures = [var.default_dataset]
}

run "a_manifest_of_another_release" {
  command = plan

  variables {
    packages = { admit = { bucket = "artifacts", key = "functions/admit/e3b0.zip", hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
  }

  expect_failures = [var.packages]
}
