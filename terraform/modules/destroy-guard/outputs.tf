output "guarded" {
  description = "Whether a plan that destroys everything is refused."
  value       = length(terraform_data.this) == 1
}
