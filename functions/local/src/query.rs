//! `fonderie query`: SQL, a file of it, or one of the dataset's own queries.

use std::path::Path;
use std::time::Duration;

use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_warehouse::{ConnectOptions, Question, Session};

use crate::Ending;
use crate::cli::{LimitArguments, QueryArguments, StateArguments};
use crate::dataset::DatasetFolder;
use crate::print::remark;
use crate::rows::{Print, Rows};
use crate::state::Database;

pub(crate) async fn run(arguments: QueryArguments) -> Result<Ending> {
    let sql = sql(&arguments)?;
    let QueryArguments { format, spreadsheet, write, .. } = arguments;
    let question = Question { sql: &sql, settings: &[], timeout: timeout(&arguments.limit), write };
    answer(&arguments.state, question, Rows::printed(format, spreadsheet)).await.map(|_| Ending::Good)
}

/// The time-out of a query.
pub(crate) fn timeout(limit: &LimitArguments) -> Option<Duration> {
    (limit.timeout > 0).then(|| Duration::from_secs(limit.timeout))
}

/// Asks the warehouse that an earlier run made, and prints the answer.
pub(crate) async fn answer(state: &StateArguments, question: Question<'_>, rows: Rows<Print>) -> Result<u64> {
    ask(Database::open_existing(state).await?, question, rows).await
}

/// Asks a database, prints the answer and closes the database; returns how many rows the last statement gave.
pub(crate) async fn ask(database: Database, question: Question<'_>, mut rows: Rows<Print>) -> Result<u64> {
    let asked = async {
        let session = Session::connect(&database.settings, &ConnectOptions::default(), question.write).await?;
        if let Some(note) = session.note() {
            remark!("note: {note}");
        }
        session.ask(question, |part| rows.part(part)).await
    };
    let asked = asked.await;
    database.close().await;
    asked.map(|()| rows.ended())
}

fn sql(arguments: &QueryArguments) -> Result<String> {
    let invalid = |message: String| StageError::new(ErrorCode::SettingsInvalid, message);
    if let Some(sql) = &arguments.command {
        return Ok(sql.clone());
    }
    let named = arguments.query.as_deref().unwrap_or_default();
    let path = Path::new(named);
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")) {
        return std::fs::read_to_string(path)
            .map_err(|error| invalid(format!("the file {named} cannot be read")).caused_by(error));
    }
    let dataset = DatasetFolder::read(&arguments.dataset)?;
    let query = |(path, text): (&str, &str)| {
        let name = path.strip_prefix("queries/")?.strip_suffix(".sql")?;
        Some((name.to_owned(), text.to_owned()))
    };
    let queries: Vec<(String, String)> = dataset.bundle.files().filter_map(query).collect();
    let known = || queries.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    queries.iter().find(|(name, _)| name == named).map(|(_, text)| text.clone()).ok_or_else(|| {
        let there = if queries.is_empty() { "it has none".to_owned() } else { format!("it has {}", known()) };
        invalid(format!(
            "dataset `{}` has no query `{named}`: {there}; -c takes SQL, and a file's name ends in .sql",
            dataset.name
        ))
    })
}
