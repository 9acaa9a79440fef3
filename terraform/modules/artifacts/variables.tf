variable "bucket" {
  description = "Name of the bucket. Bucket names are unique in the world: make it so."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name has 3 to 63 small letters, digits and hyphens."
  }
}

variable "reader_accounts" {
  description = "Numbers of the other accounts that deploy from the bucket. Their environments lie in the bucket's region."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for account in var.reader_accounts : can(regex("^[0-9]{12}$", account))])
    error_message = "An account's number has twelve digits."
  }
}

variable "force_destroy" {
  description = "Whether destroying the bucket destroys its packages."
  type        = bool
  default     = false
}
