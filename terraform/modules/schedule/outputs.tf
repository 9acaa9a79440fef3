output "schedules" {
  description = "ARN of each dataset's daily schedule."
  value       = { for dataset, this in aws_scheduler_schedule.daily : dataset => this.arn }
}

output "role_arn" {
  description = "ARN of the role with which the scheduler starts the state machine."
  value       = aws_iam_role.this.arn
}

output "at_rest" {
  description = "Whether no schedule starts a run."
  value       = alltrue([for schedule in aws_scheduler_schedule.daily : schedule.state == "DISABLED"])
}
