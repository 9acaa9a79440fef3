variable "name" {
  description = "What every name begins with: project and environment, such as `fonderie-prod`."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-Za-z_-]{1,48}$", var.name))
    error_message = "The name has 1 to 48 letters, digits, hyphens and underscores."
  }
}

variable "state_machine_arn" {
  description = "ARN of the state machine `pipeline`."
  type        = string
}

variable "datasets" {
  description = "The datasets that run every day."
  type        = set(string)

  validation {
    condition     = alltrue([for dataset in var.datasets : can(regex("^[a-z][a-z0-9_-]{0,62}$", dataset))])
    error_message = "A dataset's name has small letters, digits, hyphens and underscores."
  }
}

variable "time_zone" {
  description = "The time zone of the expression, such as Europe/Paris."
  type        = string
  default     = "Europe/Paris"

  validation {
    condition     = can(regex("^[A-Za-z]+(/[A-Za-z0-9_+-]+){0,2}$", var.time_zone))
    error_message = "A time zone has a name of the IANA's list, such as Europe/Paris."
  }
}

variable "expression" {
  description = "When the daily run starts, in EventBridge Scheduler's words."
  type        = string
  default     = "cron(0 6 * * ? *)"

  validation {
    condition     = can(regex("^(cron|rate)\\(.+\\)$", var.expression))
    error_message = "The expression is cron(…) or rate(…)."
  }
}

variable "enabled" {
  description = "Whether the daily run starts."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the schedule's input, and the dead-letter queue's messages; null for AWS's own."
  type        = string
  default     = null
}

variable "dead_letter_queue_arn" {
  description = "ARN of the queue that takes a start which could not be made."
  type        = string
}
