//! Counts that must be conserved: rows, and the cents of each money column.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{ErrorCode, StageError};
use crate::money;

/// What one money column adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Sum of the amounts that could be read, in cents; a decimal string in JSON.
    #[serde(with = "money::as_decimal")]
    pub sum: i128,
    /// Cells that are present and could not be read (a row whose fields are shifted has none that can be).
    pub unreadable: u64,
}

/// Rows, and per money column the amounts, at one place on the way of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Number of rows.
    pub rows: u64,
    /// Per money column of the record.
    pub amounts: BTreeMap<String, Amount>,
}

impl Tally {
    /// A tally of nothing, with an entry for each money column.
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        Self { rows: 0, amounts: columns.into_iter().map(|name| (name.to_owned(), Amount::default())).collect() }
    }

    /// Whether it holds no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The sum of two tallies.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut total = self.clone();
        total.rows += other.rows;
        for (name, amount) in &other.amounts {
            let entry = total.amounts.entry(name.clone()).or_default();
            entry.sum += amount.sum;
            entry.unreadable += amount.unreadable;
        }
        total
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows", self.rows)?;
        for (name, amount) in &self.amounts {
            write!(f, ", {name} {}", money::format_cents(amount.sum))?;
            if amount.unreadable > 0 {
                write!(f, " ({} unreadable)", amount.unreadable)?;
            }
        }
        Ok(())
    }
}

/// What came in is what went out plus what was refused, in rows, in cents and in unreadable cells.
///
/// # Errors
/// `NotConserved` if it is not.
pub fn check_conserved(stage: &str, read: &Tally, kept: &Tally, rejected: &Tally) -> Result<(), StageError> {
    let out = kept.plus(rejected);
    if *read == out {
        return Ok(());
    }
    Err(StageError::new(
        ErrorCode::NotConserved,
        format!(
            "{stage} read {read} but accounts for {out}; nothing was passed on: report this as a defect of Fonderie"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(rows: u64, sum: i128, unreadable: u64) -> Tally {
        Tally { rows, amounts: [("amount".to_owned(), Amount { sum, unreadable })].into() }
    }

    #[test]
    fn conservation_is_of_rows_cents_and_unreadable_cells() {
        let read = tally(10, 1_000, 1);
        assert!(check_conserved("transform", &read, &tally(8, 900, 0), &tally(2, 100, 1)).is_ok());
        for (kept, rejected) in [
            (tally(8, 900, 0), tally(1, 100, 1)),
            (tally(8, 900, 0), tally(2, 101, 1)),
            (tally(8, 900, 0), tally(2, 100, 0)),
        ] {
            let error = check_conserved("transform", &read, &kept, &rejected).unwrap_err();
            assert_eq!(error.code, ErrorCode::NotConserved);
            assert!(error.message.contains("transform read 10 rows, amount 10.00 (1 unreadable)"), "{error}");
        }
    }

    #[test]
    fn sums_travel_as_decimal_strings() {
        let json = serde_json::to_string(&tally(1, 37_929_359_632, 0)).unwrap();
        assert_eq!(json, r#"{"rows":1,"amounts":{"amount":{"sum":"379293596.32","unreadable":0}}}"#);
        assert_eq!(serde_json::from_str::<Tally>(&json).unwrap(), tally(1, 37_929_359_632, 0));
    }
}
