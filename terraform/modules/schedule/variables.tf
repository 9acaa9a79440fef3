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
  description = "When each dataset's scheduled run starts, in EventBridge Scheduler's words, and in which time zone; without an expression of its own, as `expression` says."
  type        = map(object({ expression = optional(string), time_zone = string }))

  validation {
    condition     = alltrue([for dataset, _ in var.datasets : can(regex("^[a-z][a-z0-9_-]{0,62}$", dataset))])
    error_message = "A dataset's name has small letters, digits, hyphens and underscores."
  }
}

variable "expression" {
  description = "When the scheduled run of a dataset starts that has no expression of its own, in EventBridge Scheduler's words."
  type        = string
  default     = "cron(0 6 * * ? *)"

  validation {
    condition     = can(regex("^(cron|rate)\\(.+\\)$", var.expression))
    error_message = "The expression is cron(…) or rate(…)."
  }
}

variable "enabled" {
  description = "Whether the scheduled runs start."
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
