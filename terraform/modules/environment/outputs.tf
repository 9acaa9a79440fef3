output "buckets" {
  description = "Name of each bucket, by its role."
  value       = module.pipeline.buckets
}

output "console_links" {
  description = "Where an operator sees the state machines and the dashboard."
  value       = module.pipeline.console_links
}

output "state_machine_arns" {
  description = "ARN of each state machine: pipeline, backfill."
  value       = module.pipeline.state_machine_arns
}

output "database" {
  description = "Where the warehouse is: endpoint (the analysts' own too, where there is one), database, ARNs of the master's and the pipeline's secrets."
  value = {
    host                = module.database.host
    replica_host        = module.database.replica_host
    port                = module.database.port
    name                = module.database.name
    master_secret_arn   = module.database.master_secret_arn
    pipeline_secret_arn = module.pipeline.database_secret_arn
  }
}

output "database_changes" {
  description = "When a change of the database's class, version or storage is made, and how to see what waits."
  value       = module.database.changes
}

output "topic_arn" {
  description = "ARN of the topic of notifications."
  value       = module.pipeline.topic_arn
}

output "urgent_topic_arn" {
  description = "ARN of the topic of alarms that cannot wait."
  value       = module.pipeline.urgent_topic_arn
}

output "monthly_budget_usd" {
  description = "Dollars a month above which AWS writes; null for no budget."
  value       = one(aws_budgets_budget.this[*].limit_amount)
}

output "queue_urls" {
  description = "URLs of the queue of uploads and of what could not be taken or started."
  value       = { uploads = module.pipeline.uploads_queue_url, dead_letters = module.pipeline.dead_letter_queue_url }
}

output "functions" {
  description = "Name of each function, by its key."
  value       = module.pipeline.functions
}

output "network" {
  description = "The network, for the operator who joins another to it or opens a CloudShell in it, its security groups of the database and of operators, and the bastion's instance (null: none)."
  value = {
    vpc_id                      = module.network.vpc_id
    cidr                        = module.network.cidr
    subnet_ids                  = module.network.subnet_ids
    database_security_group_id  = module.network.security_group_ids["database"]
    operators_security_group_id = module.network.security_group_ids["operators"]
    bastion_instance_id         = one(module.bastion[*].instance_id)
  }
}

output "protection" {
  description = "What guards the data: the database's standby, backups and refusal to be deleted, the buckets' refusal to be emptied, the guard that stops a destroying plan; and whether Database Insights keeps statements."
  value = merge(module.database.protection, {
    buckets_keep_objects = module.pipeline.keeps_objects
    destroy_guard        = module.destroy_guard.guarded
  })
}

output "at_rest" {
  description = "What rests: the schedule, the taking of uploads, the alarms. All of it does where `paused` is set."
  value       = module.pipeline.at_rest
}

output "facilities" {
  description = "What each facility must be given that uploads with an account of its own; and the largest file that is accepted."
  value       = { largest_file_mb = module.pipeline.largest_file_mb, instructions = module.facility_upload.instructions }
}
