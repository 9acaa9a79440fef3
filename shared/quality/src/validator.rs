//! Holds batches of canonical records against the rules: the accepted rows go on, the others become rejects.

use std::collections::{BTreeMap, HashMap, HashSet};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;
use chrono::NaiveDate;
use fonderie_contract::{
    Budget, Check, FileFormat, Format, Keep, Messages, Origin, ReaderRule, Record, Severity, Source,
};
use fonderie_core::{ErrorCode, Result, StageError, Tally};
use fonderie_tabular::{Problem, Reject, RejectBuffer, SHEET_LINES, SOURCE_LINE, SOURCE_RECORD, tally_batch};

use crate::keys::{RepeatedKeys, columns, hash_row, hash_values};
use crate::rules::{self, BrokenRule, Violation};

/// What the rules found in a file: `read` = `accepted` + `rejected`.
#[derive(Debug)]
pub struct Validation {
    /// Records of silver.
    pub read: Tally,
    /// Records accepted, counted from the batches that were given out.
    pub accepted: Tally,
    /// Records rejected.
    pub rejected: Tally,
    /// Rows that broke each rule, in the dataset's order, the reader's own last.
    pub rules: Vec<RuleCount>,
    /// Of each rule that forbids repeats: how many keys the file has, and how many of them with several contents.
    pub keys: Vec<KeyCount>,
}

/// Rows that broke a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// The rule's id.
    pub id: String,
    /// Its severity.
    pub severity: Severity,
    /// Its budget.
    pub budget: Budget,
    /// How many.
    pub rows: u64,
}

/// The keys of a file, by a rule that forbids repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCount {
    /// The rule's id, of its conflicts if they have one.
    pub rule: String,
    /// Different keys.
    pub keys: u64,
    /// Keys that stand in the file with several contents.
    pub conflicting: u64,
}

/// Validates one file.
pub struct Validator<'a> {
    record: &'a Record,
    source: &'a Source,
    as_of: i32,
    unique: Vec<Unique<'a>>,
    rejects: RejectBuffer,
    counts: Vec<u64>,
    reader_counts: BTreeMap<ReaderRule, u64>,
    read: Tally,
    accepted: Tally,
    rejected: Tally,
}

/// A rule that forbids repeats, at work.
struct Unique<'a> {
    /// The rule's index.
    rule: usize,
    fields: &'a [usize],
    keep: Keep,
    keys: RepeatedKeys,
    /// For each repeated key (128 bits of hash) the row that was kept: its line and the hash of its content.
    kept: HashMap<(u64, u64), (i64, u64)>,
    conflicts: u64,
    conflicting: HashSet<u64>,
}

