//! How a file ended, as a line of JSON for programs: `fonderie run --json`. docs/one-machine.md explains it.

use std::collections::BTreeMap;
use std::path::Path;

use fonderie_contract::Dataset;
use fonderie_core::money::format_cents;
use fonderie_core::stage::{Blocked, Checked, Failure, RuleResult, RunReport};
use fonderie_core::{ErrorCode, Result, StageError, Tally};
use serde::Serialize;

use crate::pipeline::Finished;
use crate::print::say;
use crate::state::Buckets;

#[derive(Serialize)]
struct Outcome<'a> {
    /// As it was found; what is no UTF-8 is replaced.
    path: String,
    /// In bronze; absent if the file could not be read.
    key: Option<&'a str>,
    run_id: Option<&'a str>,
    /// The run's status in the ledger (`loaded`, `unchanged`, `halted`), or `blocked`: it is loaded, and a check keeps marts as they were; or `failed`, or
    /// `refused`: there was no run.
    state: &'a str,
    /// Absent of a file that failed or was refused, as all that follows down to `halts` is empty.
    rows: Option<Rows>,
    currency: Option<&'a str>,
    amounts: BTreeMap<&'a str, Amount>,
    /// Those that a row broke, and what the load warns of.
    rules: Vec<RuleResult>,
    notices: Vec<&'a str>,
    /// Lines that are no records, by kind: blank, repeated headers, totals, those that the contract leaves out.
    left_out: BTreeMap<&'a str, u64>,
    /// The key of an earlier object with the same bytes.
    same_bytes_as: Option<&'a str>,
    halted_because: Option<&'a str>,
    halts: &'a [String],
    /// Checks of the tables that found violations, as they stand after the run that published.
    checks: Vec<&'a Checked>,
    /// Marts that are to stay as they were.
    blocked: &'a [Blocked],
    failure: Option<Error<'a>>,
    /// Paths on this machine: the run's report, or the record of its failure.
    report: Option<String>,
    /// What goes back to the sender.
    rejects: Option<String>,
}

#[derive(Serialize)]
struct Rows {
    read: u64,
    accepted: u64,
    rejected: u64,
    /// What became of the accepted rows; absent if nothing was loaded.
    #[serde(flatten)]
    outcomes: Option<fonderie_core::stage::Outcomes>,
    removed: u64,
}

/// Decimals as texts, so that no reader makes floats of them.
#[derive(Serialize)]
struct Amount {
    read: String,
    accepted: String,
    rejected: String,
    /// Of records that this file showed when it was loaded before, and no longer shows.
    removed: String,
    /// Cells of the file that are no amount.
    unreadable: u64,
}

#[derive(Serialize)]
struct Error<'a> {
    code: &'a str,
    stage: Option<&'a str>,
    sentence: &'a str,
}

/// Prints the line of a file.
///
/// # Errors
/// `Internal`: it is no JSON.
pub(crate) fn line(
    buckets: Option<&Buckets>,
    dataset: &Dataset,
    path: &Path,
    key: Option<&str>,
    end: &Finished,
) -> Result<()> {
    let mut outcome = Outcome {
        path: path.to_string_lossy().into_owned(),
        key,
        run_id: None,
        state: "refused",
        rows: None,
        currency: dataset.currency.as_deref(),
        amounts: BTreeMap::new(),
        rules: Vec::new(),
        notices: Vec::new(),
        same_bytes_as: None,
        left_out: BTreeMap::new(),
        halted_because: None,
        halts: &[],
        checks: Vec::new(),
        blocked: &[],
        failure: None,
        report: None,
        rejects: None,
    };
    let place = |object| buckets.map(|buckets| buckets.path(object).to_string_lossy().into_owned());
    match end {
        Finished::Ran(report, at) => {
            ran(&mut outcome, report);
            outcome.report = place(at);
            outcome.rejects = report.said.validate.rejects_csv.as_ref().and_then(place);
        }
        Finished::Failed(failure) => {
            let Failure { run_id, stage, code, cause, record, .. } = failure.as_ref();
            (outcome.run_id, outcome.state) = (Some(run_id.as_str()), "failed");
            outcome.failure = Some(Error { code, stage: stage.as_deref(), sentence: cause });
            outcome.report = place(record);
        }
        Finished::Refused(error) => {
            outcome.failure = Some(Error { code: error.code.name(), stage: None, sentence: &error.message });
        }
        Finished::Before => return Ok(()),
    }
    let json = serde_json::to_string(&outcome)
        .map_err(|error| StageError::new(ErrorCode::Internal, "a file's end is no JSON").caused_by(error))?;
    say!("{json}");
    Ok(())
}

fn ran<'a>(outcome: &mut Outcome<'a>, report: &'a RunReport) {
    let RunReport { said, status, .. } = report;
    let rejected = said.transform.rejected.plus(&said.validate.rejected);
    let load = said.load.as_ref();
    outcome.run_id = Some(&said.run.run_id);
    outcome.state = status;
    outcome.rows = Some(Rows {
        read: said.transform.read.rows,
        accepted: said.validate.accepted.rows,
        rejected: rejected.rows,
        outcomes: load.map(|load| load.outcomes),
        removed: load.map_or(0, |load| load.removed.rows),
    });
    let sum = |tally: &Tally, field: &str| format_cents(tally.amounts.get(field).map_or(0, |amount| amount.sum));
    for (field, read) in &said.transform.read.amounts {
        let amount = Amount {
            read: format_cents(read.sum),
            accepted: sum(&said.validate.accepted, field),
            rejected: sum(&rejected, field),
            removed: load.map_or_else(|| format_cents(0), |load| sum(&load.removed, field)),
            unreadable: read.unreadable,
        };
        outcome.amounts.insert(field, amount);
    }
    outcome.rules = said.validate.rules.iter().filter(|rule| rule.rows > 0).cloned().collect();
    outcome.rules.extend(load.iter().flat_map(|load| &load.warnings).map(|warning| RuleResult {
        rule: warning.rule.clone(),
        severity: "warn".to_owned(),
        rows: warning.rows,
        budget: None,
    }));
    let of_load = load.iter().flat_map(|load| &load.notices);
    outcome.notices = said.transform.notices.iter().chain(of_load).map(String::as_str).collect();
    outcome.left_out = said.transform.skipped.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    outcome.same_bytes_as = report.same_bytes_as.as_deref();
    outcome.halted_because = said.validate.halted_because.as_deref();
    outcome.halts = &said.transform.halts;
    if let Some(publish) = &said.publish {
        outcome.checks = publish.violated().collect();
        outcome.blocked = &publish.blocked;
    }
}
