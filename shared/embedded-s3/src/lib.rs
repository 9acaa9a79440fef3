//! An S3 server over a folder, for the one-machine binary and tests.
