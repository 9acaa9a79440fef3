variable "name" {
  description = "What every name begins with: project and environment, such as `fonderie-prod`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.name))
    error_message = "The name has 2 to 31 small letters, digits and hyphens."
  }
}

variable "packages" {
  description = "Where each function's package lies, and its hash, by the function's key: see the module lambda-function."
  type = map(object({
    bucket = string
    key    = string
    hash   = string
  }))

  validation {
    condition = length(setsubtract(
      [
        "admit", "ingest", "load", "prepare-database", "publish", "rebuild", "record-failure", "rotate-secret", "score", "summarize",
        "transform", "validate",
      ],
      keys(var.packages)
    )) == 0
    error_message = "The manifest lacks a function: it was made by another release."
  }
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

  validation {
    condition     = length(setintersection(keys(var.datasets), ["failures", "unknown"])) == 0
    error_message = "No dataset is called `failures` or `unknown`: so are folders of quarantine in which other things lie."
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
  description = <<-EOT
    The PostgreSQL server: its address; ARN of the master's secret {username, password}; connections that it takes; how strictly
    TLS is asked for; the PEM file of its authorities, as the functions see it (null: those of RDS, which are compiled in); the RDS
    instance to watch (null: none).
  EOT
  type = object({
    host              = string
    port              = number
    name              = string
    master_secret_arn = string
    max_connections   = number
    tls               = optional(string, "verify-full")
    roots_file        = optional(string)
    instance = optional(object({
      identifier     = string
      allocated_gb   = number
      instance_class = optional(string)
      replica        = optional(string)
    }))
  })

  validation {
    condition     = contains(["verify-full", "disable"], var.database.tls)
    error_message = "TLS is `verify-full`, or `disable` for a database on the same machine."
  }

  validation {
    condition     = var.database.tls == "verify-full" || var.database.instance == null
    error_message = "An RDS instance is never spoken to without TLS."
  }
}

variable "network" {
  description = "Private subnets, and security group of the functions that work with the database; null where it is reached without (local)."
  type = object({
    subnet_ids        = list(string)
    security_group_id = string
  })
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts all that is stored; its policy must admit the services (module `key`)."
  type        = string
}

variable "concurrency" {
  description = "Invocations of each stage that works with the database that may run at once: each holds one connection. -1 takes the account's limit."
  type = object({
    load      = optional(number, 20)
    score     = optional(number, 5)
    publish   = optional(number, 5)
    summarize = optional(number, 10)
  })
  default = {}

  # The rest is for prepare-database, rotate-secret, the server's own and people.
  validation {
    condition     = contains(values(var.concurrency), -1) || sum(values(var.concurrency)) <= floor(var.database.max_connections * 3 / 4)
    error_message = "Together they stay within three quarters of the database's connections, which is what the pipeline's role may open."
  }
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

variable "retry" {
  description = "The state machines' delays in seconds; what is not given outlasts a database's fail-over."
  type = object({
    inactive_interval_seconds  = optional(number)
    inactive_max_delay_seconds = optional(number)
    transient_interval_seconds = optional(number)
    busy_interval_seconds      = optional(number)
    busy_max_delay_seconds     = optional(number)
    service_interval_seconds   = optional(number)
  })
  default = {}
}

variable "backfill" {
  description = "Objects that a backfill runs at once, and the percentage of them that may fail before the backfill does."
  type = object({
    max_concurrency              = optional(number)
    tolerated_failure_percentage = optional(number)
  })
  default = {}
}

variable "schedule" {
  description = "When the scheduled run starts of a dataset that declares no `schedule` (EventBridge Scheduler's words), and whether any does."
  type = object({
    expression = optional(string, "cron(0 6 * * ? *)")
    enabled    = optional(bool, true)
  })
  default = {}
}

variable "paused" {
  description = "Whether the pipeline rests on purpose: no schedule starts, uploads wait in the queue (14 days at most), alarms send nothing."
  type        = bool
  default     = false
}

variable "lifecycle_days" {
  description = "Days for which the buckets keep what they hold: see the module data-lake."
  type = object({
    bronze      = optional(number)
    silver      = optional(number)
    quarantine  = optional(number)
    reports     = optional(number)
    access_logs = optional(number)
    noncurrent  = optional(number)
    replay      = optional(number)
  })
  default = {}
}

variable "largest_file_mb" {
  description = "The largest file that is accepted, in megabytes of 1,048,576 bytes: no stage could read a larger one in its time."
  type        = number
  default     = 256

  validation {
    condition     = var.largest_file_mb >= 1 && var.largest_file_mb <= 5120 && var.largest_file_mb == floor(var.largest_file_mb)
    error_message = "A file has 1 to 5120 MB: S3 takes 5 GB in one request."
  }
}

variable "data_events" {
  description = "Whether CloudTrail records who read and wrote which object of the data's buckets: see the module data-lake."
  type        = bool
  default     = false
}

variable "rotation_days" {
  description = "Days after which the pipeline's password is changed."
  type        = number
  default     = 30

  validation {
    condition     = var.rotation_days >= 1 && var.rotation_days <= 1000
    error_message = "Secrets Manager rotates every 1 to 1000 days."
  }
}

variable "alarm_emails" {
  description = "Addresses of those who are on call, for alarms that cannot wait; null for `emails`."
  type        = list(string)
  default     = null
}

variable "emails" {
  description = "Addresses that get the notices: failures, halted and missing files, alarms that can wait."
  type        = list(string)
  default     = []
}

variable "runbook_base_url" {
  description = "Where the runbooks are read: an alarm's description ends with `<base>/<runbook>.md`."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 90
}

variable "force_destroy" {
  description = "Whether destroying a bucket destroys its objects, and a secret goes at once."
  type        = bool
  default     = false
}
