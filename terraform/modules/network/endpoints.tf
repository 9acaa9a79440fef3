locals {
  # Of the account's own roles alone.
  ours = { StringEquals = { "aws:PrincipalAccount" = local.account } }

  lake = "arn:${local.partition}:s3:::${var.bucket_prefix}-*"

  # What the functions in the network ask of each service, and of nobody else's.
  interface_endpoints = {
    secretsmanager = {
      actions = [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
      ]
      resources = [
        "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:${var.name}-*",
        "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:rds!db-*", # the master's, named by RDS
      ]
    }
    sns = {
      actions   = ["sns:Publish"]
      resources = ["arn:${local.partition}:sns:${local.region}:${local.account}:${var.name}-*"]
    }
  }
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${local.region}.s3"
  route_table_ids   = [aws_route_table.private.id]
  tags              = { Name = "${var.name}-s3" }

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OurObjects"
        Effect    = "Allow"
        Principal = "*"
        Action    = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
        Resource  = "${local.lake}/*"
        Condition = local.ours
      },
      {
        Sid       = "OurBuckets"
        Effect    = "Allow"
        Principal = "*"
        Action    = ["s3:ListBucket"]
        Resource  = local.lake
        Condition = local.ours
      },
    ]
  })
}

resource "aws_vpc_endpoint" "interface" {
  for_each            = local.interface_endpoints
  vpc_id              = aws_vpc.this.id
  vpc_endpoint_type   = "Interface"
  service_name        = "com.amazonaws.${local.region}.${each.key}"
  private_dns_enabled = true
  subnet_ids          = [for zone in slice(local.zones, 0, var.endpoint_zones) : aws_subnet.private[zone].id]
  security_group_ids  = [aws_security_group.this["endpoints"].id]
  tags                = { Name = "${var.name}-${each.key}" }

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Ours"
      Effect    = "Allow"
      Principal = "*"
      Action    = each.value.actions
      Resource  = each.value.resources
      Condition = local.ours
    }]
  })
}
