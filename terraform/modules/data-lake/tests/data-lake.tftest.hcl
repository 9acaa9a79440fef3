mock_provider "aws" {
  source = "../../mocks"
}

variables {
  prefix                   = "fonderie-test-123456789012"
  kms_key_arn              = "arn:aws:kms:eu-west-1:123456789012:key/test"
  consumer_timeout_seconds = 60
}

run "as_it_comes" {
  command = plan

  assert {
    condition = { for role, bucket in aws_s3_bucket.this : role => [bucket.bucket, bucket.force_destroy] } == {
      for role in ["access-logs", "bronze", "datasets", "quarantine", "reports", "silver"] :
      role => ["fonderie-test-123456789012-${role}", false]
    }
    error_message = "Six buckets, none of which is destroyed with what it holds."
  }

  assert {
    condition = alltrue([
      for role, encryption in aws_s3_bucket_server_side_encryption_configuration.this : alltrue([
        for rule in encryption.rule : rule.bucket_key_enabled == (role != "access-logs") && (
          role == "access-logs"
          ? rule.apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
          : rule.apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_arn
        )
      ]) && length(encryption.rule) == 1
    ]) && keys(aws_s3_bucket_server_side_encryption_configuration.this) == keys(aws_s3_bucket.this)
    error_message = "All is encrypted with our key; the access logs with S3's own."
  }

  assert {
    condition = alltrue([
      for block in aws_s3_bucket_public_access_block.this :
      block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets
    ]) && keys(aws_s3_bucket_public_access_block.this) == keys(aws_s3_bucket.this)
    error_message = "Public access is off, everywhere."
  }

  assert {
    condition = alltrue([
      for versioning in aws_s3_bucket_versioning.this : versioning.versioning_configuration[0].status == "Enabled"
    ]) && keys(aws_s3_bucket_versioning.this) == keys(aws_s3_bucket.this)
    error_message = "Each bucket keeps versions."
  }

  assert {
    condition = alltrue([
      for ownership in aws_s3_bucket_ownership_controls.this : ownership.rule[0].object_ownership == "BucketOwnerEnforced"
    ]) && keys(aws_s3_bucket_ownership_controls.this) == keys(aws_s3_bucket.this)
    error_message = "There are no access lists."
  }

  assert {
    condition = alltrue([
      for role, policy in aws_s3_bucket_policy.this : jsondecode(policy.policy).Statement[0] == {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = ["arn:aws:s3:::fonderie-test-123456789012-${role}", "arn:aws:s3:::fonderie-test-123456789012-${role}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }
    ]) && keys(aws_s3_bucket_policy.this) == keys(aws_s3_bucket.this)
    error_message = "Each bucket refuses what comes without TLS."
  }

  assert {
    condition = {
      for role, policy in aws_s3_bucket_policy.this : role => {
        for statement in jsondecode(policy.policy).Statement : statement.Sid => [statement.Effect, statement.Action, statement.Condition]
        if startswith(statement.Sid, "No")
      }
      } == {
      for role in keys(aws_s3_bucket.this) : role => {
        for sid, condition in {
          NoForeignKey = {
            StringLike      = { "s3:x-amz-server-side-encryption" = "aws:kms*" }
            StringNotEquals = { "s3:x-amz-server-side-encryption-aws-kms-key-id" = var.kms_key_arn }
          }
          NoKeyOfTheSender = { Null = { "s3:x-amz-server-side-encryption-customer-algorithm" = "false" } }
        } : sid => ["Deny", "s3:PutObject", condition] if role != "access-logs"
      }
    }
    error_message = "An object under a key that is not ours is refused: no function could read it."
  }

  assert {
    condition     = toset(keys(aws_s3_bucket_logging.this)) == setsubtract(keys(aws_s3_bucket.this), ["access-logs"])
    error_message = "Access to each bucket is logged."
  }

  assert {
    condition = jsonencode({
      for role, lifecycle in aws_s3_bucket_lifecycle_configuration.this : role => [
        one(lifecycle.rule[0].expiration[*].days), one(lifecycle.rule[0].noncurrent_version_expiration[*].noncurrent_days),
        lifecycle.rule[0].abort_incomplete_multipart_upload[0].days_after_initiation,
      ]
      }) == jsonencode({
      access-logs = [365, 60, 7]
      bronze      = [null, 60, 7]
      datasets    = [null, null, 7]
      quarantine  = [365, 60, 7]
      reports     = [null, 60, 7]
      silver      = [90, 60, 7]
    })
    error_message = "What is kept is kept as the variables' description says."
  }

  assert {
    condition     = aws_sqs_queue.uploads.kms_master_key_id == var.kms_key_arn && aws_sqs_queue.dead_letters.kms_master_key_id == var.kms_key_arn
    error_message = "Messages are encrypted with our key."
  }

  assert {
    condition     = aws_sqs_queue.uploads.visibility_timeout_seconds == 360 && aws_sqs_queue.dead_letters.message_retention_seconds == 14 * 86400
    error_message = "A message is hidden six time-outs long, a dead one is kept for 14 days."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.uploads.policy).Statement[1] == {
      Sid       = "BronzeTellsOfUploads"
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = "arn:aws:sqs:eu-west-1:123456789012:fonderie-test-123456789012-uploads"
      Condition = {
        ArnEquals    = { "aws:SourceArn" = "arn:aws:s3:::fonderie-test-123456789012-bronze" }
        StringEquals = { "aws:SourceAccount" = "123456789012" }
      }
    }
    error_message = "Only bronze tells of uploads."
  }
}

run "redrive_gives_a_dead_letter_back" {
  command = apply

  assert {
    condition     = jsondecode(aws_sqs_queue.uploads.redrive_policy) == { deadLetterTargetArn = aws_sqs_queue.dead_letters.arn, maxReceiveCount = 5 }
    error_message = "What cannot be taken five times goes to the dead letters."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.dead_letters.redrive_allow_policy) == {
      redrivePermission = "byQueue"
      sourceQueueArns   = ["arn:aws:sqs:eu-west-1:123456789012:fonderie-test-123456789012-uploads"]
    }
    error_message = "The dead letters are those of this queue."
  }
}

