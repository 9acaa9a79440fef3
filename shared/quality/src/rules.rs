//! The row rules, column by column. A clean column costs one look at its null count or one pass over its values.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Int32Type};
use chrono::NaiveDate;
use fonderie_contract::{Check, Record};
use fonderie_core::money::format_cents;

/// A row that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    pub(crate) row: usize,
    /// The rule's index.
    pub(crate) rule: usize,
    /// The field at fault.
    pub(crate) field: usize,
}

/// Notes the rows of a batch that break a row rule (all but `Unique`). `as_of` in days since 1970-01-01.
pub(crate) fn check(record: &Record, batch: &RecordBatch, as_of: i32, found: &mut Vec<Violation>) {
    for (rule, declared) in record.rules.iter().enumerate() {
        let mut note = |field: usize, row: usize| found.push(Violation { row, rule, field });
        match &declared.check {
            Check::Required(fields) => {
                for &field in fields {
                    let column = column(record, batch, field);
                    if column.null_count() > 0 {
                        (0..column.len()).filter(|&row| column.is_null(row)).for_each(|row| note(field, row));
                    }
                }
            }
            Check::NotNegative(fields) => {
                for &field in fields {
                    each(&decimals(column(record, batch, field)), |value| *value < 0, |row| note(field, row));
                }
            }
            Check::NotAfterAsOf(fields) => {
                for &field in fields {
                    each(&dates(column(record, batch, field)), |value| *value > as_of, |row| note(field, row));
                }
            }
            Check::AtMost { smaller, greater } => {
                let (left, right) = (column(record, batch, *smaller), column(record, batch, *greater));
                let exceeds: Vec<bool> = if left.data_type() == &DataType::Date32 {
                    pairs(&dates(left), &dates(right))
                } else {
                    pairs(&decimals(left), &decimals(right))
                };
                exceeds.iter().enumerate().filter(|(_, exceeds)| **exceeds).for_each(|(row, _)| note(*smaller, row));
            }
            Check::OneOf { field, values } => {
                let texts = column(record, batch, *field).as_string::<i32>();
                let allowed = |text: &str| values.iter().any(|value| value == text);
                let bad = texts.iter().enumerate().filter(|(_, text)| text.is_some_and(|text| !allowed(text)));
                bad.for_each(|(row, _)| note(*field, row));
            }
            Check::Unique { .. } => {}
        }
    }
}

fn column<'a>(record: &Record, batch: &'a RecordBatch, field: usize) -> &'a ArrayRef {
    // Silver holds the record's fields in their order; see `fonderie_tabular::record_schema`.
    debug_assert_eq!(batch.schema().field(field).name(), &record.fields[field].name);
    batch.column(field)
}

type Optional<T> = Vec<Option<T>>;

fn decimals(column: &ArrayRef) -> Optional<i128> {
    column.as_primitive::<Decimal128Type>().iter().collect()
}

fn dates(column: &ArrayRef) -> Optional<i32> {
    column.as_primitive::<Date32Type>().iter().collect()
}

fn each<T>(values: &Optional<T>, breaks: impl Fn(&T) -> bool, note: impl FnMut(usize)) {
    values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.as_ref().is_some_and(&breaks))
        .map(|(row, _)| row)
        .for_each(note);
}

fn pairs<T: PartialOrd>(left: &Optional<T>, right: &Optional<T>) -> Vec<bool> {
    left.iter().zip(right).map(|pair| matches!(pair, (Some(left), Some(right)) if left > right)).collect()
}

/// A value of the canonical record as text: plain decimals, ISO dates; `None` where absent.
pub(crate) fn shown(column: &dyn Array, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string(),
        DataType::Date32 => NaiveDate::from_epoch_days(column.as_primitive::<Date32Type>().value(row))
            .map(|date| date.to_string())
            .unwrap_or_default(),
        DataType::Decimal128(_, 2) => format_cents(column.as_primitive::<Decimal128Type>().value(row)),
        DataType::Decimal128(..) => column.as_primitive::<Decimal128Type>().value_as_string(row),
        _ => String::new(),
    })
}