impl<'a> Validator<'a> {
    /// A validator of one file of a source; `keys` says of each rule that forbids repeats, in their order, which keys are
    /// repeated.
    pub fn new(record: &'a Record, source: &'a Source, as_of: NaiveDate, keys: Vec<RepeatedKeys>) -> Self {
        let rules = record.rules.iter().enumerate().filter_map(|(index, rule)| match &rule.check {
            Check::Unique { fields, keep, .. } => Some((index, fields.as_slice(), *keep)),
            _ => None,
        });
        let unique = rules.zip(keys).map(|((rule, fields, keep), keys)| Unique {
            rule,
            fields,
            keep,
            keys,
            kept: HashMap::new(),
            conflicts: 0,
            conflicting: HashSet::new(),
        });
        Self {
            record,
            source,
            as_of: as_of.to_epoch_days(),
            unique: unique.collect(),
            rejects: RejectBuffer::default(),
            counts: vec![0; record.rules.len()],
            reader_counts: BTreeMap::new(),
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
        rules::check(self.record, &self.source.dates, batch, self.as_of, &mut violations);
        rules::check_scope(self.record, self.source, batch, &mut violations);
        violations.sort_unstable();
        let mut keep = vec![true; batch.num_rows()];
        for violation in &violations {
            if self.severity(violation.rule) != Severity::Warn {
                keep[violation.row] = false;
            }
        }
        let mut repeats = Vec::new();
        for index in 0..self.unique.len() {
            self.repeats(index, batch, &mut keep, &mut repeats);
        }
        repeats.sort_by_key(|repeat| repeat.row);
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

    fn severity(&self, rule: BrokenRule) -> Severity {
        match rule {
            BrokenRule::Declared(index) => self.record.rules[index].severity,
            BrokenRule::OutOfScope => Severity::Reject,
        }
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
            let count =
                |id: &str, rows| RuleCount { id: id.to_owned(), severity: rule.severity, budget: rule.budget, rows };
            rules.push(count(&rule.id, *rows));
            if let Check::Unique { conflict: Some((id, _)), .. } = &rule.check {
                let unique = self.unique.iter().find(|unique| unique.rule == index);
                rules.push(count(id, unique.map_or(0, |unique| unique.conflicts)));
            }
        }
        rules.extend(self.reader_counts.iter().map(|(rule, rows)| RuleCount {
            id: self.record.messages.rule(*rule).to_owned(),
            severity: Severity::Reject,
            budget: self.record.unreadable,
            rows: *rows,
        }));
        let keys = self.unique.iter().map(|unique| KeyCount {
            rule: match &self.record.rules[unique.rule].check {
                Check::Unique { conflict: Some((id, _)), .. } => id.clone(),
                _ => self.record.rules[unique.rule].id.clone(),
            },
            keys: unique.keys.distinct,
            conflicting: unique.conflicting.len() as u64,
        });
        let keys = keys.collect();
        Validation { read: self.read, accepted: self.accepted, rejected: self.rejected, rules, keys }
    }

    /// Finds the rows whose key is taken, among those that are acceptable otherwise.
    fn repeats(&mut self, index: usize, batch: &RecordBatch, keep: &mut [bool], repeats: &mut Vec<Repeat>) {
        let Unique { rule, fields, keep: policy, keys, kept, conflicting, .. } = &mut self.unique[index];
        if keys.repeated.is_empty() {
            return;
        }
        let refuses = self.record.rules[*rule].severity != Severity::Warn;
        let key = columns(self.record, fields, batch);
        let all: Vec<usize> = (0..self.record.fields.len()).collect();
        let content = columns(self.record, &all, batch);
        for (row, keep) in keep.iter_mut().enumerate().filter(|(_, keep)| **keep) {
            let hash = hash_row(&key, row, 0).filter(|hash| keys.repeated.contains(hash));
            let Some(hash) = hash else { continue };
            if keys.colliding.contains(&hash) {
                *keep = false;
                repeats.push(Repeat { row, unique: index, kind: RepeatKind::Collision });
                continue;
            }
            let content = hash_values(&content, row, 0);
            let line = number(batch, SOURCE_LINE, row);
            let first = match kept.entry((hash, hash_values(&key, row, 1))) {
                std::collections::hash_map::Entry::Occupied(entry) => Some(*entry.get()),
                std::collections::hash_map::Entry::Vacant(entry) => {
                    entry.insert((line, content));
                    None
                }
            };
            if first.is_none() && *policy == Keep::First {
                continue;
            }
            *keep = !refuses;
            let conflicts = first.is_some_and(|(_, kept)| kept != content);
            if conflicts {
                conflicting.insert(hash);
            }
            let kind = RepeatKind::Repeat { first_line: first.map(|(line, _)| line), conflicts };
            repeats.push(Repeat { row, unique: index, kind });
        }
    }

    /// Counts violations and writes rejects, in the order of the rows.
    fn note(&mut self, batch: &RecordBatch, violations: &[Violation], repeats: Vec<Repeat>) {
        let mut last = None;
        let mut repeats = repeats.into_iter().peekable();
        for violation in violations {
            while let Some(repeat) = repeats.next_if(|repeat| repeat.row < violation.row) {
                self.note_repeat(batch, &repeat);
            }
            if last != Some((violation.row, violation.rule)) {
                match violation.rule {
                    BrokenRule::Declared(index) => self.counts[index] += 1,
                    BrokenRule::OutOfScope => *self.reader_counts.entry(ReaderRule::OutOfScope).or_default() += 1,
                }
                last = Some((violation.row, violation.rule));
            }
            if self.severity(violation.rule) == Severity::Warn {
                continue;
            }
            let field = &self.record.fields[violation.field];
            let (rule, message) = match violation.rule {
                BrokenRule::Declared(index) => {
                    (self.record.rules[index].id.as_str(), self.record.rules[index].message.clone())
                }
                BrokenRule::OutOfScope => of_reader(self.record, &Problem::OutOfScope(field.name.clone())),
            };
            let column = match &self.source.columns[violation.field] {
                Origin::Column { column, .. } => Some(column.to_string()),
                Origin::Sheet { .. }
                | Origin::FileName { .. }
                | Origin::Hash(_)
                | Origin::Constant(_)
                | Origin::Absent => None,
            };
            self.rejects.push(Reject {
                line: number(batch, SOURCE_LINE, violation.row),
                record: number(batch, SOURCE_RECORD, violation.row),
                rule: rule.to_owned(),
                field: Some(field.name.clone()),
                column,
                value: rules::shown(batch.column(violation.field), violation.row, &self.source.dates),
                message,
            });
        }
        repeats.for_each(|repeat| self.note_repeat(batch, &repeat));
    }

    fn note_repeat(&mut self, batch: &RecordBatch, repeat: &Repeat) {
        let unique = &mut self.unique[repeat.unique];
        let rule = &self.record.rules[unique.rule];
        let conflict = match &rule.check {
            Check::Unique { conflict, .. } => conflict.as_ref(),
            _ => None,
        };
        let (id, message) = match repeat.kind {
            RepeatKind::Collision => {
                *self.reader_counts.entry(ReaderRule::DerivedKeyCollision).or_default() += 1;
                of_reader(self.record, &Problem::DerivedKeyCollision)
            }
            RepeatKind::Repeat { first_line, conflicts } => {
                let conflict = conflict.filter(|_| conflicts);
                match conflict {
                    Some(_) => unique.conflicts += 1,
                    None => self.counts[unique.rule] += 1,
                }
                if rule.severity == Severity::Warn {
                    return;
                }
                let (id, message) = conflict.map_or((&rule.id, &rule.message), |(id, message)| (id, message));
                let own = number(batch, SOURCE_LINE, repeat.row);
                let is_workbook = |format: &FileFormat| matches!(format.format, Format::Workbook(_));
                let workbook = self.source.formats.iter().any(is_workbook);
                let first = first_line.map(|line| first_occurrence(&self.record.messages, line, own, workbook));
                (id.as_str(), first.map_or_else(|| message.clone(), |first| format!("{message} {first}")))
            }
        };
        let key = unique.fields.iter().map(|&index| {
            let value = rules::shown(batch.column(index), repeat.row, &self.source.dates).unwrap_or_default();
            format!("{} = {value}", self.record.fields[index].name)
        });
        self.rejects.push(Reject {
            line: number(batch, SOURCE_LINE, repeat.row),
            record: number(batch, SOURCE_RECORD, repeat.row),
            rule: id.to_owned(),
            field: None,
            column: None,
            value: Some(key.collect::<Vec<_>>().join(", ")),
            message,
        });
    }
}

/// The id and the sentence of a problem that the reader would find, had it the whole file at hand.
fn of_reader<'r>(record: &'r Record, problem: &Problem) -> (&'r str, String) {
    (record.messages.rule(problem.rule()), problem.sentence(&record.messages))
}

