# One alarm per thing that a person must act on. `runbook` names a file of docs/runbooks; `lasting` says that the end is news too.

locals {
  minutes = 60

  execution_alarms = {
    for machine, arn in var.state_machines : "${machine}-execution-failed" => {
      runbook    = "execution-failed"
      says       = "An execution of the state machine `${machine}` ended FAILED."
      namespace  = "AWS/States"
      metric     = "ExecutionsFailed"
      dimensions = { StateMachineArn = arn }
      statistic  = "Sum"
      period     = 5 * local.minutes
      threshold  = 1
    }
  }

  dataset_alarms = merge(
    {
      for dataset in keys(var.sources) : "${dataset}-file-halted" => {
        runbook    = "file-halted"
        says       = "The quality rules stopped a file of the dataset `${dataset}` before the warehouse."
        namespace  = var.metrics_namespace
        metric     = "FilesHalted"
        dimensions = { dataset = dataset }
        statistic  = "Sum"
        period     = 5 * local.minutes
        threshold  = 1
      }
    },
    {
      for dataset in keys(var.sources) : "${dataset}-missing-files" => {
        runbook    = "missing-files"
        says       = "A facility's expected file of the dataset `${dataset}` did not come."
        namespace  = var.metrics_namespace
        metric     = "MissingFiles"
        dimensions = { dataset = dataset }
        statistic  = "Maximum"
        period     = 60 * local.minutes
        threshold  = 1
        lasting    = true
        # Until the next run of the dataset the last one's answer stands.
        missing = "ignore"
      }
    },
  )

  queue_alarms = {
    dead-letters = {
      runbook    = "dead-letters"
      says       = "An upload's event could not be taken, or the daily run could not be started: it lies in the dead-letter queue."
      namespace  = "AWS/SQS"
      metric     = "ApproximateNumberOfMessagesVisible"
      dimensions = { QueueName = var.queues.dead_letters }
      statistic  = "Maximum"
      period     = 5 * local.minutes
      threshold  = 1
      lasting    = true
    }
    oldest-message = {
      runbook    = "oldest-message"
      says       = "Uploads wait for longer than ${var.oldest_message_seconds} seconds: nobody takes them."
      namespace  = "AWS/SQS"
      metric     = "ApproximateAgeOfOldestMessage"
      dimensions = { QueueName = var.queues.uploads }
      statistic  = "Maximum"
      period     = 5 * local.minutes
      threshold  = var.oldest_message_seconds
      lasting    = true
    }
  }

  function_alarms = merge(
    {
      for key, function in var.functions : "${key}-duration" => {
        runbook    = "duration-near-timeout"
        says       = "The function `${key}` took more than 80 % of its time-out of ${function.timeout_seconds} seconds."
        namespace  = "AWS/Lambda"
        metric     = "Duration"
        dimensions = { FunctionName = function.name }
        statistic  = "Maximum"
        period     = 5 * local.minutes
        threshold  = 0.8 * 1000 * function.timeout_seconds
      }
    },
    {
      # Throttles of minutes are retried; half an hour of them is too little concurrency.
      for key, function in var.functions : "${key}-throttles" => {
        runbook    = "throttles"
        says       = "Calls of the function `${key}` were throttled for half an hour."
        namespace  = "AWS/Lambda"
        metric     = "Throttles"
        dimensions = { FunctionName = function.name }
        statistic  = "Sum"
        period     = 5 * local.minutes
        periods    = 6
        threshold  = 1
        lasting    = true
      }
    },
    {
      # The errors of the others end in a failed execution, which has its alarm.
      for key, function in var.functions : "${key}-errors" => {
        runbook    = key == "rotate-secret" ? "rotation-failed" : "function-errors"
        says       = "The function `${key}` failed; no state machine calls it."
        namespace  = "AWS/Lambda"
        metric     = "Errors"
        dimensions = { FunctionName = function.name }
        statistic  = "Sum"
        period     = 5 * local.minutes
        threshold  = 1
      } if function.alone
    },
    {
      # Within five minutes, long before the queue gives a message up: so a minute at a time.
      for key, function in var.functions : "${key}-failed-items" => {
        runbook    = "function-errors"
        says       = "The function `${key}` could not take a message of the queue, which gives it again."
        namespace  = var.metrics_namespace
        metric     = "FailedItems"
        dimensions = { function = key }
        statistic  = "Sum"
        period     = local.minutes
        threshold  = 1
      } if function.batches
    },
  )

  # A database that tells nothing is down.
  database_alarms = merge([for database in var.database[*] : {
    database-storage = {
      runbook    = "database-storage"
      says       = "Less than a fifth of the database's ${database.allocated_gb} GB is free."
      namespace  = "AWS/RDS"
      metric     = "FreeStorageSpace"
      dimensions = { DBInstanceIdentifier = database.identifier }
      statistic  = "Minimum"
      period     = 5 * local.minutes
      below      = true
      threshold  = 0.2 * database.allocated_gb * pow(1024, 3)
      lasting    = true
      missing    = "breaching"
    }
    database-connections = {
      runbook    = "database-connections"
      says       = "More than 80 % of the database's ${database.max_connections} connections are used."
      namespace  = "AWS/RDS"
      metric     = "DatabaseConnections"
      dimensions = { DBInstanceIdentifier = database.identifier }
      statistic  = "Maximum"
      period     = 5 * local.minutes
      threshold  = floor(0.8 * database.max_connections)
      lasting    = true
      missing    = "breaching"
    }
    database-cpu = {
      runbook    = "database-cpu"
      says       = "The database's processors were busy at more than 80 % for half an hour."
      namespace  = "AWS/RDS"
      metric     = "CPUUtilization"
      dimensions = { DBInstanceIdentifier = database.identifier }
      statistic  = "Average"
      period     = 5 * local.minutes
      periods    = 6
      threshold  = 80
      lasting    = true
      missing    = "breaching"
    }
  }]...)

  alarms = merge(
    local.execution_alarms, local.dataset_alarms, local.queue_alarms, local.function_alarms, local.database_alarms,
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = "${each.value.says} What to do: ${var.runbook_base_url}/${each.value.runbook}.md"

  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = try(each.value.periods, 1)
  comparison_operator = try(each.value.below, false) ? "LessThanThreshold" : "GreaterThanOrEqualToThreshold"
  threshold           = each.value.threshold

  # Nothing ran, nothing failed.
  treat_missing_data = try(each.value.missing, "notBreaching")

  actions_enabled = !var.paused

  alarm_actions = [aws_sns_topic.this.arn]
  ok_actions    = try(each.value.lasting, false) ? [aws_sns_topic.this.arn] : []
}
