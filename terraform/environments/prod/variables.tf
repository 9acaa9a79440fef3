variable "region" {
  description = "AWS region; it lies in the European Economic Area."
  type        = string
  default     = "eu-west-1"
}

variable "allow_region_outside_eea" {
  description = "Whether the region may lie outside the European Economic Area on purpose."
  type        = bool
  default     = false
}

variable "manifest" {
  description = "Path of the manifest of the functions' packages; the one beside this file is promoted from environment to environment."
  type        = string
  default     = "manifest.json"
}

variable "artifacts_bucket" {
  description = "Name of the bucket that holds the packages: the output `bucket` of environments/artifacts."
  type        = string
}

variable "datasets" {
  description = "Folder of each dataset, by name; a folder may lie anywhere."
  type        = map(string)
  default     = { facturation = "../../../datasets/facturation" }
}

variable "default_dataset" {
  description = "The dataset of an upload whose key names none: one of `datasets`."
  type        = string
  default     = "facturation"
}

variable "emails" {
  description = "Addresses that get the notices about files, and alarms that can wait; each confirms the e-mail that AWS sends it."
  type        = list(string)
}

variable "alarm_emails" {
  description = "Addresses of those who are on call, for alarms that cannot wait; null for `emails`."
  type        = list(string)
  default     = null
}

variable "monthly_budget_usd" {
  description = "Dollars a month above which AWS writes to those who are on call, for the whole account; null for no budget. docs/deploy.md has what an environment costs."
  type        = number
  default     = 250
}

variable "runbook_base_url" {
  description = "Where docs/runbooks is read, without a slash at the end: alarms link to it."
  type        = string
}

variable "apply_immediately" {
  description = "Whether a change of the database's class, version or storage is made at once; where nothing is said it waits for the maintenance window. The output `database_changes` says which."
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

variable "paused" {
  description = "Whether the pipeline rests on purpose: no schedule starts, uploads wait in the queue (14 days at most), alarms send nothing."
  type        = bool
  default     = false
}

variable "cidr" {
  description = "Addresses of the network. Each environment has others, so that one network can be joined to several of them."
  type        = string
  default     = "10.20.32.0/20"
}

variable "endpoint_zones" {
  description = "Zones in which each interface endpoint lies, and is paid by the hour (8 $ a month each); with two, a lost zone takes none with it."
  type        = number
  default     = 2
}

variable "bastion" {
  description = "Whether operators reach the database through Session Manager, by an instance without an open port."
  type        = bool
  default     = false
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

variable "largest_file_mb" {
  description = "The largest file that is accepted, in megabytes of 1,048,576 bytes."
  type        = number
  default     = 256
}

variable "data_events" {
  description = "Whether CloudTrail records who read and wrote which object of the data's buckets; AWS asks 0.10 $ for 100,000 events."
  type        = bool
  default     = false
}

variable "analyst_cidrs" {
  description = "Private networks, joined to this one by the operator, from which analysts reach the database."
  type        = list(string)
  default     = []
}
