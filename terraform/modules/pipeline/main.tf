# The pipeline as it stands in every environment: buckets, the datasets' bundles, functions, state machine.

data "aws_caller_identity" "current" {}

module "data_lake" {
  source = "../data-lake"

  prefix                   = "${var.name}-${data.aws_caller_identity.current.account_id}"
  consumer_timeout_seconds = local.ingest_timeout_seconds
  force_destroy            = var.force_destroy
}

module "dataset" {
  source   = "../dataset-bundle"
  for_each = var.datasets

  name   = each.key
  folder = each.value
  bucket = module.data_lake.buckets["datasets"]
}

module "pipeline" {
  source = "../state-machine"

  name               = "${var.name}-pipeline"
  definition         = "${path.module}/../state-machine/pipeline.asl.json"
  function_arns      = { for stage, function in module.stage : stage => function.arn }
  retry              = var.retry
  log_retention_days = var.log_retention_days
}

# The functions that the state machine calls.
module "stage" {
  source   = "../lambda-function"
  for_each = local.stages

  name               = "${var.name}-${each.key}"
  package            = "${var.packages}/${each.key}.zip"
  architecture       = var.architecture
  timeout_seconds    = each.value.timeout_seconds
  environment        = each.value.environment
  statements         = each.value.statements
  log_retention_days = var.log_retention_days
}

module "ingest" {
  source = "../lambda-function"

  name               = "${var.name}-ingest"
  package            = "${var.packages}/ingest.zip"
  architecture       = var.architecture
  timeout_seconds    = local.ingest_timeout_seconds
  log_retention_days = var.log_retention_days

  environment = merge(local.datasets_environment, {
    QUARANTINE_BUCKET = module.data_lake.buckets["quarantine"]
    STATE_MACHINE_ARN = module.pipeline.arn
  })

  statements = [
    local.read_bundles,
    local.may_list.datasets,
    { sid = "ReadUpload", actions = ["s3:GetObject", "s3:GetObjectVersion"], resources = ["${local.arns.bronze}/*"] },
    local.may_list.bronze,
    { sid = "Quarantine", actions = local.write_actions, resources = ["${local.arns.quarantine}/*"] },
    { sid = "StartRun", actions = ["states:StartExecution"], resources = [module.pipeline.arn] },
    {
      sid       = "TakeUploads"
      actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
      resources = [module.data_lake.uploads_queue.arn]
    },
  ]
}

resource "aws_lambda_event_source_mapping" "uploads" {
  event_source_arn        = module.data_lake.uploads_queue.arn
  function_name           = module.ingest.arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.ingest_concurrency
  }
}
