variable "region" {
  description = "AWS region: the environments' own, because Lambda reads a package within its region."
  type        = string
  default     = "eu-west-1"
}

variable "reader_accounts" {
  description = "Numbers of the other accounts that deploy from the bucket."
  type        = list(string)
  default     = []
}
