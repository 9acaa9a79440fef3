//! A person's query: columns and rows as text.

use fonderie_core::{ErrorCode, Result, StageError};
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;

use crate::connect::Warehouse;
use crate::error::{Doing, database_error};

/// What a query gave, as PostgreSQL writes it: decimals exactly, dates as yyyy-mm-dd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Warehouse {
    /// Runs SQL that reads settings of its own (`current_setting('fonderie.…')`), with their values given.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn query_with(&self, sql: &str, settings: &[(&str, &str)]) -> Result<Table> {
        for (name, value) in settings {
            let set = self.client.execute("SELECT set_config($1, $2, false)", &[name, value]).await;
            set.doing("setting a query's values")?;
        }
        self.query(sql).await
    }

    /// Runs SQL and gives the rows of its last statement that has any. Over the simple protocol, where the server itself
    /// writes every type as text.
    ///
    /// # Errors
    /// [`ErrorCode::RequestInvalid`] with PostgreSQL's own message where the SQL is at fault (the person who asked sees it,
    /// no log does); the database's other errors as everywhere.
    pub async fn query(&self, sql: &str) -> Result<Table> {
        let messages = self.client.simple_query(sql).await.map_err(|error| match error.as_db_error() {
            Some(db) if matches!(db.code().code().get(..2), Some("22" | "23" | "42" | "0A" | "P0")) => {
                // The dataset's tables are made by its first run.
                let absent = matches!(db.code(), &SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME);
                let first_run =
                    absent.then(|| " (the warehouse's tables are made when the first file is run)".to_owned());
                let hint = db.hint().map(|hint| format!(" ({hint})")).or(first_run).unwrap_or_default();
                StageError::new(
                    ErrorCode::RequestInvalid,
                    format!("the query is refused by PostgreSQL: {}{hint}", db.message()),
                )
            }
            _ => database_error("running a query", &error),
        })?;
        let mut table = Table::default();
        for message in messages {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    table = Table {
                        columns: columns.iter().map(|column| column.name().to_owned()).collect(),
                        rows: Vec::new(),
                    };
                }
                SimpleQueryMessage::Row(row) => {
                    table.rows.push((0..row.len()).map(|index| row.get(index).map(str::to_owned)).collect());
                }
                _ => {}
            }
        }
        Ok(table)
    }
}
