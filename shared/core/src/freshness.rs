//! Which expected file did not come.

use std::fmt;

use chrono::{Days, Months, NaiveDate};
use serde::{Deserialize, Serialize};

/// How often a source sends a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Every {
    /// Each day.
    Day,
    /// Each seven days.
    Week,
    /// Each month, on about the same day.
    Month,
}

/// When a source's next file is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// How often it sends one.
    pub every: Every,
    /// Days by which one may be late.
    pub grace_days: u32,
}

impl Expected {
    /// The last day on which the file after one of `newest` is not missing yet.
    pub fn due(&self, newest: NaiveDate) -> NaiveDate {
        let next = match self.every {
            Every::Day => newest.checked_add_days(Days::new(1)),
            Every::Week => newest.checked_add_days(Days::new(7)),
            Every::Month => newest.checked_add_months(Months::new(1)),
        };
        next.and_then(|next| next.checked_add_days(Days::new(self.grace_days.into()))).unwrap_or(NaiveDate::MAX)
    }
}

/// What is known of the newest file of a source from which files are expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freshness {
    /// The source.
    pub source: String,
    /// The day of its newest file; absent where none ever came.
    pub newest: Option<NaiveDate>,
    /// The last day on which the next one is not missing; absent where none ever came.
    pub due: Option<NaiveDate>,
    /// Whether one is missing.
    pub missing: bool,
}

impl Freshness {
    /// What is to be said of a source on the day `as_of`.
    pub fn new(source: String, expected: Expected, newest: Option<NaiveDate>, as_of: NaiveDate) -> Self {
        let due = newest.map(|newest| expected.due(newest));
        Self { source, newest, due, missing: due.is_none_or(|due| due < as_of) }
    }
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, newest, due, missing } = self;
        match (newest, due) {
            (Some(newest), Some(due)) if *missing => {
                write!(f, "{source}: the newest file is of {newest}, the next one was expected by {due}")
            }
            (Some(newest), Some(due)) => {
                write!(f, "{source}: the newest file is of {newest}, the next one is due by {due}")
            }
            _ => write!(f, "{source}: no file has come yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_missing_from_the_day_after_it_was_due() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let monthly = Expected { every: Every::Month, grace_days: 5 };
        assert_eq!(monthly.due(day("2026-01-31")), day("2026-03-05"));
        assert_eq!(Expected { every: Every::Day, grace_days: 0 }.due(day("2026-02-28")), day("2026-03-01"));
        assert_eq!(Expected { every: Every::Week, grace_days: 1 }.due(day("2026-12-28")), day("2027-01-05"));
        let on = |as_of| Freshness::new("a".to_owned(), monthly, Some(day("2026-06-30")), day(as_of)).missing;
        assert!(!on("2026-08-04") && on("2026-08-05"));
        assert!(Freshness::new("a".to_owned(), monthly, None, day("2026-06-30")).missing);
    }
}
