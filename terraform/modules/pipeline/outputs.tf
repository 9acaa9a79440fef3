output "buckets" {
  description = "Name of each bucket, by its role."
  value       = module.data_lake.buckets
}

output "state_machine_arns" {
  description = "ARN of each state machine: pipeline, backfill."
  value       = module.state_machines.arns
}

output "uploads_queue_url" {
  description = "URL of the queue of uploads."
  value       = module.data_lake.uploads_queue.url
}

output "dead_letter_queue_url" {
  description = "URL of the queue of what could not be taken or started."
  value       = module.data_lake.dead_letter_queue.url
}

output "functions" {
  description = "Name of each function, by its key."
  value       = merge({ ingest = module.ingest.name }, { for key, function in module.function : key => function.name })
}

output "database_secret_arn" {
  description = "ARN of the pipeline's secret."
  value       = aws_secretsmanager_secret.database.arn
}

output "topic_arn" {
  description = "ARN of the topic of notifications."
  value       = module.alerting.topic_arn
}

output "urgent_topic_arn" {
  description = "ARN of the topic of alarms that cannot wait."
  value       = module.alerting.urgent_topic_arn
}

output "daily_datasets" {
  description = "The datasets of which an alarm says that their daily run did not happen."
  value       = module.alerting.daily_datasets
}

output "console_links" {
  description = "Where an operator sees the state machines and the dashboard."
  value       = merge(module.state_machines.console_links, { dashboard = module.alerting.dashboard_link })
}

output "keeps_objects" {
  description = "Whether each bucket refuses to be destroyed with what it holds."
  value       = module.data_lake.keeps_objects
}

output "at_rest" {
  description = "What rests: the schedule, the taking of uploads, the alarms. All of it does where `paused` is set."
  value = {
    schedule = module.schedule.at_rest
    uploads  = !aws_lambda_event_source_mapping.uploads.enabled
    alarms   = module.alerting.at_rest
  }
}

output "largest_file_mb" {
  description = "The largest file that is accepted, in megabytes of 1,048,576 bytes."
  value       = var.largest_file_mb
}

output "reserved_concurrency" {
  description = "Invocations that the functions take out of the account's for themselves."
  value       = sum(concat([0], [for reserved in values(var.concurrency) : reserved if reserved > 0]))
}
