# A way to the database for operators whose network is not joined to this one: Session Manager forwards a port of theirs through
# this instance. No port is open to it, it has no key and no public address; who may start a session is IAM's to say, and each
# session is in CloudTrail. One of each, in one zone: who needs it can wait.

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  region = data.aws_region.current.name

  # What Session Manager's agent calls, by endpoint.
  agent = {
    ssm         = ["ssm:UpdateInstanceInformation"]
    ssmmessages = ["ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel"]
  }
}

# The newest of Amazon Linux 2023, which has the agent.
data "aws_ssm_parameter" "image" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
}

resource "aws_instance" "this" {
  ami                    = data.aws_ssm_parameter.image.insecure_value
  instance_type          = "t4g.nano"
  subnet_id              = var.subnet_id
  vpc_security_group_ids = [var.security_group_ids["operators"]]
  iam_instance_profile   = aws_iam_instance_profile.this.name
  ebs_optimized          = true
  monitoring             = true
  tags                   = { Name = "${var.name}-bastion" }
  volume_tags            = { Name = "${var.name}-bastion" }

  credit_specification {
    cpu_credits = "standard" # it is throttled rather than paid for more
  }

  metadata_options {
    http_endpoint = "enabled"
    http_tokens   = "required"
  }

  root_block_device {
    encrypted  = true
    kms_key_id = var.kms_key_arn
  }

  # A newer image comes with `terraform apply -replace`, when an operator wants it.
  lifecycle {
    ignore_changes = [ami]
  }

  depends_on = [aws_vpc_endpoint.this]
}

resource "aws_vpc_endpoint" "this" {
  for_each            = local.agent
  vpc_id              = var.vpc_id
  vpc_endpoint_type   = "Interface"
  service_name        = "com.amazonaws.${local.region}.${each.key}"
  private_dns_enabled = true
  subnet_ids          = [var.subnet_id]
  security_group_ids  = [var.security_group_ids["endpoints"]]
  tags                = { Name = "${var.name}-${each.key}" }

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Ours"
      Effect    = "Allow"
      Principal = "*"
      Action    = each.value
      Resource  = "*"
      Condition = { StringEquals = { "aws:PrincipalAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  description                  = "To the endpoints of Session Manager."
  security_group_id            = var.security_group_ids["operators"]
  referenced_security_group_id = var.security_group_ids["endpoints"]
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  description                  = "From the bastion."
  security_group_id            = var.security_group_ids["endpoints"]
  referenced_security_group_id = var.security_group_ids["operators"]
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_iam_instance_profile" "this" {
  name = "${var.name}-bastion"
  role = aws_iam_role.this.name
}

resource "aws_iam_role" "this" {
  name = "${var.name}-bastion"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "session"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      # A session has no name before it is begun: AWS's own role for this has "*" too.
      Sid      = "KeepSessions"
      Effect   = "Allow"
      Action   = flatten(values(local.agent))
      Resource = "*"
    }]
  })
}
