output "buckets" {
  description = "Name of each bucket, by its role: bronze, silver, quarantine, reports, datasets."
  value       = { for role in local.buckets : role => aws_s3_bucket.this[role].id }

  # Who uses a bucket may write to it at once: versions are on before.
  depends_on = [aws_s3_bucket_versioning.this]
}

output "bucket_arns" {
  description = "ARN of each bucket, by its role."
  value       = { for role in local.buckets : role => aws_s3_bucket.this[role].arn }
}

output "uploads_queue" {
  description = "ARN and URL of the queue of uploads."
  value       = { arn = aws_sqs_queue.uploads.arn, url = aws_sqs_queue.uploads.url }
}

output "dead_letter_queue" {
  description = "ARN and URL of the queue of uploads that could not be taken."
  value       = { arn = aws_sqs_queue.dead_letters.arn, url = aws_sqs_queue.dead_letters.url }
}
