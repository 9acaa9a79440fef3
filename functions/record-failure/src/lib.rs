//! The record-failure stage and its Lambda function.
