variable "name" {
  description = "Name of the function, and the beginning of its role's."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-Za-z_-]{1,57}$", var.name))
    error_message = "The name and its suffix make a role's name of at most 64 letters, digits, hyphens and underscores."
  }
}

variable "package" {
  description = "Where the zip lies that holds `bootstrap`, and its SHA-256 in base64, as the manifest of `cargo xtask package` has it."
  type = object({
    bucket = string
    key    = string
    hash   = string
  })

  validation {
    condition     = endswith(var.package.key, ".zip")
    error_message = "The package is a zip file."
  }

  validation {
    condition     = can(regex("^[A-Za-z0-9+/]{43}=$", var.package.hash))
    error_message = "The hash is a SHA-256 in base64."
  }
}

variable "architecture" {
  description = "Processor for which `bootstrap` is built."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Lambda has the architectures arm64 and x86_64."
  }
}

variable "memory_mb" {
  description = "Memory in megabytes; processor time grows with it."
  type        = number
  default     = 512

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240
    error_message = "Lambda's memory lies between 128 and 10240 MB."
  }
}

variable "timeout_seconds" {
  description = "Seconds after which Lambda ends an invocation."
  type        = number

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 900
    error_message = "Lambda's time-out lies between 1 and 900 seconds."
  }
}

variable "reserved_concurrency" {
  description = "Invocations that may run at once, taken out of the account's; -1 for as many as the account has left."
  type        = number
  default     = -1

  validation {
    condition     = var.reserved_concurrency == -1 || var.reserved_concurrency >= 1
    error_message = "0 would switch the function off."
  }
}

variable "network" {
  description = "Private subnets and security group of a function that works with the database; null for one that calls AWS alone."
  type = object({
    subnet_ids        = list(string)
    security_group_id = string
  })
  default = null
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the environment and the log."
  type        = string
}

variable "environment" {
  description = "The function's settings. Never a secret: the function gets the ARN of one."
  type        = map(string)
  default     = {}
}

variable "statements" {
  description = "What the function may do besides writing its log: actions on resources, each by name."
  type = list(object({
    sid       = string
    actions   = list(string)
    resources = list(string)
  }))

  validation {
    condition     = alltrue([for action in flatten(var.statements[*].actions) : !strcontains(action, "*")])
    error_message = "Actions are named one by one, without a wildcard."
  }

  validation {
    condition     = !contains(flatten(var.statements[*].resources), "*")
    error_message = "Resources are named; \"*\" is none."
  }
}

variable "log_retention_days" {
  description = "Days for which the log is kept."
  type        = number
}
