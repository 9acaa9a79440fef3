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
  description = "ARN of the master's secret, {username, password}."
  value       = local.kept_by_rds ? aws_db_instance.this.master_user_secret[0].secret_arn : aws_secretsmanager_secret_version.master[0].arn
}

output "allocated_gb" {
  description = "Storage in GB, as it was at the last plan: RDS lets it grow."
  value       = aws_db_instance.this.allocated_storage
}

output "instance_class" {
  description = "Size of the instance."
  value       = var.instance_class
}

output "replica_identifier" {
  description = "Identifier of the analysts' instance; null where there is none."
  value       = one(aws_db_instance.replica[*].identifier)
}

output "max_connections" {
  description = "Connections that the server takes."
  value       = var.max_connections
}

output "changes" {
  description = "When a change of the instance's class, version or storage is made, and how to see what waits."
  value = var.apply_immediately ? "At once: a change of class or version interrupts the database." : join(" ", [
    "In the maintenance window, ${local.maintenance_window} UTC: until then the instance stays as it is, although the apply has ended.",
    "For now: apply_immediately = true. What waits: aws rds describe-db-instances --db-instance-identifier ${var.name} --query 'DBInstances[0].PendingModifiedValues'",
  ])
}

output "protection" {
  description = "What guards the data: a standby, days of backups, whether the instance refuses to be deleted, whether it leaves a last snapshot, and whether Database Insights keeps statements."
  value = {
    multi_az            = aws_db_instance.this.multi_az
    backup_days         = aws_db_instance.this.backup_retention_period
    deletion_protection = aws_db_instance.this.deletion_protection
    final_snapshot      = !aws_db_instance.this.skip_final_snapshot
    keeps_statements    = aws_db_instance.this.performance_insights_enabled
  }
}
