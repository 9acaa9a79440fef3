variable "name" {
  description = "What every name begins with: project and environment, such as `fonderie-prod`."
  type        = string
}

variable "region" {
  description = "AWS region, which the provider has too. Health data stays in the European Economic Area."
  type        = string

  validation {
    condition = var.allow_region_outside_eea || contains(
      ["eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3"], var.region
    )
    error_message = "The regions of the European Economic Area are eu-central-1, eu-north-1, eu-south-1, eu-south-2, eu-west-1 and eu-west-3 (London and Zurich lie outside). Set allow_region_outside_eea to leave it on purpose."
  }
}

variable "allow_region_outside_eea" {
  description = "Whether the region may lie outside the European Economic Area: a decision of the data's controller."
  type        = bool
  default     = false
}

variable "protected" {
  description = "Whether the data is real: database and buckets refuse to be destroyed."
  type        = bool
}

variable "manifest" {
  description = "Path of the manifest of the functions' packages, as `cargo xtask package` writes it."
  type        = string
}

variable "artifacts_bucket" {
  description = "Name of the bucket that holds the packages, in the same region: see the module artifacts."
  type        = string
}

variable "datasets" {
  description = "Folder of each dataset, by name."
  type        = map(string)
}

variable "default_dataset" {
  description = "The dataset of an upload whose key names none."
  type        = string
}

variable "database" {
  description = "The RDS instance: see the module database. Backups and a standby are each environment's choice; Insights are off where it is protected, unless a mode is given on purpose."
  type = object({
    postgres_version = optional(number)
    instance_class   = optional(string)
    allocated_gb     = optional(number)
    max_allocated_gb = optional(number)
    max_connections  = optional(number)
    multi_az         = bool
    backup_days      = number
    insights         = optional(string)
    log_exports      = optional(set(string))
    read_replica     = optional(bool)
    final_snapshot   = optional(bool)

    master_password_version = optional(number)
  })
}

variable "apply_immediately" {
  description = "Whether a change of the database's class, version or storage is made at once; otherwise it waits for the maintenance window, as where nothing is said and the environment is protected."
  type        = bool
  default     = null
}

variable "master_password" {
  description = "The master's password where the database has a replica: see the module database. Best given as TF_VAR_master_password."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true
}

variable "cidr" {
  description = "Addresses of the network, others in each environment: an operator who joins two of them could not tell the same ones apart."
  type        = string
}

variable "endpoint_zones" {
  description = "Zones in which each interface endpoint lies, and is paid by the hour: see the module network."
  type        = number
  default     = null
}

variable "bastion" {
  description = "Whether operators reach the database through Session Manager, by an instance without an open port."
  type        = bool
  default     = false
}

variable "analyst_cidrs" {
  description = "Private networks, joined to this one by the operator, from which analysts reach the database."
  type        = list(string)
  default     = []
}

variable "concurrency" {
  description = "Invocations of each stage that works with the database that may run at once: see the module pipeline."
  type = object({
    load      = optional(number)
    score     = optional(number)
    publish   = optional(number)
    summarize = optional(number)
  })
  default = {}
}

variable "backfill" {
  description = "Objects that a backfill runs at once, and the percentage of them that may fail."
  type = object({
    max_concurrency              = optional(number)
    tolerated_failure_percentage = optional(number)
  })
  default = {}
}

variable "schedule" {
  description = "When the scheduled run starts of a dataset that declares no `schedule`, and whether any does."
  type = object({
    expression = optional(string)
    enabled    = optional(bool)
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

variable "alarm_emails" {
  description = "Addresses of those who are on call, for alarms that cannot wait; null for `emails`."
  type        = list(string)
  default     = null
}

variable "monthly_budget_usd" {
  description = "Dollars a month above which AWS writes to `alarm_emails`, for the whole account; null for no budget."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget_usd == null ? true : var.monthly_budget_usd > 0
    error_message = "A budget is more than nothing."
  }
}

variable "largest_file_mb" {
  description = "The largest file that is accepted, in megabytes: see the module pipeline."
  type        = number
  default     = null
}

variable "facilities" {
  description = "Facilities that upload with an AWS account of their own: see the module facility-upload."
  type = map(object({
    dataset     = string
    principals  = list(string)
    external_id = optional(string)
    files       = list(string)
  }))
  default = {}
}

variable "data_events" {
  description = "Whether CloudTrail records who read and wrote which object of the data's buckets: see the module data-lake."
  type        = bool
  default     = false
}

variable "emails" {
  description = "Addresses that get the notices."
  type        = list(string)
}

variable "runbook_base_url" {
  description = "Where the runbooks are read."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days
    )
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731 days or 3, 5, 6, 7, 8, 9, 10 years."
  }
}
