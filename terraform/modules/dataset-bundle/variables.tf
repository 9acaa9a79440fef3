variable "name" {
  description = "Name of the dataset: the bundle's key is `next/<name>.json`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9_-]*$", var.name))
    error_message = "A dataset's name is made of small letters, digits, hyphens and underscores."
  }
}

variable "folder" {
  description = "The dataset's folder: what is true of the domain and of nothing else."
  type        = string

  validation {
    condition     = fileexists("${var.folder}/dataset.toml")
    error_message = "A dataset's folder has a `dataset.toml`."
  }
}

variable "bucket" {
  description = "Bucket that holds the bundles."
  type        = string
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the bundle."
  type        = string
}
