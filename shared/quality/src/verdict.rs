//! The verdict on a file: the counts of all rules against their budgets.

use std::collections::BTreeMap;

use fonderie_contract::{Record, Severity};
use fonderie_core::stage::{RuleResult, Verdict};

use crate::validator::Validation;

/// A verdict with the counts that led to it.
#[derive(Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Each rule, the reader's first.
    pub rules: Vec<RuleResult>,
    /// Why the file was halted.
    pub halted_because: Option<String>,
}

/// What the reader said of a file, rule by rule.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Records of the file.
    pub rows: u64,
    /// Rejected records.
    pub rejected: &'a BTreeMap<String, u64>,
    /// Kept records in which a value was left out.
    pub emptied: &'a BTreeMap<String, u64>,
}

/// Judges a file by what the reader refused and what the rules found; `strict` leaves no rule a budget.
pub fn judge(record: &Record, reading: Reading<'_>, found: &Validation, strict: bool) -> Judgement {
    let Reading { rows: rows_read, rejected: unreadable, emptied } = reading;
    let read = unreadable.iter().map(|(rule, rows)| (rule.clone(), Severity::Reject, record.unreadable, *rows));
    let read = read.chain(emptied.iter().map(|(rule, rows)| (rule.clone(), Severity::Warn, record.unreadable, *rows)));
    let ruled = found
        .rules
        .iter()
        .map(|(id, severity, index, rows)| (id.clone(), *severity, record.rules[*index].budget, *rows));
    let mut rules = Vec::new();
    let mut reasons = Vec::new();
    for (rule, severity, budget, rows) in read.chain(ruled) {
        let budget = match severity {
            Severity::Warn => None,
            Severity::Reject if strict => Some(0),
            Severity::Reject => Some(budget.of(rows_read)),
            Severity::Halt => Some(0),
        };
        if let Some(budget) = budget.filter(|budget| rows > *budget) {
            reasons.push(format!("{rows} of {rows_read} rows break `{rule}`, {budget} are allowed"));
        }
        rules.push(RuleResult { rule, severity: severity.name().to_owned(), rows, budget });
    }
    let rejected = unreadable.values().any(|rows| *rows > 0) || found.rejected.rows > 0;
    let verdict = match (reasons.is_empty(), rejected) {
        (false, _) => Verdict::Halted,
        (true, true) => Verdict::AcceptedWithRejects,
        (true, false) => Verdict::Accepted,
    };
    let halted_because = (!reasons.is_empty()).then(|| format!("the file was halted: {}", reasons.join("; ")));
    Judgement { verdict, rules, halted_because }
}
