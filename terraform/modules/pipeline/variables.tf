variable "name" {
  description = "What every name begins with: project and environment, such as `fonderie-prod`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "The name has 2 to 31 small letters, digits and hyphens."
  }
}

variable "packages" {
  description = "Folder of the functions' zips, `<function>.zip`, as `cargo xtask package` makes it."
  type        = string
}

variable "architecture" {
  description = "Processor for which the functions are built: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

variable "datasets" {
  description = "Folder of each dataset, by name."
  type        = map(string)

  validation {
    condition     = length(var.datasets) > 0
    error_message = "There is no pipeline without a dataset."
  }
}

variable "default_dataset" {
  description = "The dataset of an upload whose key names none."
  type        = string

  validation {
    condition     = contains(keys(var.datasets), var.default_dataset)
    error_message = "The default dataset is one of `datasets`."
  }
}

variable "database" {
  description = "ARN of the secret {host, port, username, password, dbname}, how strictly TLS is asked for, and the PEM file of the authorities, as the functions see it."
  type = object({
    secret_arn = string
    tls        = optional(string, "verify-full")
    roots_file = optional(string)
  })

  validation {
    condition     = contains(["verify-full", "disable"], var.database.tls)
    error_message = "TLS is `verify-full`, or `disable` for a database on the same machine."
  }

  validation {
    condition     = var.database.tls == "disable" || var.database.roots_file != null
    error_message = "TLS needs the certificate authorities to check the server against: name `roots_file`."
  }
}

variable "retry" {
  description = "The state machine's delays in seconds; the defaults outlast a database's fail-over."
  type = object({
    transient_interval_seconds = optional(number, 300)
    busy_interval_seconds      = optional(number, 2)
    busy_max_delay_seconds     = optional(number, 60)
    service_interval_seconds   = optional(number, 2)
  })
  default = {}
}

variable "ingest_concurrency" {
  description = "Invocations of `ingest` that may run at once."
  type        = number
  default     = 5

  validation {
    condition     = var.ingest_concurrency >= 2 && var.ingest_concurrency <= 1000
    error_message = "SQS takes a concurrency between 2 and 1000."
  }
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 90
}

variable "force_destroy" {
  description = "Whether destroying a bucket destroys its objects."
  type        = bool
  default     = false
}
