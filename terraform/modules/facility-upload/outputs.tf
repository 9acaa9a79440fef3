output "instructions" {
  description = "What each facility must be given."
  value = {
    for name, role in aws_iam_role.this : name => {
      role_arn    = role.arn
      external_id = var.facilities[name].external_id
      region      = data.aws_region.current.name
      bucket      = var.bucket
      prefix      = local.prefixes[name]
      files       = var.facilities[name].files
      command     = "aws s3 cp FILE s3://${var.bucket}/${local.prefixes[name]} --region ${data.aws_region.current.name}"
    }
  }
}
