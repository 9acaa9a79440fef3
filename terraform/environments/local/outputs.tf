output "buckets" {
  description = "Name of each bucket, by its role."
  value       = module.pipeline.buckets
}

output "state_machine_arn" {
  description = "ARN of the state machine `pipeline`."
  value       = module.pipeline.state_machine_arns["pipeline"]
}

output "backfill_state_machine_arn" {
  description = "ARN of the state machine `backfill`."
  value       = module.pipeline.state_machine_arns["backfill"]
}

output "uploads_queue_url" {
  description = "URL of the queue of uploads."
  value       = module.pipeline.uploads_queue_url
}

output "dead_letter_queue_url" {
  description = "URL of the queue of what could not be taken or started."
  value       = module.pipeline.dead_letter_queue_url
}

output "functions" {
  description = "Name of each function, by its key."
  value       = module.pipeline.functions
}

output "database_secret_arn" {
  description = "ARN of the pipeline's secret."
  value       = module.pipeline.database_secret_arn
}

output "master_secret_arn" {
  description = "ARN of the master's secret."
  value       = aws_secretsmanager_secret.master.arn
}

output "topic_arn" {
  description = "ARN of the topic of notifications."
  value       = module.pipeline.topic_arn
}

output "at_rest" {
  description = "What rests: the schedule, the taking of uploads, the alarms. All of it does where `paused` is set."
  value       = module.pipeline.at_rest
}
