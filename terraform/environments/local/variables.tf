variable "endpoint" {
  description = "Where LocalStack listens, such as http://127.0.0.1:4566; null for AWS itself."
  type        = string
  default     = "http://127.0.0.1:4566"
}

variable "name" {
  description = "What every name begins with."
  type        = string
  default     = "fonderie-local"
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-west-1"
}

variable "packages" {
  description = "Folder of the functions' zips."
  type        = string
  default     = "../../../target/packages"
}

variable "architecture" {
  description = "Processor for which the functions are built."
  type        = string
  default     = "x86_64"
}

variable "dataset_folder" {
  description = "Folder of the dataset `facturation`."
  type        = string
  default     = "../../../datasets/facturation"
}

variable "database" {
  description = "A PostgreSQL that the functions can reach."
  type = object({
    host     = string
    port     = number
    username = string
    dbname   = string
  })
  default = { host = "127.0.0.1", port = 5432, username = "fonderie", dbname = "fonderie" }
}

variable "database_password" {
  description = "The password of the database's user."
  type        = string
  sensitive   = true
  default     = ""
}

variable "database_tls" {
  description = "`disable` where the server runs on this machine without a certificate, else `verify-full`."
  type        = string
  default     = "disable"
}
