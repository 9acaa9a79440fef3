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
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-west-1:111122223333:fonderie-test-notifications" }
  }
}

override_resource {
  target = aws_sns_topic.urgent
  values = { arn = "arn:aws:sns:eu-west-1:111122223333:fonderie-test-alarms" }
}

variables {
  name              = "fonderie-test"
  emails            = ["astreinte@example.org"]
  kms_key_arn       = "arn:aws:kms:eu-west-1:111122223333:key/1"
  runbook_base_url  = "https://example.org/runbooks"
  metrics_namespace = "fonderie-test"
  functions = {
    ingest        = { name = "fonderie-test-ingest", timeout_seconds = 60, alone = true, batches = true }
    load          = { name = "fonderie-test-load", timeout_seconds = 600, memory_mb = 1024 }
    rotate-secret = { name = "fonderie-test-rotate-secret", timeout_seconds = 60, alone = true }
  }
  state_machines = {
    pipeline = "arn:aws:states:eu-west-1:111122223333:stateMachine:fonderie-test-pipeline"
    backfill = "arn:aws:states:eu-west-1:111122223333:stateMachine:fonderie-test-backfill"
  }
  queues   = { uploads = "test-uploads", dead_letters = "test-dead" }
  database = { identifier = "fonderie-test", allocated_gb = 50, max_connections = 400, instance_class = "db.t3.medium" }
  buckets  = { bronze = "test-bronze", silver = "test-silver" }
  sources  = { facturation = ["hopital_a", "clinique_b"] }
  money    = { facturation = ["montant_facture", "montant_paye"] }

  daily_datasets = ["facturation"]
}

run "there_is_an_alarm_for_each_thing_that_a_person_must_act_on" {
  command = apply

  assert {
    condition = toset(keys(aws_cloudwatch_metric_alarm.this)) == toset([
      "pipeline-execution-failed", "backfill-execution-failed",
      "facturation-file-halted", "facturation-missing-files", "facturation-daily-run",
      "dead-letters", "oldest-message",
      "ingest-duration", "load-duration", "rotate-secret-duration",
      "ingest-throttles", "load-throttles", "rotate-secret-throttles",
      "ingest-errors", "rotate-secret-errors", "ingest-failed-items",
      "database-storage", "database-connections", "database-memory", "database-cpu", "database-credits",
    ])
    error_message = "The alarms are others than expected."
  }
  assert {
    condition = {
      for topic in ["alarms", "notifications", "none"] : topic => [
        for name, alarm in aws_cloudwatch_metric_alarm.this : name
        if one(concat([for arn in alarm.alarm_actions : endswith(arn, "-alarms") ? "alarms" : "notifications"], length(alarm.alarm_actions) == 0 ? ["none"] : [])) == topic
      ]
      } == {
      alarms = [
        "backfill-execution-failed", "database-connections", "database-memory", "database-storage", "dead-letters", "facturation-daily-run",
        "ingest-errors", "ingest-failed-items", "oldest-message", "pipeline-execution-failed", "rotate-secret-errors",
      ]
      notifications = [
        "database-cpu", "database-credits", "ingest-duration", "ingest-throttles", "load-duration", "load-throttles", "rotate-secret-duration",
        "rotate-secret-throttles",
      ]
      # One mail about a file: the notice of `summarize`.
      none = ["facturation-file-halted", "facturation-missing-files"]
    }
    error_message = "An alarm goes to other people than it should."
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.actions_enabled])
    error_message = "An alarm sends nothing where the pipeline does not rest."
  }
  assert {
    condition     = alltrue([for name, alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_name == "fonderie-test-${name}"])
    error_message = "An alarm's name begins with the environment's, which the topic's policy asks for."
  }
}

run "a_pipeline_that_rests_sends_no_alarm" {
  command = apply

  variables {
    paused = true
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : !alarm.actions_enabled])
    error_message = "An alarm sends something."
  }
}

run "each_alarm_leads_to_a_runbook_that_exists" {
  command = apply

  assert {
    condition = alltrue([
      for name, runbook in output.runbooks :
      endswith(aws_cloudwatch_metric_alarm.this[name].alarm_description, " What to do: https://example.org/runbooks/${runbook}.md")
    ])
    error_message = "An alarm's description ends with the address of its runbook."
  }
  assert {
    condition     = [for runbook in distinct(values(output.runbooks)) : runbook if !fileexists("${path.module}/../../../docs/runbooks/${runbook}.md")] == []
    error_message = "An alarm's runbook is not in docs/runbooks."
  }
  assert {
    condition     = output.runbooks["rotate-secret-errors"] == "rotation-failed" && output.runbooks["ingest-errors"] == "function-errors"
    error_message = "A rotation that fails has its own runbook."
  }
}

