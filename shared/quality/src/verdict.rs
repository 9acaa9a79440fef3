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

/// Judges a file of `rows_read` records by what the reader refused (`unreadable`: rule and rows) and what the rules found.
pub fn judge(record: &Record, rows_read: u64, unreadable: &BTreeMap<String, u64>, found: &Validation) -> Judgement {
    let read = unreadable.iter().map(|(rule, rows)| (rule.clone(), Severity::Reject, record.unreadable, *rows));
    let ruled = found
        .rules
        .iter()
        .map(|(id, severity, index, rows)| (id.clone(), *severity, record.rules[*index].budget, *rows));
    let mut rules = Vec::new();
    let mut reasons = Vec::new();
    for (rule, severity, budget, rows) in read.chain(ruled) {
        let budget = match severity {
            Severity::Warn => None,
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
