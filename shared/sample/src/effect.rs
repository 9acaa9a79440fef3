//! What makes a row other than plain: a defect that must be refused, a variant that must be tolerated, an anomaly.

use fonderie_contract::{FileFormat, Format, Kind, Origin, ReaderRule, Record, Source};

use crate::notation::{currency, thousands};
use crate::spec::Overrides;

/// The reader's rule for a present value that cannot be read, by the field's type.
pub(crate) fn unreadable_rule(kind: Kind) -> ReaderRule {
    match kind {
        Kind::Text { .. } => ReaderRule::TextTooLong,
        Kind::Integer { .. } | Kind::Number { .. } => ReaderRule::UnreadableNumber,
        Kind::Date | Kind::Timestamp => ReaderRule::UnreadableDate,
        Kind::Decimal { .. } => ReaderRule::UnreadableAmount,
        Kind::Boolean => ReaderRule::UnreadableBoolean,
    }
}

/// One kind of row.
#[derive(Debug)]
pub(crate) struct Effect {
    pub(crate) name: String,
    /// Of the rows of a file to which it applies.
    pub(crate) rate: f64,
    pub(crate) class: Class,
    pub(crate) act: Act,
    /// What is drawn otherwise in such a row.
    pub(crate) overrides: Overrides,
}

/// Whether a row is to be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Defect,
    Variant,
    Anomaly,
}

/// What is done to a row; fields by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing but what is drawn otherwise.
    Nothing,
    /// The field is left empty.
    Empty(usize),
    /// The amount is below zero, and so is what is drawn from it.
    Negative(usize),
    /// The date is years after the as-of date.
    Future(usize),
    /// The field is moved past another: above it, or below.
    Pass { field: usize, other: usize, above: bool },
    /// A word that is not among the allowed ones.
    Foreign(usize),
    /// A text that cannot be read as the field's type.
    Unreadable { field: usize, texts: Vec<String> },
    /// A text longer than the field.
    TooLong(usize),
    /// Fields are missing at the record's end.
    Short,
    /// The record has one field too many.
    Long,
    /// A recent row once more.
    Repeat,
    /// A recent row once more, with another value in a field.
    RepeatChanged(usize),
    /// White space around values.
    Padding(Vec<usize>),
    /// Separators between thousands.
    Thousands(Vec<usize>),
    /// The currency behind the amount.
    Currency(Vec<usize>),
    /// A text that must be quoted, for what is between the value and this ending.
    Quoted { field: usize, within: Within, ending: String },
    /// A blank line before the row.
    BlankLine,
    /// The header once more before the row.
    RepeatedHeader,
}

/// Why a text must be quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Within {
    Delimiter,
    Newline,
    Quote,
}

impl Effect {
    /// Whether a source's file in a format can carry it.
    pub(crate) fn applies(&self, record: &Record, source: &Source, format: &FileFormat) -> bool {
        let column = |field: &usize| matches!(source.columns[*field], Origin::Column { .. });
        let csv = if let Format::Csv(csv) = &format.format { Some(csv) } else { None };
        let columns = source.columns.iter().filter(|origin| matches!(origin, Origin::Column { .. })).count();
        match &self.act {
            Act::Nothing | Act::Repeat | Act::RepeatedHeader => true,
            Act::Empty(field)
            | Act::Negative(field)
            | Act::Future(field)
            | Act::Pass { field, .. }
            | Act::Foreign(field)
            | Act::Unreadable { field, .. }
            | Act::TooLong(field)
            | Act::RepeatChanged(field) => column(field),
            // A record that ends after two fields still has a delimiter, so that it is no blank line.
            Act::Short => csv.is_some() && columns > 2,
            Act::Long => csv.is_some(),
            Act::Padding(fields) => fields.iter().all(column),
            Act::Thousands(fields) => fields.iter().all(column) && thousands(source, format).is_some(),
            Act::Currency(fields) => fields.iter().all(column) && currency(source, format).is_some(),
            Act::Quoted { field, .. } => {
                column(field)
                    && csv.is_some_and(|csv| csv.quote.is_some())
                    && matches!(record.fields[*field].kind, Kind::Text { .. })
            }
            Act::BlankLine => csv.is_some(),
        }
    }
}
