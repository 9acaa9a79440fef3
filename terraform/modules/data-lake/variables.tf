variable "prefix" {
  description = "What every bucket's and queue's name begins with. Bucket names are unique in the world: make it so."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,50}$", var.prefix))
    error_message = "A bucket's name has at most 63 small letters, digits and hyphens; the prefix leaves room for the rest."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts objects and messages; its policy must admit S3."
  type        = string
}

variable "consumer_timeout_seconds" {
  description = "Time-out of the function that reads the queue; a message stays hidden for six times as long."
  type        = number
}

variable "max_receive_count" {
  description = "Deliveries of one message before it goes to the dead-letter queue."
  type        = number
  default     = 5

  validation {
    condition     = var.max_receive_count >= 2
    error_message = "One delivery may fail by a throttle alone: allow two at least."
  }
}

variable "lifecycle_days" {
  description = <<-EOT
    Days for which current objects are kept, by bucket (bronze and reports for ever where nothing is given), and older or deleted
    versions (noncurrent). `replay` is the time within which an operator may want to run a replaced or deleted version again.
  EOT
  type = object({
    bronze      = optional(number)
    silver      = optional(number, 90)
    quarantine  = optional(number, 365)
    reports     = optional(number)
    access_logs = optional(number, 365)
    noncurrent  = optional(number, 60)
    replay      = optional(number, 30)
  })
  default = {}

  # A failed execution can be redriven for 14 days, with the versions that it pinned; messages wait as long.
  validation {
    condition     = alltrue([for days in values(var.lifecycle_days) : days >= 14 if days != null])
    error_message = "Nothing goes within the 14 days for which a failed execution can be redriven."
  }

  validation {
    condition     = var.lifecycle_days.noncurrent >= var.lifecycle_days.replay
    error_message = "Older versions are kept for the replay window at least."
  }

  validation {
    condition     = var.lifecycle_days.bronze == null ? true : var.lifecycle_days.bronze >= var.lifecycle_days.replay
    error_message = "Bronze is kept for the replay window at least."
  }

  validation {
    condition     = alltrue([for days in values(var.lifecycle_days) : days == floor(days) if days != null])
    error_message = "Days are whole."
  }
}

variable "force_destroy" {
  description = "Whether destroying a bucket destroys its objects. Never where there are real invoices."
  type        = bool
  default     = false
}

variable "data_events" {
  description = "Whether CloudTrail records who read and wrote which object. Its files lie in the bucket of access logs, below `cloudtrail/`."
  type        = bool
  default     = false
}
