# The database, and the analysts' replica where there is one: the same alarms for each, and the replica's lag.

locals {
  instances = merge([
    for database in var.database[*] : merge(
      { database = { identifier = database.identifier, what = "database" } },
      { for replica in database.replica[*] : "replica" => { identifier = replica, what = "analysts' replica" } },
    )
  ]...)

  # An instance that reports nothing is down.
  instance_alarms = merge(flatten([
    for key, instance in local.instances : [
      {
        "${key}-storage" = {
          runbook    = "database-storage"
          says       = "Less than a fifth of the ${instance.what}'s ${var.database.allocated_gb} GB is free."
          namespace  = "AWS/RDS"
          metric     = "FreeStorageSpace"
          dimensions = { DBInstanceIdentifier = instance.identifier }
          statistic  = "Minimum"
          period     = 5 * local.minutes
          below      = true
          threshold  = 0.2 * var.database.allocated_gb * pow(1024, 3)
          lasting    = true
          missing    = "breaching"
        }
        "${key}-connections" = {
          runbook    = "database-connections"
          says       = "More than 80 % of the ${instance.what}'s ${var.database.max_connections} connections are used."
          namespace  = "AWS/RDS"
          metric     = "DatabaseConnections"
          dimensions = { DBInstanceIdentifier = instance.identifier }
          statistic  = "Maximum"
          period     = 5 * local.minutes
          threshold  = floor(0.8 * var.database.max_connections)
          lasting    = true
          missing    = "breaching"
        }
        "${key}-memory" = {
          runbook    = "database-memory"
          says       = "The ${instance.what} had less than ${local.least_memory_mb} MB of memory for a quarter of an hour."
          namespace  = "AWS/RDS"
          metric     = "FreeableMemory"
          dimensions = { DBInstanceIdentifier = instance.identifier }
          statistic  = "Average"
          period     = 5 * local.minutes
          periods    = 3
          below      = true
          threshold  = local.least_memory_mb * pow(1024, 2)
          lasting    = true
          missing    = "breaching"
        }
        "${key}-cpu" = {
          runbook    = "database-cpu"
          says       = "The ${instance.what}'s processors were busy at more than 80 % for half an hour."
          namespace  = "AWS/RDS"
          metric     = "CPUUtilization"
          dimensions = { DBInstanceIdentifier = instance.identifier }
          statistic  = "Average"
          period     = 5 * local.minutes
          periods    = 6
          threshold  = 80
          lasting    = true
          missing    = "breaching"
          severity   = "notice"
        }
      },
      # A class T earns credits, and RDS lends it more: what it does not pay back within a day is charged.
      {
        for class in var.database.instance_class[*] : "${key}-credits" => {
          runbook    = "database-credits"
          says       = "The ${instance.what} used more processor time than a ${class} has: AWS charges for it."
          namespace  = "AWS/RDS"
          metric     = "CPUSurplusCreditsCharged"
          dimensions = { DBInstanceIdentifier = instance.identifier }
          statistic  = "Sum"
          period     = 60 * local.minutes
          threshold  = 1
          lasting    = true
          severity   = "notice"
        } if startswith(class, "db.t")
      },
      {
        for lag in key == "replica" ? ["replica-lag"] : [] : lag => {
          runbook    = "replica-lag"
          says       = "What analysts read from the replica is more than five minutes old, for a quarter of an hour."
          namespace  = "AWS/RDS"
          metric     = "ReplicaLag"
          dimensions = { DBInstanceIdentifier = instance.identifier }
          statistic  = "Average"
          period     = 5 * local.minutes
          periods    = 3
          threshold  = 5 * local.minutes
          lasting    = true
          missing    = "breaching"
          severity   = "notice"
        }
      },
    ]
  ])...)

  # Below it PostgreSQL begins to swap, whatever the class.
  least_memory_mb = 256
}

# What no metric shows: a fail-over, a storage that cannot grow, a forced maintenance.
resource "aws_db_event_subscription" "this" {
  count = var.database == null ? 0 : 1

  name             = var.name
  sns_topic        = aws_sns_topic.urgent.arn
  source_type      = "db-instance"
  source_ids       = [for instance in local.instances : instance.identifier]
  event_categories = ["availability", "failover", "failure", "low storage", "maintenance", "notification", "recovery"]

  # RDS sends a first message when it is subscribed.
  depends_on = [aws_sns_topic_policy.urgent]
}
