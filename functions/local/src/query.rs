//! `fonderie query`: SQL, a file of it, or one of the dataset's own queries; and the commands that datasets declare for these.

use std::time::Duration;

use clap::ArgMatches;
use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_warehouse::{ConnectOptions, Question, Session};

use crate::Ending;
use crate::cli::{AskArguments, LimitArguments, QueryArguments};
use crate::command_line::{NamedQuery, is_file};
use crate::print::remark;
use crate::rows::{Print, Rows};
use crate::state::Database;

/// `named` is the query that the call names, and `matches` have its parameters.
pub(crate) async fn run(arguments: QueryArguments, named: Option<&NamedQuery>, matches: &ArgMatches) -> Result<Ending> {
    let QueryArguments { query, command, write, ask: how } = arguments;
    let sql = match (command, query, named) {
        (Some(sql), _, _) => sql,
        (None, _, Some(named)) => return answer_named(named, matches, how, write).await,
        (None, word, None) => file(&word.unwrap_or_default())?,
    };
    answer(&sql, &[], how, write).await.map(|_| Ending::Good)
}

/// Asks a query of the dataset, with the parameters that the call gives.
pub(crate) async fn answer_named(
    named: &NamedQuery,
    matches: &ArgMatches,
    how: AskArguments,
    write: bool,
) -> Result<Ending> {
    let given = named.given(matches);
    let settings = named.settings(&given);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let rows = answer(&named.query.sql, &settings, how, write).await?;
    match named.query.refusal(&given) {
        Some(sentence) if rows == Some(0) => Err(StageError::new(ErrorCode::SettingsInvalid, sentence)),
        _ => Ok(Ending::Good),
    }
}

/// The time-out of a query.
pub(crate) fn timeout(limit: &LimitArguments) -> Option<Duration> {
    (limit.timeout > 0).then(|| Duration::from_secs(limit.timeout))
}

/// Asks the warehouse that an earlier run made, and prints the answer.
async fn answer(sql: &str, settings: &[(&str, &str)], how: AskArguments, write: bool) -> Result<Option<u64>> {
    let question = Question { sql, settings, timeout: timeout(&how.limit), write };
    ask(Database::open_existing(&how.state).await?, question, Rows::printed(how.format, how.spreadsheet)).await
}

/// Asks a database, prints the answer and closes the database; returns how many rows the last statement gave, `None` if
/// nobody read the answer to its end.
pub(crate) async fn ask(database: Database, question: Question<'_>, mut rows: Rows<Print>) -> Result<Option<u64>> {
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

/// The text of a file of SQL.
fn file(path: &str) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        let why = if is_file(path) { "" } else { ": the name of a file of SQL ends in .sql" };
        StageError::new(ErrorCode::SettingsInvalid, format!("the file {path} cannot be read{why}")).caused_by(error)
    })
}
