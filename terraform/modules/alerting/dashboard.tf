# What the pipeline did, how well, and what it costs, on one page: rows of widgets, each 24 columns wide.

locals {
  tracked = flatten([
    for dataset, sources in var.sources : [for source in sources : { dataset = dataset, source = source }]
  ])

  # One line per facility of one of the functions' own metrics.
  by_source = {
    for metric in concat(["RowsRead", "RowsAccepted", "RowsRejected", "RowsUnreadable"], local.money_metrics) :
    metric => [
      for each in local.tracked :
      [var.metrics_namespace, metric, "dataset", each.dataset, "source", each.source, { label = "${each.source} ${metric}" }]
    ]
  }
  money_metrics = distinct(flatten([
    for columns in values(var.money) : [for column in columns : [for what in ["read", "accepted", "rejected"] : "${column}_${what}"]]
  ]))

  per_function = {
    for metric in ["Duration", "Invocations", "Errors", "Throttles"] :
    metric => [for key, function in var.functions : ["AWS/Lambda", metric, "FunctionName", function.name, { label = key }]]
  }

  function_keys = keys(var.functions)
  gb_seconds = concat(
    [
      for index, key in local.function_keys :
      ["AWS/Lambda", "Duration", "FunctionName", var.functions[key].name, { id = "d${index}", stat = "Sum", visible = false }]
    ],
    [
      for index, key in local.function_keys :
      [{ expression = "d${index} / 1000 * ${var.functions[key].memory_mb} / 1024", label = key, id = "g${index}" }]
    ],
  )

  # Title, statistic, period in seconds, metrics.
  rows = concat(
    [
      [
        { title = "Rows read per facility and day", metrics = local.by_source["RowsRead"], stacked = true },
        { title = "Rows accepted per facility and day", metrics = local.by_source["RowsAccepted"], stacked = true },
        { title = "Rows refused per facility and day", metrics = concat(local.by_source["RowsRejected"], local.by_source["RowsUnreadable"]), stacked = true },
      ],
    ],
    [
      for column in distinct(flatten(values(var.money))) : [
        { title = "Euros of ${column} read per facility and day", metrics = local.by_source["${column}_read"], stacked = true },
        { title = "Euros of ${column} accepted per facility and day", metrics = local.by_source["${column}_accepted"], stacked = true },
        { title = "Euros of ${column} refused per facility and day", metrics = local.by_source["${column}_rejected"], stacked = true },
      ]
    ],
    [
      [
        {
          title   = "Files halted and missing per day"
          metrics = concat([], [for metric in ["FilesHalted", "MissingFiles"] : [for dataset in keys(var.sources) : [var.metrics_namespace, metric, "dataset", dataset, { label = "${dataset} ${metric}" }]]]...)
        },
        {
          title   = "Executions"
          period  = 300
          metrics = concat([], [for machine, arn in var.state_machines : [for metric in ["ExecutionsSucceeded", "ExecutionsFailed"] : ["AWS/States", metric, "StateMachineArn", arn, { label = "${machine} ${metric}" }]]]...)
        },
        {
          title  = "Uploads that wait"
          period = 300
          stat   = "Maximum"
          metrics = [
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.queues.uploads, { label = "waiting" }],
            ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.queues.dead_letters, { label = "dead letters" }],
            ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.queues.uploads, { label = "oldest, seconds", yAxis = "right" }],
          ]
        },
      ],
      [
        { title = "Longest duration, milliseconds", period = 300, stat = "Maximum", metrics = local.per_function["Duration"] },
        {
          title   = "Failures by function"
          period  = 300
          metrics = [for key in local.function_keys : [var.metrics_namespace, "Failures", "function", key, { label = key }]]
        },
        { title = "Throttles", period = 300, metrics = local.per_function["Throttles"] },
      ],
    ],
    [
      for database in var.database[*] : [
        { title = "Database: processors, %", period = 300, stat = "Average", metrics = [["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", database.identifier]] },
        { title = "Database: connections", period = 300, stat = "Maximum", metrics = [["AWS/RDS", "DatabaseConnections", "DBInstanceIdentifier", database.identifier]] },
        { title = "Database: free storage, bytes", period = 300, stat = "Minimum", metrics = [["AWS/RDS", "FreeStorageSpace", "DBInstanceIdentifier", database.identifier]] },
      ]
    ],
    [
      [
        { title = "Cost: invocations per day", metrics = local.per_function["Invocations"], stacked = true },
        { title = "Cost: GB-seconds per day", metrics = local.gb_seconds, stacked = true },
        { title = "Cost: state transitions per day, whole account", metrics = [["AWS/States", "ConsumedCapacity", "ServiceMetric", "StateTransition", { label = "transitions" }]] },
        {
          title   = "Cost: bytes in buckets"
          stat    = "Average"
          stacked = true
          metrics = [for role, bucket in var.buckets : ["AWS/S3", "BucketSizeBytes", "BucketName", bucket, "StorageType", "StandardStorage", { label = role }]]
        },
      ],
    ],
  )

  widgets = flatten([
    for y, row in local.rows : [
      for x, widget in row : {
        type   = "metric"
        x      = x * floor(24 / length(row))
        y      = y * 6
        width  = floor(24 / length(row))
        height = 6
        properties = {
          title   = widget.title
          region  = local.region
          view    = "timeSeries"
          stacked = try(widget.stacked, false)
          stat    = try(widget.stat, "Sum")
          period  = try(widget.period, 86400)
          metrics = widget.metrics
        }
      }
    ]
  ])
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = local.widgets })
}
