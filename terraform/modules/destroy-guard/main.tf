# Stops `terraform destroy` at the plan, before anything is removed. RDS and buckets refuse to be deleted too, but only when
# Terraform comes to them: functions, queues with their messages, alarms and policies would be gone by then.
#
# Terraform takes no variable for `prevent_destroy`, so that the guard is there or not. To give it up on purpose, take it out
# of the state: `terraform state rm`.

resource "terraform_data" "this" {
  count = var.protected ? 1 : 0
  input = "docs/deploy.md, Teardown, says how to destroy this environment on purpose."

  lifecycle {
    prevent_destroy = true
  }
}
