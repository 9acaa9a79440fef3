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
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:111122223333:log-group:states" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/states" }
  }
}

variables {
  name = "fonderie-test"
  function_arns = {
    for stage in ["admit", "transform", "validate", "load", "score", "publish", "summarize", "record-failure", "rebuild", "prepare-database"] :
    stage => "arn:aws:lambda:eu-west-1:111122223333:function:fonderie-test-${stage}"
  }
  reports_bucket     = "test-reports"
  kms_key_arn        = "arn:aws:kms:eu-west-1:111122223333:key/1"
  log_retention_days = 90
}

run "definitions_are_json_without_a_placeholder_left" {
  command = apply

  assert {
    condition     = alltrue([for machine in aws_sfn_state_machine.this : !can(regex("[$][{]", machine.definition))])
    error_message = "A placeholder was not substituted."
  }
  assert {
    condition     = jsondecode(aws_sfn_state_machine.this["pipeline"].definition).States["record-failure"].Resource == var.function_arns["record-failure"]
    error_message = "A stage calls its function."
  }
  assert {
    condition     = jsondecode(aws_sfn_state_machine.this["pipeline"].definition).States.load.Retry[1].IntervalSeconds == 300
    error_message = "Transient errors are retried 5 minutes apart by default, as a number."
  }
  assert {
    condition = alltrue([
      for machine in aws_sfn_state_machine.this :
      length(regexall("\"IntervalSeconds\": 10, \"MaxAttempts\": 8, \"BackoffRate\": 2.0,\\s+\"MaxDelaySeconds\": 60", machine.definition))
      == length(regexall("\"Lambda.CodeArtifactUserPendingException\"", machine.definition))
    ])
    error_message = "A function that wakes up is called again after 10 seconds, 8 times, at most 60 seconds apart."
  }
  assert {
    condition     = jsondecode(aws_sfn_state_machine.this["backfill"].definition).States.objects.ItemProcessor.States.pipeline.Parameters.StateMachineArn == "arn:aws:states:eu-west-1:111122223333:stateMachine:fonderie-test-pipeline"
    error_message = "A backfill's child runs the machine `pipeline`."
  }
  assert {
    condition     = strcontains(replace(aws_sfn_state_machine.this["backfill"].definition, " ", ""), "\"ToleratedFailurePercentage\":0.0,")
    error_message = "The tolerated percentage has a decimal, and is 0 by default."
  }
  assert {
    condition     = output.console_links["pipeline"] == "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/statemachines/view/${output.arns["pipeline"]}"
    error_message = "The console link shows the machine."
  }
}

run "settings_reach_the_definitions" {
  command = apply

  variables {
    retry = {
      inactive_interval_seconds  = 4, inactive_max_delay_seconds = 5
      transient_interval_seconds = 1, busy_interval_seconds = 1, busy_max_delay_seconds = 3
    }
    backfill = { max_concurrency = 7, tolerated_failure_percentage = 12.5 }
  }

  assert {
    condition = alltrue(flatten([
      for machine in aws_sfn_state_machine.this : [
        for name, state in jsondecode(machine.definition).States : [
          state.Retry[0].IntervalSeconds == 4, state.Retry[0].MaxDelaySeconds == 5, state.Retry[1].IntervalSeconds == 1,
          state.Retry[2].IntervalSeconds == 1, state.Retry[2].MaxDelaySeconds == 3, state.Retry[3].IntervalSeconds == 2,
        ] if state.Type == "Task" && length(try(state.Retry, [])) == 4
      ]
    ]))
    error_message = "Each stage has the delays that were asked for."
  }
  assert {
    condition     = jsondecode(aws_sfn_state_machine.this["backfill"].definition).States.objects.MaxConcurrency == 7
    error_message = "The concurrency is the one asked for."
  }
  assert {
    condition     = jsondecode(aws_sfn_state_machine.this["backfill"].definition).States.objects.ToleratedFailurePercentage == 12.5
    error_message = "The tolerated percentage is the one asked for."
  }
}

