//! The admit stage and its Lambda function.
