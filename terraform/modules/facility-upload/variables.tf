variable "name" {
  description = "What every name begins with: project and environment, such as `fonderie-prod`."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket of the files as they come (bronze)."
  type        = string
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the bucket."
  type        = string
}

variable "facilities" {
  description = <<-EOT
    Facilities that upload with an AWS account of their own, by name. Each: its dataset; the ARNs of whom in that account may take the
    role; the external id that they agree on (null: none); the names that its files may have, with the wildcards `*` and `?` (those of
    its sources' `files`).
  EOT
  type = map(object({
    dataset     = string
    principals  = list(string)
    external_id = optional(string)
    files       = list(string)
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.facilities) : can(regex("^[a-z0-9][a-z0-9_-]{0,25}$", name))])
    error_message = "A facility's name has 1 to 26 small letters, digits, hyphens and underscores: it is part of a role's name and of a key."
  }

  validation {
    condition = alltrue(flatten([
      for facility in values(var.facilities) : [for principal in facility.principals : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(root|role/.+|user/.+)$", principal))]
    ])) && alltrue([for facility in values(var.facilities) : length(facility.principals) > 0])
    error_message = "A facility names at least one role, user or account by its ARN; \"*\" would be everybody."
  }

  validation {
    condition = alltrue(flatten([
      for facility in values(var.facilities) : [for pattern in facility.files : can(regex("^[^*?/]+[^/]*$", pattern))]
    ])) && alltrue([for facility in values(var.facilities) : length(facility.files) > 0])
    error_message = "The names of a facility's files begin with something of its own, before any wildcard, and have no folder."
  }
}
