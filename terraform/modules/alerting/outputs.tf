output "topic_arn" {
  description = "ARN of the topic of notifications."
  value       = aws_sns_topic.this.arn
}

output "urgent_topic_arn" {
  description = "ARN of the topic of alarms that cannot wait."
  value       = aws_sns_topic.urgent.arn
}

output "daily_datasets" {
  description = "The datasets of which an alarm says that their daily run did not happen."
  value       = var.daily_datasets
}

output "dashboard_link" {
  description = "Where the dashboard is seen."
  value       = "https://${local.region}.console.aws.amazon.com/cloudwatch/home?region=${local.region}#dashboards/dashboard/${aws_cloudwatch_dashboard.this.dashboard_name}"
}

output "runbooks" {
  description = "The runbook of each alarm, a file of docs/runbooks without its ending, by the alarm's name."
  value       = { for name, alarm in local.alarms : name => alarm.runbook }
}

output "at_rest" {
  description = "Whether no alarm sends anything."
  value       = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : !alarm.actions_enabled])
}
