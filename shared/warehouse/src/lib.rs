//! PostgreSQL: connection, migrations, COPY BINARY, the load transaction and the ledger.
