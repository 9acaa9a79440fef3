# The ways, each by its two ends. What is not here is shut.

locals {
  security_groups = {
    functions = "The functions that work with the database."
    database  = "The database."
    endpoints = "The interface endpoints."
    operators = "The operators' way to the database: a CloudShell in this network, or the bastion."
  }

  # From one group to another, on one port: an egress rule of the first, an ingress rule of the second.
  ways = {
    functions-database  = { from = "functions", to = "database", port = 5432 }
    functions-endpoints = { from = "functions", to = "endpoints", port = 443 }
    operators-database  = { from = "operators", to = "database", port = 5432 }
  }
}

resource "aws_security_group" "this" {
  #checkov:skip=CKV2_AWS_5:The functions', the database's and the bastion's groups are attached in other modules.
  for_each    = local.security_groups
  name        = "${var.name}-${each.key}"
  description = each.value
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_egress_rule" "way" {
  for_each                     = local.ways
  description                  = "To the ${each.value.to}."
  security_group_id            = aws_security_group.this[each.value.from].id
  referenced_security_group_id = aws_security_group.this[each.value.to].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_ingress_rule" "way" {
  for_each                     = local.ways
  description                  = "From the ${each.value.from}."
  security_group_id            = aws_security_group.this[each.value.to].id
  referenced_security_group_id = aws_security_group.this[each.value.from].id
  ip_protocol                  = "tcp"
  from_port                    = each.value.port
  to_port                      = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  description       = "To S3, by the gateway endpoint."
  security_group_id = aws_security_group.this["functions"].id
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "analysts" {
  for_each          = toset(var.analyst_cidrs)
  description       = "From analysts."
  security_group_id = aws_security_group.this["database"].id
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 5432
  to_port           = 5432
}
