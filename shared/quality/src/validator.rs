//! Holds batches of canonical records against the rules: the accepted rows go on, the others become rejects.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use chrono::NaiveDate;
use fonderie_contract::{Check, Keep, Origin, Record, Severity, Source};
use fonderie_core::{ErrorCode, Result, StageError, Tally};
use fonderie_tabular::{Reject, RejectBuffer, SOURCE_LINE, SOURCE_RECORD, tally_batch};

use crate::keys::{RepeatedKeys, hash_row, hash_values, key_columns};
use crate::rules::{self, Violation};

/// What the rules found in a file: `read` = `accepted` + `rejected`.
#[derive(Debug)]
pub struct Validation {
    /// Records of silver.
    pub read: Tally,
    /// Records accepted, counted from the batches that were given out.
    pub accepted: Tally,
    /// Records rejected.
    pub rejected: Tally,
    /// Rows that broke each rule: id, severity, index of the declared rule, count; in the dataset's order.
    pub rules: Vec<(String, Severity, usize, u64)>,
}

/// Validates one file.
pub struct Validator<'a> {
    record: &'a Record,
    source: &'a Source,
    as_of: i32,
    unique: Option<(usize, Keep)>,
    repeated: RepeatedKeys,
    /// For each repeated key (128 bits of hash) the row that was kept: its line and the hash of its content.
    kept: HashMap<(u64, u64), (i64, u64)>,
    rejects: RejectBuffer,
    counts: Vec<u64>,
    conflicts: u64,
    read: Tally,
    accepted: Tally,
    rejected: Tally,
}

impl<'a> Validator<'a> {
    /// A validator of one file of a source, whose repeated keys are known.
    pub fn new(record: &'a Record, source: &'a Source, as_of: NaiveDate, repeated: RepeatedKeys) -> Self {
        let unique = record.rules.iter().enumerate().find_map(|(index, rule)| match rule.check {
            Check::Unique { keep, .. } => Some((index, keep)),
            _ => None,
        });
        Self {
            record,
            source,
            as_of: as_of.to_epoch_days(),
            unique,
            repeated,
            kept: HashMap::new(),
            rejects: RejectBuffer::default(),
            counts: vec![0; record.rules.len()],
            conflicts: 0,
            read: Tally::new(record.money()),
            accepted: Tally::new(record.money()),
            rejected: Tally::new(record.money()),
        }
    }

    /// Checks a batch of silver, in the file's order, and gives back its accepted rows.
    ///
    /// # Errors
    /// When Arrow cannot filter the batch.
    pub fn check(&mut self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut violations = Vec::new();
        rules::check(self.record, batch, self.as_of, &mut violations);
        violations.sort_unstable();
        let mut keep = vec![true; batch.num_rows()];
        let severity = |rule: usize| self.record.rules[rule].severity;
        for violation in violations.iter().filter(|violation| severity(violation.rule) != Severity::Warn) {
            keep[violation.row] = false;
        }
        let repeats = self.repeats(batch, &mut keep);
        self.note(batch, &violations, repeats);

        self.read = self.read.plus(&tally_batch(self.record, batch));
        if keep.iter().all(|keep| *keep) {
            self.accepted = self.accepted.plus(&tally_batch(self.record, batch));
            return Ok(batch.clone());
        }
        let refuse: BooleanArray = keep.iter().map(|keep| Some(!keep)).collect();
        let accepted = filter_record_batch(batch, &BooleanArray::from(keep)).map_err(arrow_error)?;
        let rejected = filter_record_batch(batch, &refuse).map_err(arrow_error)?;
        self.accepted = self.accepted.plus(&tally_batch(self.record, &accepted));
        self.rejected = self.rejected.plus(&tally_batch(self.record, &rejected));
        Ok(accepted)
    }

    /// The rejects so far as a batch, once there are `at_least` of them.
    ///
    /// # Errors
    /// When Arrow refuses them.
    pub fn rejects(&mut self, at_least: usize) -> Result<Option<RecordBatch>> {
        if self.rejects.is_empty() || self.rejects.len() < at_least {
            return Ok(None);
        }
        self.rejects.take().map(Some).map_err(arrow_error)
    }

    /// What was found in all batches.
    pub fn finish(self) -> Validation {
        let mut rules = Vec::new();
        for (index, (rule, rows)) in self.record.rules.iter().zip(&self.counts).enumerate() {
            rules.push((rule.id.clone(), rule.severity, index, *rows));
            if let Check::Unique { conflict: Some((id, _)), .. } = &rule.check {
                rules.push((id.clone(), rule.severity, index, self.conflicts));
            }
        }
        Validation { read: self.read, accepted: self.accepted, rejected: self.rejected, rules }
    }

