output "identifier" {
  description = "Identifier of the instance."
  value       = aws_db_instance.this.identifier
}

output "host" {
  description = "Host name of the instance, to which its certificate is made out."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Port of the instance."
  value       = aws_db_instance.this.port
}

output "name" {
  description = "Database in the instance."
  value       = aws_db_instance.this.db_name
}

output "replica_host" {
  description = "Host name of the analysts' instance; null where there is none."
  value       = one(aws_db_instance.replica[*].address)
}

output "master_secret_arn" {
  description = "ARN of the master's secret, {username, password}, which RDS keeps."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "allocated_gb" {
  description = "Storage at first, in GB."
  value       = var.allocated_gb
}

output "max_connections" {
  description = "Connections that the server takes."
  value       = var.max_connections
}
