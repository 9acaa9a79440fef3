//! A person's query: columns and rows as text, as they arrive.

use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use fonderie_core::{ErrorCode, Result, StageError};
use futures::StreamExt;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::{DbError, SqlState};

use crate::connect::{ConnectOptions, Warehouse};
use crate::error::{Doing, database_error};
use crate::reader::Reader;
use crate::settings::DatabaseSettings;
use crate::sql::quote;

/// How much later than the server the program itself ends a query.
const GRACE: Duration = Duration::from_secs(2);

/// What a query gave, as PostgreSQL writes it: decimals exactly, dates as yyyy-mm-dd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The columns' names.
    pub columns: Vec<String>,
    /// The rows; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

/// A part of a query's answer, in the order in which they arrive.
#[derive(Debug)]
pub enum Part<'a> {
    /// The columns' names: the first part of a statement that has rows.
    Columns(Vec<&'a str>),
    /// A row; `None` is NULL.
    Row(Vec<Option<&'a str>>),
    /// The end of a statement, and how many rows it returned or changed.
    End(u64),
}

/// A query and its limits.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// One statement; if it may write, several.
    pub sql: &'a str,
    /// Settings that the SQL reads (`current_setting('fonderie.…')`), with their values.
    pub settings: &'a [(&'a str, &'a str)],
    /// The most time for a statement, its rows included; `None` is no limit.
    pub timeout: Option<Duration>,
    /// Whether it may write: as the connection's own user, in a transaction that is committed.
    pub write: bool,
}

/// A connection for one question.
pub struct Session {
    warehouse: Warehouse,
    role: Option<String>,
    note: Option<&'static str>,
}

impl Session {
    /// Connects: as a role that only reads, or as the settings' own user if the question may write.
    ///
    /// # Errors
    /// Those of [`Warehouse::connect`], and the database's when it makes the role.
    pub async fn connect(settings: &DatabaseSettings, options: &ConnectOptions, write: bool) -> Result<Self> {
        let reader = if write {
            Reader { warehouse: Warehouse::connect(settings, options).await?, role: None, note: None }
        } else {
            Reader::connect(settings, options).await?
        };
        Ok(Self { warehouse: reader.warehouse, role: reader.role, note: reader.note })
    }

    /// What a person should know about the protection of the server, if it is not whole.
    pub fn note(&self) -> Option<&'static str> {
        self.note
    }

    /// Asks, and gives each part of the answer to `part` as it arrives. If `part` breaks, no more of the answer is fetched; a
    /// question that may write is carried out all the same.
    ///
    /// # Errors
    /// [`ErrorCode::RequestInvalid`] with PostgreSQL's own message if the SQL is at fault (the person who asked sees it, no log
    /// does), [`ErrorCode::DeadlineNear`] after the time-out; the database's other errors as everywhere.
    pub async fn ask(self, question: Question<'_>, part: impl FnMut(Part<'_>) -> ControlFlow<()>) -> Result<()> {
        let answer = self.answer(question, part);
        let answered = match question.timeout {
            None => answer.await,
            // The server keeps to the time-out by itself, except the embedded one, which nothing interrupts.
            Some(timeout) => tokio::time::timeout(timeout.saturating_add(GRACE), answer)
                .await
                .unwrap_or_else(|_| Err(timed_out(timeout))),
        };
        if matches!(answered, Ok(ControlFlow::Continue(()))) {
            self.warehouse.close().await;
        } else {
            // rows may be under way, which closing would wait for
            self.warehouse.abandon();
        }
        answered.map(|_| ())
    }

    async fn answer(
        &self,
        question: Question<'_>,
        mut part: impl FnMut(Part<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let client = &self.warehouse.client;
        self.begin(question).await?;
        let refused = |error: &tokio_postgres::Error| refusal(error, question);
        if !question.write {
            // A statement that can be prepared is one: without others after it, it cannot leave the transaction and go on.
            client.prepare(question.sql).await.map_err(|error| refused(&error))?;
        }
        let messages = client.simple_query_raw(question.sql).await.map_err(|error| refused(&error))?;
        let mut messages = pin!(messages);
        let mut wanted = ControlFlow::Continue(());
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| refused(&error))?;
            if wanted.is_break() {
                continue;
            }
            wanted = match &message {
                SimpleQueryMessage::RowDescription(columns) => {
                    part(Part::Columns(columns.iter().map(|column| column.name()).collect()))
                }
                SimpleQueryMessage::Row(row) => part(Part::Row((0..row.len()).map(|index| row.get(index)).collect())),
                SimpleQueryMessage::CommandComplete(rows) => part(Part::End(*rows)),
                _ => ControlFlow::Continue(()),
            };
            if wanted.is_break() && !question.write {
                return Ok(wanted);
            }
        }
        if question.write {
            client.batch_execute("COMMIT").await.map_err(|error| refused(&error))?;
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn begin(&self, question: Question<'_>) -> Result<()> {
        let doing = "beginning a query";
        let client = &self.warehouse.client;
        client.batch_execute(if question.write { "BEGIN" } else { "BEGIN READ ONLY" }).await.doing(doing)?;
        if let Some(role) = &self.role {
            client.batch_execute(&format!("SET LOCAL ROLE {}", quote(role))).await.doing(doing)?;
        }
        // The first SELECT of the transaction: after it, nothing can make the transaction read-write.
        let millis = question.timeout.map_or(0, |timeout| timeout.as_millis().min(i32::MAX.unsigned_abs().into()));
        let timeout = millis.to_string();
        for (name, value) in [("statement_timeout", timeout.as_str())].iter().chain(question.settings) {
            client.execute("SELECT set_config($1, $2, true)", &[name, value]).await.doing(doing)?;
        }
        Ok(())
    }
}

