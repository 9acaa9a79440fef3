//! The validate stage and its Lambda function.
