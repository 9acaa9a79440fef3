output "key" {
  description = "Key of the bundle."
  value       = aws_s3_object.this.key
}

output "version_id" {
  description = "Version of the bundle that runs start with from now on."
  value       = aws_s3_object.this.version_id
}
