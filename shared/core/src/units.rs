//! What a file is made of: its physical lines, or the rows of its sheets. Each is part of a record, or counted under what it is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{ErrorCode, StageError};

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnitKind {
    /// Physical lines of delimited text.
    #[default]
    Lines,
    /// Rows of a workbook's sheets.
    Rows,
}

impl UnitKind {
    /// The name, as in JSON and in the ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lines => "lines",
            Self::Rows => "rows",
        }
    }
}

/// The units of a file: `total` = `records` + the sum of `other`.
///
/// ```
/// # use fonderie_core::units::{UnitKind, Units};
/// let other = [("header".to_owned(), 1), ("blank_lines".to_owned(), 2)].into();
/// let units = Units { kind: UnitKind::Lines, total: 10, records: 7, other };
/// assert!(units.check_conserved("transform").is_ok());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// What is counted.
    pub kind: UnitKind,
    /// All units of the file.
    pub total: u64,
    /// Units that are part of a record, kept or rejected.
    pub records: u64,
    /// The others, by what they are: the header, what is passed over.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<String, u64>,
}

impl Units {
    /// The units that are part of no record.
    pub fn passed_over(&self) -> u64 {
        self.other.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Checks that each unit is accounted for once.
    ///
    /// # Errors
    /// `NotConserved`.
    pub fn check_conserved(&self, stage: &str) -> Result<(), StageError> {
        let accounted = self.records.saturating_add(self.passed_over());
        if accounted == self.total {
            return Ok(());
        }
        let message = format!(
            "{stage} read {} {} but accounts for {accounted}; nothing was passed on: report this as a defect of Fonderie",
            self.total,
            self.kind.name()
        );
        Err(StageError::new(ErrorCode::NotConserved, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_missing_or_counted_twice_is_an_error() {
        let units = |records| Units {
            kind: UnitKind::Rows,
            total: 10,
            records,
            other: [("header".to_owned(), 1), ("blank_lines".to_owned(), 2)].into(),
        };
        assert!(units(7).check_conserved("transform").is_ok());
        for records in [6, 8, u64::MAX] {
            let error = units(records).check_conserved("transform").unwrap_err();
            assert_eq!(error.code, ErrorCode::NotConserved);
            assert!(error.message.starts_with("transform read 10 rows but accounts for "), "{error}");
        }
    }

    #[test]
    fn units_are_read_from_an_older_state() {
        assert!(Units::default().check_conserved("transform").is_ok());
        let json = r#"{"kind":"rows","total":3,"records":3}"#;
        assert_eq!(serde_json::from_str::<Units>(json).unwrap().kind, UnitKind::Rows);
        assert_eq!(serde_json::to_string(&serde_json::from_str::<Units>(json).unwrap()).unwrap(), json);
    }
}
