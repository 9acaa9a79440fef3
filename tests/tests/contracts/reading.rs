//! Reads and judges one file as `transform` and `validate` do, without their store.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_cast::display::array_value_to_string;
use chrono::NaiveDate;
use fonderie_contract::{Dataset, FileFormat, Messages, Record, Source};
use fonderie_core::stage::Verdict;
use fonderie_core::tally::check_conserved;
use fonderie_core::{ErrorCode, Result, StageError, Tally};
use fonderie_quality::{
    KeyScan, Reading, RepeatedKeys, Validation, Validator, judge, rejects_header, unique_fields, write_reject,
};
use fonderie_tabular::{Batch, Limits, ReadSummary, Reader, Reject, reject_rows};

/// What became of a file.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The accepted rows.
    pub(crate) accepted: Vec<RecordBatch>,
    /// Both stages' rejects, by line.
    pub(crate) rejects: BTreeMap<i64, Vec<Reject>>,
    /// What the reader read.
    pub(crate) read: Tally,
    /// What is accepted.
    pub(crate) accepted_tally: Tally,
    /// The verdict.
    pub(crate) verdict: Verdict,
    /// Why the file is halted.
    pub(crate) halted_because: Vec<String>,
    /// What the run reports beside its counts.
    pub(crate) notices: Vec<String>,
    /// Lines that are no records, by kind.
    pub(crate) skipped: BTreeMap<String, u64>,
}

/// The verdict and its reasons.
fn verdict(record: &Record, summary: &ReadSummary, validation: &Validation) -> (Verdict, Vec<String>) {
    let reading = Reading {
        rows: summary.read.rows,
        refused: summary.rejected.rows,
        rejected: &summary.rules,
        warned: &summary.warned,
        halts: &summary.halts,
    };
    let judgement = judge(record, reading, validation, false);
    (judgement.verdict, judgement.halted_because.into_iter().collect())
}

/// A reader of a file. The only function that makes one.
fn reader<'a>(dataset: &'a Dataset, source: &'a Source, format: &'a FileFormat, file_name: &'a str) -> Reader<'a> {
    Reader::new(&dataset.records[0], source, format, file_name, Limits { batch_rows: 3, ..Limits::default() })
}

/// Reads a file and judges it.
pub(crate) fn read(
    dataset: &Dataset,
    source: &Source,
    file_name: &str,
    bytes: &[u8],
    as_of: NaiveDate,
) -> Result<Outcome> {
    if bytes.is_empty() {
        return Err(StageError::new(ErrorCode::FileEmpty, "as `transform` reports it before it makes a reader"));
    }
    let record = &dataset.records[0];
    let mut reader = reader(dataset, source, dataset.format_of_key(source, file_name)?, file_name);
    let (mut silver, mut rejects) = (Vec::new(), Vec::new());
    let mut chunks = bytes.chunks(61);
    loop {
        let chunk = chunks.next();
        match chunk {
            Some(bytes) => reader.feed(bytes)?,
            None => reader.end()?,
        }
        while let Some(batch) = reader.batch()? {
            match batch {
                Batch::Records(batch) => silver.push(batch),
                Batch::Rejects(batch) => rejects.extend(reject_rows(&batch).unwrap()),
                Batch::RefusedKeys(_) => {}
            }
        }
        if chunk.is_none() {
            break;
        }
    }
    let summary = reader.finish();
    check_conserved("transform", &summary.read, &summary.kept, &summary.rejected)?;

    let keys = unique_fields(record).into_iter().map(|fields| {
        let mut repeated = RepeatedKeys::default();
        let mut scan = KeyScan::new(record, source, fields, 0, 1);
        silver.iter().for_each(|batch| scan.add(batch));
        scan.finish(&mut repeated);
        repeated
    });
    let mut validator = Validator::new(record, source, as_of, keys.collect());
    let mut accepted = Vec::new();
    for batch in &silver {
        accepted.push(validator.check(batch)?);
        if let Some(batch) = validator.rejects(1)? {
            rejects.extend(reject_rows(&batch).unwrap());
        }
    }
    let validation = validator.finish();
    check_conserved("validate", &validation.read, &validation.accepted, &validation.rejected)?;
    assert_eq!(validation.read, summary.kept);

    summary.units.check_conserved("transform")?;
    let (verdict, halted_because) = verdict(record, &summary, &validation);
    let mut by_line: BTreeMap<i64, Vec<Reject>> = BTreeMap::new();
    rejects.into_iter().for_each(|reject| by_line.entry(reject.line).or_default().push(reject));
    let outcome = Outcome {
        accepted,
        rejects: by_line,
        read: summary.read,
        accepted_tally: validation.accepted,
        verdict,
        halted_because,
        notices: summary.notices,
        skipped: summary.skipped,
    };
    outcome.check_what_holds_of_every_file();
    Ok(outcome)
}

impl Outcome {
    /// The accepted rows' values of some fields, as text; what is absent is empty.
    pub(crate) fn rows(&self, fields: &[&str]) -> Vec<String> {
        let cell = |batch: &RecordBatch, field: &str, row| {
            let column = batch.column_by_name(field).unwrap_or_else(|| panic!("no field {field}"));
            if column.is_null(row) { String::new() } else { array_value_to_string(column, row).unwrap() }
        };
        let row = |batch: &RecordBatch, row| fields.iter().map(|f| cell(batch, f, row)).collect::<Vec<_>>().join("|");
        self.accepted.iter().flat_map(|batch| (0..batch.num_rows()).map(move |at| row(batch, at))).collect()
    }

    /// The lines on which the accepted rows begin.
    pub(crate) fn lines(&self) -> Vec<i64> {
        let lines = |batch: &RecordBatch| {
            batch.column_by_name("source_line").unwrap().as_primitive::<Int64Type>().values().to_vec()
        };
        self.accepted.iter().flat_map(lines).collect()
    }

    /// The rules that a line breaks, each once, by name.
    pub(crate) fn rules(&self, line: i64) -> Vec<&str> {
        let mut rules: Vec<&str> =
            self.rejects.get(&line).into_iter().flatten().map(|reject| reject.rule.as_str()).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    /// The sentences about a line, one after the other.
    pub(crate) fn sentences(&self, line: i64) -> String {
        self.rejects.get(&line).into_iter().flatten().map(|r| r.message.as_str()).collect::<Vec<_>>().join(" ")
    }

    fn check_what_holds_of_every_file(&self) {
        let mut csv = rejects_header(&Messages::default());
        for reject in self.rejects.values().flatten() {
            assert!(reject.message.chars().count() <= 500, "{reject:?}");
            write_reject(reject, reject.value.as_deref().unwrap_or_default(), &mut csv);
        }
        let raw = csv.chars().find(|c| c.is_control() && !matches!(c, '\r' | '\n'));
        assert_eq!(raw, None, "a control character in rejets.csv: {csv:?}");
        for (line, rejects) in &self.rejects {
            if rejects.iter().any(|reject| reject.rule == "montants_negatifs") {
                assert_eq!(rejects.len(), 1, "line {line}: a negative amount is one reject: {rejects:?}");
            }
        }
        for sentence in self.halted_because.iter().chain(&self.notices) {
            assert!(sentence.chars().count() <= 500, "{sentence}");
        }
    }
}
