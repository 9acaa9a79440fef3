//! From PostgreSQL's errors to ours.
//!
//! PostgreSQL puts row values into an error's detail, and for data exceptions into its message too. Neither may reach a log
//! or the ledger, so an error's text is rebuilt here from its SQLSTATE and the names of the objects concerned; the message
//! is kept only for the classes whose messages name objects and never values.

use fonderie_core::{ErrorCode, StageError};
use tokio_postgres::error::{DbError, SqlState};

/// What may be told of an error of PostgreSQL's.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(String);

/// Turns an error of the client library into ours. `doing` completes the sentence "the warehouse failed while …".
pub(crate) fn database_error(doing: &str, error: &tokio_postgres::Error) -> StageError {
    if let Some(db) = error.as_db_error() {
        return from_server(doing, db);
    }
    let text = error.to_string();
    if text == "error performing TLS handshake" {
        return from_tls(doing, error);
    }
    let told = Told(chain(error));
    let lost = error.is_closed()
        || ["error connecting to server", "error communicating with the server", "timeout waiting for server"]
            .contains(&text.as_str());
    if lost {
        let message = format!(
            "the database went away or cannot be reached while {doing}: check that it is up and that this network may reach it"
        );
        return StageError::new(ErrorCode::DatabaseUnavailable, message).caused_by(told);
    }
    let (code, advice) = match text.as_str() {
        "authentication error" => {
            (ErrorCode::AccessDenied, "the user or the password is refused: check the database's secret")
        }
        "invalid connection string" | "invalid configuration" => {
            (ErrorCode::SettingsInvalid, "the connection settings cannot be used: check them")
        }
        _ => (ErrorCode::Internal, "this is a defect of Fonderie: report it"),
    };
    StageError::new(code, format!("the warehouse failed while {doing}: {advice}")).caused_by(told)
}

/// An error of a handshake: a refused certificate does not mend itself, a lost connection does.
fn from_tls(doing: &str, error: &tokio_postgres::Error) -> StageError {
    let io_kind = std::error::Error::source(error)
        .and_then(|cause| cause.downcast_ref::<std::io::Error>())
        .map(std::io::Error::kind);
    let told = Told(chain(error));
    match io_kind {
        Some(kind) if kind != std::io::ErrorKind::InvalidData && kind != std::io::ErrorKind::InvalidInput => {
            StageError::new(ErrorCode::DatabaseUnavailable, format!("the database broke off the TLS handshake while {doing}")).caused_by(told)
        }
        _ => StageError::new(
            ErrorCode::SettingsInvalid,
            format!("no verified TLS connection to the database while {doing}: check its certificate, its host name and the certificate authorities"),
        )
        .caused_by(told),
    }
}

fn from_server(doing: &str, error: &DbError) -> StageError {
    let state = error.code().code();
    let code = code_of(error.code());
    let mut told = format!("SQLSTATE {state}");
    if tells_no_values(state) {
        told = format!("{told}, {}", error.message());
    }
    let names = [
        ("schema", error.schema()),
        ("table", error.table()),
        ("column", error.column()),
        ("constraint", error.constraint()),
    ];
    for (kind, name) in names {
        if let Some(name) = name {
            told = format!("{told}, {kind} {name}");
        }
    }
    let advice = match code {
        ErrorCode::DatabaseUnavailable => {
            "the database is not available: it is tried again, see its own log if this goes on"
        }
        ErrorCode::DatabaseBusy => "the database is busy: it is tried again",
        ErrorCode::DeadlineNear => {
            "the statement did not end in the time that was left: it is tried again, give the stage more time if this goes on"
        }
        ErrorCode::AccessDenied => "the database refuses access: check the role's password and rights",
        ErrorCode::SettingsInvalid => "the database of the settings does not exist: check the settings",
        _ => "nothing was written: check the dataset's SQL, or report a defect of Fonderie",
    };
    StageError::new(code, format!("the warehouse failed while {doing} ({told}): {advice}")).caused_by(Told(told))
}

/// Which of our codes a SQLSTATE is.
fn code_of(state: &SqlState) -> ErrorCode {
    match state.code() {
        // a lock, a serialization failure, a deadlock, no connection left
        "55P03" | "40001" | "40P01" | "53300" => ErrorCode::DatabaseBusy,
        // statement_timeout follows the time that the stage has left
        "57014" => ErrorCode::DeadlineNear,
        // a standby after a failover
        "25006" => ErrorCode::DatabaseUnavailable,
        "42501" => ErrorCode::AccessDenied,
        "3D000" => ErrorCode::SettingsInvalid,
        other => match other.get(..2) {
            Some("28") => ErrorCode::AccessDenied,
            // connection exceptions; shut down or starting; idle in a transaction; disk or memory used up; I/O
            Some("08" | "57" | "53" | "58") => ErrorCode::DatabaseUnavailable,
            Some("25") if other == "25P03" => ErrorCode::DatabaseUnavailable,
            _ => ErrorCode::Internal,
        },
    }
}

/// Classes whose messages name objects and never row values.
fn tells_no_values(state: &str) -> bool {
    matches!(state.get(..2), Some("08" | "25" | "28" | "3D" | "3F" | "40" | "42" | "53" | "55" | "57" | "58"))
}

/// The chain of causes of a client-side error, which holds no row values.
fn chain(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// A `map_err` with the sentence's end.
pub(crate) trait Doing<T> {
    /// Maps the error; `doing` completes "the warehouse failed while …".
    fn doing(self, doing: &str) -> Result<T, StageError>;
}

impl<T> Doing<T> for Result<T, tokio_postgres::Error> {
    fn doing(self, doing: &str) -> Result<T, StageError> {
        self.map_err(|error| database_error(doing, &error))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn sqlstates_have_their_codes() {
        for (state, code) in [
            ("55P03", ErrorCode::DatabaseBusy),
            ("40001", ErrorCode::DatabaseBusy),
            ("40P01", ErrorCode::DatabaseBusy),
            ("53300", ErrorCode::DatabaseBusy),
            ("53100", ErrorCode::DatabaseUnavailable),
            ("57P01", ErrorCode::DatabaseUnavailable),
            ("57P03", ErrorCode::DatabaseUnavailable),
            ("57014", ErrorCode::DeadlineNear),
            ("25P03", ErrorCode::DatabaseUnavailable),
            ("25P02", ErrorCode::Internal),
            ("28P01", ErrorCode::AccessDenied),
            ("42501", ErrorCode::AccessDenied),
            ("3D000", ErrorCode::SettingsInvalid),
            ("23505", ErrorCode::Internal),
            ("22001", ErrorCode::Internal),
        ] {
            assert_eq!(code_of(&SqlState::from_code(state)), code, "{state}");
        }
    }

    #[test]
    fn messages_that_may_hold_values_are_not_told() {
        assert!(!tells_no_values("22P02"));
        assert!(!tells_no_values("23505"));
        assert!(!tells_no_values("P0001"));
        assert!(tells_no_values("42P01"));
    }
}
