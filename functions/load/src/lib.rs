//! The load stage and its Lambda function.
