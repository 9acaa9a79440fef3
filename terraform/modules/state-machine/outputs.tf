output "arns" {
  description = "ARN of each state machine: pipeline, backfill."
  value       = { for machine, this in aws_sfn_state_machine.this : machine => this.arn }
}

output "log_groups" {
  description = "Log group of each state machine's failed executions."
  value       = { for machine, this in aws_cloudwatch_log_group.this : machine => this.name }
}

output "console_links" {
  description = "Where an operator sees and starts the executions of each state machine."
  value = {
    for machine, this in aws_sfn_state_machine.this :
    machine => "https://${local.region}.console.aws.amazon.com/states/home?region=${local.region}#/statemachines/view/${this.arn}"
  }
}
