//! A cell as the file has it.

use std::borrow::Cow;

use chrono::NaiveDate;

use crate::amount;
use crate::time::time_of_day;

/// A cell of a file. Delimited text has texts only, a workbook any of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing.
    Empty,
    /// Text.
    Text(Cow<'a, str>),
    /// Bytes that the declared encoding does not have, shown with U+FFFD in their place.
    Undecodable(String),
    /// Text that was encoded twice, or UTF-8 in another encoding's place, shown as it was read.
    DoubleEncoded(String),
    /// A text that is longer than a workbook's cell, or makes its row too long: its beginning.
    TooLong(Cow<'a, str>),
    /// A number.
    Number(f64),
    /// A number that the sheet shows in a number format of its own: rounded, with separators, as a percentage.
    Formatted(f64, Appearance<'a>),
    /// A number that the sheet shows as a text by a format of zeros only, and that text: 10, `0010`.
    ShownAs(f64, Cow<'a, str>),
    /// A day, since 1970-01-01.
    Day(i32),
    /// A day with a time of day.
    Moment {
        /// The day, since 1970-01-01.
        day: i32,
        /// The time of day in milliseconds: 1 or more, since midnight is a day.
        milliseconds: u32,
    },
    /// A span of time, a time without a day, or a date that no calendar has, as a serial number.
    Time(f64),
    /// A truth value.
    Truth(bool),
    /// A formula's error, such as `#REF!`.
    Error(String),
    /// A formula without a stored value.
    Formula,
}

/// What a number format shows of a number that an amount depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appearance<'a> {
    /// The number, rounded or with separators, and its sign.
    Other,
    /// The number with something around it: how 1, or -1 for a negative number, would be shown.
    Around(&'a str),
    /// The number times a hundred with `%`, and perhaps more around it: the same.
    Percent(&'a str),
    /// Another number: in thousands, in millions, with digits or a decimal mark of the format's own.
    Scaled,
    /// No number.
    Hidden,
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

    /// Its text, if it has one.
    pub fn text(&self) -> Option<&str> {
        if let Cell::Text(text) = self { Some(text) } else { None }
    }

    /// The cell as a person sees it in the file.
    pub fn shown(&self) -> String {
        match self {
            Cell::Empty => String::new(),
            Cell::Text(text) => text.clone().into_owned(),
            Cell::Undecodable(text) | Cell::DoubleEncoded(text) | Cell::Error(text) => text.clone(),
            Cell::TooLong(text) | Cell::ShownAs(_, text) => text.clone().into_owned(),
            Cell::Number(number) | Cell::Formatted(number, _) | Cell::Time(number) => number.to_string(),
            Cell::Moment { day, milliseconds } => {
                let day = NaiveDate::from_epoch_days(*day).map(|day| day.to_string()).unwrap_or_default();
                format!("{day} {}", time_of_day(*milliseconds))
            }
            // Not the formula itself: it is not read.
            Cell::Formula => "=…".to_owned(),
            Cell::Day(day) => NaiveDate::from_epoch_days(*day).map(|day| day.to_string()).unwrap_or_default(),
            Cell::Truth(truth) => if *truth { "VRAI" } else { "FAUX" }.to_owned(),
        }
    }

    /// The same with what a number format shows around a number, for whoever looks for it.
    pub(crate) fn displayed(&self) -> String {
        match self {
            Cell::Formatted(number, Appearance::Around(text)) => text.replacen('1', &number.abs().to_string(), 1),
            Cell::Formatted(number, Appearance::Percent(text)) => {
                text.replacen('1', &amount::hundredfold(number.abs()).to_string(), 1)
            }
            cell => cell.shown(),
        }
    }
}
