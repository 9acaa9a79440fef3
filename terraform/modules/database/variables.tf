variable "name" {
  description = "Identifier of the instance."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,54}$", var.name))
    error_message = "The name has 2 to 55 small letters, digits and hyphens: `-replica` is added to it."
  }
}

variable "database_name" {
  description = "Database in the instance."
  type        = string
  default     = "fonderie"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.database_name))
    error_message = "A database's name has up to 63 small letters, digits and underscores, and begins with a letter."
  }
}

variable "postgres_version" {
  description = "Major version of PostgreSQL; RDS sees to the minor one."
  type        = number
  default     = 18
  nullable    = false

  validation {
    condition     = contains([15, 16, 17, 18], var.postgres_version)
    error_message = "The warehouse needs a major version of PostgreSQL from 15 to 18."
  }
}

variable "instance_class" {
  description = "Size of the instance. Graviton's classes cost a tenth less, and PostgreSQL is the same on them."
  type        = string
  default     = "db.t4g.medium"
  nullable    = false

  validation {
    condition     = can(regex("^db\\.[a-z0-9-]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "RDS's classes are called db.<family>.<size>, such as db.t4g.medium."
  }
}

variable "allocated_gb" {
  description = "Storage at first, in GB."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.allocated_gb >= 20
    error_message = "RDS gives 20 GB of gp3 at least."
  }
}

variable "max_allocated_gb" {
  description = "Storage up to which RDS grows by itself, in GB."
  type        = number
  default     = 200
  nullable    = false

  validation {
    condition     = var.max_allocated_gb >= var.allocated_gb * 1.1
    error_message = "RDS asks for 10 % above the first storage."
  }
}

variable "max_connections" {
  description = "Connections that the server takes: the alarm and the functions' concurrency are held to it. A change needs a restart."
  type        = number
  default     = 200
  nullable    = false

  validation {
    condition     = var.max_connections >= 50 && var.max_connections <= 5000
    error_message = "Between 50 and 5000; 400 is what 4 GB of memory bear."
  }
}

variable "multi_az" {
  description = "Whether a standby in another zone takes over when the instance fails."
  type        = bool
}

variable "backup_days" {
  description = "Days for which automatic backups are kept, and to any second of which the database can be restored."
  type        = number

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "RDS keeps backups for 1 to 35 days; 0 would mean none."
  }
}

variable "protected" {
  description = "Whether the instance refuses to be deleted, and its automatic backups outlive it."
  type        = bool
}

variable "final_snapshot" {
  description = "Whether the instance leaves a snapshot, `<name>-final`, when it is deleted."
  type        = bool
  default     = true
  nullable    = false
}

variable "insights" {
  description = "Mode of Database Insights: off, standard (7 days, free) or advanced (15 months). It keeps sampled statements as they were written, so that whoever may look at it may read what analysts typed: off where the data is real."
  type        = string
  default     = "off"
  nullable    = false

  validation {
    condition     = contains(["off", "standard", "advanced"], var.insights)
    error_message = "Database Insights is off, or has the modes standard and advanced."
  }
}

variable "log_exports" {
  description = "Logs of the server that go to CloudWatch."
  type        = set(string)
  default     = ["postgresql", "upgrade"]
  nullable    = false

  validation {
    condition     = length(setsubtract(var.log_exports, ["postgresql", "upgrade"])) == 0
    error_message = "PostgreSQL has the logs `postgresql` and `upgrade`."
  }
}

variable "read_replica" {
  description = "Whether analysts get an instance of their own to read from."
  type        = bool
  default     = false
  nullable    = false
}

variable "master_password" {
  description = "The master's password where there is a replica: given with every plan and apply, kept in a secret and in no state."
  type        = string
  default     = null
  sensitive   = true
  ephemeral   = true

  validation {
    condition     = var.master_password == null ? true : length(var.master_password) >= 16 && length(regexall("[/@\" ]", var.master_password)) == 0
    error_message = "RDS takes no /, @, quote or space; 16 characters at least."
  }

  validation {
    condition     = !var.read_replica || var.master_password != null
    error_message = "RDS makes no replica of an instance whose master's password it keeps: give one."
  }
}

variable "master_password_version" {
  description = "Raised with each change of master_password: what no state holds is compared by this number."
  type        = number
  default     = 1
  nullable    = false
}

variable "apply_immediately" {
  description = "Whether a change of the instance is made at once rather than in the maintenance window."
  type        = bool
  default     = false
  nullable    = false
}

variable "subnet_ids" {
  description = "Private subnets in two zones at least."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "RDS asks for subnets in two zones."
  }
}

variable "security_group_id" {
  description = "Security group of the database."
  type        = string
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts storage, backups, Insights, logs and the master's secret."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which the server's logs are kept."
  type        = number
}
