//! `fonderie runs`: the newest runs.

use fonderie_core::Result;
use fonderie_warehouse::Question;

use crate::Ending;
use crate::cli::RunsArguments;
use crate::query;
use crate::rows::Rows;

pub(crate) async fn run(arguments: RunsArguments) -> Result<Ending> {
    let limit = arguments.limit.to_string();
    let question = Question {
        sql: include_str!("runs.sql"),
        settings: &[("fonderie.limit", limit.as_str())],
        timeout: query::timeout(&arguments.time),
        write: false,
    };
    let database = super::open(&arguments.state).await?;
    query::ask(database, question, Rows::printed(arguments.format, false)).await.map(|_| Ending::Good)
}
