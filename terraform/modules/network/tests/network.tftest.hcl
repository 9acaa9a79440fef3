mock_provider "aws" {
  source = "../../mocks"
}

variables {
  name               = "fonderie-test"
  cidr               = "10.20.0.0/20"
  bucket_prefix      = "fonderie-test-123456789012"
  analyst_cidrs      = ["10.60.0.0/16"]
  kms_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/test"
  log_retention_days = 30
}

# Applied, since ids are what tells the security groups apart.
run "apply" {
  command = apply

  assert {
    condition     = [for zone, subnet in aws_subnet.private : "${zone} ${subnet.cidr_block}"] == ["eu-west-1a 10.20.0.0/24", "eu-west-1b 10.20.1.0/24"]
    error_message = "Two zones, one subnet in each."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.private : subnet.map_public_ip_on_launch != true])
    error_message = "No subnet gives public addresses."
  }

  # No rule leads to addresses: only to groups and to S3's prefix list.
  assert {
    condition = alltrue([
      for rule in concat(values(aws_vpc_security_group_egress_rule.way), [aws_vpc_security_group_egress_rule.s3]) :
      rule.cidr_ipv4 == null && rule.cidr_ipv6 == null
    ])
    error_message = "Something may leave for an address."
  }

  assert {
    condition = {
      for way, rule in aws_vpc_security_group_egress_rule.way : way => [
        one([for role, group in aws_security_group.this : role if group.id == rule.security_group_id]),
        one([for role, group in aws_security_group.this : role if group.id == rule.referenced_security_group_id]),
        rule.ip_protocol, rule.from_port, rule.to_port,
      ]
      } == {
      functions-database  = ["functions", "database", "tcp", 5432, 5432]
      functions-endpoints = ["functions", "endpoints", "tcp", 443, 443]
      operators-database  = ["operators", "database", "tcp", 5432, 5432]
    }
    error_message = "The ways out are others than functions to database and endpoints, operators to database."
  }

  assert {
    condition = {
      for way, rule in aws_vpc_security_group_ingress_rule.way : way => [
        one([for role, group in aws_security_group.this : role if group.id == rule.referenced_security_group_id]),
        one([for role, group in aws_security_group.this : role if group.id == rule.security_group_id]),
        rule.ip_protocol, rule.from_port, rule.to_port,
      ]
      } == {
      functions-database  = ["functions", "database", "tcp", 5432, 5432]
      functions-endpoints = ["functions", "endpoints", "tcp", 443, 443]
      operators-database  = ["operators", "database", "tcp", 5432, 5432]
    }
    error_message = "A group lets others in than those whose way leads to it."
  }

  assert {
    condition = [
      for rule in aws_vpc_security_group_ingress_rule.analysts :
      [rule.cidr_ipv4, rule.from_port, rule.security_group_id == aws_security_group.this["database"].id]
    ] == [["10.60.0.0/16", 5432, true]]
    error_message = "Analysts reach the database, from the named networks."
  }

  assert {
    condition = !contains([
      for rule in concat(values(aws_vpc_security_group_ingress_rule.way), values(aws_vpc_security_group_ingress_rule.analysts)) : rule.security_group_id
    ], aws_security_group.this["operators"].id)
    error_message = "Nobody comes in where the operators are."
  }

  assert {
    condition     = length(aws_default_security_group.empty.ingress) == 0 && length(aws_default_security_group.empty.egress) == 0
    error_message = "The default group lets nothing through."
  }

  assert {
    condition     = toset([for endpoint in aws_vpc_endpoint.interface : endpoint.service_name]) == toset(["com.amazonaws.eu-west-1.secretsmanager", "com.amazonaws.eu-west-1.sns"])
    error_message = "Interface endpoints of the services used, and no others: each is paid by the hour."
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : length(endpoint.subnet_ids) == 2])
    error_message = "A lost zone takes no endpoint with it."
  }

  assert {
    condition = jsondecode(aws_vpc_endpoint.s3.policy).Statement[*].Resource == [
      "arn:aws:s3:::fonderie-test-123456789012-*/*", "arn:aws:s3:::fonderie-test-123456789012-*",
    ]
    error_message = "The way to S3 ends at the data lake."
  }

  assert {
    condition = alltrue([
      for endpoint in concat([aws_vpc_endpoint.s3], values(aws_vpc_endpoint.interface)) : alltrue([
        for statement in jsondecode(endpoint.policy).Statement :
        statement.Condition == { StringEquals = { "aws:PrincipalAccount" = "123456789012" } }
      ])
    ])
    error_message = "The endpoints serve the account's own roles."
  }

  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_cloudwatch_log_group.flow.kms_key_id == var.kms_key_arn
    error_message = "All traffic is logged, encrypted."
  }
}

run "endpoints_in_one_zone" {
  command = apply

  variables {
    endpoint_zones = 1
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.subnet_ids == toset([aws_subnet.private["eu-west-1a"].id])])
    error_message = "Each endpoint lies in one zone, and is paid once."
  }
}

run "endpoints_in_more_zones_than_there_are" {
  command = plan

  variables {
    endpoint_zones = 3
  }

  expect_failures = [var.endpoint_zones]
}

run "never_the_world" {
  command = plan

  variables {
    analyst_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.analyst_cidrs]
}

run "one_zone_is_not_enough" {
  command = plan

  variables {
    zones = ["a", "a"]
  }

  expect_failures = [var.zones]
}