run "thresholds_follow_from_what_is_watched" {
  command = apply

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["load-duration"].threshold == 480000 && aws_cloudwatch_metric_alarm.this["ingest-duration"].threshold == 48000
    error_message = "A duration is near its time-out from 80 % of it, in milliseconds."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["database-storage"].threshold == 10 * 1024 * 1024 * 1024 && aws_cloudwatch_metric_alarm.this["database-storage"].comparison_operator == "LessThanThreshold"
    error_message = "A fifth of 50 GB is 10 GB, and less is the alarm."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["database-connections"].threshold == 320
    error_message = "80 % of 400 connections are 320."
  }
  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this["database-memory"].threshold == 256 * 1024 * 1024
      && aws_cloudwatch_metric_alarm.this["database-memory"].comparison_operator == "LessThanThreshold"
    )
    error_message = "Less than 256 MB of memory is the alarm."
  }
  assert {
    # CloudWatch looks back seven days at most, an hour at a time.
    condition = (
      aws_cloudwatch_metric_alarm.this["facturation-daily-run"].treat_missing_data == "breaching"
      && aws_cloudwatch_metric_alarm.this["facturation-daily-run"].period * aws_cloudwatch_metric_alarm.this["facturation-daily-run"].evaluation_periods == 26 * 3600
    )
    error_message = "A daily run that does not come for 26 hours is the alarm."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["facturation-file-halted"].namespace == "fonderie-test" && aws_cloudwatch_metric_alarm.this["facturation-file-halted"].dimensions == tomap({ dataset = "facturation" })
    error_message = "The functions write FilesHalted under their namespace, by dataset."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["facturation-missing-files"].treat_missing_data == "ignore"
    error_message = "The daily run's answer stands until the next one."
  }
}

run "a_failure_without_a_record_is_reported" {
  command = apply

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.unrecorded.event_pattern) == {
      source      = ["aws.states"]
      detail-type = ["Step Functions Execution Status Change"]
      detail = {
        stateMachineArn = [{ prefix = var.state_machines["backfill"] }, { prefix = var.state_machines["pipeline"] }]
        status          = ["FAILED", "TIMED_OUT"]
        error           = [{ prefix = "Unrecorded." }, { prefix = "States." }, null, { exists = false }]
      }
    }
    error_message = "The rule takes the failures of both machines that end without a code of Fonderie."
  }
  assert {
    condition     = aws_cloudwatch_event_target.unrecorded.arn == aws_sns_topic.this.arn && aws_cloudwatch_event_rule.unrecorded.state != "DISABLED"
    error_message = "People are told by the topic."
  }
  assert {
    condition     = toset(values(aws_cloudwatch_event_target.unrecorded.input_transformer[0].input_paths)) == toset(["$.detail.error", "$.detail.executionArn", "$.detail.status"])
    error_message = "The mail names the execution and its error, and nothing of its input."
  }
}

run "a_message_that_failed_is_an_alarm_within_five_minutes" {
  command = apply

  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.this :
      name => [alarm.namespace, alarm.metric_name, alarm.dimensions["function"], alarm.statistic, alarm.period * alarm.evaluation_periods <= 120, alarm.threshold]
      if alarm.metric_name == "FailedItems"
    } == { ingest-failed-items = ["fonderie-test", "FailedItems", "ingest", "Sum", true, 1] }
    error_message = "`ingest` succeeds with failed messages: their own metric is watched, minute by minute."
  }
}

