variable "protected" {
  description = "Whether the environment refuses to be destroyed."
  type        = bool
}
