# The master's password: RDS makes it, keeps it and changes it; only `prepare-database` reads it. But RDS makes no replica of an
# instance whose password it keeps. Where there is one, the operator gives the password, and a secret keeps it. No state holds
# it either way.

locals {
  master_username = "master"
  kept_by_rds     = !var.read_replica
}

resource "aws_secretsmanager_secret" "master" {
  #checkov:skip=CKV2_AWS_57:The operator changes this password, by giving another one with a greater master_password_version.
  count                   = local.kept_by_rds ? 0 : 1
  name                    = "${var.name}-master"
  description             = "The master of the database: {username, password}."
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.protected ? 30 : 0
}

resource "aws_secretsmanager_secret_version" "master" {
  count                    = local.kept_by_rds ? 0 : 1
  secret_id                = aws_secretsmanager_secret.master[0].id
  secret_string_wo         = jsonencode({ username = local.master_username, password = var.master_password })
  secret_string_wo_version = var.master_password_version
}
