//! What tests share: one PostgreSQL per run, one database per test.
