resource "aws_db_instance" "this" {
  #checkov:skip=CKV_AWS_157:A standby is each environment's choice: `multi_az`.
  #checkov:skip=CKV_AWS_293:An environment without real data may be destroyed: `protected`.
  #checkov:skip=CKV_AWS_353:Database Insights keep what analysts typed: off where the data is real.
  #checkov:skip=CKV2_AWS_69:The parameter group forces TLS (rds.force_ssl), in a dynamic block.
  identifier     = var.name
  engine         = "postgres"
  engine_version = var.postgres_version
  instance_class = var.instance_class
  db_name        = var.database_name

  username                      = local.master_username
  manage_master_user_password   = local.kept_by_rds ? true : null
  master_user_secret_kms_key_id = local.kept_by_rds ? var.kms_key_arn : null
  password_wo                   = local.kept_by_rds ? null : var.master_password
  password_wo_version           = local.kept_by_rds ? null : var.master_password_version

  # Nobody's way of logging in unless the operator grants `rds_iam` to a role: an analyst then needs no password.
  iam_database_authentication_enabled = true

  storage_type          = "gp3"
  allocated_storage     = var.allocated_gb
  max_allocated_storage = var.max_allocated_gb
  storage_encrypted     = true
  kms_key_id            = var.kms_key_arn

  multi_az               = var.multi_az
  publicly_accessible    = false
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [var.security_group_id]
  parameter_group_name   = aws_db_parameter_group.this.name
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  backup_retention_period   = var.backup_days
  backup_window             = "01:00-02:00" # UTC: after the day's uploads, before the daily run
  maintenance_window        = local.maintenance_window
  copy_tags_to_snapshot     = true
  delete_automated_backups  = !var.protected
  deletion_protection       = var.protected
  skip_final_snapshot       = !var.final_snapshot
  final_snapshot_identifier = var.final_snapshot ? "${var.name}-final" : null

  # A major version is the operator's to raise: `postgres_version`. RDS takes none by itself.
  auto_minor_version_upgrade  = true
  allow_major_version_upgrade = true
  apply_immediately           = var.apply_immediately

  performance_insights_enabled          = local.insights.enabled
  performance_insights_kms_key_id       = local.insights.kms_key_arn
  performance_insights_retention_period = local.insights.days
  database_insights_mode                = local.insights.mode
  monitoring_interval                   = 60
  monitoring_role_arn                   = aws_iam_role.monitoring.arn
  enabled_cloudwatch_logs_exports       = var.log_exports

  # RDS would make the log groups itself, without key or end.
  depends_on = [aws_cloudwatch_log_group.exports, aws_iam_role_policy_attachment.monitoring]
}

# Analysts' queries neither wait for loads nor hold them up.
resource "aws_db_instance" "replica" {
  #checkov:skip=CKV_AWS_157:A replica is no standby: what it holds, the primary holds.
  #checkov:skip=CKV_AWS_293:A replica holds nothing of its own.
  #checkov:skip=CKV_AWS_353:Database Insights keep what analysts typed: off where the data is real.
  #checkov:skip=CKV2_AWS_69:The parameter group forces TLS (rds.force_ssl), in a dynamic block.
  count               = var.read_replica ? 1 : 0
  identifier          = "${var.name}-replica"
  replicate_source_db = aws_db_instance.this.identifier
  instance_class      = var.instance_class

  iam_database_authentication_enabled = true

  storage_type          = "gp3"
  max_allocated_storage = var.max_allocated_gb
  storage_encrypted     = true

  publicly_accessible    = false
  vpc_security_group_ids = [var.security_group_id]
  parameter_group_name   = aws_db_parameter_group.this.name
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  copy_tags_to_snapshot      = true
  skip_final_snapshot        = true
  auto_minor_version_upgrade = true
  apply_immediately          = var.apply_immediately

  performance_insights_enabled          = local.insights.enabled
  performance_insights_kms_key_id       = local.insights.kms_key_arn
  performance_insights_retention_period = local.insights.days
  database_insights_mode                = local.insights.mode
  monitoring_interval                   = 60
  monitoring_role_arn                   = aws_iam_role.monitoring.arn
  enabled_cloudwatch_logs_exports       = var.log_exports

  depends_on = [aws_cloudwatch_log_group.exports]
}

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

locals {
  maintenance_window = "sun:02:30-sun:03:30" # UTC

  # What each mode asks for. "off" is the free mode without its samples of statements.
  insights = {
    enabled     = var.insights != "off"
    mode        = var.insights == "advanced" ? "advanced" : "standard"
    days        = var.insights == "off" ? null : var.insights == "advanced" ? 465 : 7
    kms_key_arn = var.insights == "off" ? null : var.kms_key_arn
  }

  parameters = {
    # A client without TLS is refused.
    "rds.force_ssl" = "1"

    # No value of a record goes to the server's log. The message of an error may quote one (`invalid input syntax for type
    # integer: "…"`), so that errors are not logged at all: `log` is the least severity above them, and whoever caused an error
    # is told. Nor is a statement (an analyst's may name a patient, a role's a password), a parameter, or a detail.
    log_min_messages                  = "log"
    log_statement                     = "none"
    log_min_duration_statement        = "-1"
    log_min_error_statement           = "panic"
    log_error_verbosity               = "terse"
    log_parameter_max_length          = "0"
    log_parameter_max_length_on_error = "0"

    max_connections = tostring(var.max_connections)
  }
  # Read when the server starts; and what RDS has as its default, which it gives back as such, whatever was asked for.
  at_start = ["max_connections", "rds.force_ssl"]
}

resource "aws_db_parameter_group" "this" {
  # The family is in the name, so that a new major version's group stands beside the old one's.
  name        = "${var.name}-postgres${var.postgres_version}"
  family      = "postgres${var.postgres_version}"
  description = "TLS alone, a log without personal data."

  dynamic "parameter" {
    for_each = local.parameters
    content {
      name         = parameter.key
      value        = parameter.value
      apply_method = contains(local.at_start, parameter.key) ? "pending-reboot" : "immediate"
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "exports" {
  #checkov:skip=CKV_AWS_338:How long logs are kept is the operator's choice; the audit trail is the ledger in the warehouse.
  for_each = merge([
    for instance in concat([var.name], var.read_replica ? ["${var.name}-replica"] : []) : {
      for log in var.log_exports : "${instance}/${log}" => "/aws/rds/instance/${instance}/${log}"
    }
  ]...)
  name              = each.value
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

# The operating system's figures, each minute.
resource "aws_iam_role" "monitoring" {
  name = "${var.name}-monitoring"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "monitoring.rds.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}
