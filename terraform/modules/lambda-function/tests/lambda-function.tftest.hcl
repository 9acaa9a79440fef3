mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name               = "fonderie-test-load"
  package            = { bucket = "artifacts", key = "functions/load/e3b0.zip", hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
  timeout_seconds    = 60
  kms_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/test"
  log_retention_days = 30
  statements         = [{ sid = "ReadSilver", actions = ["s3:GetObject"], resources = ["arn:aws:s3:::silver/*"] }]
}

run "without_network" {
  command = plan

  assert {
    condition     = aws_lambda_function.this.kms_key_arn == var.kms_key_arn && aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn
    error_message = "Environment and log are encrypted with our key."
  }

  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active"
    error_message = "Each invocation is traced."
  }

  assert {
    condition     = aws_lambda_function.this.architectures == tolist(["arm64"]) && aws_lambda_function.this.runtime == "provided.al2023"
    error_message = "A binary for Arm, on Amazon Linux 2023."
  }

  assert {
    condition     = length(aws_lambda_function.this.vpc_config) == 0 && aws_lambda_function.this.reserved_concurrent_executions == -1
    error_message = "Without being told, a function is in no network, and reserves nothing."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy).Statement == [
      { Sid = "ReadSilver", Effect = "Allow", Action = ["s3:GetObject"], Resource = ["arn:aws:s3:::silver/*"] },
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/fonderie-test-load:*"
      },
      { Sid = "WriteTraces", Effect = "Allow", Action = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], Resource = "*" },
    ]
    error_message = "The role may do what it is given, write its own log, and traces."
  }
}

run "in_a_network" {
  command = plan

  variables {
    network              = { subnet_ids = ["subnet-a", "subnet-b"], security_group_id = "sg-functions" }
    reserved_concurrency = 20
  }

  assert {
    condition = (
      aws_lambda_function.this.vpc_config[0].subnet_ids == toset(["subnet-a", "subnet-b"])
      && aws_lambda_function.this.vpc_config[0].security_group_ids == toset(["sg-functions"])
      && aws_lambda_function.this.reserved_concurrent_executions == 20
    )
    error_message = "The function is in its subnets, within its concurrency."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.this.policy).Statement :
      statement.Sid => [statement.Effect, length(statement.Action), try(statement.Condition.ArnEquals["lambda:SourceFunctionArn"], "")]
      if startswith(statement.Sid, "JoinNetwork")
      } == {
      JoinNetwork              = ["Allow", 6, ""]
      JoinNetworkByLambdaAlone = ["Deny", 6, "arn:aws:lambda:eu-west-1:123456789012:function:fonderie-test-load"]
    }
    error_message = "Lambda joins the network in the role's name; the function's own code may not."
  }
}

run "a_wildcard_action" {
  command = plan

  variables {
    statements = [{ sid = "All", actions = ["s3:*"], resources = ["arn:aws:s3:::silver/*"] }]
  }

  expect_failures = [var.statements]
}

run "a_wildcard_resource" {
  command = plan

  variables {
    statements = [{ sid = "All", actions = ["s3:GetObject"], resources = ["*"] }]
  }

  expect_failures = [var.statements]
}

run "switched_off" {
  command = plan

  variables {
    reserved_concurrency = 0
  }

  expect_failures = [var.reserved_concurrency]
}

run "the_package_of_the_manifest" {
  command = plan

  assert {
    condition = [aws_lambda_function.this.s3_bucket, aws_lambda_function.this.s3_key, aws_lambda_function.this.source_code_hash] == [
      var.package.bucket, var.package.key, var.package.hash,
    ] && aws_lambda_function.this.filename == null
    error_message = "The code comes from the bucket of packages, and from no file of this machine."
  }
}

run "a_hash_that_is_none" {
  command = plan

  variables {
    package = { bucket = "artifacts", key = "functions/load/e3b0.zip", hash = "e3b0c442" }
  }

  expect_failures = [var.package]
}