/// Why a person's query was not answered.
fn refusal(error: &tokio_postgres::Error, question: Question<'_>) -> StageError {
    let invalid = |message: String| StageError::new(ErrorCode::RequestInvalid, message);
    let Some(db) = error.as_db_error() else {
        if error.to_string() == "unexpected message from server" {
            return invalid(
                "COPY from or to the program itself is not possible: use SELECT with --format csv".to_owned(),
            );
        }
        return database_error("running a query", error);
    };
    match (db.code(), question.timeout) {
        // the text depends on the server's language, the routine does not
        (&SqlState::SYNTAX_ERROR, _) if db.routine() == Some("exec_parse_message") => {
            invalid("the query is several statements: ask them one by one (--write runs several)".to_owned())
        }
        (&SqlState::READ_ONLY_SQL_TRANSACTION, _) if !question.write => {
            invalid(format!("the query is refused by PostgreSQL: {} (--write lets it write)", db.message()))
        }
        (&SqlState::QUERY_CANCELED, Some(timeout)) => timed_out(timeout),
        _ => refused_by_server(db).unwrap_or_else(|| database_error("running a query", error)),
    }
}

fn timed_out(timeout: Duration) -> StageError {
    let message = format!("the query did not end within {} s: --timeout gives it more", timeout.as_secs());
    StageError::new(ErrorCode::DeadlineNear, message)
}

/// PostgreSQL's own words, if the SQL is at fault.
pub(crate) fn refused_by_server(db: &DbError) -> Option<StageError> {
    let of_the_sql = matches!(db.code().code().get(..2), Some("22" | "23" | "25" | "2D" | "42" | "0A" | "54" | "P0"));
    // what cannot be done with this kind of object, such as a write to a view
    if !of_the_sql && db.code() != &SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE {
        return None;
    }
    // The dataset's tables are made by its first run.
    let absent = matches!(db.code(), &SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME);
    let first_run = absent.then(|| " (a dataset's tables are made when its first file is run)".to_owned());
    // PostgreSQL's advice on a view that takes no rows is of no use to whoever reads it
    let is_write = db.code() == &SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE;
    let of_write = is_write.then(|| " (what Fonderie loads is changed by files alone)".to_owned());
    let hint = of_write.or_else(|| db.hint().map(|hint| format!(" ({hint})"))).or(first_run).unwrap_or_default();
    let message = format!("the query is refused by PostgreSQL: {}{hint}", db.message());
    Some(StageError::new(ErrorCode::RequestInvalid, message))
}

impl Warehouse {
    /// Runs SQL of our own that gives few rows, with the rights of the connection, and returns the rows of its last statement
    /// that has any. Over the simple protocol, in which the server itself writes every type as text.
    ///
    /// # Errors
    /// [`ErrorCode::RequestInvalid`] with PostgreSQL's own message if the SQL is at fault; the database's other errors as
    /// everywhere.
    pub async fn query(&self, sql: &str) -> Result<Table> {
        let messages = self.client.simple_query(sql).await.map_err(|error| {
            let refused = error.as_db_error().filter(|db| db.code() != &SqlState::READ_ONLY_SQL_TRANSACTION);
            refused.and_then(refused_by_server).unwrap_or_else(|| database_error("running a query", &error))
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
