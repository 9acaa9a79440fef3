variable "prefix" {
  description = "What every bucket's and queue's name begins with. Bucket names are unique in the world: make it so."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,50}$", var.prefix))
    error_message = "A bucket's name has at most 63 small letters, digits and hyphens; the prefix leaves room for the rest."
  }
}

variable "consumer_timeout_seconds" {
  description = "Time-out of the function that reads the queue; a message stays hidden for six times as long."
  type        = number
}

variable "max_receive_count" {
  description = "Deliveries of one message before it goes to the dead-letter queue."
  type        = number
  default     = 5

  validation {
    condition     = var.max_receive_count >= 2
    error_message = "One delivery may fail by a throttle alone: allow two at least."
  }
}

variable "force_destroy" {
  description = "Whether destroying a bucket destroys its objects. Never where there are real invoices."
  type        = bool
  default     = false
}
