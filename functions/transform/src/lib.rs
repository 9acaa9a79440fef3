//! The transform stage and its Lambda function.
