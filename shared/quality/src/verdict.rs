//! The verdict on a file: the counts of all rules against their budgets.

use std::collections::BTreeMap;

use fonderie_contract::{Record, Severity};
use fonderie_core::stage::{RuleResult, Verdict};

use crate::validator::{RuleCount, Validation};

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

/// What the reader found in a file.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Records of the file.
    pub rows: u64,
    /// Of these, the rejected ones.
    pub refused: u64,
    /// Rejected records, rule by rule.
    pub rejected: &'a BTreeMap<String, u64>,
    /// Kept records, by what is reported of them.
    pub warned: &'a BTreeMap<String, u64>,
    /// Why the file is halted whatever its budgets.
    pub halts: &'a [String],
}

/// Judges a file by what the reader refused and what the rules found; `strict` leaves no rule a budget.
///
/// A file is halted if a rule exceeds its budget, if all refused rows together exceed the record's, if no row is accepted, or
/// if more than a tenth of its keys stand in it with several contents.
pub fn judge(record: &Record, reading: Reading<'_>, found: &Validation, strict: bool) -> Judgement {
    let Reading { rows: rows_read, refused, rejected, warned, halts } = reading;
    let count = |severity| {
        move |(rule, rows): (&String, &u64)| RuleCount {
            id: rule.clone(),
            severity,
            budget: record.unreadable,
            rows: *rows,
        }
    };
    let read = rejected.iter().map(count(Severity::Reject)).chain(warned.iter().map(count(Severity::Warn)));
    let mut rules = Vec::new();
    let mut reasons = halts.to_vec();
    for RuleCount { id, severity, budget, rows } in read.chain(found.rules.iter().cloned()) {
        let budget = match severity {
            Severity::Warn => None,
            Severity::Reject if strict => Some(0),
            Severity::Reject => Some(budget.of(rows_read)),
            Severity::Halt => Some(0),
        };
        if let Some(budget) = budget.filter(|budget| rows > *budget) {
            reasons.push(format!("{rows} of {rows_read} rows break `{id}`, {budget} are allowed"));
        }
        rules.push(RuleResult { rule: id, severity: severity.name().to_owned(), rows, budget });
    }
    let refused = refused + found.rejected.rows;
    let total = record.total_budget.of(rows_read);
    if rows_read > 0 && found.accepted.rows == 0 {
        reasons.push(format!("none of its {rows_read} rows is accepted"));
    } else if refused > total {
        reasons.push(format!("{refused} of {rows_read} rows are refused in all, {total} are allowed"));
    }
    for keys in found.keys.iter().filter(|keys| keys.conflicting.saturating_mul(10) > keys.keys) {
        reasons.push(format!(
            "{} of its {} keys stand on several lines with different contents (`{}`): it looks like a file with several lines per \
             key, which its contract cannot read",
            keys.conflicting, keys.keys, keys.rule,
        ));
    }
    let verdict = match (reasons.is_empty(), refused > 0) {
        (false, _) => Verdict::Halted,
        (true, true) => Verdict::AcceptedWithRejects,
        (true, false) => Verdict::Accepted,
    };
    let halted_because = (!reasons.is_empty()).then(|| format!("the file was halted: {}", reasons.join("; ")));
    Judgement { verdict, rules, halted_because }
}
