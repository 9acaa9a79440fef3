output "bucket" {
  description = "Name of the bucket."
  value       = var.bucket

  # What is put there has a version.
  depends_on = [aws_s3_bucket_versioning.this]
}
