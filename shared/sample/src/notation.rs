//! How a source writes values: its contract, read backwards.

use std::fmt::Write;

use chrono::{Datelike, NaiveDate};
use encoding_rs::{UTF_16BE, UTF_16LE};
use fonderie_contract::{
    ColumnRef, DateFormat, DatePart, Dates, Encoding, FileFormat, Format, Header, Kind, Origin, Record, Sheet, Source,
};

use crate::random::Random;
use crate::value::{Value, places, unit};

/// Whether an encoding has all characters of a text; one that cannot be written, only ASCII.
pub(crate) fn carries(encoding: Encoding, text: &str) -> bool {
    let Some(encoding) = encoding.listed() else { return text.is_ascii() };
    encoding == UTF_16LE || encoding == UTF_16BE || !encoding.encode(text).2
}

fn writable(format: &FileFormat, text: &str) -> bool {
    match &format.format {
        Format::Csv(csv) => carries(csv.encoding, text),
        Format::Workbook(_) => true,
    }
}

/// What a source's files can have between thousands: the no-break space, where the contract lists it.
pub(crate) fn thousands(source: &Source, format: &FileFormat) -> Option<char> {
    let mut known: Vec<char> = source.numbers.thousands.clone();
    known.sort_by_key(|separator| *separator != '\u{a0}');
    known.into_iter().find(|separator| writable(format, &separator.to_string()))
}

/// What a source's files can have behind an amount.
pub(crate) fn currency<'a>(source: &'a Source, format: &FileFormat) -> Option<&'a str> {
    source.numbers.currency.iter().map(String::as_str).find(|name| writable(format, name))
}

/// Whether a source's files can be written: its columns have names, on a header line, and each of them one field; their
/// encoding is one that can be written, which cp850 is not.
pub(crate) fn is_writable(source: &Source, format: &FileFormat) -> bool {
    let mut names = Vec::new();
    let columns = source.columns.iter().all(|origin| match origin {
        Origin::Column { column: ColumnRef::Name(name), .. } => {
            names.push(name);
            names.iter().filter(|known| **known == name).count() == 1
        }
        Origin::Constant(_) | Origin::Absent => true,
        Origin::Column { .. } | Origin::Sheet { .. } | Origin::FileName { .. } | Origin::Hash(_) => false,
    });
    let sheets = match &format.format {
        Format::Csv(csv) => csv.encoding.listed().is_some(),
        Format::Workbook(workbook) => matches!(workbook.sheets.as_slice(), [] | [Sheet::Name(_) | Sheet::Position(_)]),
    };
    columns && sheets && matches!(format.header, Header::Line(_)) && source.skipped_rows.is_empty()
}

/// The line of the header, from 1.
pub(crate) fn header_line(format: &FileFormat) -> u64 {
    match format.header {
        Header::Line(line) => line,
        Header::Pattern(_) | Header::Absent => 1,
    }
}

/// A word that the contract takes for the first cell of a line of totals.
pub(crate) fn totals_word(format: &FileFormat) -> Option<String> {
    let pattern = format.totals.first.texts().first()?;
    let word: String = pattern.chars().filter(|c| *c != '*').collect();
    Some(word.trim().to_owned()).filter(|word| format.totals.first.fit(word))
}

/// A source's notation.
#[derive(Clone, Copy)]
pub(crate) struct Notation<'a> {
    pub(crate) record: &'a Record,
    pub(crate) source: &'a Source,
    pub(crate) format: &'a FileFormat,
}

