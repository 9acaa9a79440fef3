variable "endpoint" {
  description = "Where LocalStack listens."
  type        = string
  default     = "http://127.0.0.1:4566"
}

variable "name" {
  description = "What every name begins with."
  type        = string
  default     = "fonderie-local"
}

variable "region" {
  description = "AWS region, for LocalStack to pretend."
  type        = string
  default     = "eu-west-1"
}

variable "packages" {
  description = "Folder of the functions' zips and of their manifest, as `cargo xtask package --local` makes it."
  type        = string
  default     = "../../../target/packages"
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

variable "database" {
  description = "A PostgreSQL that the functions can reach, its database, and the connections that it takes."
  type = object({
    host            = string
    port            = number
    name            = string
    max_connections = optional(number, 100)
  })
  default = { host = "localhost", port = 5432, name = "fonderie" }
}

variable "master" {
  description = "A superuser of the database, or a role that may make roles and schemas: `prepare-database` alone uses it."
  type = object({
    username = string
    password = string
  })
  sensitive = true
}

variable "database_tls" {
  description = "`verify-full`, or `disable` where the server runs on this machine without a certificate."
  type        = string
  default     = "verify-full"
}

variable "database_roots_file" {
  description = "PEM file of the certificate authorities that the server's certificate comes from; null for those of RDS."
  type        = string
  default     = null
}

variable "paused" {
  description = "Whether the pipeline rests on purpose: no schedule starts, uploads wait in the queue (14 days at most), alarms send nothing."
  type        = bool
  default     = false
}

variable "emails" {
  description = "Addresses that get the notifications."
  type        = list(string)
  default     = []
}
