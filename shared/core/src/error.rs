//! Typed errors: each has a code, and each code a disposition that says who must act.
//!
//! The code is what Step Functions sees as the error's name, so the state machine's retry lists are made of these codes
//! (a test holds them to [`ErrorCode::disposition`]).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sentence::{LONGEST, bounded};

/// Who must act on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    /// Passes by itself within minutes: retried a few times, minutes apart.
    Transient,
    /// Something is merely occupied: retried often, with backoff and jitter.
    Busy,
    /// The file or the request is at fault: the sender must act; never retried.
    Data,
    /// The deployment or a contract is at fault: the operator must act; never retried.
    Configuration,
    /// Fonderie is at fault: never retried.
    Bug,
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $code:ident => $disposition:ident,)*) => {
        /// Every way in which a stage can fail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode { $($(#[$doc])* $code,)* }

        impl ErrorCode {
            /// All codes, in the order of their declaration.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$code,)*];

            /// The code's name, as Step Functions, the ledger and the notifications show it.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorCode::$code => stringify!($code),)* }
            }

            /// Who must act.
            pub const fn disposition(self) -> Disposition {
                match self { $(ErrorCode::$code => Disposition::$disposition,)* }
            }
        }
    };
}

error_codes! {
    /// The database cannot be reached, or went away in mid-work.
    DatabaseUnavailable => Transient,
    /// S3 cannot be reached, or went away in mid-work.
    StorageUnavailable => Transient,
    /// Another AWS service cannot be reached.
    ServiceUnavailable => Transient,
    /// The stage stopped itself because its time was nearly over.
    DeadlineNear => Transient,
    /// A lock was not had in time, connections are used up, or a transaction must be run again.
    DatabaseBusy => Busy,
    /// A service asked to be called less often.
    ServiceThrottled => Busy,
    /// What was asked of the run cannot be understood.
    RequestInvalid => Data,
    /// The object (or that version of it) is not there.
    ObjectMissing => Data,
    /// The object's content is no longer what the run pinned.
    ObjectChanged => Data,
    /// No contract recognises the file.
    SourceUnknown => Data,
    /// Several contracts recognise the file.
    SourceAmbiguous => Data,
    /// The extraction date in the file's name lies after its upload.
    ExtractionInFuture => Data,
    /// An extraction date is expected in the file's name, which has none, two, or one that is no day.
    ExtractionUnclear => Data,
    /// The as-of date was typed, and is earlier than the one that was last published.
    AsOfEarlier => Data,
    /// A file that is a complete state has no rows, or lacks much of what is known.
    SnapshotImplausible => Data,
    /// The file has no byte.
    FileEmpty => Data,
    /// The file's bytes contradict the declared encoding.
    EncodingMismatch => Data,
    /// The header line is missing, or its text cannot be read.
    HeaderUnreadable => Data,
    /// A column that the contract maps is not in the header.
    ColumnMissing => Data,
    /// The header has a column that the contract does not know.
    ColumnUnknown => Data,
    /// The header names a column twice.
    ColumnRepeated => Data,
    /// A limit on sizes was passed (record, field, workbook).
    LimitExceeded => Data,
    /// The workbook is damaged, of another format, or lacks the sheet that the contract names.
    WorkbookUnreadable => Data,
    /// The workbook is protected by a password.
    WorkbookProtected => Data,
    /// The quality rules stopped the file before the warehouse.
    FileHalted => Data,
    /// More of a backfill's objects failed than are tolerated.
    BackfillFailed => Data,
    /// A stage's memory was nearly used up.
    MemoryNear => Configuration,
    /// Settings are missing or cannot be read.
    SettingsInvalid => Configuration,
    /// A contract has mistakes.
    ContractInvalid => Configuration,
    /// The dataset's bundle is not where it should be.
    BundleMissing => Configuration,
    /// Access was denied by S3, a key, a service or the database.
    AccessDenied => Configuration,
    /// The warehouse's schema is not the one that the bundle needs, or a migration failed.
    SchemaMismatch => Configuration,
    /// A stage was killed from outside: time-out, memory, crash.
    StageKilled => Bug,
    /// A stage's input does not have its shape.
    PayloadInvalid => Bug,
    /// Rows or cents went missing: the invariant that must never break.
    NotConserved => Bug,
    /// Anything else.
    Internal => Bug,
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for ErrorCode {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|code| code.name() == name).ok_or(())
    }
}

/// Why a stage failed: a code, one sentence for a person (what, where, what to do; never a personal datum), and the cause.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StageError {
    /// The typed reason.
    pub code: ErrorCode,
    /// One sentence: what, where, what to do. Never a personal datum.
    pub message: String,
    /// The underlying error, for the log.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StageError {
    /// An error without an underlying cause. A message that is too long is cut, unless it lists a contract's mistakes.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        let message = if code == ErrorCode::ContractInvalid { message } else { bounded(message, LONGEST) };
        Self { code, message, source: None }
    }

    /// The same error with its underlying cause, which goes to the log alone.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Who must act.
    pub fn disposition(&self) -> Disposition {
        self.code.disposition()
    }

    /// The chain of causes as one line, for a log.
    pub fn chain(&self) -> String {
        let mut text = String::new();
        let mut next = std::error::Error::source(self);
        while let Some(error) = next {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&error.to_string());
            next = error.source();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_are_unique() {
        for code in ErrorCode::ALL {
            assert_eq!(code.name().parse(), Ok(*code));
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
        }
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        assert_eq!("Nonsense".parse::<ErrorCode>(), Err(()));
    }

    #[test]
    fn a_message_is_bounded_unless_it_lists_mistakes() {
        let long = "a".repeat(10_000);
        assert_eq!(StageError::new(ErrorCode::ColumnMissing, long.as_str()).message.chars().count(), LONGEST);
        assert_eq!(StageError::new(ErrorCode::ContractInvalid, long).message.len(), 10_000);
    }

    #[test]
    fn the_chain_holds_every_cause_in_order() {
        let inner = StageError::new(ErrorCode::Internal, "inner").caused_by("root");
        let outer = StageError::new(ErrorCode::DatabaseUnavailable, "outer").caused_by(inner);
        assert_eq!(outer.chain(), "inner: root");
        assert_eq!(outer.disposition(), Disposition::Transient);
    }
}
