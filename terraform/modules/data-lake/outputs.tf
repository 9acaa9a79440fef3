output "buckets" {
  description = "Name of each bucket, by its role: bronze, silver, quarantine, reports, datasets, access-logs."
  value       = local.names

  # Who uses a bucket may write to it at once: versions and encryption are on before.
  depends_on = [aws_s3_bucket_versioning.this, aws_s3_bucket_server_side_encryption_configuration.this]
}

output "bucket_arns" {
  description = "ARN of each bucket, by its role."
  value       = local.arns
}

output "uploads_queue" {
  description = "ARN, name and URL of the queue of uploads."
  value = {
    arn  = aws_sqs_queue.uploads.arn
    name = local.queue_names.uploads
    url  = aws_sqs_queue.uploads.url
  }
}

output "dead_letter_queue" {
  description = "ARN, name and URL of the queue of what could not be taken or started."
  value = {
    arn  = aws_sqs_queue.dead_letters.arn
    name = local.queue_names.dead_letters
    url  = aws_sqs_queue.dead_letters.url
  }
}

output "keeps_objects" {
  description = "Whether each bucket refuses to be destroyed with what it holds."
  value       = alltrue([for bucket in aws_s3_bucket.this : !bucket.force_destroy])
}
