# One alarm per thing that a person must act on. `runbook` names a file of docs/runbooks; `lasting` says that the end is news too.
# `severity` says who hears of it: `urgent` (where nothing is said) those who are on call; `notice` all who get notices; `told` nobody,
# since `summarize` has sent the notice of that file, and its alarm only shows on the console for how long it lasts.

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
        severity   = "told"
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
        severity   = "told"
        # Until the next run of the dataset the last one's answer stands.
        missing = "ignore"
      }
    },
    {
      # A run that is not started makes no error: nothing is what it is known by. CloudWatch looks back seven days at most, so
      # that only the daily ones are watched.
      for dataset in var.daily_datasets : "${dataset}-daily-run" => {
        runbook    = "daily-run"
        says       = "The daily run of the dataset `${dataset}` did not come to its end for 26 hours."
        namespace  = var.metrics_namespace
        metric     = "MissingFiles"
        dimensions = { dataset = dataset }
        statistic  = "SampleCount"
        period     = 60 * local.minutes
        periods    = 26
        below      = true
        threshold  = 1
        lasting    = true
        missing    = "breaching"
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
        severity   = "notice"
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
        severity   = "notice"
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

  alarms = merge(
    local.execution_alarms, local.dataset_alarms, local.queue_alarms, local.function_alarms, local.instance_alarms,
  )
}

locals {
  topics_of = {
    urgent = [aws_sns_topic.urgent.arn]
    notice = [aws_sns_topic.this.arn]
    told   = []
  }
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

  alarm_actions = local.topics_of[try(each.value.severity, "urgent")]
  ok_actions    = try(each.value.lasting, false) ? local.topics_of[try(each.value.severity, "urgent")] : []
}
