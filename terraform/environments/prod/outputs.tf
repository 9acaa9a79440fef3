output "buckets" {
  description = "Name of each bucket, by its role."
  value       = module.environment.buckets
}

output "console_links" {
  description = "Where an operator sees the state machines and the dashboard."
  value       = module.environment.console_links
}

output "state_machine_arns" {
  description = "ARN of each state machine: pipeline, backfill."
  value       = module.environment.state_machine_arns
}

output "database" {
  description = "Where the warehouse is, and the ARNs of its secrets."
  value       = module.environment.database
}

output "database_changes" {
  description = "When a change of the database's class, version or storage is made, and how to see what waits."
  value       = module.environment.database_changes
}

output "topic_arn" {
  description = "ARN of the topic of notifications."
  value       = module.environment.topic_arn
}

output "urgent_topic_arn" {
  description = "ARN of the topic of alarms that cannot wait."
  value       = module.environment.urgent_topic_arn
}

output "queue_urls" {
  description = "URLs of the queue of uploads and of what could not be taken or started."
  value       = module.environment.queue_urls
}

output "functions" {
  description = "Name of each function, by its key."
  value       = module.environment.functions
}

output "network" {
  description = "The network, for the operator who joins another to it or opens a CloudShell in it, its security groups of the database and of operators, and the bastion's instance (null: none)."
  value       = module.environment.network
}

output "protection" {
  description = "What guards the data: the database's standby, backups and refusal to be deleted, the buckets' refusal to be emptied, the guard that stops a destroying plan; and whether Database Insights keeps statements."
  value       = module.environment.protection
}

output "at_rest" {
  description = "What rests: the schedule, the taking of uploads, the alarms. All of it does where `paused` is set."
  value       = module.environment.at_rest
}

output "facilities" {
  description = "What each facility must be given that uploads with an account of its own; and the largest file that is accepted."
  value       = module.environment.facilities
}
