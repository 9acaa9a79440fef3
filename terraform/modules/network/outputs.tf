output "vpc_id" {
  description = "The network, for the operator who joins another to it."
  value       = aws_vpc.this.id
}

output "cidr" {
  description = "Addresses of the network."
  value       = aws_vpc.this.cidr_block
}

output "subnet_ids" {
  description = "The private subnets, in two zones."
  value       = [for subnet in aws_subnet.private : subnet.id]
}

output "security_group_ids" {
  description = "Security group by role: functions, database, endpoints, operators."
  value       = { for role, group in aws_security_group.this : role => group.id }

  # Who gets a group may use its ways at once.
  depends_on = [
    aws_vpc_endpoint.interface,
    aws_vpc_security_group_egress_rule.s3,
    aws_vpc_security_group_egress_rule.way,
    aws_vpc_security_group_ingress_rule.way,
  ]
}
