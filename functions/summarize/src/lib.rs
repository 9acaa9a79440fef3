//! The summarize stage and its Lambda function.
