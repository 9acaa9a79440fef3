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
  description = "Addresses that get the notifications; each confirms the e-mail that AWS sends it."
  type        = list(string)
}

variable "runbook_base_url" {
  description = "Where docs/runbooks is read, without a slash at the end: alarms link to it."
  type        = string
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
