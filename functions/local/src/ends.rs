//! How the ends of files are shown to a person: a line each, then the tables of all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use comfy_table::{CellAlignment, Table};
use fonderie_contract::{Absent, Dataset, Query};
use fonderie_core::Tally;
use fonderie_core::money::{format_cents, group_digits};
use fonderie_core::stage::{RuleResult, RunReport, Verdict};
use fonderie_warehouse::Table as Answer;

use crate::cli::StateArguments;
use crate::pipeline::Finished;
use crate::print::{align_right, escaped, in_table, path, say, table, unit};
use crate::state::Buckets;
use crate::terminal::{Colour, painted};

/// One line per file, as it ends.
pub(crate) fn line(file: &Path, end: &Finished) {
    match end {
        Finished::Ran(report, _) => {
            say!("{} {}", mark(report), escaped(&report.sentence));
            let of_load = report.said.load.iter().flat_map(|load| &load.notices);
            for notice in report.said.transform.notices.iter().chain(of_load) {
                say!("         note: {}", escaped(notice));
            }
        }
        Finished::Failed(failure) => {
            let (code, cause) = (escaped(&failure.code), escaped(&failure.cause));
            say!("{} {}: {code}: {cause}", failed(), path(file));
        }
        Finished::Refused(error) => {
            say!("{} {}: {}: {}", failed(), path(file), error.code, escaped(&error.message));
            let because = error.chain();
            if !because.is_empty() {
                say!("         because: {}", escaped(&because));
            }
        }
        Finished::Before => {}
    }
}

fn mark(report: &RunReport) -> String {
    if report.status == RunReport::BLOCKED {
        return painted("BLOCKED ", Colour::Yellow);
    }
    match report.said.validate.verdict {
        Verdict::Accepted | Verdict::AcceptedWithRejects => painted("ok      ", Colour::Green),
        Verdict::Halted => painted("HALTED  ", Colour::Yellow),
    }
}

fn failed() -> String {
    painted("FAILED  ", Colour::Red)
}

