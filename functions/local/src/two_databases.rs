//! Two databases at once: the state folder's own, and another one that `DATABASE_URL` names.

use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;
use fonderie_core::{ErrorCode, Result, StageError};

use crate::postgres::Postgres;
use crate::print::path;

/// Refuses a state folder with a database of its own if the environment names another one: which of the two is meant is not
/// known, and what is in one is not in the other. `--database-url` on the command line is a person's word, and is taken.
///
/// # Errors
/// [`ErrorCode::SettingsInvalid`].
pub(crate) fn check(arguments: &ArgMatches) -> Result<()> {
    let Some((_, arguments)) = arguments.subcommand() else { return Ok(()) };
    let Ok(Some(state)) = arguments.try_get_one::<PathBuf>("state") else { return Ok(()) };
    let from_environment = matches!(arguments.try_contains_id("database_url"), Ok(true))
        && arguments.value_source("database_url") == Some(ValueSource::EnvVariable);
    if !from_environment || !Postgres::holds(state, None) {
        return Ok(());
    }
    let message = format!(
        "DATABASE_URL names a database, and the state folder {} holds one of its own: unset DATABASE_URL to use the folder's, give \
         --database-url to use the other one, or name another folder with --state",
        path(state)
    );
    Err(StageError::new(ErrorCode::SettingsInvalid, message))
}
