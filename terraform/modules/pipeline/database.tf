# How the functions come to the database: a role of the pipeline's own, whose password Terraform never sees.

resource "aws_secretsmanager_secret" "database" {
  name                    = "${var.name}-database"
  description             = "How the functions reach the warehouse: {host, port, username, password, dbname}, filled by prepare-database."
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.force_destroy ? 0 : 30
}

resource "aws_secretsmanager_secret_rotation" "database" {
  secret_id           = aws_secretsmanager_secret.database.id
  rotation_lambda_arn = module.function["rotate-secret"].arn

  rotation_rules {
    automatically_after_days = var.rotation_days
  }

  # There is a password to change once there is one.
  depends_on = [aws_lambda_permission.rotate_secret, aws_lambda_invocation.prepare_database]
}

resource "aws_lambda_permission" "rotate_secret" {
  statement_id   = "SecretsManagerRotates"
  action         = "lambda:InvokeFunction"
  function_name  = module.function["rotate-secret"].name
  principal      = "secretsmanager.amazonaws.com"
  source_account = data.aws_caller_identity.current.account_id
  source_arn     = aws_secretsmanager_secret.database.arn
}

# Makes the roles and migrates. It is called again where the migrations, the function, the database, its connections or its master have
# changed, and not for another change of a contract.
resource "aws_lambda_invocation" "prepare_database" {
  function_name = module.function["prepare-database"].name

  input = jsonencode({
    datasets    = keys(var.datasets)
    next        = true
    fingerprint = local.database_fingerprint
    # A server reads them when it starts: until then it would answer with the old number.
    max_connections = var.database.max_connections
  })

  triggers = {
    database      = "${var.database.host}:${var.database.port}/${var.database.name}"
    master_secret = var.database.master_secret_arn
  }

  # Declarations and migrations lie in the bundles that are published afterwards.
  depends_on = [module.dataset]
}

locals {
  database_fingerprint = sha256(jsonencode({
    migrations = { for name, dataset in module.dataset : name => dataset.migrations_hash }
    function   = var.packages["prepare-database"].hash
  }))
}
