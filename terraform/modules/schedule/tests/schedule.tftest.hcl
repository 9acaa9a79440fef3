mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/schedule" }
  }
}

variables {
  name              = "fonderie-test"
  state_machine_arn = "arn:aws:states:eu-west-1:111122223333:stateMachine:fonderie-test-pipeline"
  datasets = {
    facturation = { time_zone = "Europe/Paris" }
    pharmacie   = { time_zone = "America/Cayenne", expression = "cron(0 9 15 * ? *)" }
  }
  dead_letter_queue_arn = "arn:aws:sqs:eu-west-1:111122223333:dead"
  kms_key_arn           = "arn:aws:kms:eu-west-1:111122223333:key/1"
}

run "each_dataset_runs_at_its_time_in_its_zone" {
  command = apply

  assert {
    condition = { for dataset, schedule in aws_scheduler_schedule.daily : dataset => [
      schedule.schedule_expression, schedule.schedule_expression_timezone, schedule.state, jsondecode(schedule.target[0].input).dataset,
      schedule.target[0].arn, schedule.kms_key_arn,
      ] } == { for dataset, when in { facturation = ["cron(0 6 * * ? *)", "Europe/Paris"], pharmacie = ["cron(0 9 15 * ? *)", "America/Cayenne"] } : dataset => [
      when[0], when[1], "ENABLED", dataset, var.state_machine_arn, var.kms_key_arn,
    ] }
    error_message = "Each dataset starts `pipeline` with its name at its own time, else at six, in its zone."
  }
  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.daily : keys(jsondecode(schedule.target[0].input)) == ["dataset"]])
    error_message = "The input names the dataset and nothing else."
  }
  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.daily : schedule.target[0].dead_letter_config[0].arn == var.dead_letter_queue_arn])
    error_message = "A start that cannot be made lies in the dead-letter queue."
  }
}

run "the_role_starts_pipeline_and_nothing_else" {
  command = apply

  assert {
    condition = { for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Sid => [statement.Action, statement.Resource] } == {
      StartRuns      = [["states:StartExecution"], [var.state_machine_arn]]
      KeepLostStarts = [["sqs:SendMessage"], [var.dead_letter_queue_arn]]
      UseKey         = [["kms:Decrypt", "kms:GenerateDataKey"], [var.kms_key_arn]]
    }
    error_message = "The role starts the state machine, keeps what is lost, and uses the key."
  }
  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceArn"] == "arn:aws:scheduler:eu-west-1:111122223333:schedule-group/fonderie-test"
    error_message = "Only schedules of this group take the role."
  }
}

run "a_schedule_can_rest" {
  command = apply

  variables {
    enabled     = false
    kms_key_arn = null
  }

  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.daily : schedule.state == "DISABLED"])
    error_message = "A schedule that is not enabled is disabled."
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.this.policy, "kms:")
    error_message = "Without a key there is no key to use."
  }
}

run "an_expression_that_is_none_is_refused" {
  command = plan

  variables {
    expression = "every morning"
  }

  expect_failures = [var.expression]
}
