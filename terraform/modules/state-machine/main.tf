# The two state machines, `pipeline` and `backfill`: each from its definition beside this file, each with a role of its own.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  region = data.aws_region.current.name

  # Known before the machines are there, so that their roles can name them.
  arn_prefix = {
    for kind in ["stateMachine", "execution", "mapRun"] :
    kind => "arn:${data.aws_partition.current.partition}:states:${local.region}:${data.aws_caller_identity.current.account_id}:${kind}"
  }
  names = { for machine in ["pipeline", "backfill"] : machine => "${var.name}-${machine}" }
  machines = {
    for machine, name in local.names :
    machine => { name = name, arn = "${local.arn_prefix["stateMachine"]}:${name}", template = local.templates[machine] }
  }

  # A quoted placeholder gives way, quotes included, to the JSON of its value: a number becomes a number, an ARN a string.
  # So the definition is valid JSON before the substitution as well as after it.
  templates = {
    for machine in keys(local.names) :
    machine => replace(file("${path.module}/${machine}.asl.json"), "/\"(\\$\\{[a-z_]+\\})\"/", "$1")
  }
  values = merge(
    { for stage, arn in var.function_arns : "${replace(stage, "-", "_")}_arn" => jsonencode(arn) },
    { for name, seconds in var.retry : name => jsonencode(seconds) },
    {
      reports_bucket  = jsonencode(var.reports_bucket)
      pipeline_arn    = jsonencode("${local.arn_prefix["stateMachine"]}:${local.names["pipeline"]}")
      max_concurrency = jsonencode(var.backfill.max_concurrency)
      # With a decimal, which LocalStack's parser insists on and AWS allows.
      tolerated_failure_percentage = format("%.1f", var.backfill.tolerated_failure_percentage)
    },
  )
}

resource "aws_sfn_state_machine" "this" {
  #checkov:skip=CKV_AWS_285:Failures are logged, but without execution data: a key may name a person's file, and the console shows each execution's data anyway.
  for_each = local.machines

  name       = each.value.name
  type       = "STANDARD"
  role_arn   = aws_iam_role.this[each.key].arn
  definition = templatestring(each.value.template, local.values)

  logging_configuration {
    level                  = "ERROR"
    include_execution_data = false
    log_destination        = "${aws_cloudwatch_log_group.this[each.key].arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  depends_on = [aws_iam_role_policy.this]
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:The retention is the environment's; what must be kept for years is in the ledger and the reports.
  for_each = local.machines

  name              = "/aws/vendedlogs/states/${each.value.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}
