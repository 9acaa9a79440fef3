mock_provider "aws" {
  source = "../../mocks"
}

run "plan" {
  command = plan

  assert {
    condition     = output.bucket == "123456789012-fonderie-artifacts"
    error_message = "The bucket's name begins with the account's number, which makes it unique: ${output.bucket}."
  }
}
