//! A query's rows as text, each column with its type: what exports are made of.

use std::pin::Pin;

use fonderie_core::{ErrorCode, Result, StageError};
use futures::StreamExt;
use tokio_postgres::types::Type;
use tokio_postgres::{Column, SimpleQueryMessage, SimpleQueryRow, SimpleQueryStream};

use crate::connect::Warehouse;
use crate::error::{Doing, database_error};
use crate::query::refused_by_server;

const READING: &str = "running a query";

/// A column of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedColumn {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: ColumnKind,
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// `t` or `f`.
    Boolean,
    /// Whole numbers of at most 64 bits.
    Integer,
    /// Floating-point numbers.
    Number,
    /// Decimals, with precision and scale if the type has them and they are at most 38 digits.
    Decimal(Option<(u8, i8)>),
    /// Days.
    Date,
    /// Days and times without a zone.
    Timestamp,
    /// Instants, in the zone of the reading.
    Instant,
    /// Anything else.
    Text,
}

impl TypedColumn {
    fn of(column: &Column) -> Self {
        let kind = match *column.type_() {
            Type::BOOL => ColumnKind::Boolean,
            Type::INT2 | Type::INT4 | Type::INT8 => ColumnKind::Integer,
            Type::FLOAT4 | Type::FLOAT8 => ColumnKind::Number,
            Type::NUMERIC => ColumnKind::Decimal(declared(column.type_modifier())),
            Type::DATE => ColumnKind::Date,
            Type::TIMESTAMP => ColumnKind::Timestamp,
            Type::TIMESTAMPTZ => ColumnKind::Instant,
            _ => ColumnKind::Text,
        };
        Self { name: column.name().to_owned(), kind }
    }
}

/// Precision and scale of a decimal as the catalogue packs them; -1 if it has none.
fn declared(modifier: i32) -> Option<(u8, i8)> {
    let packed = modifier.checked_sub(4).filter(|packed| *packed >= 0)?;
    let precision = u8::try_from(packed >> 16 & 0xffff).ok().filter(|precision| (1..=38).contains(precision))?;
    let scale = i8::try_from(packed & 0x7ff).ok()?;
    (scale.unsigned_abs() <= precision).then_some((precision, scale))
}

/// The rows of a query, as they arrive.
pub struct Answer {
    columns: Vec<TypedColumn>,
    messages: Pin<Box<SimpleQueryStream>>,
}

/// A row of an answer.
pub struct AnswerRow(SimpleQueryRow);

impl AnswerRow {
    /// Its values as PostgreSQL writes them; `None` is NULL.
    pub fn values(&self) -> Vec<Option<&str>> {
        (0..self.0.len()).map(|index| self.0.get(index)).collect()
    }
}

impl Answer {
    /// The columns.
    pub fn columns(&self) -> &[TypedColumn] {
        &self.columns
    }

    /// The next row; `None` after the last one.
    ///
    /// # Errors
    /// `ContractInvalid` with PostgreSQL's own message if the SQL is at fault; the database's.
    pub async fn next(&mut self) -> Result<Option<AnswerRow>> {
        while let Some(message) = self.messages.next().await {
            if let SimpleQueryMessage::Row(row) = message.map_err(|error| refused(&error))? {
                return Ok(Some(AnswerRow(row)));
            }
        }
        Ok(None)
    }
}

impl Warehouse {
    /// Begins to read one SELECT of a dataset in a read-only transaction: with the settings that it reads, and in a time zone.
    /// [`Self::end_reading`] ends it, whatever became of it.
    ///
    /// # Errors
    /// `ContractInvalid` with PostgreSQL's own message if the SQL is at fault; the database's.
    pub async fn read_rows(&self, sql: &str, zone: &str, settings: &[(String, String)]) -> Result<Answer> {
        self.client.batch_execute("BEGIN READ ONLY; SET LOCAL DateStyle = 'ISO, YMD'").await.doing(READING)?;
        let zone = [("TimeZone".to_owned(), zone.to_owned())];
        for (name, value) in zone.iter().chain(settings) {
            self.client.execute("SELECT set_config($1, $2, true)", &[name, value]).await.doing(READING)?;
        }
        // what can be prepared is one statement, which cannot leave the transaction
        let statement = self.client.prepare(sql).await.map_err(|error| refused(&error))?;
        let columns: Vec<TypedColumn> = statement.columns().iter().map(TypedColumn::of).collect();
        if columns.is_empty() {
            return Err(StageError::new(ErrorCode::ContractInvalid, "the query returns no columns: write a SELECT"));
        }
        let messages = self.client.simple_query_raw(sql).await.map_err(|error| refused(&error))?;
        Ok(Answer { columns, messages: Box::pin(messages) })
    }

    /// Ends the transaction of a reading. Rows that nobody took are discarded.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_reading(&self) -> Result<()> {
        self.client.batch_execute("ROLLBACK").await.doing("ending a query")
    }
}

/// The dataset's SQL is at fault, or the database.
fn refused(error: &tokio_postgres::Error) -> StageError {
    let refused = error.as_db_error().and_then(refused_by_server);
    refused.map_or_else(
        || database_error(READING, error),
        |refused| StageError { code: ErrorCode::ContractInvalid, ..refused },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimals_digits_are_read_from_its_modifier() {
        let packed = |precision: i32, scale: i32| (precision << 16 | scale) + 4;
        assert_eq!(declared(packed(10, 2)), Some((10, 2)));
        assert_eq!(declared(packed(38, 0)), Some((38, 0)));
        assert_eq!([declared(-1), declared(packed(60, 2)), declared(packed(3, 5))], [None, None, None]);
    }
}