run "the_topic_is_encrypted_and_takes_alarms_of_this_account_over_tls" {
  command = apply

  assert {
    condition     = aws_sns_topic.this.kms_master_key_id == var.kms_key_arn
    error_message = "The topic is encrypted with the key given."
  }
  assert {
    condition = [for statement in jsondecode(aws_sns_topic_policy.this.policy).Statement : [statement.Sid, statement.Effect, statement.Resource[0]]] == [
      ["AlarmsPublish", "Allow", "arn:aws:sns:eu-west-1:111122223333:fonderie-test-notifications"],
      ["RulesPublish", "Allow", "arn:aws:sns:eu-west-1:111122223333:fonderie-test-notifications"],
      ["TlsOnly", "Deny", "arn:aws:sns:eu-west-1:111122223333:fonderie-test-notifications"],
    ]
    error_message = "The policy allows the alarms and the rules, and denies plain text."
  }
  assert {
    condition = {
      for statement in jsondecode(aws_sns_topic_policy.urgent.policy).Statement : statement.Sid => [statement.Effect, statement.Resource[0]]
      } == {
      AlarmsPublish     = ["Allow", "arn:aws:sns:eu-west-1:111122223333:fonderie-test-alarms"]
      DatabasePublishes = ["Allow", "arn:aws:sns:eu-west-1:111122223333:fonderie-test-alarms"]
      TlsOnly           = ["Deny", "arn:aws:sns:eu-west-1:111122223333:fonderie-test-alarms"]
    }
    error_message = "The urgent topic takes alarms and RDS's events, over TLS."
  }
  assert {
    condition = (
      aws_sns_topic.urgent.kms_master_key_id == var.kms_key_arn && aws_db_event_subscription.this[0].sns_topic == aws_sns_topic.urgent.arn
      && contains(aws_db_event_subscription.this[0].event_categories, "failover")
    )
    error_message = "RDS's events go to the urgent topic, encrypted."
  }
  assert {
    condition     = jsondecode(aws_sns_topic_policy.this.policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "111122223333" && jsondecode(aws_sns_topic_policy.this.policy).Statement[0].Principal == { Service = "cloudwatch.amazonaws.com" }
    error_message = "The alarms are those of this account."
  }
  assert {
    condition     = { for email, subscription in aws_sns_topic_subscription.email : email => subscription.protocol } == { "astreinte@example.org" = "email" }
    error_message = "Each address is subscribed by e-mail."
  }
}

run "the_dashboard_shows_each_facility_and_what_costs" {
  command = apply

  assert {
    condition = alltrue([
      for title in [
        "Rows accepted per facility and day", "Rows refused per facility and day",
        "Euros of montant_facture accepted per facility and day", "Euros of montant_paye refused per facility and day",
        "Failures by function", "Longest duration, milliseconds", "Database: free storage, bytes",
        "Cost: GB-seconds per day", "Cost: state transitions per day, whole account", "Cost: bytes in buckets",
      ] :
      contains([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.properties.title], title)
    ])
    error_message = "A widget is missing."
  }
  assert {
    condition = [
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [for metric in widget.properties.metrics : slice(metric, 0, 6)]
      if widget.properties.title == "Rows accepted per facility and day"
      ][0] == [
      ["fonderie-test", "RowsAccepted", "dataset", "facturation", "source", "hopital_a"],
      ["fonderie-test", "RowsAccepted", "dataset", "facturation", "source", "clinique_b"],
    ]
    error_message = "Each facility has its line."
  }
  assert {
    condition     = strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "d1 / 1000 * 1024 / 1024")
    error_message = "GB-seconds are seconds times the function's memory."
  }
  assert {
    # Widgets lie side by side, and no two overlap.
    condition     = length(distinct([for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [widget.x, widget.y]])) == length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets)
    error_message = "Two widgets lie on the same place."
  }
}

run "a_replica_is_watched_where_there_is_one" {
  command = apply

  variables {
    database = { identifier = "fonderie-test", allocated_gb = 80, max_connections = 400, instance_class = "db.m6g.large", replica = "fonderie-test-replica" }
  }

  assert {
    condition = [for name, alarm in aws_cloudwatch_metric_alarm.this : [name, alarm.dimensions.DBInstanceIdentifier] if can(regex("^(database|replica)-", name))] == [
      ["database-connections", "fonderie-test"], ["database-cpu", "fonderie-test"], ["database-memory", "fonderie-test"], ["database-storage", "fonderie-test"],
      ["replica-connections", "fonderie-test-replica"], ["replica-cpu", "fonderie-test-replica"], ["replica-lag", "fonderie-test-replica"],
      ["replica-memory", "fonderie-test-replica"], ["replica-storage", "fonderie-test-replica"],
    ]
    error_message = "The replica has the database's alarms and its lag's; a class without credits has no alarm on them."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.this["replica-storage"].threshold == 16 * 1024 * 1024 * 1024
    error_message = "A fifth of the storage as it is now."
  }
  assert {
    condition     = toset(aws_db_event_subscription.this[0].source_ids) == toset(["fonderie-test", "fonderie-test-replica"])
    error_message = "RDS tells of both."
  }
}

run "those_on_call_are_others" {
  command = apply

  variables {
    alarm_emails = ["astreinte@example.org", "garde@example.org"]
    emails       = ["facturation@example.org"]
  }

  assert {
    condition = (
      keys(aws_sns_topic_subscription.urgent) == ["astreinte@example.org", "garde@example.org"]
      && keys(aws_sns_topic_subscription.email) == ["facturation@example.org"]
    )
    error_message = "What cannot wait goes to those on call, notices to the others."
  }
}

run "without_a_database_there_is_none_to_watch" {
  command = apply

  variables {
    database = null
  }

  assert {
    condition     = [for name in keys(aws_cloudwatch_metric_alarm.this) : name if startswith(name, "database-")] == [] && length(aws_db_event_subscription.this) == 0
    error_message = "There is an alarm on a database that is not there."
  }
}

run "an_address_that_is_none_is_refused" {
  command = plan

  variables {
    emails = ["astreinte"]
  }

  expect_failures = [var.emails]
}