impl Notation<'_> {
    /// Appends a field's value as the source's delimited text has it.
    pub(crate) fn write(&self, field: usize, value: &Value, out: &mut String) {
        match (value, self.record.fields[field].kind) {
            (Value::Empty, _) => {}
            (Value::Text(text), _) => out.push_str(self.word(field, text)),
            (Value::Date(day), _) => date(*day, &self.source.dates, out),
            (Value::Decimal(units), kind @ (Kind::Decimal { .. } | Kind::Number { .. })) => {
                self.decimal(*units, places(kind), None, out);
            }
            (Value::Integer(number), _) => push(out, format_args!("{number}")),
            (Value::Decimal(units), _) => push(out, format_args!("{units}")),
        }
    }

    /// A canonical text as the source writes it: its value map, inverted.
    pub(crate) fn word<'t>(&'t self, field: usize, text: &'t str) -> &'t str {
        match &self.source.columns[field] {
            Origin::Column { reading, .. } if matches!(self.record.fields[field].kind, Kind::Boolean) => {
                let words = if text == "true" { &reading.booleans.yes } else { &reading.booleans.no };
                words.first().map_or(text, String::as_str)
            }
            Origin::Column { reading, .. } => {
                reading.values.iter().find(|(_, canonical)| canonical == text).map_or(text, |(raw, _)| raw)
            }
            Origin::Sheet { .. } | Origin::FileName { .. } | Origin::Hash(_) | Origin::Constant(_) | Origin::Absent => {
                text
            }
        }
    }

    /// An amount with separators between its thousands.
    pub(crate) fn with_thousands(&self, field: usize, value: &Value) -> String {
        let mut out = String::new();
        match (value, self.record.fields[field].kind) {
            (Value::Decimal(units), Kind::Decimal { scale, .. }) => {
                self.decimal(*units, scale, thousands(self.source, self.format), &mut out);
            }
            _ => self.write(field, value, &mut out),
        }
        out
    }

    /// An amount with its currency behind it.
    pub(crate) fn with_currency(&self, field: usize, value: &Value) -> String {
        let mut out = String::new();
        self.write(field, value, &mut out);
        if let (false, Some(currency)) = (out.is_empty(), currency(self.source, self.format)) {
            push(&mut out, format_args!(" {currency}"));
        }
        out
    }

    /// A day that no calendar has, or one of the texts.
    pub(crate) fn no_date(&self, texts: &[String], random: &mut Random) -> String {
        const NO_DAYS: [(u32, u32, u32); 4] = [(2024, 2, 31), (2025, 4, 31), (2023, 2, 29), (0, 0, 0)];
        let chosen = random.index(NO_DAYS.len() + texts.len());
        let Some((year, month, day)) = NO_DAYS.get(chosen) else { return texts[chosen - NO_DAYS.len()].clone() };
        let mut out = String::new();
        parts(*year, *month, *day, &self.source.dates, &mut out);
        out
    }

    fn decimal(&self, units: i128, scale: i8, separator: Option<char>, out: &mut String) {
        let one = unit(scale);
        let (whole, fraction) = (units.unsigned_abs() / one.unsigned_abs(), units.unsigned_abs() % one.unsigned_abs());
        if units < 0 {
            out.push('-');
        }
        let digits = whole.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if let Some(separator) = separator.filter(|_| index > 0 && (digits.len() - index).is_multiple_of(3)) {
                out.push(separator);
            }
            out.push(digit);
        }
        if scale > 0 {
            let places = usize::try_from(scale).unwrap_or(0);
            push(out, format_args!("{}{fraction:0places$}", self.source.numbers.decimal_mark));
        }
    }
}

fn date(day: i32, dates: &Dates, out: &mut String) {
    match (dates.formats.first(), NaiveDate::from_epoch_days(day)) {
        (Some(DateFormat::Serial { epoch1904 }), _) => push(out, format_args!("{}", serial(day, *epoch1904))),
        (_, Some(day)) => parts(day.year().unsigned_abs(), day.month(), day.day(), dates, out),
        (_, None) => {}
    }
}

/// A day as a spreadsheet's serial number.
pub(crate) fn serial(day: i32, epoch1904: bool) -> i32 {
    day + if epoch1904 { 24_107 } else { 25_569 }
}

/// A day in the source's first format; for a serial number, a day that is none.
fn parts(year: u32, month: u32, day: u32, dates: &Dates, out: &mut String) {
    const MONTHS: [&str; 12] = [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ];
    let Some(DateFormat::Pattern(pattern)) = dates.formats.first() else { return out.push_str("60") };
    for (index, part) in pattern.parts.iter().enumerate() {
        if index > 0 {
            out.push_str(&pattern.separators[index - 1]);
        }
        match part {
            DatePart::Year => push(out, format_args!("{year:04}")),
            DatePart::ShortYear => push(out, format_args!("{:02}", year % 100)),
            DatePart::Month => push(out, format_args!("{month:02}")),
            DatePart::MonthName => {
                out.push_str(MONTHS.into_iter().cycle().nth(month as usize + 11).unwrap_or_default())
            }
            DatePart::Day => push(out, format_args!("{day:02}")),
        }
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}
