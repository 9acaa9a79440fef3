# Planned only: what is guarded cannot be cleaned up after a test. `plan -destroy` on a root of its own is a test of
# tests/tests/deployment/destroy_guard.rs.

run "unprotected" {
  command = plan

  variables {
    protected = false
  }

  assert {
    condition     = !output.guarded && length(terraform_data.this) == 0
    error_message = "What is not protected has no guard."
  }
}

run "protected" {
  command = plan

  variables {
    protected = true
  }

  assert {
    condition     = output.guarded && length(terraform_data.this) == 1
    error_message = "What is protected has a guard."
  }
}
