//! What the ledger (schema `audit`) has to tell: `fonderie status`, `runs` and `show`. Each is one question, asked as a person's is:
//! by the role that only reads, of a database that an earlier run made.

mod runs;
mod show;
mod status;

use std::ops::ControlFlow;
use std::path::Path;

use chrono::{DateTime, Utc};
use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_warehouse::{ConnectOptions, Part, Question, Session};
use serde::de::DeserializeOwned;

pub(crate) use self::{runs::run as runs, show::run as show, status::run as status};
use crate::cli::{LimitArguments, StateArguments};
use crate::query;
use crate::state::{Database, connect};

/// The database of an earlier run, if a file ever came as far as its ledger.
///
/// # Errors
/// `SettingsInvalid`: there is none.
pub(crate) async fn open(state: &StateArguments) -> Result<Database> {
    let database = Database::open_existing(state).await?;
    let there = async {
        let warehouse = connect(&database.settings).await?;
        let there = warehouse.query("SELECT to_regclass('audit.model')").await;
        warehouse.close().await;
        Ok(there?.rows.iter().flatten().flatten().next().is_some())
    };
    match there.await {
        Ok(true) => Ok(database),
        other => {
            database.close().await;
            Err(other.err().unwrap_or_else(|| Database::nothing_here(&state.state)))
        }
    }
}

/// Asks for one JSON document.
async fn ask<T: DeserializeOwned>(
    state: &StateArguments,
    sql: &str,
    settings: &[(&str, &str)],
    limit: &LimitArguments,
) -> Result<T> {
    let database = open(state).await?;
    let mut json = String::new();
    let asked = async {
        let session = Session::connect(&database.settings, &ConnectOptions::default(), false).await?;
        let question = Question { sql, settings, timeout: query::timeout(limit), write: false };
        let part = |part: Part<'_>| {
            if let Part::Row(row) = part {
                row.into_iter().flatten().for_each(|text| json.push_str(text));
            }
            ControlFlow::Continue(())
        };
        session.ask(question, part).await
    };
    let asked = asked.await;
    database.close().await;
    asked?;
    serde_json::from_str(&json).map_err(|error| {
        let message = "the ledger's answer cannot be read: the schema audit was changed from outside, or this is a defect of Fonderie";
        StageError::new(ErrorCode::Internal, message).caused_by(error)
    })
}

/// A moment, for a person.
fn moment(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A place, if something is there.
fn existing(path: &Path) -> Option<String> {
    path.exists().then(|| path.to_string_lossy().into_owned())
}
