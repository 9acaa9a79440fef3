variable "name" {
  description = "What every name begins with: project and environment, such as `fonderie-prod`."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_id" {
  description = "A private subnet: the instance and Session Manager's endpoints lie in its zone."
  type        = string
}

variable "security_group_ids" {
  description = "Security groups of the network by role: `operators`, which leads to the database, and `endpoints`."
  type        = map(string)
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the instance's disk."
  type        = string
}
