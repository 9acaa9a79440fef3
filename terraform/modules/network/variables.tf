variable "name" {
  description = "What every name begins with: project and environment, such as `fonderie-prod`."
  type        = string
}

variable "cidr" {
  description = "Addresses of the network, which overlap with those of no other network that is joined to it; it is cut into subnets of a sixteenth."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.cidr)) && tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 24
    error_message = "An IPv4 network such as 10.20.0.0/20, between /16 and /24."
  }
}

variable "zones" {
  description = "Letters of the availability zones, one subnet in each. Every region of the European Economic Area has these."
  type        = list(string)
  default     = ["a", "b"]

  validation {
    condition     = length(distinct(var.zones)) >= 2 && length(var.zones) <= 6
    error_message = "RDS asks for two zones at least, for its standby."
  }
}

variable "endpoint_zones" {
  description = "Zones in which each interface endpoint lies, and is paid by the hour. The functions of the other zones reach it too, as long as its own stand."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = var.endpoint_zones >= 1 && var.endpoint_zones <= length(var.zones) && var.endpoint_zones == floor(var.endpoint_zones)
    error_message = "Endpoints lie in one zone at least, and in as many as the network has at most."
  }
}

variable "bucket_prefix" {
  description = "What the data lake's buckets' names begin with: the network leads to these and to no others."
  type        = string
}

variable "analyst_cidrs" {
  description = "Private networks, joined to this one by the operator (peering, VPN), from which analysts reach the database."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.analyst_cidrs : can(cidrnetmask(cidr)) && tonumber(split("/", cidr)[1]) >= 8])
    error_message = "Each is an IPv4 network no wider than /8: the database is never open to the world."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the flow log."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which the flow log is kept."
  type        = number
}