run "bronze_for_a_year" {
  command = plan

  variables {
    lifecycle_days = { bronze = 365, noncurrent = 90 }
  }

  assert {
    condition     = one(aws_s3_bucket_lifecycle_configuration.this["bronze"].rule[0].expiration[*].days) == 365
    error_message = "Bronze is kept as configured."
  }
}

run "older_versions_outlive_redrive" {
  command = plan

  variables {
    lifecycle_days = { noncurrent = 13, replay = 14 }
  }

  expect_failures = [var.lifecycle_days]
}

run "older_versions_outlive_the_replay_window" {
  command = plan

  variables {
    lifecycle_days = { noncurrent = 30, replay = 45 }
  }

  expect_failures = [var.lifecycle_days]
}

run "silver_outlives_redrive" {
  command = plan

  variables {
    lifecycle_days = { silver = 7 }
  }

  expect_failures = [var.lifecycle_days]
}

run "data_events" {
  command = plan

  variables {
    data_events = true
  }

  assert {
    condition = one([
      for field in one(aws_cloudtrail.data_events[0].advanced_event_selector).field_selector : toset(field.starts_with) if field.field == "resources.ARN"
    ]) == toset([for role in ["bronze", "silver", "quarantine", "reports", "datasets"] : "arn:aws:s3:::fonderie-test-123456789012-${role}/"])
    error_message = "Each object of the data's buckets is watched; the logs do not watch themselves."
  }
  assert {
    condition     = [for statement in jsondecode(aws_s3_bucket_policy.this["access-logs"].policy).Statement : statement.Sid] == ["TlsOnly", "DeliverAccessLogs", "TrailLooksAtTheBucket", "DeliverTrail"]
    error_message = "The trail may write to the bucket of the logs."
  }
}

run "without_data_events" {
  command = plan

  assert {
    condition     = length(aws_cloudtrail.data_events) == 0 && length(jsondecode(aws_s3_bucket_policy.this["access-logs"].policy).Statement) == 2
    error_message = "There is a trail that nobody asked for."
  }
}