run "failures_are_logged_encrypted_and_traced" {
  command = apply

  assert {
    condition = alltrue([
      for machine in aws_sfn_state_machine.this : alltrue([
        machine.type == "STANDARD",
        machine.logging_configuration[0].level == "ERROR",
        machine.logging_configuration[0].include_execution_data == false,
        machine.tracing_configuration[0].enabled,
      ])
    ])
    error_message = "Errors are logged without execution data, and executions traced."
  }
  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.kms_key_id == var.kms_key_arn && group.retention_in_days == 90])
    error_message = "The logs are encrypted with the key given, and kept as long as asked."
  }
}

run "roles_may_do_what_the_definitions_do_and_no_more" {
  command = apply

  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_role_policy.this : [
        for statement in jsondecode(policy.policy).Statement : [
          !contains(statement.Resource, "*") || contains(["DeliverLogs", "WriteTraces"], statement.Sid),
          alltrue([for action in statement.Action : !strcontains(action, "*")]),
        ]
      ]
    ]))
    error_message = "No action has a wildcard, and no resource is \"*\" but where AWS forces it."
  }
  assert {
    condition     = toset(flatten([for statement in jsondecode(aws_iam_role_policy.this["pipeline"].policy).Statement : statement.Action if statement.Resource[0] != "*"])) == toset(["lambda:InvokeFunction"])
    error_message = "`pipeline` calls functions, and nothing else."
  }
  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.this["backfill"].policy).Statement : statement.Sid => statement.Resource
      if contains(["RunObjects", "StartChildren", "CountChildren", "WriteResults", "EncryptResults"], statement.Sid)
      } == {
      RunObjects     = ["arn:aws:states:eu-west-1:111122223333:stateMachine:fonderie-test-pipeline"]
      StartChildren  = ["arn:aws:states:eu-west-1:111122223333:stateMachine:fonderie-test-backfill"]
      CountChildren  = ["arn:aws:states:eu-west-1:111122223333:mapRun:fonderie-test-backfill/objects:*"]
      WriteResults   = ["arn:aws:s3:::test-reports/backfills/*"]
      EncryptResults = [var.kms_key_arn]
    }
    error_message = "`backfill` starts itself and `pipeline`, and reads and writes below `backfills/`."
  }
  assert {
    # Each machine's invocations are the functions of its own definition.
    condition = alltrue([
      for machine, policy in aws_iam_role_policy.this : alltrue([
        for stage, arn in var.function_arns :
        contains(jsondecode(policy.policy).Statement[0].Resource, arn) == strcontains(aws_sfn_state_machine.this[machine].definition, "\"${arn}\"")
      ])
    ])
    error_message = "A role may call the functions that its definition calls, and no other."
  }
  assert {
    condition = alltrue([
      for role in aws_iam_role.this :
      jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "111122223333"
    ])
    error_message = "Step Functions takes the role for this account alone."
  }
}

run "without_a_key_no_key_is_used" {
  command = apply

  variables {
    kms_key_arn = null
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.this["backfill"].policy, "kms:")
    error_message = "Without a key there is no key to use."
  }
}

run "a_stage_without_a_function_is_refused" {
  command = plan

  variables {
    function_arns = { admit = "arn:aws:lambda:eu-west-1:111122223333:function:admit" }
  }

  expect_failures = [var.function_arns]
}

run "a_percentage_that_would_be_rounded_is_refused" {
  command = plan

  variables {
    backfill = { tolerated_failure_percentage = 0.04 }
  }

  expect_failures = [var.backfill]
}

run "a_percentage_above_a_hundred_is_refused" {
  command = plan

  variables {
    backfill = { tolerated_failure_percentage = 101 }
  }

  expect_failures = [var.backfill]
}

run "half_a_second_is_refused" {
  command = plan

  variables {
    retry = { service_interval_seconds = 0.5 }
  }

  expect_failures = [var.retry]
}
