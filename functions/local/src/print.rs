//! What a person reads at the end of a run.

use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table, presets};
use fonderie_core::Tally;
use fonderie_core::money::format_cents;
use fonderie_core::stage::{RunReport, Verdict};

use crate::cli::StateArguments;
use crate::pipeline::Finished;
use crate::state::Buckets;

/// Prints a line; a reader that went away (`| head`) is no error of ours.
macro_rules! say {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}
pub(crate) use say;

/// One line per file, as it ends.
pub(crate) fn line(path: &Path, end: &Finished) {
    match end {
        Finished::Ran(report, _) => say!("{} {}", mark(report), report.sentence),
        Finished::Failed(failure) => say!("FAILED   {}: {}: {}", path.display(), failure.code, failure.cause),
    }
}

fn mark(report: &RunReport) -> &'static str {
    match report.validate.verdict {
        Verdict::Accepted | Verdict::AcceptedWithRejects => "ok      ",
        Verdict::Halted => "HALTED  ",
    }
}

/// The tables at the run's end: rows and amounts per file, rejects per rule, and where everything is.
pub(crate) fn summary(buckets: &Buckets, finished: &[(PathBuf, Finished)], state: &StateArguments) {
    let reports: Vec<&RunReport> = finished
        .iter()
        .filter_map(|(_, end)| match end {
            Finished::Ran(report, _) => Some(report.as_ref()),
            Finished::Failed(_) => None,
        })
        .collect();
    if !reports.is_empty() {
        say!("\n{}", rows(&reports));
        say!("\n{}", amounts(&reports));
        if let Some(rules) = rules(&reports) {
            say!("\n{rules}");
        }
        let said = |report: &&RunReport| report.score.clone().zip(report.publish.clone());
        if let Some((score, publish)) = reports.iter().rev().find_map(said) {
            say!("");
            for model in &score.models {
                say!("score: {model} ({} ms)", score.millis);
            }
            say!("publish: {publish} ({} ms)", publish.millis);
        }
    }
    say!("");
    for (path, end) in finished {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match end {
            Finished::Ran(report, place) => {
                say!("{name}: report {}", buckets.path(place).display());
                if let Some(csv) = &report.validate.rejects_csv {
                    say!("{:width$}  rejects {}", "", buckets.path(csv).display(), width = name.chars().count());
                }
            }
            Finished::Failed(failure) => say!("{name}: failure {}", buckets.path(&failure.record).display()),
        }
    }
    say!("\nAsk the warehouse: {}", query_command(state));
}

fn query_command(state: &StateArguments) -> String {
    let place = match &state.database_url {
        // The URL may hold a password, so it is not repeated.
        Some(_) => "--database-url URL".to_owned(),
        None => format!("--state {}", state.state.display()),
    };
    // As it was called, so that the line can be copied whether the program is installed or run by cargo.
    let program = std::env::args().next().unwrap_or_else(|| "fonderie".to_owned());
    format!("{program} query {place} -c \"SELECT * FROM audit.run ORDER BY started_at DESC LIMIT 5\"")
}

pub(crate) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(header.iter().copied());
    table
}

pub(crate) fn align_right(table: &mut Table, from: usize) {
    for column in table.column_iter_mut().skip(from) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn name(report: &RunReport) -> String {
    report.run.object.file_name().to_owned()
}

/// Groups a number's digits by three: `12345.60` is `12 345.60`.
pub(crate) fn grouped(text: &str) -> String {
    let (whole, rest) = text.find('.').map_or((text, ""), |at| text.split_at(at));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out + rest
}

fn rows(reports: &[&RunReport]) -> Table {
    let header = ["file", "read", "accepted", "rejected", "inserted", "updated", "unchanged", "superseded", "seconds"];
    let mut table = table(&header);
    for report in reports {
        let outcome = |read: fn(fonderie_core::stage::Outcomes) -> u64| {
            report.load.as_ref().map_or_else(|| "-".to_owned(), |load| grouped(&read(load.outcomes).to_string()))
        };
        let rejected = report.transform.rejected.rows + report.validate.rejected.rows;
        let loading = report.load.as_ref().map_or(0, |load| load.millis);
        let millis = report.transform.millis + report.validate.millis + loading;
        table.add_row([
            name(report),
            grouped(&report.transform.read.rows.to_string()),
            grouped(&report.validate.accepted.rows.to_string()),
            grouped(&rejected.to_string()),
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
        let rejected = report.transform.rejected.plus(&report.validate.rejected);
        let sum = |tally: &Tally, column: &str| {
            tally.amounts.get(column).map_or_else(String::new, |amount| grouped(&format_cents(amount.sum)))
        };
        for (column, amount) in &report.transform.read.amounts {
            table.add_row([
                name(report),
                column.clone(),
                grouped(&format_cents(amount.sum)),
                sum(&report.validate.accepted, column),
                sum(&rejected, column),
                grouped(&amount.unreadable.to_string()),
            ]);
        }
    }
    align_right(&mut table, 2);
    table
}

fn rules(reports: &[&RunReport]) -> Option<Table> {
    let mut table = table(&["file", "rule", "severity", "rows", "budget"]);
    let mut any = false;
    for report in reports {
        for rule in report.validate.rules.iter().filter(|rule| rule.rows > 0) {
            any = true;
            table.add_row([
                name(report),
                rule.rule.clone(),
                rule.severity.clone(),
                grouped(&rule.rows.to_string()),
                rule.budget.map_or_else(|| "-".to_owned(), |budget| grouped(&budget.to_string())),
            ]);
        }
    }
    align_right(&mut table, 3);
    any.then_some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        for (text, shown) in
            [("0", "0"), ("123", "123"), ("1234", "1 234"), ("-1234567.80", "-1 234 567.80"), ("-123.45", "-123.45")]
        {
            assert_eq!(grouped(text), shown);
        }
    }
}
