# What each function is told, and what it may do: nothing that its code does not do.

locals {
  ingest_timeout_seconds = 60

  # Bucket names are unique in the world, an account's number is too.
  bucket_prefix = "${var.name}-${data.aws_caller_identity.current.account_id}"

  arns    = module.data_lake.bucket_arns
  buckets = module.data_lake.buckets

  # Those that work with the database, and no others.
  in_network = ["load", "score", "publish", "summarize", "rebuild", "prepare-database", "rotate-secret"]

  # Processor time grows with memory: what reads every row has more; `score` holds a sample and the trees.
  memory_mb = { transform = 1024, validate = 1024, load = 1024, score = 2048 }

  common_environment = { METRICS_NAMESPACE = var.name }

  # The first dataset is the default one.
  datasets_environment = {
    DATASETS        = join(",", distinct(concat([var.default_dataset], keys(var.datasets))))
    DATASETS_BUCKET = local.buckets["datasets"]
  }
  database_environment = merge(
    { DATABASE_SECRET_ARN = aws_secretsmanager_secret.database.arn, DATABASE_TLS = var.database.tls },
    var.database.roots_file == null ? {} : { DATABASE_ROOTS_FILE = var.database.roots_file },
  )

  # What is read is pinned to its version from the first answer on.
  read_actions = ["s3:GetObject", "s3:GetObjectVersion"]

  # A large object is written in parts, and what was begun is taken back where a part fails.
  write_actions = ["s3:PutObject", "s3:AbortMultipartUpload"]

  read_bundles = {
    sid       = "ReadBundles"
    actions   = local.read_actions
    resources = [for name in keys(var.datasets) : "${local.arns.datasets}/${name}.json"]
  }
  read_uploads = {
    sid       = "ReadUploads"
    actions   = local.read_actions
    resources = ["${local.arns.bronze}/*"]
  }
  read_secret = {
    sid       = "ReadDatabaseSecret"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.database.arn]
  }
  # Quarantine has the refused rows of each dataset below its name; beside them lie unknown files and the records of failures,
  # which other functions write.
  refused_rows = [for name in keys(var.datasets) : "${local.arns.quarantine}/${name}/*"]

  notify = { sid = "Notify", actions = ["sns:Publish"], resources = [module.alerting.topic_arn] }

  # Without it, S3 answers "denied" for an object that is not there, and the error would name the wrong culprit.
  may_list = {
    for role in ["bronze", "datasets", "quarantine", "reports", "silver"] :
    role => { sid = "TellMissing${title(role)}", actions = ["s3:ListBucket"], resources = [local.arns[role]] }
  }

  # What is stored is encrypted with the key: who reads asks it to decrypt, who writes or publishes asks it for a data key.
  # Each function's environment is read with it too.
  read_and_write_encrypted = {
    sid       = "ReadAndWriteEncrypted"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.kms_key_arn]
  }

  # The steps of the state machines.
  stages = {
    # A backfill's runs are listed, some hundred pages of objects at most.
    admit = {
      timeout_seconds = 300
      environment = merge(local.datasets_environment, {
        BRONZE_BUCKET  = local.buckets["bronze"]
        REPORTS_BUCKET = local.buckets["reports"]

        LARGEST_FILE_MB = tostring(var.largest_file_mb)
      })
      statements = [
        local.read_bundles,
        local.may_list.datasets,
        local.read_uploads,
        { sid = "OrderVersions", actions = ["s3:ListBucket", "s3:ListBucketVersions"], resources = [local.arns.bronze] },
        { sid = "ListRuns", actions = local.write_actions, resources = ["${local.arns.reports}/backfills/*"] },
        local.read_and_write_encrypted,
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
        local.read_uploads,
        local.may_list.bronze,
        { sid = "WriteSilver", actions = local.write_actions, resources = ["${local.arns.silver}/*"] },
        { sid = "WriteRejects", actions = local.write_actions, resources = local.refused_rows },
        local.read_and_write_encrypted,
      ]
    }

    # The facility's CSV of rejects gives the lines as the file has them: it is read once more.
    validate = {
      timeout_seconds = 600
      environment = {
        SILVER_BUCKET     = local.buckets["silver"]
        QUARANTINE_BUCKET = local.buckets["quarantine"]
      }
      statements = [
        local.read_bundles,
        local.read_uploads,
        local.may_list.bronze,
        { sid = "Silver", actions = concat(local.read_actions, local.write_actions), resources = ["${local.arns.silver}/*"] },
        { sid = "Rejects", actions = concat(local.read_actions, local.write_actions), resources = local.refused_rows },
        local.read_and_write_encrypted,
      ]
    }

    # After a crash of the database, staging is filled again from the silver of all files. What a run was, and whether its file is withdrawn, is
    # noted beside its silver.
    load = {
      timeout_seconds = 600
      environment     = merge(local.database_environment, { SILVER_BUCKET = local.buckets["silver"] })
      statements = [
        local.read_bundles,
        { sid = "ReadSilver", actions = local.read_actions, resources = ["${local.arns.silver}/*"] },
        local.may_list.silver,
        {
          sid       = "NoteLoads"
          actions   = local.write_actions
          resources = ["${local.arns.silver}/*/loaded.json", "${local.arns.silver}/*/withdrawn.json"]
        },
        local.read_secret,
        local.read_and_write_encrypted,
      ]
    }

    score = {
      timeout_seconds = 600
      environment     = merge(local.database_environment, { REPORTS_BUCKET = local.buckets["reports"] })
      statements = [
        local.read_bundles,
        # the model in force is read; one that has expired is trained again
        { sid = "WriteModels", actions = concat(local.write_actions, local.read_actions), resources = ["${local.arns.reports}/models/*"] },
        local.may_list["reports"],
        local.read_secret,
        local.read_and_write_encrypted,
      ]
    }

    publish = {
      timeout_seconds = 600
      environment     = merge(local.database_environment, { REPORTS_BUCKET = local.buckets["reports"] })
      statements = [
        local.read_bundles,
        {
          sid       = "WriteExports"
          actions   = local.write_actions
          resources = [for name in keys(var.datasets) : "${local.arns.reports}/${name}/exports/*"]
        },
        local.read_secret,
        local.read_and_write_encrypted,
      ]
    }

    summarize = {
      timeout_seconds = 60
      environment = merge(local.database_environment, {
        REPORTS_BUCKET    = local.buckets["reports"]
        QUARANTINE_BUCKET = local.buckets["quarantine"]
        TOPIC_ARN         = module.alerting.topic_arn
      })
      statements = [
        local.read_bundles,
        { sid = "WriteReports", actions = local.write_actions, resources = ["${local.arns.reports}/*"] },
        { sid = "ReadFailures", actions = local.read_actions, resources = ["${local.arns.quarantine}/failures/*"] },
        local.may_list.quarantine,
        local.read_secret,
        local.notify,
        local.read_and_write_encrypted,
      ]
    }

    # A plan says which runs are loaded again: it looks at what they left, and at the files and bundles that they pinned.
    rebuild = {
      timeout_seconds = 600
      environment = merge(local.database_environment, {
        for role in ["bronze", "silver", "quarantine", "datasets", "reports"] :
        "${upper(role)}_BUCKET" => local.buckets[role]
      })
      statements = [
        local.read_bundles,
        local.may_list.datasets,
        local.read_uploads,
        local.may_list.bronze,
        {
          sid       = "ReadRuns"
          actions   = local.read_actions
          resources = [for name in ["run", "loaded", "withdrawn"] : "${local.arns.silver}/*/${name}.json"]
        },
        local.may_list.silver,
        { sid = "ReadKeptBundles", actions = local.read_actions, resources = ["${local.arns.datasets}/bundles/*"] },
        { sid = "ReadFailures", actions = local.read_actions, resources = ["${local.arns.quarantine}/failures/*"] },
        local.may_list.quarantine,
        {
          sid       = "WritePlans"
          actions   = local.write_actions
          resources = ["${local.arns.reports}/rebuilds/*", "${local.arns.reports}/backfills/*"]
        },
        local.read_secret,
        local.read_and_write_encrypted,
      ]
    }

    # A backfill's child that failed has recorded it already: its record is looked for first.
    record-failure = {
      timeout_seconds = 60
      environment = {
        QUARANTINE_BUCKET = local.buckets["quarantine"]
        TOPIC_ARN         = module.alerting.topic_arn
      }
      statements = [
        {
          sid       = "Failures"
          actions   = concat(local.read_actions, local.write_actions)
          resources = ["${local.arns.quarantine}/failures/*"]
        },
        local.may_list.quarantine,
        local.notify,
        local.read_and_write_encrypted,
      ]
    }
  }

  # Called by Terraform and by Secrets Manager.
  database_functions = {
    prepare-database = {
      timeout_seconds = 300
      environment = merge(local.database_environment, local.datasets_environment, {
        MASTER_SECRET_ARN = var.database.master_secret_arn
        DATABASE_HOST     = var.database.host
        DATABASE_PORT     = var.database.port
        DATABASE_NAME     = var.database.name
      })
      statements = [
        local.read_bundles,
        {
          sid       = "ReadNextBundles"
          actions   = local.read_actions
          resources = [for name in keys(var.datasets) : "${local.arns.datasets}/next/${name}.json"]
        },
        local.may_list.datasets,
        {
          sid       = "ReadMasterSecret"
          actions   = ["secretsmanager:GetSecretValue"]
          resources = [var.database.master_secret_arn]
        },
        {
          sid       = "FillDatabaseSecret"
          actions   = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
          resources = [aws_secretsmanager_secret.database.arn]
        },
        local.read_and_write_encrypted,
      ]
    }

    rotate-secret = {
      timeout_seconds = 60
      environment     = local.database_environment
      statements = [
        {
          sid = "RotateDatabaseSecret"
          actions = [
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetSecretValue",
            "secretsmanager:PutSecretValue",
            "secretsmanager:UpdateSecretVersionStage",
          ]
          resources = [aws_secretsmanager_secret.database.arn]
        },
        local.read_and_write_encrypted,
      ]
    }
  }
}
