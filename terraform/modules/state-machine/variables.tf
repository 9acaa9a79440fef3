variable "name" {
  description = "What every name begins with: project and environment, such as `fonderie-prod`."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-Za-z_-]{1,47}$", var.name))
    error_message = "The name has 1 to 47 letters, digits, hyphens and underscores: suffixes make the names of machines and roles of it."
  }
}

variable "function_arns" {
  description = "ARN of each function that a state machine calls, by the function's name."
  type        = map(string)

  validation {
    condition = length(setsubtract(
      ["admit", "transform", "validate", "load", "score", "publish", "summarize", "record-failure", "rebuild", "prepare-database"],
      keys(var.function_arns)
    )) == 0
    error_message = "Each stage has a function: admit, transform, validate, load, score, publish, summarize, record-failure, rebuild, prepare-database."
  }
}

variable "reports_bucket" {
  description = "Name of the bucket in which `backfill` reads the lists of runs, and writes its children's results."
  type        = string
}

variable "retry" {
  description = "Delays in seconds: the first and the longest while a function wakes up, between retries of transient errors, the first and the longest of busy ones, the first of AWS's own. The defaults outlast a database's fail-over."
  type = object({
    inactive_interval_seconds  = optional(number, 10)
    inactive_max_delay_seconds = optional(number, 60)
    transient_interval_seconds = optional(number, 300)
    busy_interval_seconds      = optional(number, 2)
    busy_max_delay_seconds     = optional(number, 60)
    service_interval_seconds   = optional(number, 2)
  })
  default = {}

  validation {
    condition     = alltrue([for seconds in values(var.retry) : seconds >= 1 && seconds == floor(seconds)])
    error_message = "Step Functions takes delays of whole seconds, from 1."
  }

  validation {
    condition = (
      var.retry.inactive_max_delay_seconds > var.retry.inactive_interval_seconds
      && var.retry.busy_max_delay_seconds > var.retry.busy_interval_seconds
    )
    error_message = "The longest delay is longer than the first."
  }
}

variable "backfill" {
  description = "Objects that a backfill runs at once, and the percentage of them that may fail before the backfill does."
  type = object({
    max_concurrency              = optional(number, 5)
    tolerated_failure_percentage = optional(number, 0)
  })
  default = {}

  validation {
    condition     = var.backfill.max_concurrency >= 1 && var.backfill.max_concurrency <= 1000 && var.backfill.max_concurrency == floor(var.backfill.max_concurrency)
    error_message = "A backfill runs 1 to 1000 objects at once."
  }

  validation {
    condition     = var.backfill.tolerated_failure_percentage >= 0 && var.backfill.tolerated_failure_percentage <= 100
    error_message = "A percentage lies between 0 and 100."
  }

  validation {
    condition     = var.backfill.tolerated_failure_percentage * 10 == floor(var.backfill.tolerated_failure_percentage * 10)
    error_message = "The percentage has one decimal at most."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the logs, and with which the reports bucket encrypts what `backfill` writes; null for AWS's own."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Days for which the logs of failed executions are kept."
  type        = number
}
