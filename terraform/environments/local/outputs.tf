output "buckets" {
  description = "Name of each bucket, by its role."
  value       = module.pipeline.buckets
}

output "state_machine_arn" {
  description = "ARN of the state machine `pipeline`."
  value       = module.pipeline.state_machine_arn
}

output "uploads_queue_url" {
  description = "URL of the queue of uploads."
  value       = module.pipeline.uploads_queue_url
}

output "dead_letter_queue_url" {
  description = "URL of the queue of uploads that could not be taken."
  value       = module.pipeline.dead_letter_queue_url
}

output "functions" {
  description = "Name of each function, by its key."
  value       = module.pipeline.functions
}

output "database_secret_arn" {
  description = "ARN of the secret with the database's address and password."
  value       = aws_secretsmanager_secret.database.arn
}
