//! From PostgreSQL's errors to ours.
//!
//! PostgreSQL puts row values into an error's detail, and for data exceptions into its message too. Neither may reach a log
//! or the ledger, so an error's text is rebuilt here from its SQLSTATE and the names of the objects concerned; the message
//! is kept only for the classes whose messages name objects and never values.

use std::io::ErrorKind;

use fonderie_core::{Disposition, ErrorCode, StageError};
use rustls::CertificateError;
use tokio_postgres::error::{DbError, SqlState};

/// What may be told of an error of PostgreSQL's.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Told {
    text: String,
    /// Who connected was refused, for the user or the password.
    login_refused: bool,
}

impl Told {
    fn new(text: String) -> Self {
        Self { text, login_refused: false }
    }
}

/// Whether the database refused the user or the password, as opposed to everything else that access can be denied for.
pub fn is_login_refused(error: &StageError) -> bool {
    let told = error.source.as_ref().and_then(|source| source.downcast_ref::<Told>());
    told.is_some_and(|told| told.login_refused)
}

/// What is wrong with a dataset's SQL is no defect of the program, and what was loaded before stays; `advice` says what to correct.
pub(crate) fn wrong_sql(error: StageError, advice: &str) -> StageError {
    if matches!(error.disposition(), Disposition::Transient | Disposition::Busy) {
        return error;
    }
    let code = if error.code == ErrorCode::Internal { ErrorCode::ContractInvalid } else { error.code };
    let reason = error.message.split(": nothing was written").next().unwrap_or_default();
    let reason = reason.split(": this is a defect of Fonderie").next().unwrap_or_default();
    let message =
        format!("{reason}; the rows are loaded, and marts that are defined as before keep their rows: {advice}");
    StageError { code, message, source: error.source }
}

/// Turns an error of the client library into ours. `doing` completes the sentence "the warehouse failed while …".
pub(crate) fn database_error(doing: &str, error: &tokio_postgres::Error) -> StageError {
    if let Some(db) = error.as_db_error() {
        return from_server(doing, db);
    }
    let text = error.to_string();
    if text == "error performing TLS handshake" {
        return from_tls(doing, error);
    }
    let told = Told::new(chain(error));
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
    let io = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    let refused = io.and_then(|io| io.get_ref()).and_then(|cause| cause.downcast_ref::<rustls::Error>());
    let told = Told::new(chain(error));
    let advice = match (io.map(std::io::Error::kind), refused) {
        (_, Some(rustls::Error::InvalidCertificate(fault))) => of_certificate(fault),
        (Some(ErrorKind::InvalidData | ErrorKind::InvalidInput), _) => {
            "the handshake failed: check its certificate and its TLS versions"
        }
        (Some(_), _) => {
            let message = format!("the database broke off the TLS handshake while {doing}");
            return StageError::new(ErrorCode::DatabaseUnavailable, message).caused_by(told);
        }
        (None, _) => "it offers no TLS: switch it on there",
    };
    let message = format!("no verified TLS connection to the database while {doing}: {advice}");
    StageError::new(ErrorCode::SettingsInvalid, message).caused_by(told)
}

fn of_certificate(fault: &CertificateError) -> &'static str {
    match fault {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is made for another host name: use the name that the certificate has"
        }
        CertificateError::UnknownIssuer => {
            "its certificate was signed by an authority that is not trusted here: check DATABASE_ROOTS_FILE, or which authority the database uses"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired: renew it there"
        }
        _ => "its certificate is not accepted: check it there",
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
    let message = format!("the warehouse failed while {doing} ({told}): {advice}");
    StageError::new(code, message).caused_by(Told { text: told, login_refused: state.starts_with("28") })
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
