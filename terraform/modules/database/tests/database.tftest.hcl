mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name               = "fonderie-test"
  subnet_ids         = ["subnet-a", "subnet-b"]
  security_group_id  = "sg-database"
  kms_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/test"
  log_retention_days = 30
  multi_az           = true
  backup_days        = 30
  protected          = true
}

run "protected" {
  command = plan

  assert {
    condition = [
      aws_db_instance.this.engine_version, aws_db_instance.this.instance_class, aws_db_instance.this.allocated_storage,
      aws_db_instance.this.storage_type,
    ] == ["18", "db.t4g.medium", 50, "gp3"]
    error_message = "The figures of the cost table."
  }

  assert {
    condition     = aws_db_instance.this.storage_encrypted && aws_db_instance.this.kms_key_id == var.kms_key_arn
    error_message = "Storage is encrypted with our key."
  }

  assert {
    condition     = !aws_db_instance.this.publicly_accessible && aws_db_instance.this.vpc_security_group_ids == toset(["sg-database"])
    error_message = "The database is reached from within, through its group."
  }

  assert {
    condition = alltrue([
      aws_db_instance.this.manage_master_user_password,
      aws_db_instance.this.password == null,
      aws_db_instance.this.master_user_secret_kms_key_id == var.kms_key_arn,
    ])
    error_message = "RDS keeps the master's password; no state does."
  }

  assert {
    condition     = aws_db_instance.this.multi_az && aws_db_instance.this.backup_retention_period == 30
    error_message = "A standby, and backups of a month."
  }

  assert {
    condition = alltrue([
      aws_db_instance.this.deletion_protection,
      !aws_db_instance.this.skip_final_snapshot,
      aws_db_instance.this.final_snapshot_identifier == "fonderie-test-final",
      !aws_db_instance.this.delete_automated_backups,
    ])
    error_message = "It refuses to be deleted, and leaves snapshot and backups."
  }

  assert {
    condition = sort([
      for parameter in aws_db_parameter_group.this.parameter : "${parameter.name} ${parameter.value} ${parameter.apply_method}"
      ]) == tolist([
      "log_error_verbosity terse immediate",
      "log_min_duration_statement -1 immediate",
      "log_min_error_statement panic immediate",
      "log_min_messages log immediate",
      "log_parameter_max_length 0 immediate",
      "log_parameter_max_length_on_error 0 immediate",
      "log_statement none immediate",
      "max_connections 200 pending-reboot",
      "rds.force_ssl 1 pending-reboot",
    ])
    error_message = "TLS is forced, and no value of a record is logged."
  }

  assert {
    condition     = !aws_db_instance.this.performance_insights_enabled && aws_db_instance.this.database_insights_mode == "standard"
    error_message = "Without being asked for, no statement is sampled."
  }

  assert {
    condition     = startswith(output.changes, "In the maintenance window, ${aws_db_instance.this.maintenance_window} UTC") && strcontains(output.changes, "PendingModifiedValues")
    error_message = "A change that waits for the window says so: ${output.changes}"
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "postgres18"
    error_message = "The parameters are those of the major version."
  }

  assert {
    condition     = length(aws_db_instance.replica) == 0
    error_message = "A replica is made on demand."
  }

  assert {
    condition = { for key, group in aws_cloudwatch_log_group.exports : key => [group.name, group.kms_key_id] } == {
      "fonderie-test/postgresql" = ["/aws/rds/instance/fonderie-test/postgresql", var.kms_key_arn]
      "fonderie-test/upgrade"    = ["/aws/rds/instance/fonderie-test/upgrade", var.kms_key_arn]
    }
    error_message = "The server's logs are encrypted, and end."
  }
}

run "unprotected_with_a_replica" {
  command = plan

  variables {
    protected         = false
    final_snapshot    = false
    apply_immediately = true
    multi_az          = false
    backup_days       = 1
    insights          = "advanced"
    read_replica      = true
    postgres_version  = 17
    master_password   = "correct-horse-battery"
  }

  assert {
    condition     = !aws_db_instance.this.deletion_protection && aws_db_instance.this.skip_final_snapshot
    error_message = "What is not protected goes without a trace."
  }

  assert {
    condition     = aws_db_instance.this.apply_immediately && startswith(output.changes, "At once")
    error_message = "A change that is made at once says so: ${output.changes}"
  }

  assert {
    condition = alltrue([
      for instance in [aws_db_instance.this, aws_db_instance.replica[0]] :
      instance.database_insights_mode == "advanced" && instance.performance_insights_retention_period == 465 && instance.performance_insights_kms_key_id == var.kms_key_arn
    ])
    error_message = "The advanced mode asks for 465 days, encrypted with our key."
  }

  assert {
    condition = alltrue([
      aws_db_instance.replica[0].replicate_source_db == "fonderie-test",
      aws_db_instance.replica[0].storage_encrypted,
      !aws_db_instance.replica[0].publicly_accessible,
      aws_db_instance.replica[0].parameter_group_name == "fonderie-test-postgres17",
    ])
    error_message = "The replica is as shut and as encrypted as the primary."
  }

  assert {
    condition     = aws_db_instance.this.manage_master_user_password == null && aws_db_instance.this.password_wo_version == 1
    error_message = "RDS makes no replica of an instance whose password it keeps."
  }

  assert {
    condition     = aws_secretsmanager_secret.master[0].name == "fonderie-test-master" && aws_secretsmanager_secret.master[0].kms_key_id == var.kms_key_arn
    error_message = "The master's password is a secret, encrypted with our key."
  }

  assert {
    condition     = aws_secretsmanager_secret.master[0].recovery_window_in_days == 0
    error_message = "The secret of what is not protected goes at once."
  }
}

run "no_backups" {
  command = plan

  variables {
    backup_days = 0
  }

  expect_failures = [var.backup_days]
}

run "too_old" {
  command = plan

  variables {
    postgres_version = 14
  }

  expect_failures = [var.postgres_version]
}

run "a_short_password" {
  command = plan

  variables {
    read_replica    = true
    master_password = "fonderie"
  }

  expect_failures = [var.master_password]
}

run "a_replica_without_a_password" {
  command = plan

  variables {
    read_replica = true
  }

  expect_failures = [var.master_password]
}
