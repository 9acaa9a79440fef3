output "buckets" {
  description = "Name of each bucket, by its role."
  value       = module.data_lake.buckets
}

output "state_machine_arn" {
  description = "ARN of the state machine `pipeline`."
  value       = module.pipeline.arn
}

output "uploads_queue_url" {
  description = "URL of the queue of uploads."
  value       = module.data_lake.uploads_queue.url
}

output "dead_letter_queue_url" {
  description = "URL of the queue of uploads that could not be taken."
  value       = module.data_lake.dead_letter_queue.url
}

output "functions" {
  description = "Name of each function, by its key."
  value       = merge({ ingest = module.ingest.name }, { for stage, function in module.stage : stage => function.name })
}

output "dataset_versions" {
  description = "Version of each dataset's bundle that runs start with from now on."
  value       = { for name, bundle in module.dataset : name => bundle.version_id }
}
