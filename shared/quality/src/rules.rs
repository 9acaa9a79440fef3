//! The row rules, column by column. A clean column costs one look at its null count or one pass over its values.

use std::cmp::Ordering;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use chrono::NaiveDate;
use fonderie_contract::{Check, Dates, Kind, Origin, Owns, Record, Source};
use fonderie_core::money::format_cents;

/// A row that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    pub(crate) row: usize,
    pub(crate) rule: BrokenRule,
    /// The field at fault.
    pub(crate) field: usize,
}

/// The rule that a row breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BrokenRule {
    /// A rule of the dataset, by its index.
    Declared(usize),
    /// The row is not of its sender's scope.
    OutOfScope,
}

/// Notes the rows of a batch whose owner is none of those that the source may send.
pub(crate) fn check_scope(record: &Record, source: &Source, batch: &RecordBatch, found: &mut Vec<Violation>) {
    let (Some(field), Owns::Only(owned)) = (record.owner, &source.owns) else { return };
    // A constant owns itself.
    if matches!(source.columns[field], Origin::Constant(_)) {
        return;
    }
    let owners = column(record, batch, field).as_string::<i32>();
    let mut last = None;
    for (row, owner) in owners.iter().enumerate() {
        // Rows of one owner stand together in most files.
        if owner.is_none() || owner == last {
            continue;
        }
        if owner.is_some_and(|owner| owned.iter().any(|own| own == owner)) {
            last = owner;
        } else {
            found.push(Violation { row, rule: BrokenRule::OutOfScope, field });
        }
    }
}

/// Notes the rows of a batch that break a row rule (all but `Unique`). `as_of` in days since 1970-01-01; timestamps are held to it in the
/// zone of `dates`.
///
/// A row whose amount has a forbidden sign is not held to a comparison with that amount: one fault gives one reject.
pub(crate) fn check(record: &Record, dates: &Dates, batch: &RecordBatch, as_of: i32, found: &mut Vec<Violation>) {
    let mut signs: Vec<(usize, usize)> = Vec::new();
    for (rule, declared) in record.rules.iter().enumerate() {
        if let Check::NotNegative(fields) = &declared.check {
            forbidden_signs(record, batch, fields, |row, field| {
                signs.push((row, field));
                found.push(Violation { row, rule: BrokenRule::Declared(rule), field });
            });
        }
    }
    signs.sort_unstable();
    let has_forbidden_sign = |row: usize, field: usize| signs.binary_search(&(row, field)).is_ok();
    for (rule, declared) in record.rules.iter().enumerate() {
        let mut note =
            |field: usize, row: usize| found.push(Violation { row, rule: BrokenRule::Declared(rule), field });
        match &declared.check {
            Check::Required(fields) => {
                for &field in fields {
                    let column = column(record, batch, field);
                    if column.null_count() > 0 {
                        (0..column.len()).filter(|&row| column.is_null(row)).for_each(|row| note(field, row));
                    }
                }
            }
            Check::NotNegative(_) | Check::Unique { .. } => {}
            Check::NotAfterAsOf(fields) => {
                for &field in fields {
                    let column = column(record, batch, field);
                    if record.fields[field].kind == Kind::Timestamp {
                        let is_after =
                            |instant: &i64| dates.day_of(*instant).is_some_and(|day| day.to_epoch_days() > as_of);
                        each(&values::<TimestampMicrosecondType>(column), is_after, |row| note(field, row));
                    } else {
                        each(&values::<Date32Type>(column), |day| *day > as_of, |row| note(field, row));
                    }
                }
            }
            Check::AtMost { smaller, greater } => {
                let (left, right) = (column(record, batch, *smaller), column(record, batch, *greater));
                let signed = |row| has_forbidden_sign(row, *smaller) || has_forbidden_sign(row, *greater);
                let mut note = |row| {
                    if !signed(row) {
                        note(*smaller, row);
                    }
                };
                match record.fields[*smaller].kind {
                    Kind::Date => {
                        exceeding(&values::<Date32Type>(left), &values::<Date32Type>(right), note);
                        continue;
                    }
                    Kind::Timestamp => {
                        let instants = values::<TimestampMicrosecondType>;
                        exceeding(&instants(left), &instants(right), note);
                        continue;
                    }
                    Kind::Integer { .. } => {
                        exceeding(&values::<Int64Type>(left), &values::<Int64Type>(right), note);
                        continue;
                    }
                    Kind::Number { .. } => {
                        exceeding(&values::<Float64Type>(left), &values::<Float64Type>(right), note);
                        continue;
                    }
                    Kind::Decimal { .. } | Kind::Text { .. } | Kind::Boolean => {}
                }
                let (left, right) = (values::<Decimal128Type>(left), values::<Decimal128Type>(right));
                if record.credit_notes {
                    // A credit note is settled between its amount and zero.
                    let magnitude = |values: &Optional<i128>, of: &Optional<i128>| -> Optional<u128> {
                        let pairs = values.iter().zip(of);
                        pairs.map(|(value, whole)| value.map(|value| toward(value, whole.unwrap_or(0)))).collect()
                    };
                    let (left, right) = (magnitude(&left, &right), magnitude(&right, &right));
                    exceeding(&left, &right, &mut note);
                } else {
                    exceeding(&left, &right, &mut note);
                }
            }
            Check::OneOf { field, values } => {
                let texts = column(record, batch, *field).as_string::<i32>();
                let allowed = |text: &str| values.iter().any(|value| value == text);
                let bad = texts.iter().enumerate().filter(|(_, text)| text.is_some_and(|text| !allowed(text)));
                bad.for_each(|(row, _)| note(*field, row));
            }
        }
    }
}

