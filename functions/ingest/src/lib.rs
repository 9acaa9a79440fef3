//! The ingest stage and its Lambda function.
