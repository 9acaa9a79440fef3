//! Starts and stops a native PostgreSQL server of one's own.
