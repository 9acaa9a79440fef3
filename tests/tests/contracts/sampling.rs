//! A dataset's sample files in memory, and what the pipeline's own reader and rules make of them.
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_cast::display::array_value_to_string;
use chrono::NaiveDate;
use fonderie_contract::{Bundle, Dataset, Mistakes};
use fonderie_core::Tally;
use fonderie_core::tally::check_conserved;
use fonderie_quality::{KeyScan, Validator, unique_fields};
use fonderie_sample::{FileTruth, Plan, Settings, Sinks, write_file};
use fonderie_tabular::{Batch, Limits, Reader, SOURCE_RECORD, reject_rows};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/facturation")
}

/// The billing dataset with texts of its contracts replaced.
pub(crate) fn billing_with(replaced: &[(&str, &str)]) -> Dataset {
    let mut files = fonderie_test_support::dataset_files("facturation");
    let contracts = |path: &str| path.starts_with("records/") || path.starts_with("sources/");
    for (_, text) in files.iter_mut().filter(|(path, _)| contracts(path)) {
        for (from, to) in replaced {
            *text = text.replace(from, to);
        }
    }
    Bundle::from_files(files).compile().unwrap()
}

/// The billing dataset's plan with texts of it replaced.
pub(crate) fn compile(dataset: &Dataset, replaced: &[(&str, &str)]) -> Result<Plan, Mistakes> {
    let mut text = std::fs::read_to_string(root().join("generate.toml")).unwrap();
    for (from, to) in replaced {
        assert!(text.contains(from), "generate.toml has no {from}");
        text = text.replacen(from, to, 1);
    }
    Plan::compile(&text, dataset)
}

/// A file in memory, with the notes on it.
pub(crate) struct Written {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// Record number, key, defect.
    pub(crate) dirty: Vec<(i64, String, String)>,
    /// Key, kind.
    pub(crate) anomalies: Vec<(String, String)>,
    /// Record number, and the canonical record of each row that must be accepted.
    pub(crate) accepted: Vec<(u64, Vec<String>)>,
    pub(crate) truth: FileTruth,
}

pub(crate) fn as_of() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 6, 30).unwrap()
}

pub(crate) fn write(dataset: &Dataset, plan: &Plan, rows: u64, seed: u64) -> Vec<Written> {
    let one = |file| {
        let (mut bytes, mut dirty, mut anomalies, mut accepted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut tell = |number, fields: &[String]| accepted.push((number, fields.to_vec()));
        let sinks = Sinks { file: &mut bytes, dirty: &mut dirty, anomalies: &mut anomalies, accepted: Some(&mut tell) };
        let settings = Settings { rows, seed, as_of: as_of() };
        let truth = write_file(plan, dataset, file, settings, sinks, &mut |_| {}).unwrap();
        let lines = |notes: Vec<u8>| -> Vec<Vec<String>> {
            let text = String::from_utf8(notes).unwrap();
            text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
        };
        let dirty = lines(dirty).into_iter().map(|l| (l[1].parse().unwrap(), l[2].clone(), l[3].clone())).collect();
        let anomalies = lines(anomalies).into_iter().map(|l| (l[1].clone(), l[2].clone())).collect();
        Written { name: file.name.clone(), bytes, dirty, anomalies, accepted, truth }
    };
    plan.files.iter().map(one).collect()
}

/// What the pipeline makes of a file.
pub(crate) struct Read {
    pub(crate) read: Tally,
    pub(crate) accepted: Tally,
    /// Per record number the rules for which it was refused.
    pub(crate) refused: BTreeMap<i64, BTreeSet<String>>,
    /// Rows by rule.
    pub(crate) rules: BTreeMap<String, u64>,
    pub(crate) skipped: BTreeMap<String, u64>,
    /// Record number, and the canonical record of each accepted row.
    pub(crate) records: Vec<(u64, Vec<String>)>,
}

pub(crate) fn read(dataset: &Dataset, name: &str, bytes: &[u8]) -> Read {
    let source = dataset.source_of_key(name, None).unwrap();
    let format = dataset.format_of_key(source, name).unwrap();
    let mut reader = Reader::new(&dataset.records[0], source, format, name, Limits::default());
    let (mut silver, mut rejects) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(1 << 16).map(Some).chain([None]) {
        match piece {
            Some(piece) => reader.feed(piece).unwrap(),
            None => reader.end().unwrap(),
        }
        while let Some(batch) = reader.batch().unwrap() {
            match batch {
                Batch::Records(batch) => silver.push(batch),
                Batch::Rejects(batch) => rejects.extend(reject_rows(&batch).unwrap()),
                Batch::RefusedKeys(_) => {}
            }
        }
    }
    let summary = reader.finish();
    check_conserved(name, &summary.read, &summary.kept, &summary.rejected).unwrap();
    let keys = unique_fields(&dataset.records[0]).into_iter().map(|fields| {
        let mut repeated = Default::default();
        let mut scan = KeyScan::new(&dataset.records[0], source, fields, 0, 1);
        silver.iter().for_each(|batch| scan.add(batch));
        scan.finish(&mut repeated);
        repeated
    });
    let mut validator = Validator::new(&dataset.records[0], source, as_of(), keys.collect());
    let accepted: Vec<RecordBatch> = silver.iter().map(|batch| validator.check(batch).unwrap()).collect();
    if let Some(batch) = validator.rejects(0).unwrap() {
        rejects.extend(reject_rows(&batch).unwrap());
    }
    let validation = validator.finish();
    let mut refused: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
    for reject in rejects {
        refused.entry(reject.record).or_default().insert(reject.rule);
    }
    let mut rules = summary.rules;
    rules.extend(validation.rules.into_iter().filter(|rule| rule.rows > 0).map(|rule| (rule.id, rule.rows)));
    let records = accepted.iter().flat_map(|batch| records(dataset, batch)).collect();
    Read { read: summary.read, accepted: validation.accepted, refused, rules, skipped: summary.skipped, records }
}

fn records(dataset: &Dataset, batch: &RecordBatch) -> Vec<(u64, Vec<String>)> {
    let number = batch.column_by_name(SOURCE_RECORD).unwrap();
    let fields: Vec<_> = dataset.records[0].fields.iter().map(|f| batch.column_by_name(&f.name).unwrap()).collect();
    let text = |column, row| array_value_to_string(column, row).unwrap();
    let record = |row| (text(number, row).parse().unwrap(), fields.iter().map(|column| text(column, row)).collect());
    (0..batch.num_rows()).map(record).collect()
}

/// The ground truth is what comes out: rows, sums, rules, and the very records.
#[track_caller]
pub(crate) fn check_truth(written: &Written, read: &Read, told: &str) {
    let (truth, name) = (&written.truth, format!("{} {told}", written.name));
    assert_eq!((truth.rows, truth.accepted), (read.read.rows, read.accepted.rows), "{name}: rows");
    assert_eq!(truth.rejected, read.refused.len() as u64, "{name}: rejected");
    assert_eq!(truth.rules, read.rules, "{name}: rules");
    assert_eq!(truth.skipped, read.skipped, "{name}: skipped");
    for (column, amount) in &truth.amounts {
        let all = &read.read.amounts[column];
        let of_reader = (all.sum, all.unreadable, read.accepted.amounts[column].sum);
        assert_eq!((amount.read_cents, amount.unreadable, amount.accepted_cents), of_reader, "{name}: {column}");
    }
}
