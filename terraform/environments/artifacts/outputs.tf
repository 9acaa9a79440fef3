output "bucket" {
  description = "Name of the bucket: `artifacts_bucket` of each environment."
  value       = module.artifacts.bucket
}
