//! From a cell to its field's value, as the contract declares it: no second guess, no rounding, no default.

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::{Datelike, NaiveDate};
use fonderie_contract::{Check, DateRange, FileFormat, Format, Kind, ReaderRule, Reading, Record};

use crate::appearance::{self, Around};
use crate::cell::{Appearance, Cell};
use crate::column::Value;
use crate::date::{self, Evidence, Take, Wanted};
use crate::nothing::means_nothing;
use crate::problem::Problem;
use crate::text::clean;
use crate::time::time_of_day;
use crate::{amount, integer};

/// A cell that was read, its text owned if it had to be made.
#[derive(Debug, PartialEq)]
pub(crate) enum Parsed<'a> {
    Null,
    Text(Cow<'a, str>),
    /// An integer, a date's day, or a timestamp's microseconds.
    Whole(i64),
    Number(f64),
    Decimal(i128),
    Truth(bool),
}

impl Parsed<'_> {
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Parsed::Null => Value::Null,
            Parsed::Text(text) => Value::Text(text),
            Parsed::Whole(number) => Value::Whole(*number),
            Parsed::Number(number) => Value::Number(*number),
            Parsed::Decimal(number) => Value::Decimal(*number),
            Parsed::Truth(truth) => Value::Truth(*truth),
        }
    }
}

/// What is noted of a cell that was read, beside its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes(u32);

impl Notes {
    pub(crate) fn add(&mut self, rule: ReaderRule) {
        self.0 |= 1 << rule as u32;
    }

    pub(crate) fn add_all(&mut self, others: Notes) {
        self.0 |= others.0;
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn has(self, rule: ReaderRule) -> bool {
        self.0 & (1 << rule as u32) != 0
    }

    pub(crate) fn rules(self) -> impl Iterator<Item = ReaderRule> {
        ReaderRule::ALL.into_iter().filter(move |rule| self.has(*rule))
    }
}

/// How the dates of a column are written, counted over the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DateCounts {
    /// Texts that are read.
    pub(crate) texts: u64,
    /// What shows the order of day and month, by the format's place in the contract's list; as long as it has to be.
    pub(crate) orders: Vec<Orders>,
    /// A workbook's date cells.
    pub(crate) cells: u64,
    /// Of these, the ones whose day is above 12.
    pub(crate) late_cells: u64,
    /// Serial numbers that a declared format has read, as texts or as numbers: counted from 1900, and from 1904.
    pub(crate) serials: [u64; 2],
}

/// What texts show of the order of day and month in one format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// Texts that fit the declared order only: their day is above 12.
    pub(crate) declared: u64,
    /// Texts that fit the other order only.
    pub(crate) other: u64,
}

impl DateCounts {
    /// The counts of the format at a place.
    fn orders(&mut self, place: usize) -> &mut Orders {
        if self.orders.len() <= place {
            self.orders.resize(place + 1, Orders::default());
        }
        &mut self.orders[place]
    }

    /// Counts what a date shows.
    fn note(&mut self, evidence: Evidence) {
        match evidence {
            Evidence::Declared(place) => self.orders(place).declared += 1,
            Evidence::Other(place) => self.orders(place).other += 1,
            Evidence::Serial { epoch1904 } => self.serials[usize::from(epoch1904)] += 1,
            Evidence::None => {}
        }
    }
}

/// How one field's cells are read.
#[derive(Debug)]
pub(crate) struct FieldReader<'a> {
    kind: Kind,
    range: DateRange,
    reading: &'a Reading,
    /// Raw to canonical values, both without invisible characters.
    values: HashMap<&'a str, Cow<'a, str>>,
    identifies: bool,
    /// Whether a rule of the dataset lists the field's words, and so judges one that means "nothing".
    listed: bool,
    spreadsheet_text: bool,
    /// The quote of delimited text.
    quote: Option<u8>,
}

