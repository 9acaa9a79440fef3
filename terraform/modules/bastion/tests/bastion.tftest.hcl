mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name               = "fonderie-test"
  vpc_id             = "vpc-1"
  subnet_id          = "subnet-a"
  security_group_ids = { operators = "sg-operators", endpoints = "sg-endpoints", database = "sg-database" }
  kms_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/test"
}

run "apply" {
  command = apply

  assert {
    condition = (
      aws_instance.this.vpc_security_group_ids == toset(["sg-operators"]) && aws_instance.this.subnet_id == "subnet-a"
      && aws_instance.this.associate_public_ip_address != true && aws_instance.this.metadata_options[0].http_tokens == "required"
      && aws_instance.this.root_block_device[0].kms_key_id == var.kms_key_arn
    )
    error_message = "The bastion lies in a private subnet, where nobody comes in, and its disk is encrypted with our key."
  }

  assert {
    condition     = aws_instance.this.instance_type == "t4g.nano" && aws_instance.this.credit_specification[0].cpu_credits == "standard"
    error_message = "The smallest instance, which buys no credits."
  }

  assert {
    condition = { for service, endpoint in aws_vpc_endpoint.this : endpoint.service_name => [endpoint.subnet_ids, jsondecode(endpoint.policy).Statement[0].Condition] } == {
      for service in ["ssm", "ssmmessages"] : "com.amazonaws.eu-west-1.${service}" => [
        toset(["subnet-a"]), { StringEquals = { "aws:PrincipalAccount" = "123456789012" } },
      ]
    }
    error_message = "Session Manager is reached in one zone, by the account's own roles."
  }

  assert {
    condition = [
      for rule in [aws_vpc_security_group_egress_rule.endpoints, aws_vpc_security_group_ingress_rule.endpoints] :
      [rule.security_group_id, rule.referenced_security_group_id, rule.from_port, rule.to_port]
    ] == [["sg-operators", "sg-endpoints", 443, 443], ["sg-endpoints", "sg-operators", 443, 443]]
    error_message = "The bastion's agent reaches the endpoints; nothing reaches the bastion."
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this.policy).Statement[*].Action == [[
      "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ]]
    error_message = "The bastion's role keeps sessions, and nothing else."
  }
}
