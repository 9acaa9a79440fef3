output "arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "log_group" {
  description = "Log group of the function."
  value       = aws_cloudwatch_log_group.this.name
}
