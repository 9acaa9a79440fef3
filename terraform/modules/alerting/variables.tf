variable "name" {
  description = "What every name begins with: project and environment, such as `fonderie-prod`."
  type        = string
}

variable "emails" {
  description = "Addresses that get the notices: what became of files, and alarms that can wait. Each must confirm the e-mail that AWS sends it first."
  type        = list(string)

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "An e-mail address looks like name@domain.fr."
  }
}

variable "alarm_emails" {
  description = "Addresses of those who are on call: they get the alarms that cannot wait. Null for those of the notices."
  type        = list(string)
  default     = null

  validation {
    condition     = var.alarm_emails == null ? true : alltrue([for email in var.alarm_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", email))])
    error_message = "An e-mail address looks like name@domain.fr."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the topic; its policy must admit CloudWatch. Null for none, where CloudWatch could not use AWS's own."
  type        = string
  default     = null
}

variable "runbook_base_url" {
  description = "Where the runbooks are read: an alarm's description ends with `<base>/<runbook>.md`."
  type        = string

  validation {
    condition     = can(regex("^https?://.+[^/]$", var.runbook_base_url))
    error_message = "The address begins with https:// and does not end with a slash."
  }
}

variable "functions" {
  description = "Each function, by its key. `alone`: no state machine calls it, retries it and records its failures, so that its errors need an alarm of their own. `batches`: it answers which messages of a batch failed, and Lambda counts no error then."
  type = map(object({
    name            = string
    timeout_seconds = number
    memory_mb       = optional(number, 512)
    alone           = optional(bool, false)
    batches         = optional(bool, false)
  }))
}

variable "state_machines" {
  description = "ARN of each state machine, by its key."
  type        = map(string)
}

variable "queues" {
  description = "Names of the queue of uploads and of the queue of what could not be taken."
  type = object({
    uploads      = string
    dead_letters = string
  })
}

variable "database" {
  description = "The RDS instance to watch: its name, its storage as it is now, its connections, its class (whose credits are watched if it has some) and its replica's name; null where there is none."
  type = object({
    identifier      = string
    allocated_gb    = number
    max_connections = number
    instance_class  = optional(string)
    replica         = optional(string)
  })
  default = null
}

variable "buckets" {
  description = "Name of each bucket, by its role, for the dashboard."
  type        = map(string)
  default     = {}
}

variable "sources" {
  description = "The sources (facilities) of each dataset, by the dataset's name."
  type        = map(list(string))
}

variable "daily_datasets" {
  description = "The datasets whose scheduled run starts each day at least: an alarm comes when one does not."
  type        = set(string)
  default     = []
}

variable "money" {
  description = "The money columns of each dataset, by the dataset's name, for the dashboard."
  type        = map(list(string))
  default     = {}
}

variable "metrics_namespace" {
  description = "CloudWatch namespace of the functions' own metrics."
  type        = string
}

variable "paused" {
  description = "Whether the pipeline rests on purpose: alarms change their state and send nothing."
  type        = bool
  default     = false
}

variable "oldest_message_seconds" {
  description = "Age of the oldest upload that nobody has taken, from which it is an alarm."
  type        = number
  default     = 900
}
