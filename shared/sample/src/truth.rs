//! What must come out when a file is read: counted while it is written, from the values and the contract's rules alone.

use std::collections::BTreeMap;

use fonderie_contract::{Check, Origin, Record, Rule, Severity, Source};
use serde::{Deserialize, Serialize};

use crate::row::{Before, Extent, Row};
use crate::value::Value;

/// The truth about a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTruth {
    /// The source's id.
    pub source: String,
    /// `csv` or `xlsx`.
    pub format: String,
    /// Records, the header excepted.
    pub rows: u64,
    /// Records that reading and rules let pass.
    pub accepted: u64,
    /// Records that they refuse.
    pub rejected: u64,
    /// Rows by defect, each with one alone.
    pub defects: BTreeMap<String, u64>,
    /// Rows written in a way that must be tolerated.
    pub variants: BTreeMap<String, u64>,
    /// Rows that are sound and unusual.
    pub anomalies: BTreeMap<String, u64>,
    /// Rows by rule that they break: the reader's rules and the dataset's.
    pub rules: BTreeMap<String, u64>,
    /// Lines that are no records, by kind, as the reader names them.
    pub skipped: BTreeMap<String, u64>,
    /// Sums of the money columns.
    pub amounts: BTreeMap<String, AmountTruth>,
}

/// The sums of a money column, in cents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AmountTruth {
    /// Over all rows whose amount can be read.
    pub read_cents: i128,
    /// Over the accepted rows.
    pub accepted_cents: i128,
    /// Rows whose amount cannot be read.
    pub unreadable: u64,
}

/// A row that repeats the key of another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeats<'a> {
    /// Its values differ from the first one's.
    pub(crate) changed: bool,
    /// The first one.
    pub(crate) first: &'a Row,
}

/// Counts a file's rows as it is written.
pub(crate) struct Tally<'a> {
    pub(crate) truth: FileTruth,
    record: &'a Record,
    source: &'a Source,
    as_of: i32,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(record: &'a Record, source: &'a Source, format: &str, as_of: i32) -> Self {
        let amounts = record.money().map(|name| (name.to_owned(), AmountTruth::default())).collect();
        let truth = FileTruth { source: source.id.clone(), format: format.to_owned(), amounts, ..FileTruth::default() };
        Self { truth, record, source, as_of }
    }

    /// Counts a row; whether it is accepted.
    pub(crate) fn add(&mut self, row: &Row, repeats: Option<Repeats<'_>>) -> bool {
        self.truth.rows += 1;
        let skipped = match row.before {
            Before::Nothing => None,
            Before::BlankLine => Some("blank_lines"),
            Before::Header => Some("repeated_headers"),
        };
        if let Some(kind) = skipped {
            *self.truth.skipped.entry(kind.to_owned()).or_default() += 1;
        }
        let accepted = self.judge(row, repeats);
        if accepted {
            self.truth.accepted += 1;
        } else {
            self.truth.rejected += 1;
        }
        self.sum(row, |amount, cents| {
            amount.read_cents += cents;
            if accepted {
                amount.accepted_cents += cents;
            }
        });
        for (field, declared) in self.record.fields.iter().enumerate().filter(|(_, declared)| declared.money) {
            let column = matches!(self.source.columns[field], Origin::Column { .. });
            let unreadable = row.extent != Extent::Whole || row.unreadable.is_some_and(|(of, _)| of == field);
            if let Some(amount) = self.truth.amounts.get_mut(&declared.name).filter(|_| column && unreadable) {
                amount.unreadable += 1;
            }
        }
        accepted
    }

    fn sum(&mut self, row: &Row, mut add: impl FnMut(&mut AmountTruth, i128)) {
        if row.extent != Extent::Whole {
            return;
        }
        for (field, declared) in self.record.fields.iter().enumerate().filter(|(_, declared)| declared.money) {
            if let (Value::Decimal(cents), Some(amount)) =
                (&row.values[field], self.truth.amounts.get_mut(&declared.name))
            {
                add(amount, *cents);
            }
        }
    }

    fn judge(&mut self, row: &Row, repeats: Option<Repeats<'_>>) -> bool {
        if let Some(rule) = row.extent.rule().or(row.unreadable.map(|(_, rule)| rule)) {
            self.count(self.record.messages.rule(rule));
            return false;
        }
        let mut accepted = true;
        let as_of = self.as_of;
        let forbidden_sign = |field: usize| {
            let forbids = |rule: &Rule| matches!(&rule.check, Check::NotNegative(fields) if fields.contains(&field));
            matches!(row.values[field], Value::Decimal(units) if units < 0) && self.record.rules.iter().any(forbids)
        };
        // One fault is one reject: an amount of a forbidden sign is not compared.
        let compared = |check: &Check| match check {
            Check::AtMost { smaller, greater } => !forbidden_sign(*smaller) && !forbidden_sign(*greater),
            _ => true,
        };
        let broken = |rule: &&Rule| breaks(&rule.check, &row.values, as_of) && compared(&rule.check);
        for rule in self.record.rules.iter().filter(broken) {
            self.count(&rule.id);
            accepted &= rule.severity == Severity::Warn;
        }
        match repeats {
            Some(repeats) if accepted => self.repeat(repeats),
            _ => accepted,
        }
    }

    /// Counts a row that is refused, if at all, for its key alone.
    fn repeat(&mut self, repeats: Repeats<'_>) -> bool {
        for rule in &self.record.rules {
            let Check::Unique { keep, conflict, .. } = &rule.check else { continue };
            self.count(conflict.as_ref().filter(|_| repeats.changed).map_or(&rule.id, |(id, _)| id));
            if *keep == fonderie_contract::Keep::None {
                self.count(&rule.id);
            }
            if rule.severity == Severity::Warn {
                return true;
            }
            if *keep == fonderie_contract::Keep::None {
                // The first one was counted as accepted before its repetition was written.
                self.truth.accepted -= 1;
                self.truth.rejected += 1;
                self.sum(repeats.first, |amount, cents| amount.accepted_cents -= cents);
            }
            return false;
        }
        true
    }

    fn count(&mut self, rule: &str) {
        *self.truth.rules.entry(rule.to_owned()).or_default() += 1;
    }
}

/// Whether a row breaks a rule that looks at one row alone.
fn breaks(check: &Check, values: &[Value], as_of: i32) -> bool {
    match check {
        Check::Required(fields) => fields.iter().any(|&field| values[field] == Value::Empty),
        Check::NotNegative(fields) => {
            fields.iter().any(|&field| matches!(values[field], Value::Decimal(units) if units < 0))
        }
        Check::NotAfterAsOf(fields) => fields.iter().any(|&field| values[field].date().is_some_and(|day| day > as_of)),
        Check::AtMost { smaller, greater } => match (&values[*smaller], &values[*greater]) {
            (Value::Date(smaller), Value::Date(greater)) => smaller > greater,
            (Value::Decimal(smaller), Value::Decimal(greater)) => smaller > greater,
            _ => false,
        },
        Check::OneOf { field, values: allowed } => {
            values[*field].text().is_some_and(|text| !allowed.iter().any(|value| value == text))
        }
        Check::Unique { .. } => false,
    }
}