/// The tables at the run's end: rows and amounts per file, rejects by rule, scores, what the dataset shows of its warehouse,
/// the stages' times, and where everything is.
pub(crate) fn summary(
    buckets: &Buckets,
    finished: &[(PathBuf, Finished)],
    shown: &[(String, Answer)],
    times: &[(&'static str, Duration)],
    dataset: &Dataset,
    state: &StateArguments,
) {
    let reports: Vec<&RunReport> = finished
        .iter()
        .filter_map(|(_, end)| match end {
            Finished::Ran(report, _) => Some(report.as_ref()),
            Finished::Failed(_) | Finished::Refused(_) | Finished::Before => None,
        })
        .collect();
    if !reports.is_empty() {
        say!("\nRows\n{}", rows(&reports));
        if reports.iter().any(|report| !report.said.transform.read.amounts.is_empty()) {
            say!("\nAmounts{}\n{}", unit(dataset.currency.as_deref()), amounts(&reports));
        }
        if let Some(rules) = rules(&reports) {
            say!("\nRejected rows, by rule (a row may break several)\n{rules}");
        }
        let said = |report: &&RunReport| report.said.score.clone().zip(report.said.publish.clone());
        if let Some((score, publish)) = reports.iter().rev().find_map(said) {
            if !score.models.is_empty() {
                say!("\nAnomalies");
                score.models.iter().for_each(|model| say!("  {model}"));
            }
            if !publish.checks.is_empty() {
                say!("\nChecks");
                publish.checks.iter().for_each(|checked| say!("  {}", escaped(&checked.to_string())));
            }
            let publish = publish.to_string();
            if !publish.is_empty() {
                say!("\nMarts\n  {publish}");
            }
        }
    }
    for (title, answer) in shown.iter().filter(|(_, answer)| !answer.rows.is_empty()) {
        say!("\n{title}\n{}", answered(answer));
    }
    let seconds = |time: &Duration| format!("{:.2} s", time.as_secs_f64());
    let times: Vec<_> = times.iter().map(|(stage, time)| format!("{stage} {}", seconds(time))).collect();
    say!("\nStages, all files together: {}\n", times.join(", "));
    places(buckets, finished);
    hints(dataset, state);
}

/// Where each file's report and rejects are.
pub(crate) fn places(buckets: &Buckets, finished: &[(PathBuf, Finished)]) {
    for (file, end) in finished {
        let name = path(Path::new(file.file_name().unwrap_or_default()));
        match end {
            Finished::Ran(report, place) => {
                say!("{name}: report {}", path(&buckets.path(place)));
                if let Some(csv) = &report.said.validate.rejects_csv {
                    say!("{:width$}  rejects {}", "", path(&buckets.path(csv)), width = name.chars().count());
                }
            }
            Finished::Failed(failure) => say!("{name}: failure {}", path(&buckets.path(&failure.record))),
            Finished::Refused(_) | Finished::Before => {}
        }
    }
}

/// The rows of a query, numbers to the right.
fn answered(answer: &Answer) -> Table {
    let columns: Vec<&str> = answer.columns.iter().map(String::as_str).collect();
    let mut table = table(&columns);
    let number = |text: &String| text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'));
    for row in &answer.rows {
        // A decimal is an amount; a number without one may be an id, and stays as it is.
        let amount = |text: &String| {
            if number(text) && text.contains('.') { group_digits(text) } else { in_table(text) }
        };
        table.add_row(row.iter().map(|value| value.as_ref().map(amount).unwrap_or_default()));
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        if answer.rows.iter().all(|row| row[index].as_ref().is_none_or(number)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// More files than this are added up.
const FILES_ABREAST: usize = 6;

/// How to go on, as commands that can be copied.
fn hints(dataset: &Dataset, state: &StateArguments) {
    let place = match &state.database_url {
        // The URL may hold a password, so it is not repeated.
        Some(_) => "--database-url URL".to_owned(),
        None => format!("--state {}", path(&state.state)),
    };
    // As it was called, whether the program is installed or run by cargo.
    let program = std::env::args().next().unwrap_or_else(|| "fonderie".to_owned());
    say!(
        "\nAsk the warehouse:  {program} query {place} -c \"SELECT * FROM audit.run ORDER BY started_at DESC LIMIT 5\""
    );
    let asks_nothing = |query: &&Query| query.parameters.iter().all(|parameter| parameter.absent != Absent::Refused);
    if let Some(query) = dataset.queries.iter().find(asks_nothing).or(dataset.queries.first()) {
        let usages: Vec<_> = dataset.queries.iter().map(Query::usage).collect();
        say!("or by a query's name: {program} query {place} {}", query.usage());
        say!("                    ({})", usages.join(", "));
    }
    if state.database_url.is_none() {
        say!("Other programs:     {program} serve {place}");
    }
}

fn name(report: &RunReport) -> String {
    escaped(report.said.run.object.file_name()).into_owned()
}

fn rows(reports: &[&RunReport]) -> Table {
    let header = ["file", "read", "accepted", "rejected", "inserted", "updated", "unchanged", "superseded", "seconds"];
    let mut table = table(&header);
    for report in reports {
        let outcome = |read: fn(fonderie_core::stage::Outcomes) -> u64| {
            report
                .said
                .load
                .as_ref()
                .map_or_else(|| "-".to_owned(), |load| group_digits(&read(load.outcomes).to_string()))
        };
        let rejected = report.said.transform.rejected.rows + report.said.validate.rejected.rows;
        let loading = report.said.load.as_ref().map_or(0, |load| load.millis);
        let millis = report.said.transform.millis + report.said.validate.millis + loading;
        table.add_row([
            name(report),
            group_digits(&report.said.transform.read.rows.to_string()),
            group_digits(&report.said.validate.accepted.rows.to_string()),
            group_digits(&rejected.to_string()),
            outcome(|o| o.inserted),
            outcome(|o| o.updated),
            outcome(|o| o.unchanged),
            outcome(|o| o.superseded),
            format!("{}.{:02}", millis / 1000, millis % 1000 / 10),
        ]);
    }
    align_right(&mut table, 1);
    table
}

fn amounts(reports: &[&RunReport]) -> Table {
    let mut table = table(&["file", "amount", "read", "accepted", "rejected", "unreadable cells"]);
    for report in reports {
        let rejected = report.said.transform.rejected.plus(&report.said.validate.rejected);
        let sum = |tally: &Tally, column: &str| {
            tally.amounts.get(column).map_or_else(String::new, |amount| group_digits(&format_cents(amount.sum)))
        };
        for (column, amount) in &report.said.transform.read.amounts {
            table.add_row([
                name(report),
                column.clone(),
                group_digits(&format_cents(amount.sum)),
                sum(&report.said.validate.accepted, column),
                sum(&rejected, column),
                group_digits(&amount.unreadable.to_string()),
            ]);
        }
    }
    align_right(&mut table, 2);
    table
}

/// A column per file, while they fit a screen; else their sum.
fn rules(reports: &[&RunReport]) -> Option<Table> {
    let mut names: Vec<&str> = Vec::new();
    for rule in reports.iter().flat_map(|report| &report.said.validate.rules).filter(|rule| rule.rows > 0) {
        if !names.contains(&rule.rule.as_str()) {
            names.push(&rule.rule);
        }
    }
    let files = if reports.len() <= FILES_ABREAST { reports } else { &[] };
    let header: Vec<String> = ["rule".to_owned(), "severity".to_owned()]
        .into_iter()
        .chain(files.iter().map(|report| name(report)))
        .chain(["all".to_owned()])
        .collect();
    let mut table = table(&header.iter().map(String::as_str).collect::<Vec<_>>());
    for rule in &names {
        let of = |report: &&RunReport| report.said.validate.rules.iter().find(|result| result.rule == *rule).cloned();
        let results: Vec<_> = reports.iter().map(of).collect();
        let shown = |result: &Option<RuleResult>| match result {
            Some(RuleResult { rows, budget: Some(budget), .. }) if rows > budget => {
                format!("{rows} of {budget} allowed")
            }
            Some(result) if result.rows > 0 => group_digits(&result.rows.to_string()),
            _ => String::new(),
        };
        let severity = results.iter().flatten().map(|result| result.severity.clone()).next().unwrap_or_default();
        let all: u64 = results.iter().flatten().map(|result| result.rows).sum();
        let abreast = results.iter().take(files.len()).map(shown);
        table
            .add_row([(*rule).to_owned(), severity].into_iter().chain(abreast).chain([group_digits(&all.to_string())]));
    }
    align_right(&mut table, 2);
    (!names.is_empty()).then_some(table)
}
