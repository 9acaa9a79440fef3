variable "name" {
  description = "Name of the state machine."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-Za-z_-]{1,80}$", var.name))
    error_message = "A state machine's name has 1 to 80 letters, digits, hyphens and underscores."
  }
}

variable "definition" {
  description = "Path of the definition: valid JSON in which a quoted \"$${placeholder}\" stands for a value."
  type        = string
}

variable "function_arns" {
  description = "ARN of each stage's function, by stage name."
  type        = map(string)
}

variable "retry" {
  description = "Delays in seconds: between retries of transient errors, the first and the longest of busy ones, the first of Lambda's own."
  type = object({
    transient_interval_seconds = number
    busy_interval_seconds      = number
    busy_max_delay_seconds     = number
    service_interval_seconds   = number
  })

  validation {
    condition     = alltrue([for seconds in values(var.retry) : seconds >= 1 && seconds == floor(seconds)])
    error_message = "Step Functions takes delays of whole seconds, from 1."
  }
}

variable "log_retention_days" {
  description = "Days for which the log of failed executions is kept."
  type        = number
}