    /// Finds the rows whose key is taken, among those that are acceptable otherwise.
    fn repeats(&mut self, batch: &RecordBatch, keep: &mut [bool]) -> Vec<Repeat> {
        let mut repeats = Vec::new();
        let Some((rule, policy)) = self.unique.filter(|_| !self.repeated.is_empty()) else { return repeats };
        let refuses = self.record.rules[rule].severity != Severity::Warn;
        let keys = key_columns(self.record, batch);
        let content: Vec<&dyn Array> = self
            .record
            .fields
            .iter()
            .filter_map(|field| batch.column_by_name(&field.name).map(AsRef::as_ref))
            .collect();
        for (row, keep) in keep.iter_mut().enumerate().filter(|(_, keep)| **keep) {
            let hash = hash_row(&keys, row, 0).filter(|hash| self.repeated.contains(hash));
            let Some(hash) = hash else { continue };
            let content = hash_values(&content, row, 0);
            let line = number(batch, SOURCE_LINE, row);
            let first = match self.kept.entry((hash, hash_values(&keys, row, 1))) {
                std::collections::hash_map::Entry::Occupied(entry) => Some(*entry.get()),
                std::collections::hash_map::Entry::Vacant(entry) => {
                    entry.insert((line, content));
                    None
                }
            };
            if first.is_none() && policy == Keep::First {
                continue;
            }
            *keep = !refuses;
            let conflicts = first.is_some_and(|(_, kept)| kept != content);
            repeats.push(Repeat { row, rule, first_line: first.map(|(line, _)| line), conflicts });
        }
        repeats
    }

    /// Counts violations and writes rejects, in the order of the rows.
    fn note(&mut self, batch: &RecordBatch, violations: &[Violation], repeats: Vec<Repeat>) {
        let mut last = None;
        let mut repeats = repeats.into_iter().peekable();
        for violation in violations {
            while let Some(repeat) = repeats.next_if(|repeat| repeat.row < violation.row) {
                self.note_repeat(batch, &repeat);
            }
            let rule = &self.record.rules[violation.rule];
            if last != Some((violation.row, violation.rule)) {
                self.counts[violation.rule] += 1;
                last = Some((violation.row, violation.rule));
            }
            if rule.severity == Severity::Warn {
                continue;
            }
            let field = &self.record.fields[violation.field];
            let column = match &self.source.columns[violation.field] {
                Origin::Column { header, .. } => Some(header.clone()),
                Origin::Constant(_) | Origin::Absent => None,
            };
            self.rejects.push(Reject {
                line: number(batch, SOURCE_LINE, violation.row),
                record: number(batch, SOURCE_RECORD, violation.row),
                rule: rule.id.clone(),
                field: Some(field.name.clone()),
                column,
                value: rules::shown(batch.column(violation.field), violation.row),
                message: rule.message.clone(),
            });
        }
        repeats.for_each(|repeat| self.note_repeat(batch, &repeat));
    }

    fn note_repeat(&mut self, batch: &RecordBatch, repeat: &Repeat) {
        let rule = &self.record.rules[repeat.rule];
        let conflict = match &rule.check {
            Check::Unique { conflict, .. } if repeat.conflicts => conflict.as_ref(),
            _ => None,
        };
        match conflict {
            Some(_) => self.conflicts += 1,
            None => self.counts[repeat.rule] += 1,
        }
        if rule.severity == Severity::Warn {
            return;
        }
        let (id, message) = conflict.map_or((&rule.id, &rule.message), |(id, message)| (id, message));
        let first = repeat.first_line.map(|line| format!(" Première occurrence : ligne {line}."));
        let key = self.record.key.iter().map(|&index| {
            let value = rules::shown(batch.column(index), repeat.row).unwrap_or_default();
            format!("{} = {value}", self.record.fields[index].name)
        });
        self.rejects.push(Reject {
            line: number(batch, SOURCE_LINE, repeat.row),
            record: number(batch, SOURCE_RECORD, repeat.row),
            rule: id.clone(),
            field: None,
            column: None,
            value: Some(key.collect::<Vec<_>>().join(", ")),
            message: format!("{message}{}", first.unwrap_or_default()),
        });
    }
}

/// A row whose key another row has.
struct Repeat {
    row: usize,
    rule: usize,
    first_line: Option<i64>,
    conflicts: bool,
}

fn number(batch: &RecordBatch, column: &str, row: usize) -> i64 {
    batch.column_by_name(column).map_or(0, |column| column.as_primitive::<Int64Type>().value(row))
}

fn arrow_error(error: ArrowError) -> StageError {
    StageError::new(ErrorCode::Internal, "a batch of records could not be validated").caused_by(error)
}
