//! A cell as the file has it, and its value as the contract declares it.

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::NaiveDate;
use fonderie_contract::{Kind, Source};

use crate::coerce::{self, Unreadable};
use crate::column::Value;

/// A cell of a file. Delimited text has texts alone, a workbook any of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Empty,
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes that the declared encoding does not have, shown with U+FFFD in their place.
    Undecodable(String),
    /// A number.
    Number(f64),
    /// A day, since 1970-01-01.
    Day(i32),
    /// A point in time that is no whole day, or a span of time, as a serial number.
    Time(f64),
    /// A truth value.
    Truth(bool),
    /// A formula's error, such as `#REF!`.
    Error(String),
}

impl Cell<'_> {
    /// Whether nothing stands in it but white space.
    pub fn is_blank(&self) -> bool {
        match self {
            Cell::Empty => true,
            Cell::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// Its text, where it has one.
    pub fn text(&self) -> Option<&str> {
        if let Cell::Text(text) = self { Some(text) } else { None }
    }

    /// The cell as a person sees it in the file.
    pub fn shown(&self) -> String {
        match self {
            Cell::Empty => String::new(),
            Cell::Text(text) => text.clone().into_owned(),
            Cell::Undecodable(text) | Cell::Error(text) => text.clone(),
            Cell::Number(number) | Cell::Time(number) => number.to_string(),
            Cell::Day(day) => NaiveDate::from_epoch_days(*day).map(|day| day.to_string()).unwrap_or_default(),
            Cell::Truth(truth) => if *truth { "VRAI" } else { "FAUX" }.to_owned(),
        }
    }
}

/// A cell that was read, its text owned where it had to be made.
pub(crate) enum Parsed<'a> {
    Null,
    Text(Cow<'a, str>),
    Number(i32),
    Decimal(i128),
}

impl Parsed<'_> {
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Parsed::Null => Value::Null,
            Parsed::Text(text) => Value::Text(text),
            Parsed::Number(number) => Value::Number(*number),
            Parsed::Decimal(number) => Value::Decimal(*number),
        }
    }
}

const ENCODING: Unreadable =
    Unreadable { rule: "encodage", message: "La cellule contient des octets étrangers à l'encodage convenu." };
const CONTROL: Unreadable =
    Unreadable { rule: "caractere_interdit", message: "La cellule contient un caractère de contrôle." };
const TOO_LONG: Unreadable =
    Unreadable { rule: "texte_trop_long", message: "Le texte est plus long que le champ ne l'admet." };
const ERROR: Unreadable = Unreadable { rule: "cellule_en_erreur", message: "La formule de la cellule est en erreur." };
const CELL_TYPE: Unreadable =
    Unreadable { rule: "type_de_cellule", message: "La cellule n'est pas du type attendu dans cette colonne." };
const NO_DATE: Unreadable =
    Unreadable { rule: "date_illisible", message: "La cellule contient un nombre qui n'est pas mis en forme de date." };
const WITH_TIME: Unreadable = Unreadable {
    rule: "date_illisible",
    message: "La cellule n'est pas un jour entier : elle porte une heure ou une durée.",
};
const TOO_MANY_DIGITS: Unreadable =
    Unreadable { rule: "nombre_illisible", message: "Le nombre a trop de chiffres pour être lu sans perte." };

/// Reads a cell into a field's value.
///
/// # Errors
/// Why the cell, which is present, cannot be read.
pub(crate) fn parse<'b>(
    cell: &'b Cell<'b>,
    kind: Kind,
    source: &Source,
    values: &HashMap<&'b str, &'b str>,
) -> Result<Parsed<'b>, Unreadable> {
    match (cell, kind) {
        (Cell::Empty, _) => Ok(Parsed::Null),
        (Cell::Text(text), _) => parse_text(text, kind, source, values),
        (Cell::Undecodable(_), _) => Err(ENCODING),
        (Cell::Error(_), _) => Err(ERROR),
        (Cell::Day(day), Kind::Date) => Ok(Parsed::Number(*day)),
        (Cell::Time(_), Kind::Date) => Err(WITH_TIME),
        (Cell::Number(_), Kind::Date) => Err(NO_DATE),
        (Cell::Number(number), Kind::Integer { min, max }) => {
            coerce::integer(&number.to_string(), min, max).map(Parsed::Number)
        }
        (Cell::Number(number), Kind::Decimal { precision, scale }) => {
            coerce::number(*number, precision, scale, source.number.round_cells).map(Parsed::Decimal)
        }
        // A double holds every whole number of fifteen digits exactly.
        (Cell::Number(number), Kind::Text { .. }) if number.abs() >= 1e15 => Err(TOO_MANY_DIGITS),
        (Cell::Number(number), Kind::Text { max_length }) => {
            let text = number.to_string();
            match values.get(text.as_str()) {
                Some(&mapped) => Ok(Parsed::Text(Cow::Borrowed(mapped))),
                None if text.len() > max_length => Err(TOO_LONG),
                None => Ok(Parsed::Text(Cow::Owned(text))),
            }
        }
        (Cell::Day(_) | Cell::Time(_) | Cell::Truth(_), _) => Err(CELL_TYPE),
    }
}

fn parse_text<'b>(
    text: &'b str,
    kind: Kind,
    source: &Source,
    values: &HashMap<&'b str, &'b str>,
) -> Result<Parsed<'b>, Unreadable> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Ok(Parsed::Null);
    }
    match kind {
        Kind::Integer { min, max } => coerce::integer(trimmed, min, max).map(Parsed::Number),
        Kind::Date => coerce::date(trimmed, &source.date).map(Parsed::Number),
        Kind::Decimal { precision, scale } => {
            coerce::amount(trimmed, &source.number, precision, scale).map(Parsed::Decimal)
        }
        Kind::Text { max_length } => {
            if let Some(&mapped) = values.get(trimmed) {
                return Ok(Parsed::Text(Cow::Borrowed(mapped)));
            }
            if trimmed.bytes().any(|b| b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r')) {
                return Err(CONTROL);
            }
            if trimmed.len() > max_length && trimmed.chars().count() > max_length {
                return Err(TOO_LONG);
            }
            Ok(Parsed::Text(Cow::Borrowed(trimmed)))
        }
    }
}
