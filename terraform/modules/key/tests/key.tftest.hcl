mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name = "fonderie-test"
}

run "plan" {
  command = plan

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "The key is rotated, and a deleted one can be had back for a month."
  }

  assert {
    condition = { for statement in jsondecode(aws_kms_key.this.policy).Statement : statement.Sid => statement.Principal } == {
      Account  = { AWS = "arn:aws:iam::123456789012:root" }
      Services = { Service = ["cloudwatch.amazonaws.com", "events.rds.amazonaws.com", "s3.amazonaws.com"] }
      Rules    = { Service = "events.amazonaws.com" }
      Logs     = { Service = "logs.eu-west-1.amazonaws.com" }
    }
    error_message = "The key admits the account and the services that must use it, and nobody else."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.this.policy).Statement :
      length(setsubtract(["kms:Decrypt", "kms:GenerateDataKey"], statement.Action)) == 0 && statement.Effect == "Allow"
    ])
    error_message = "Each of them encrypts and decrypts."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_kms_key.this.policy).Statement : try(statement.Condition, null) if !contains(["Account", "Rules"], statement.Sid)
      ] == [
      { StringEquals = { "aws:SourceAccount" = "123456789012" } },
      { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:aws:logs:eu-west-1:123456789012:log-group:*" } },
    ]
    error_message = "Services use the key for this account alone."
  }

  assert {
    condition = !anytrue(flatten([
      for statement in jsondecode(aws_kms_key.this.policy).Statement : [for action in statement.Action : strcontains(action, "*")]
    ]))
    error_message = "Actions are named one by one."
  }
}

run "a_week_at_least" {
  command = plan

  variables {
    deletion_window_days = 3
  }

  expect_failures = [var.deletion_window_days]
}