impl<'a> FieldReader<'a> {
    /// A reader of a field's cells in files of a format; without one, of a part of a name.
    pub(crate) fn new(record: &'a Record, index: usize, reading: &'a Reading, format: Option<&FileFormat>) -> Self {
        let field = &record.fields[index];
        let canonical = |text: &'a str| clean(text, false).map_or(Cow::Borrowed(text), |cleaned| cleaned.text);
        Self {
            kind: field.kind,
            range: field.range,
            reading,
            values: reading.values.iter().map(|(raw, text)| (raw.as_str(), canonical(text))).collect(),
            identifies: record.identifies(index),
            listed: record.rules.iter().any(|rule| matches!(rule.check, Check::OneOf { field, .. } if field == index)),
            spreadsheet_text: format.is_some_and(|format| format.spreadsheet_text),
            quote: format.and_then(|format| match &format.format {
                Format::Csv(csv) => csv.quote,
                Format::Workbook(_) => None,
            }),
        }
    }

    /// Reads a cell.
    ///
    /// # Errors
    /// Why the cell, which is present, cannot be read.
    #[inline]
    pub(crate) fn read<'b>(
        &'b self,
        cell: &'b Cell<'b>,
        notes: &mut Notes,
        dates: &mut DateCounts,
    ) -> Result<Parsed<'b>, Problem> {
        match cell {
            Cell::Text(text) => self.text(text, notes, dates).map_err(|problem| self.by_character(text, problem)),
            _ => self.other(cell, notes, dates),
        }
    }

    /// What is wrong with a cell that cannot be read: a character that nobody sees, if it has one, before all else. Texts are
    /// stored without the invisible ones.
    #[cold]
    fn by_character(&self, text: &str, problem: Problem) -> Problem {
        let texts = matches!(self.kind, Kind::Text { .. });
        let odd = |c: &char| fonderie_contract::is_control(*c) || !texts && fonderie_contract::is_invisible(*c, true);
        text.chars().find(odd).map_or(problem, Problem::ControlCharacter)
    }

    /// The value of an empty cell.
    fn nothing(&self) -> Parsed<'static> {
        match self.kind {
            Kind::Decimal { .. } if self.reading.numbers.empty_is_zero => Parsed::Decimal(0),
            Kind::Integer { .. } if self.reading.numbers.empty_is_zero => Parsed::Whole(0),
            Kind::Number { .. } if self.reading.numbers.empty_is_zero => Parsed::Number(0.0),
            _ => Parsed::Null,
        }
    }

    fn text<'b>(&'b self, text: &'b str, notes: &mut Notes, dates: &mut DateCounts) -> Result<Parsed<'b>, Problem> {
        let mut trimmed = text.trim();
        match trimmed.as_bytes().first() {
            Some(b'=' | b'\'') => trimmed = self.unwrapped(trimmed)?,
            // White space before the quote makes it a character of the id, which nobody means.
            Some(quote) if self.identifies && Some(*quote) == self.quote && trimmed.len() < text.trim_end().len() => {
                return Err(Problem::SpaceBeforeQuote);
            }
            _ => {}
        }
        if trimmed.is_empty() || !self.reading.empty.is_empty() && self.is_empty_word(trimmed) {
            return Ok(self.nothing());
        }
        match self.kind {
            Kind::Text { max_length } => self.plain_text(trimmed, max_length, notes),
            Kind::Integer { min, max } => self.integer(trimmed, min, max).map_err(|problem| match problem {
                Problem::Integer if means_nothing(trimmed) => Problem::EmptyWordForInteger(trimmed.to_owned()),
                problem => problem,
            }),
            Kind::Decimal { precision, scale } => {
                match amount::amount(trimmed, &self.reading.numbers, precision, scale) {
                    Ok(units) => Ok(Parsed::Decimal(units)),
                    Err(Problem::Amount) if means_nothing(trimmed) => {
                        Err(Problem::EmptyWordForAmount(trimmed.to_owned()))
                    }
                    Err(problem) => Err(problem),
                }
            }
            Kind::Number { min, max } => match amount::measure(trimmed, &self.reading.numbers) {
                Ok(number) => within(number, min, max),
                Err(Problem::Amount) if means_nothing(trimmed) => Err(Problem::EmptyWordForInteger(trimmed.to_owned())),
                Err(Problem::SpreadsheetText) => Err(Problem::SpreadsheetText),
                Err(problem) => Err(problem.of_number()),
            },
            Kind::Date => self.date(trimmed, Take::Day, dates),
            Kind::Timestamp => self.date(trimmed, Take::Instant, dates),
            Kind::Boolean => self.boolean(trimmed).map(Parsed::Truth),
        }
    }

    fn date(&self, text: &str, take: Take, dates: &mut DateCounts) -> Result<Parsed<'static>, Problem> {
        let wanted = self.wanted(take);
        match date::date_and_order(text, &wanted) {
            (Ok(value), evidence) => {
                dates.texts += 1;
                dates.note(evidence);
                Ok(Parsed::Whole(value))
            }
            (Err(_), evidence @ Evidence::Other(_)) => {
                dates.note(evidence);
                Err(Problem::DateOrder { expected: wanted.expected() })
            }
            (Err(problem), _) => Err(problem),
        }
    }

    fn wanted(&self, take: Take) -> Wanted<'_> {
        Wanted { dates: &self.reading.dates, range: self.range, take }
    }

    fn plain_text<'b>(&'b self, trimmed: &'b str, max_length: usize, notes: &mut Notes) -> Result<Parsed<'b>, Problem> {
        if !self.values.is_empty()
            && let Some(mapped) = self.values.get(trimmed)
        {
            return Ok(mapped_value(mapped));
        }
        let cleaned = clean(trimmed, self.identifies)?;
        if cleaned.changed {
            if self.is_empty_word(&cleaned.text) || cleaned.text.is_empty() {
                return Ok(Parsed::Null);
            }
            if let Some(mapped) = self.values.get(cleaned.text.as_ref()) {
                return Ok(mapped_value(mapped));
            }
            if self.identifies {
                notes.add(ReaderRule::CleanedKey);
            }
        }
        let text = cleaned.text;
        if text.len() > max_length && text.chars().count() > max_length {
            return Err(Problem::TextTooLong { most: max_length });
        }
        if means_nothing(&text) {
            if self.identifies {
                return Err(Problem::UndeclaredEmptyWord(text.into_owned()));
            }
            if !self.listed {
                notes.add(ReaderRule::UndeclaredEmptyWord);
            }
        }
        if self.identifies && is_scientific(&text) {
            return Err(Problem::ScientificNotation);
        }
        Ok(Parsed::Text(text))
    }

    /// A cell of a workbook that is no text, and what cannot be decoded.
    fn other<'b>(
        &'b self,
        cell: &'b Cell<'b>,
        notes: &mut Notes,
        dates: &mut DateCounts,
    ) -> Result<Parsed<'b>, Problem> {
        match (cell, self.kind) {
            (Cell::Text(text), _) => self.text(text, notes, dates),
            (Cell::Empty, _) => Ok(self.nothing()),
            (Cell::Undecodable(_), _) => Err(Problem::Encoding),
            (Cell::DoubleEncoded(_), _) => Err(Problem::DoubleEncoding),
            (Cell::Error(_), _) => Err(Problem::CellError),
            (Cell::Formula, _) => Err(Problem::FormulaWithoutValue),
            (Cell::TooLong(_), Kind::Text { max_length }) => Err(Problem::TextTooLong { most: max_length }),
            (_, Kind::Date) => self.dated(cell, Take::Day, dates),
            (_, Kind::Timestamp) => self.dated(cell, Take::Instant, dates),
            (
                Cell::Formatted(number, appearance),
                Kind::Integer { .. } | Kind::Decimal { .. } | Kind::Number { .. },
            ) => self.number(self.as_shown(*number, *appearance)?),
            (Cell::ShownAs(number, shown), Kind::Integer { .. } | Kind::Decimal { .. } | Kind::Number { .. })
                if shown.parse::<f64>() != Ok(*number) =>
            {
                let around = appearance::around_digits(*number, shown);
                let appearance = match &around {
                    Around::Number(text) => Appearance::Around(text),
                    Around::OtherNumber | Around::Nothing => Appearance::Scaled,
                };
                self.number(self.as_shown(*number, appearance)?)
            }
            (
                Cell::Number(number) | Cell::ShownAs(number, _),
                Kind::Integer { .. } | Kind::Decimal { .. } | Kind::Number { .. },
            ) => self.number(*number),
            // A double holds every whole number of fifteen digits exactly.
            (Cell::Number(number) | Cell::Formatted(number, _) | Cell::ShownAs(number, _), Kind::Text { .. })
                if number.abs() >= 1e15 =>
            {
                Err(Problem::TooManyDigits)
            }
            (Cell::ShownAs(_, shown), Kind::Text { max_length }) => self.plain_text(shown, max_length, notes),
            (Cell::Number(number) | Cell::Formatted(number, _), Kind::Text { max_length }) => {
                if self.identifies && matches!(cell, Cell::Formatted(..)) {
                    notes.add(ReaderRule::FormattedKey);
                }
                self.own_text(number.to_string(), max_length, notes)
            }
            (Cell::Number(number) | Cell::Formatted(number, _), Kind::Boolean) => {
                self.boolean(&number.to_string()).map(Parsed::Truth)
            }
            (Cell::Truth(truth), Kind::Boolean) => Ok(Parsed::Truth(*truth)),
            (Cell::TooLong(_) | Cell::Day(_) | Cell::Moment { .. } | Cell::Time(_) | Cell::Truth(_), _)
            | (Cell::ShownAs(..), Kind::Boolean) => Err(Problem::CellType),
        }
    }

    /// A workbook's number, of a field for numbers.
    fn number(&self, number: f64) -> Result<Parsed<'static>, Problem> {
        match self.kind {
            Kind::Integer { .. } if number.abs() >= 1e15 => Err(Problem::TooManyDigits),
            Kind::Integer { min, max } => self.integer(&number.to_string(), min, max),
            // Zero has no sign: what is equal must look alike.
            Kind::Number { min, max } => within(number + 0.0, min, max),
            Kind::Decimal { precision, scale } => {
                amount::number(number, precision, scale, &self.reading.numbers).map(Parsed::Decimal)
            }
            Kind::Text { .. } | Kind::Date | Kind::Timestamp | Kind::Boolean => Err(Problem::CellType),
        }
    }

    /// A number as its cell shows it: what its format shows around it counts as if it were written.
    fn as_shown(&self, number: f64, appearance: Appearance<'_>) -> Result<f64, Problem> {
        let around = |text| amount::around(text, number, &self.reading.numbers);
        let shown = match appearance {
            Appearance::Other => Ok(number),
            Appearance::Around(text) => around(text).map(|()| number),
            Appearance::Percent(text) => around(text).map(|()| amount::hundredfold(number)),
            Appearance::Scaled => Err(Problem::ScaledAmount),
            Appearance::Hidden => Err(Problem::HiddenAmount),
        };
        shown.map_err(|problem| if matches!(self.kind, Kind::Decimal { .. }) { problem } else { problem.of_number() })
    }

    /// A workbook's cell that is no text, in a field for dates.
    fn dated(&self, cell: &Cell<'_>, take: Take, dates: &mut DateCounts) -> Result<Parsed<'static>, Problem> {
        match cell {
            Cell::Day(day) => self.date_cell(*day, 0, take, dates),
            Cell::Moment { day, milliseconds } => self.date_cell(*day, *milliseconds, take, dates),
            Cell::Time(_) => Err(Problem::NoSuchDay),
            Cell::Number(number) | Cell::Formatted(number, _) => {
                self.number_as_date(*number, &number.to_string(), take, dates)
            }
            Cell::ShownAs(number, shown) => self.number_as_date(*number, shown, take, dates),
            _ => Err(Problem::CellType),
        }
    }

    /// A workbook's number in a field for dates, and the text that its cell shows.
    fn number_as_date(
        &self,
        number: f64,
        shown: &str,
        take: Take,
        dates: &mut DateCounts,
    ) -> Result<Parsed<'static>, Problem> {
        if !self.reading.empty.is_empty() && self.is_empty_word(shown) {
            return Ok(self.nothing());
        }
        let (result, evidence) = date::number_as_date(number, shown, &self.wanted(take));
        let value = result?;
        dates.note(evidence);
        Ok(Parsed::Whole(value))
    }

    /// A workbook's date cell, which is counted.
    fn date_cell(
        &self,
        day: i32,
        milliseconds: u32,
        take: Take,
        dates: &mut DateCounts,
    ) -> Result<Parsed<'static>, Problem> {
        dates.cells += 1;
        dates.late_cells += u64::from(NaiveDate::from_epoch_days(day).is_some_and(|day| day.day() > 12));
        date::date_time(day, time_of_day(milliseconds), &self.wanted(take)).map(Parsed::Whole)
    }

    /// A text that was made here, such as a number's.
    fn own_text(&self, text: String, max_length: usize, notes: &mut Notes) -> Result<Parsed<'static>, Problem> {
        if !self.reading.empty.is_empty() && self.is_empty_word(&text) {
            return Ok(Parsed::Null);
        }
        Ok(match self.plain_text(&text, max_length, notes)? {
            Parsed::Text(text) => Parsed::Text(Cow::Owned(text.into_owned())),
            Parsed::Null | Parsed::Whole(_) | Parsed::Number(_) | Parsed::Decimal(_) | Parsed::Truth(_) => Parsed::Null,
        })
    }

    fn boolean(&self, text: &str) -> Result<bool, Problem> {
        let words = &self.reading.booleans;
        let text = clean(text, false)?.text;
        let is = |words: &[String]| words.iter().any(|word| *word == text);
        if is(&words.yes) {
            return Ok(true);
        }
        if is(&words.no) {
            return Ok(false);
        }
        let expected = words.yes.iter().chain(&words.no).cloned().collect::<Vec<_>>().join(", ");
        Err(Problem::Boolean { expected })
    }

    fn integer(&self, text: &str, min: i64, max: i64) -> Result<Parsed<'static>, Problem> {
        integer::integer(text, min, max, &self.reading.numbers).map(Parsed::Whole)
    }

    fn is_empty_word(&self, text: &str) -> bool {
        let same = |text: &str, word: &str| word == text || text.split_whitespace().eq(word.split_whitespace());
        let is_one = |text: &str| self.reading.empty.iter().any(|word| same(text, word));
        is_one(text)
            || !text.is_ascii() && clean(text, false).is_ok_and(|cleaned| cleaned.changed && is_one(&cleaned.text))
    }

    /// Takes a spreadsheet's wrapper of text off: `="0010"`, `'0010`. An apostrophe before a letter is part of a name, unless
    /// digits of a field that identifies the row follow.
    fn unwrapped<'t>(&self, text: &'t str) -> Result<&'t str, Problem> {
        let inner = match text.as_bytes() {
            [b'=', b'"', .., b'"'] if text.len() > 3 || text == "=\"\"" => text.get(2..text.len() - 1),
            [b'\'', next, ..] if next.is_ascii_digit() || b"=+-@".contains(next) => text.get(1..),
            [b'\'', rest @ ..] if self.identifies && rest.iter().any(u8::is_ascii_digit) => text.get(1..),
            _ => return Ok(text),
        };
        match inner {
            // `="18"&"19"`
            Some(inner) if text.starts_with('=') && inner.contains('"') => Err(Problem::SpreadsheetFormula),
            Some(inner) if self.spreadsheet_text => Ok(inner.trim()),
            _ => Err(Problem::SpreadsheetText),
        }
    }
}

/// A number of a measurement, if it is within its bounds.
fn within(number: f64, min: f64, max: f64) -> Result<Parsed<'static>, Problem> {
    if (min..=max).contains(&number) {
        return Ok(Parsed::Number(number));
    }
    let shown = |bound: f64| match bound.abs() {
        f64::MAX => None,
        size if size < 1e15 => Some(bound.to_string()),
        _ => Some(format!("{bound:e}")),
    };
    Err(Problem::NumberBounds(shown(min), shown(max)))
}

fn mapped_value(mapped: &str) -> Parsed<'_> {
    // A mapped empty value is no value.
    if mapped.is_empty() { Parsed::Null } else { Parsed::Text(Cow::Borrowed(mapped)) }
}

/// Whether a text is a number as a spreadsheet shows a long one: `2,4952E+19`.
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let signed = exponent.strip_prefix(['+', '-']);
    let mantissa = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    digits(signed.unwrap_or(exponent))
        && match mantissa.split_once([',', '.']) {
            // some software writes no sign: `2.4952E19`
            Some((whole, fraction)) => digits(whole) && digits(fraction),
            None => signed.is_some() && digits(mantissa),
        }
}