/// Where the first of several rows stands, for the sender; the lines of a workbook count on from sheet to sheet.
fn first_occurrence(messages: &Messages, first: i64, own: i64, workbook: bool) -> String {
    const LINES: i64 = SHEET_LINES.cast_signed();
    let (sheet, row) = if workbook { (first / LINES, first % LINES) } else { (0, first) };
    if !workbook || sheet == own / LINES {
        return messages.sentence("first_occurrence", &[("line", &row.to_string())]);
    }
    let values = [("line", &*row.to_string()), ("sheet", &*sheet.to_string())];
    messages.sentence("first_occurrence_on_sheet", &values)
}

/// A row whose key another row has.
struct Repeat {
    row: usize,
    /// The rule that forbids it, by its place among those.
    unique: usize,
    kind: RepeatKind,
}

#[derive(Clone, Copy)]
enum RepeatKind {
    /// The key of an earlier row, or of none if all rows of the key are refused.
    Repeat { first_line: Option<i64>, conflicts: bool },
    /// A derived key of other inputs.
    Collision,
}

fn number(batch: &RecordBatch, column: &str, row: usize) -> i64 {
    batch.column_by_name(column).map_or(0, |column| column.as_primitive::<Int64Type>().value(row))
}

fn arrow_error(error: ArrowError) -> StageError {
    StageError::new(ErrorCode::Internal, "a batch of records could not be validated").caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_rows_is_named_as_the_sender_sees_it() {
        let of = |first, own, workbook| first_occurrence(&Messages::default(), first, own, workbook);
        assert_eq!(of(3, 7, false), "First occurrence: line 3.");
        assert_eq!(of(10_000_003, 10_000_007, true), "First occurrence: line 3.");
        assert_eq!(of(10_000_003, 20_000_002, true), "First occurrence: line 3 of another sheet, number 1.");
        // a text may be as long
        assert_eq!(of(10_000_003, 20_000_002, false), "First occurrence: line 10000003.");
    }
}
