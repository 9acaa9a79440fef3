output "arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "timeout_seconds" {
  description = "Seconds after which Lambda ends an invocation."
  value       = var.timeout_seconds
}

output "memory_mb" {
  description = "Memory in megabytes."
  value       = var.memory_mb
}

output "log_group" {
  description = "Log group of the function."
  value       = aws_cloudwatch_log_group.this.name
}
