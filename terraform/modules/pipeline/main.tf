# The pipeline as it stands in every environment: buckets, bundles, functions, state machines, daily run, alarms. Network and
# database are given to it.

data "aws_caller_identity" "current" {}

module "data_lake" {
  source = "../data-lake"

  prefix                   = local.bucket_prefix
  kms_key_arn              = var.kms_key_arn
  consumer_timeout_seconds = local.ingest_timeout_seconds
  lifecycle_days           = var.lifecycle_days
  force_destroy            = var.force_destroy
  data_events              = var.data_events
}

module "dataset" {
  source   = "../dataset-bundle"
  for_each = var.datasets

  name        = each.key
  folder      = each.value
  bucket      = module.data_lake.buckets["datasets"]
  kms_key_arn = var.kms_key_arn
}

# What runs begin with. Before the database is ready for it, a run would find columns missing.
resource "aws_s3_object" "bundle" {
  for_each = module.dataset

  bucket       = module.data_lake.buckets["datasets"]
  key          = "${each.key}.json"
  content_type = "application/json"
  content      = each.value.content
  kms_key_id   = var.kms_key_arn

  depends_on = [aws_lambda_invocation.prepare_database]
}

module "state_machines" {
  source = "../state-machine"

  name               = var.name
  function_arns      = { for name in concat(keys(local.stages), ["prepare-database"]) : name => module.function[name].arn }
  reports_bucket     = local.buckets["reports"]
  retry              = var.retry
  backfill           = var.backfill
  kms_key_arn        = var.kms_key_arn
  log_retention_days = var.log_retention_days
}

# The functions that the state machines call, and those that keep the database.
module "function" {
  source   = "../lambda-function"
  for_each = merge(local.stages, local.database_functions)

  name                 = "${var.name}-${each.key}"
  package              = var.packages[each.key]
  architecture         = var.architecture
  timeout_seconds      = each.value.timeout_seconds
  memory_mb            = lookup(local.memory_mb, each.key, 512)
  reserved_concurrency = lookup(var.concurrency, each.key, -1)
  network              = contains(local.in_network, each.key) ? var.network : null
  environment          = merge(each.value.environment, local.common_environment)
  statements           = each.value.statements
  kms_key_arn          = var.kms_key_arn
  log_retention_days   = var.log_retention_days
}

module "ingest" {
  source = "../lambda-function"

  name               = "${var.name}-ingest"
  package            = var.packages["ingest"]
  architecture       = var.architecture
  timeout_seconds    = local.ingest_timeout_seconds
  kms_key_arn        = var.kms_key_arn
  log_retention_days = var.log_retention_days

  environment = merge(local.datasets_environment, local.common_environment, {
    QUARANTINE_BUCKET = local.buckets["quarantine"]
    STATE_MACHINE_ARN = module.state_machines.arns["pipeline"]
    TOPIC_ARN         = module.alerting.topic_arn
  })

  statements = [
    local.read_bundles,
    local.may_list.datasets,
    local.read_uploads,
    local.may_list.bronze,
    { sid = "Quarantine", actions = local.write_actions, resources = ["${local.arns.quarantine}/unknown/*"] },
    # What is recorded already is not told twice.
    {
      sid       = "Failures"
      actions   = concat(local.read_actions, local.write_actions)
      resources = ["${local.arns.quarantine}/failures/*"]
    },
    local.may_list.quarantine,
    { sid = "StartRun", actions = ["states:StartExecution"], resources = [module.state_machines.arns["pipeline"]] },
    {
      sid       = "TakeUploads"
      actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
      resources = [module.data_lake.uploads_queue.arn]
    },
    local.notify,
    local.read_and_write_encrypted,
  ]
}

resource "aws_lambda_event_source_mapping" "uploads" {
  event_source_arn        = module.data_lake.uploads_queue.arn
  function_name           = module.ingest.arn
  enabled                 = !var.paused
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.ingest_concurrency
  }

  # No file is taken before the warehouse can take it, and a contract can know it.
  depends_on = [aws_s3_object.bundle]
}

# The state machine, once the warehouse is ready for it. A module that waits for a resource as a whole would read its data
# sources late, and show changes that are none.
resource "terraform_data" "ready" {
  input      = module.state_machines.arns["pipeline"]
  depends_on = [aws_s3_object.bundle]
}

module "schedule" {
  source = "../schedule"

  name                  = var.name
  state_machine_arn     = terraform_data.ready.output
  datasets              = { for name, dataset in module.dataset : name => dataset.schedule }
  expression            = var.schedule.expression
  enabled               = var.schedule.enabled && !var.paused
  kms_key_arn           = var.kms_key_arn
  dead_letter_queue_arn = module.data_lake.dead_letter_queue.arn
}

module "alerting" {
  source = "../alerting"

  name              = var.name
  emails            = var.emails
  alarm_emails      = var.alarm_emails
  kms_key_arn       = var.kms_key_arn
  runbook_base_url  = var.runbook_base_url
  metrics_namespace = var.name
  paused            = var.paused
  state_machines    = module.state_machines.arns
  queues            = { uploads = module.data_lake.uploads_queue.name, dead_letters = module.data_lake.dead_letter_queue.name }
  buckets           = module.data_lake.buckets
  sources           = { for name, dataset in module.dataset : name => dataset.sources }
  money             = { for name, dataset in module.dataset : name => dataset.money }

  # Of five fields, minute and hour may be anything, and the others say each day.
  daily_datasets = !var.schedule.enabled ? [] : [
    for name, dataset in module.dataset : name
    if can(regex("^(cron\\(\\S+ \\S+ (\\*|\\?|1/1) \\* (\\*|\\?) \\*\\)|rate\\(1 day\\))$", coalesce(dataset.schedule.expression, var.schedule.expression)))
  ]

  functions = {
    for key, function in merge({ ingest = module.ingest }, module.function) : key => {
      name            = function.name
      timeout_seconds = function.timeout_seconds
      memory_mb       = function.memory_mb
      alone           = !contains(keys(local.stages), key)
      batches         = key == "ingest"
    }
  }

  # A null of an object's type would lack what the module's type wants.
  database = one([for instance in var.database.instance[*] : merge(instance, { max_connections = var.database.max_connections })])
}
