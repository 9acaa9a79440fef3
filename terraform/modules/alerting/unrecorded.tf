# A failed execution of which `record-failure` could not tell: the function failed too, or Step Functions ended the execution before it.

locals {
  unrecorded_name = "${var.name}-unrecorded"
}

resource "aws_cloudwatch_event_rule" "unrecorded" {
  name        = local.unrecorded_name
  description = "Executions that failed without a record of the failure."

  event_pattern = jsonencode({
    source      = ["aws.states"]
    detail-type = ["Step Functions Execution Status Change"]
    detail = {
      # A prefix, because the children of a Distributed Map have the machine's ARN with a suffix. Only a person aborts an execution.
      stateMachineArn = [for arn in values(var.state_machines) : { prefix = arn }]
      status          = ["FAILED", "TIMED_OUT"]
      # A recorded failure ends with a code of Fonderie. AWS's documents do not promise the field: without it, each failure is reported.
      error = [{ prefix = "Unrecorded." }, { prefix = "States." }, null, { exists = false }]
    }
  })
}

resource "aws_cloudwatch_event_target" "unrecorded" {
  rule = aws_cloudwatch_event_rule.unrecorded.name
  arn  = aws_sns_topic.this.arn

  # The input stays out of the mail: a key may name a person.
  input_transformer {
    input_paths = {
      error     = "$.detail.error"
      execution = "$.detail.executionArn"
      status    = "$.detail.status"
    }
    input_template = "\"${var.name}: the execution <execution> ended <status> (<error>), and the failure is not recorded. What to do: ${var.runbook_base_url}/execution-failed.md\""
  }

  # Without the policy the first event would be lost.
  depends_on = [aws_sns_topic_policy.this]
}
