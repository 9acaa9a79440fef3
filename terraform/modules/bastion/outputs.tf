output "instance_id" {
  description = "The instance that `aws ssm start-session --target` names."
  value       = aws_instance.this.id
}
