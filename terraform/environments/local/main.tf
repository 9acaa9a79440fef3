module "pipeline" {
  source = "../../modules/pipeline"

  name            = var.name
  packages        = var.packages
  architecture    = var.architecture
  datasets        = { facturation = var.dataset_folder }
  default_dataset = "facturation"
  force_destroy   = true

  database = {
    # The version's, so that no function starts before the secret has a value.
    secret_arn = aws_secretsmanager_secret_version.database.arn
    tls        = var.database_tls
  }

  # Seconds, so that a test sees the last attempt.
  retry = {
    transient_interval_seconds = 1
    busy_interval_seconds      = 1
    busy_max_delay_seconds     = 3
    service_interval_seconds   = 1
  }

  log_retention_days = 1
}

resource "aws_secretsmanager_secret" "database" {
  name                    = "${var.name}-database"
  description             = "How the functions reach the warehouse."
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "database" {
  secret_id     = aws_secretsmanager_secret.database.id
  secret_string = jsonencode(merge(var.database, { password = var.database_password }))
}
