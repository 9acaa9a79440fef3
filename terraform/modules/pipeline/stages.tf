# What each stage is told, and what it may do: nothing that its code does not do.

locals {
  ingest_timeout_seconds = 60

  arns    = module.data_lake.bucket_arns
  buckets = module.data_lake.buckets

  # The first dataset is the default one.
  datasets_environment = {
    DATASETS        = join(",", distinct(concat([var.default_dataset], keys(var.datasets))))
    DATASETS_BUCKET = local.buckets["datasets"]
  }
  database_environment = merge(
    { DATABASE_SECRET_ARN = var.database.secret_arn, DATABASE_TLS = var.database.tls },
    var.database.roots_file == null ? {} : { DATABASE_ROOTS_FILE = var.database.roots_file },
  )

  # A large object is written in parts, and what was begun is taken back where a part fails.
  write_actions = ["s3:PutObject", "s3:AbortMultipartUpload"]

  read_bundles = {
    sid       = "ReadBundles"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = [for name in keys(var.datasets) : "${local.arns.datasets}/${name}.json"]
  }
  read_secret = {
    sid       = "ReadDatabaseSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [var.database.secret_arn]
  }
  # Without it, S3 answers "denied" for an object that is not there, and the error would name the wrong culprit.
  may_list = {
    for role in ["bronze", "datasets"] :
    role => { sid = "TellMissing${title(role)}", actions = ["s3:ListBucket"], resources = [local.arns[role]] }
  }

  stages = {
    admit = {
      timeout_seconds = 60
      environment     = local.datasets_environment
      statements = [
        local.read_bundles,
        local.may_list.datasets,
        { sid = "ReadUpload", actions = ["s3:GetObject", "s3:GetObjectVersion"], resources = ["${local.arns.bronze}/*"] },
        { sid = "OrderVersions", actions = ["s3:ListBucket", "s3:ListBucketVersions"], resources = [local.arns.bronze] },
      ]
    }

    transform = {
      timeout_seconds = 600
      environment = {
        SILVER_BUCKET     = local.buckets["silver"]
        QUARANTINE_BUCKET = local.buckets["quarantine"]
      }
      statements = [
        local.read_bundles,
        { sid = "ReadUpload", actions = ["s3:GetObject", "s3:GetObjectVersion"], resources = ["${local.arns.bronze}/*"] },
        local.may_list.bronze,
        { sid = "WriteSilver", actions = local.write_actions, resources = ["${local.arns.silver}/*"] },
        { sid = "WriteRejects", actions = local.write_actions, resources = ["${local.arns.quarantine}/*"] },
      ]
    }

    validate = {
      timeout_seconds = 600
      environment = {
        SILVER_BUCKET     = local.buckets["silver"]
        QUARANTINE_BUCKET = local.buckets["quarantine"]
      }
      statements = [
        local.read_bundles,
        { sid = "Silver", actions = concat(["s3:GetObject"], local.write_actions), resources = ["${local.arns.silver}/*"] },
        { sid = "Rejects", actions = concat(["s3:GetObject"], local.write_actions), resources = ["${local.arns.quarantine}/*"] },
      ]
    }

    load = {
      timeout_seconds = 600
      environment     = local.database_environment
      statements = [
        local.read_bundles,
        { sid = "ReadSilver", actions = ["s3:GetObject"], resources = ["${local.arns.silver}/*"] },
        local.read_secret,
      ]
    }

    score = {
      timeout_seconds = 600
      environment     = merge(local.database_environment, { REPORTS_BUCKET = local.buckets["reports"] })
      statements = [
        local.read_bundles,
        { sid = "WriteModels", actions = local.write_actions, resources = ["${local.arns.reports}/models/*"] },
        local.read_secret,
      ]
    }

    publish = {
      timeout_seconds = 600
      environment     = local.database_environment
      statements = [
        local.read_bundles,
        local.read_secret,
      ]
    }

    summarize = {
      timeout_seconds = 60
      environment = merge(local.database_environment, {
        REPORTS_BUCKET    = local.buckets["reports"]
        QUARANTINE_BUCKET = local.buckets["quarantine"]
      })
      statements = [
        local.read_bundles,
        { sid = "WriteReports", actions = local.write_actions, resources = ["${local.arns.reports}/*"] },
        { sid = "ReadFailures", actions = ["s3:GetObject"], resources = ["${local.arns.quarantine}/failures/*"] },
        { sid = "ListFailures", actions = ["s3:ListBucket"], resources = [local.arns.quarantine] },
        local.read_secret,
      ]
    }

    record-failure = {
      timeout_seconds = 60
      environment     = { QUARANTINE_BUCKET = local.buckets["quarantine"] }
      statements = [
        { sid = "RecordFailures", actions = local.write_actions, resources = ["${local.arns.quarantine}/failures/*"] },
      ]
    }
  }
}
