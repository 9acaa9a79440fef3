# What the account spends, other things in it included: an environment has an account of its own best. AWS writes the e-mails itself.

resource "aws_budgets_budget" "this" {
  count = var.monthly_budget_usd == null || length(coalesce(var.alarm_emails, var.emails)) == 0 ? 0 : 1

  name         = "${var.name}-monthly"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = format("%.2f", var.monthly_budget_usd)
  limit_unit   = "USD"

  # When the month's end is seen to cost more, and when it does.
  dynamic "notification" {
    for_each = { FORECASTED = 100, ACTUAL = 100 }
    content {
      notification_type          = notification.key
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = coalesce(var.alarm_emails, var.emails)
    }
  }
}
