"""LocalStack without Docker: Lambda functions as processes of the host."""