/// How far a value goes in the direction of the whole; 0 for one of the other sign.
fn toward(value: i128, whole: i128) -> u128 {
    if (value < 0) == (whole < 0) { value.unsigned_abs() } else { 0 }
}

/// Notes numbers below zero; if the record allows credit notes, those of another sign than the first of the fields.
fn forbidden_signs(record: &Record, batch: &RecordBatch, fields: &[usize], mut note: impl FnMut(usize, usize)) {
    let first = fields.first().filter(|_| record.credit_notes).map(|&field| signs(column(record, batch, field)));
    for &field in fields {
        let signs = signs(column(record, batch, field));
        for (row, sign) in signs.iter().enumerate() {
            let negative = first.as_ref().is_some_and(|first| first[row] == Some(Ordering::Less));
            let forbidden = if negative { Ordering::Greater } else { Ordering::Less };
            if *sign == Some(forbidden) {
                note(row, field);
            }
        }
    }
}

/// How numbers of any type compare with zero.
fn signs(column: &ArrayRef) -> Optional<Ordering> {
    fn of<T: ArrowPrimitiveType>(column: &ArrayRef) -> Optional<Ordering>
    where
        T::Native: Default + PartialOrd,
    {
        column.as_primitive::<T>().iter().map(|value| value?.partial_cmp(&T::Native::default())).collect()
    }
    match column.data_type() {
        DataType::Int64 => of::<Int64Type>(column),
        DataType::Float64 => of::<Float64Type>(column),
        _ => of::<Decimal128Type>(column),
    }
}

fn column<'a>(record: &Record, batch: &'a RecordBatch, field: usize) -> &'a ArrayRef {
    // Silver holds the record's fields in their order; see `fonderie_tabular::record_schema`.
    debug_assert_eq!(batch.schema().field(field).name(), &record.fields[field].name);
    batch.column(field)
}

type Optional<T> = Vec<Option<T>>;

fn values<T: ArrowPrimitiveType>(column: &ArrayRef) -> Optional<T::Native> {
    column.as_primitive::<T>().iter().collect()
}

fn each<T>(values: &Optional<T>, breaks: impl Fn(&T) -> bool, note: impl FnMut(usize)) {
    values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.as_ref().is_some_and(&breaks))
        .map(|(row, _)| row)
        .for_each(note);
}

fn exceeding<T: PartialOrd>(left: &Optional<T>, right: &Optional<T>, note: impl FnMut(usize)) {
    let pairs = left.iter().zip(right).enumerate();
    pairs
        .filter(|(_, pair)| matches!(pair, (Some(left), Some(right)) if left > right))
        .map(|(row, _)| row)
        .for_each(note);
}

/// A value of the canonical record as text: plain decimals, ISO dates, local times; `None` where absent.
pub(crate) fn shown(column: &dyn Array, row: usize, dates: &Dates) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    Some(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Timestamp(..) => dates.local_time(column.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Date32 => NaiveDate::from_epoch_days(column.as_primitive::<Date32Type>().value(row))
            .map(|date| date.to_string())
            .unwrap_or_default(),
        DataType::Decimal128(_, 2) => format_cents(column.as_primitive::<Decimal128Type>().value(row)),
        DataType::Decimal128(..) => column.as_primitive::<Decimal128Type>().value_as_string(row),
        _ => String::new(),
    })
}
