output "content" {
  description = "The bundle: JSON, from a file's path to its text."
  value       = aws_s3_object.next.content
}

output "sources" {
  description = "The dataset's sources."
  value       = sort([for path in local.files : trimsuffix(basename(path), ".toml") if startswith(path, "sources/")])
}

output "money" {
  description = "The dataset's money columns: its records' fields of the form { name = …, money = true }."
  value       = flatten(regexall("\\{[^{}]*\\bname\\s*=\\s*\\\\\"(\\w+)\\\\\"[^{}]*\\bmoney\\s*=\\s*true[^{}]*\\}", aws_s3_object.next.content))
}

output "schedule" {
  description = "When the dataset's scheduled run starts, in EventBridge Scheduler's words, and in which time zone; the expression is null if the dataset declares none."
  # From the bundle as JSON writes it. A step is counted from the field's first value, and of the two days EventBridge wants one to be `?`.
  value = {
    expression = one([
      for cron in regexall("[{,]\"dataset.toml\":\".*?\\\\n[ \\t]*schedule[ \\t]*=[ \\t]*\\\\?[\"']([^ \"'\\\\]+) ([^ ]+) ([^ ]+) ([^ ]+) ([^ \"'\\\\]+)\\\\?[\"']", aws_s3_object.next.content) :
      format("cron(%s %s %s %s %s *)", replace(cron[0], "*/", "0/"), replace(cron[1], "*/", "0/"), cron[4] == "*" ? replace(cron[2], "*/", "1/") : "?", replace(cron[3], "*/", "1/"), cron[4] == "*" ? "?" : cron[4])
    ])
    time_zone = one(flatten(regexall("[{,]\"dataset.toml\":\".*?\\\\n[ \\t]*time_zone[ \\t]*=[ \\t]*\\\\?[\"']([^\"'\\\\]+)", aws_s3_object.next.content)))
  }
}

output "migrations_hash" {
  description = "Hash of what makes the dataset's tables, its declarations and migrations: it changes when the warehouse has to be prepared again."
  value = sha256(jsonencode({
    for path in local.files : path => filesha256("${var.folder}/${path}")
    if path == "dataset.toml" || startswith(path, "records/") || startswith(path, "warehouse/V")
  }))
}
