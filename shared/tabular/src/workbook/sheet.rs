//! The cells of a sheet, one row after another.

use std::io::Read;

use chrono::{NaiveDate, NaiveDateTime, Timelike};
use fonderie_core::Result;
use quick_xml::events::{BytesStart, Event};

use super::block::Value;
use super::error::{Fault, Parsed, recalculation, too_large};
use super::number_format::{Look, Looks, NumberFormat};
use super::output::{Merge, Message, Output, letters};
use super::serial::{Epoch, LAST_MILLISECOND};
use super::styles::Styles;
use super::texts::{CellText, PREFIX};
use super::xml::{Attributes, Xml, has_text, unread};

/// The largest sheet of the format.
const MOST_COLUMNS: u32 = 16_384;
const MOST_ROWS: u32 = 1_048_576;

/// The most ranges of merged cells.
const MOST_MERGES: usize = 1 << 20;

/// The longest error value, in characters.
const MOST_ERROR: usize = 40;

/// What a sheet's cells refer to, and what its contract wants of them.
pub(super) struct Context {
    pub(super) styles: Styles,
    pub(super) epoch: Epoch,
    /// The bytes of text that a row may have; what exceeds them is given out as too long.
    pub(super) most_row: usize,
    /// The bytes of text that a sheet's cells may have together, each with its own copy of a shared one.
    pub(super) most_text: u64,
    /// A formula is an error: the workbook asks for recalculation, which the contract excludes.
    pub(super) refuse_formulas: bool,
}

/// What a cell's tag says.
#[derive(Default)]
struct Head {
    column: Option<u32>,
    row: Option<u32>,
    style: usize,
    kind: Kind,
    /// What is wrong with the tag.
    fault: Option<&'static str>,
}

/// What begins in a sheet.
enum Begun {
    Row(Option<u32>),
    Cell(Head),
    /// What other makers add.
    Extension,
    /// What has cells elsewhere than the format: it may not have any.
    Unread,
}

/// What of a sheet is read at the moment, for a sentence.
#[derive(Clone, Copy)]
enum At {
    Sheet,
    Row(u32),
    /// A cell's row and column.
    Cell(u32, u32),
}

/// What begins in a cell.
enum Element {
    Value,
    Inline,
    Formula,
    /// What other makers add.
    Extension,
    Other,
}

/// A cell's declared type.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Number,
    Shared,
    Inline,
    /// A formula's text.
    Text,
    Truth,
    Error,
    Iso,
}

/// Reads a sheet.
pub(super) struct Sheet<'a, R: Read> {
    xml: Xml<R>,
    /// The sheet, for a sentence.
    name: &'a str,
    at: At,
    context: &'a Context,
    output: &'a mut Output,
    text: CellText,
    /// Whether the cell's text stands in `is`, whatever its declared type.
    inline: bool,
    /// The row at hand, from 1, and the column of its next cell if nothing else is said, from 0.
    row: u32,
    column: u32,
    row_began: bool,
    row_bytes: usize,
    text_bytes: u64,
    formulas: bool,
}

impl<'a, R: Read> Sheet<'a, R> {
    pub(super) fn new(xml: Xml<R>, name: &'a str, context: &'a Context, output: &'a mut Output) -> Self {
        Self {
            xml,
            name,
            at: At::Sheet,
            context,
            output,
            text: CellText::default(),
            inline: false,
            row: 0,
            column: 0,
            row_began: false,
            row_bytes: 0,
            text_bytes: 0,
            formulas: false,
        }
    }

    /// Reads the sheet to its end: its cells, then its merged cells. Returns whether it has formulas.
    ///
    /// # Errors
    /// A limit that it exceeds, or what the format does not have, with the row or the cell.
    pub(super) fn read(mut self) -> Result<bool> {
        let merges = self.content_of_sheet().map_err(|fault| match self.at {
            At::Sheet => fault.within(self.name),
            At::Row(row) => fault.within(&format!("{}, row {row}", self.name)),
            At::Cell(row, column) => fault.within(&format!("{}, cell {}{row}", self.name, letters(column))),
        })?;
        self.xml.finish()?;
        if !merges.is_empty() {
            self.output.send(Message::Merges(merges))?;
        }
        Ok(self.formulas)
    }

    /// Reads the cells, and returns the ranges of merged ones.
    fn content_of_sheet(&mut self) -> Parsed<Vec<Merge>> {
        let (mut is_sheet, mut in_data, mut had_data, mut in_row) = (false, false, false, false);
        let mut merges = Vec::new();
        loop {
            let begun = match self.xml.event()? {
                Event::Start(tag) => match tag.local_name().as_ref() {
                    "worksheet" => {
                        is_sheet = true;
                        continue;
                    }
                    "sheetData" if !had_data => {
                        (in_data, had_data) = (true, true);
                        continue;
                    }
                    "mergeCell" if !in_data => {
                        if let Some(merge) = merge(&tag)? {
                            merges.push(merge);
                        }
                        if merges.len() > MOST_MERGES {
                            return Err(
                                too_large(&format!("has more than {MOST_MERGES} ranges of merged cells")).into()
                            );
                        }
                        continue;
                    }
                    "row" if in_data => Begun::Row(row_number(&tag)?),
                    "c" if in_row => Begun::Cell(Head::read(&tag)?),
                    "extLst" => Begun::Extension,
                    "c" if in_data => Begun::Unread,
                    // A second one, or one under another name.
                    name if name.eq_ignore_ascii_case("sheetData") => Begun::Unread,
                    _ => continue,
                },
                Event::End(tag) => {
                    match tag.local_name().as_ref() {
                        "row" => in_row = false,
                        "sheetData" => {
                            (in_data, in_row) = (false, false);
                            self.at = At::Sheet;
                        }
                        _ => {}
                    }
                    continue;
                }
                event if in_data && has_text(&event) => return Err(unread()),
                // A sheet without cells may lack the element for them.
                Event::Eof if is_sheet => break,
                Event::Eof => return Err(Fault::shape("its part is not a sheet's")),
                _ => continue,
            };
            match begun {
                Begun::Row(number) => {
                    in_row = true;
                    self.begin_row(number)?;
                }
                Begun::Cell(head) => self.cell(&head)?,
                Begun::Extension => self.xml.skip()?,
                Begun::Unread => self.xml.skip_blank()?,
            }
        }
        Ok(merges)
    }

    fn begin_row(&mut self, number: Option<u32>) -> Parsed<()> {
        self.text_bytes += self.row_bytes.min(self.context.most_row) as u64;
        if self.text_bytes > self.context.most_text {
            let most = self.context.most_text >> 20;
            return Err(too_large(&format!("has more than {most} MiB of text in the cells of a sheet")).into());
        }
        let row = number.unwrap_or_else(|| self.row.saturating_add(1));
        self.at = At::Row(row);
        if row <= self.row {
            return Err(Fault::shape("the rows are not in their order"));
        }
        if row > MOST_ROWS {
            return Err(Fault::shape("it has more rows than the format"));
        }
        (self.row, self.column, self.row_began, self.row_bytes) = (row, 0, false, 0);
        Ok(())
    }

    /// Reads a cell whose tag was read.
    fn cell(&mut self, head: &Head) -> Parsed<()> {
        if let (Some(row), Some(column)) = (head.row, head.column) {
            self.at = At::Cell(row, column);
        }
        if let Some(fault) = head.fault {
            return Err(Fault::shape(fault));
        }
        if let Some(row) = head.row.filter(|row| *row != self.row) {
            // Some software numbers only the cells.
            if self.row_began {
                return Err(Fault::shape("the cell is in another row"));
            }
            self.row = self.row.saturating_sub(1);
            self.begin_row(Some(row))?;
        }
        let column = head.column.unwrap_or(self.column);
        if column < self.column {
            return Err(Fault::shape("the cells are not in their order"));
        }
        if column >= MOST_COLUMNS {
            return Err(Fault::shape("it has more columns than the format"));
        }
        self.at = At::Cell(self.row, column);
        self.column = column + 1;
        if !self.row_began {
            self.row_began = true;
            self.output.begin_row(self.row)?;
        }
        if let Some(value) = self.content(head)? {
            let column = u16::try_from(column).map_err(|_| Fault::shape("it has more columns than the format"))?;
            self.output.block().push(column, value);
        }
        self.at = At::Row(self.row);
        Ok(())
    }

    /// Reads what stands in a cell; `None` for nothing.
    ///
    /// # Errors
    /// Content that is not where the cell's type has it, and so would be lost.
    fn content(&mut self, head: &Head) -> Parsed<Option<Value>> {
        let (mut formula, mut stored, mut in_value) = (false, false, false);
        self.text.clear();
        self.inline = false;
        let is_free = |text: &CellText| text.as_str().trim_ascii().is_empty();
        let depth = self.xml.depth();
        while self.xml.depth() >= depth {
            let element = match &self.xml.event()? {
                Event::Start(tag) => match tag.local_name().as_ref() {
                    // One value only; others may stand there empty.
                    "v" if head.kind != Kind::Inline && is_free(&self.text) => Element::Value,
                    "is" if is_free(&self.text) => Element::Inline,
                    "f" => Element::Formula,
                    "extLst" => Element::Extension,
                    _ => Element::Other,
                },
                Event::End(_) => {
                    in_value = false;
                    continue;
                }
                event if in_value => {
                    self.text.take(event)?;
                    continue;
                }
                event if has_text(event) => return Err(unread()),
                _ => continue,
            };
            match element {
                Element::Value => {
                    (stored, in_value, self.inline) = (true, true, false);
                    self.text.clear();
                }
                Element::Inline => {
                    (stored, self.inline) = (true, true);
                    self.text.read_rich(&mut self.xml)?;
                }
                Element::Formula => {
                    formula = true;
                    self.xml.skip()?;
                }
                Element::Extension => self.xml.skip()?,
                Element::Other => self.xml.skip_blank()?,
            }
        }
        if formula {
            self.formulas = true;
            if self.context.refuse_formulas {
                return Err(recalculation().into());
            }
            // A computed empty text is stored as such; elsewhere nothing stored means nothing computed.
            let is_text = self.inline || matches!(head.kind, Kind::Text | Kind::Inline);
            if !stored || !is_text && self.text.as_str().trim_ascii().is_empty() {
                return Ok(Some(Value::Formula));
            }
        }
        self.value(head)
    }

    /// What a cell's stored text means.
    fn value(&mut self, head: &Head) -> Parsed<Option<Value>> {
        match head.kind {
            _ if self.inline => Ok(self.own_text()),
            Kind::Text | Kind::Inline => {
                self.text.unescape(0);
                Ok(self.own_text())
            }
            _ if self.text.as_str().trim_ascii().is_empty() => Ok(None),
            Kind::Number => self.number(head.style),
            Kind::Shared => {
                let unknown = || Fault::shape("it refers to a shared text that the workbook does not have");
                let index = self.text.as_str().trim_ascii().parse().map_err(|_| unknown())?;
                let text = self.output.texts().get(index).ok_or_else(unknown)?;
                if text.is_empty() {
                    return Ok(None);
                }
                self.row_bytes += text.len();
                Ok(Some(if self.output.texts().is_too_long(index) || self.row_bytes > self.context.most_row {
                    let prefix: String = text.chars().take(PREFIX).collect();
                    Value::TooLong(self.output.block().keep(&prefix))
                } else {
                    Value::Shared(index)
                }))
            }
            Kind::Truth => match self.text.as_str().trim_ascii().to_ascii_lowercase().as_str() {
                "1" | "true" => Ok(Some(Value::Truth(true))),
                "0" | "false" => Ok(Some(Value::Truth(false))),
                _ => Err(Fault::shape("its truth value is neither 0 nor 1")),
            },
            Kind::Error => {
                let error: String = self.text.as_str().trim().chars().take(MOST_ERROR).collect();
                Ok(Some(Value::Error(self.output.block().keep(&error))))
            }
            Kind::Iso => Ok(iso(self.text.as_str().trim_ascii()).or_else(|| self.own_text())),
        }
    }

    /// A text that stands in the cell itself.
    fn own_text(&mut self) -> Option<Value> {
        let whole = self.text.finish();
        let text = self.text.as_str();
        if text.is_empty() {
            return None;
        }
        self.row_bytes += text.len();
        if whole && self.row_bytes <= self.context.most_row {
            return Some(Value::Text(self.output.block().keep(text)));
        }
        let prefix: String = text.chars().take(PREFIX).collect();
        Some(Value::TooLong(self.output.block().keep(&prefix)))
    }

    fn number(&mut self, style: usize) -> Parsed<Option<Value>> {
        let number: f64 = match self.text.as_str().trim_ascii().parse() {
            Ok(number) if f64::is_finite(number) => number,
            // What is no number, or too great for one, is given out as it is written.
            _ => return Ok(self.own_text()),
        };
        Ok(Some(match self.context.styles.number_format(style) {
            NumberFormat::Plain => Value::Number(number),
            NumberFormat::Date => self.context.epoch.date(number),
            NumberFormat::Span => Value::Time(number),
            NumberFormat::Other => Value::Formatted(number),
            NumberFormat::Looks(looks) => self.looking(number, looks),
            NumberFormat::Zeros(zeros, looks) => match (zeros.show(number), looks) {
                (Some(shown), _) => Value::ShownAs(number, self.output.block().keep(&shown)),
                (None, Some(looks)) => self.looking(number, looks),
                (None, None) => Value::Formatted(number),
            },
        }))
    }

    fn looking(&mut self, number: f64, looks: &Looks) -> Value {
        match looks.look(number) {
            Look::Number => Value::Formatted(number),
            Look::Around(text) => Value::Around(number, self.output.block().keep(text)),
            Look::Percent(text) => Value::Percent(number, self.output.block().keep(text)),
            Look::Scaled => Value::Scaled(number),
            Look::Hidden => Value::Hidden(number),
        }
    }
}

impl Head {
    fn read(tag: &BytesStart<'_>) -> Parsed<Self> {
        let mut head = Self::default();
        for attribute in Attributes::new(tag.attributes_raw()) {
            match attribute? {
                ("r", reference) => match place(reference) {
                    Some((column, row)) => (head.column, head.row) = (Some(column), Some(row)),
                    None => head.fault = Some("the reference of a cell is not one such as B2"),
                },
                ("s", style) => match style.trim().parse() {
                    Ok(style) => head.style = style,
                    Err(_) => head.fault = Some("its style is not a number"),
                },
                ("t", kind) => {
                    head.kind = match kind {
                        "n" => Kind::Number,
                        "s" => Kind::Shared,
                        "inlineStr" | "is" => Kind::Inline,
                        "str" => Kind::Text,
                        "b" => Kind::Truth,
                        "e" => Kind::Error,
                        "d" => Kind::Iso,
                        _ => {
                            head.fault = Some("it is of a type that the format does not have");
                            Kind::Number
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(head)
    }
}

/// The range of a tag for merged cells, if it has several.
fn merge(tag: &BytesStart<'_>) -> Parsed<Option<Merge>> {
    for attribute in Attributes::new(tag.attributes_raw()) {
        if let ("ref", range) = attribute? {
            let (first, last) = range.split_once(':').unwrap_or((range, range));
            let malformed = || Fault::shape("a range of merged cells is not one such as B2:B3");
            let corner = |reference: &str| place(&reference.trim().replace('$', "")).ok_or_else(malformed);
            let ((left, top), (right, bottom)) = (corner(first)?, corner(last)?);
            let merge = Merge { rows: (top.min(bottom), top.max(bottom)), columns: (left.min(right), left.max(right)) };
            return Ok(Some(merge).filter(|_| (left, top) != (right, bottom)));
        }
    }
    Ok(None)
}

fn row_number(tag: &BytesStart<'_>) -> Parsed<Option<u32>> {
    for attribute in Attributes::new(tag.attributes_raw()) {
        if let ("r", number) = attribute? {
            let malformed = |_| Fault::shape("the number of a row below it is not one of the format");
            return number.trim().parse().map(Some).map_err(malformed);
        }
    }
    Ok(None)
}

/// The column, from 0, and the row, from 1, of a reference such as `B2`.
fn place(reference: &str) -> Option<(u32, u32)> {
    let letters = reference.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (letters, row) = reference.split_at(letters);
    let digit = |letter: u8| u32::from(letter.to_ascii_uppercase() - b'A') + 1;
    let add = |column: u32, letter: u8| column.checked_mul(26)?.checked_add(digit(letter));
    let column = letters.bytes().try_fold(0, add)?.checked_sub(1)?;
    Some((column, row.bytes().all(|b| b.is_ascii_digit()).then(|| row.parse().ok())??))
}

/// A date as the strict edition of the format writes it.
fn iso(text: &str) -> Option<Value> {
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Some(Value::Day(day.to_epoch_days()));
    }
    let time: NaiveDateTime = text.parse().ok()?;
    let day = time.date().to_epoch_days();
    // A leap second is the last one of its minute.
    let milliseconds = (time.num_seconds_from_midnight() * 1_000 + time.nanosecond() / 1_000_000).min(LAST_MILLISECOND);
    Some(match milliseconds {
        0 => Value::Day(day),
        milliseconds => Value::Moment(day, milliseconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_columns_and_rows() {
        for (reference, expected) in [
            ("A1", Some((0, 1))),
            ("xfd1048576", Some((16_383, 1_048_576))),
            ("A0", Some((0, 0))),
            ("1", None),
            ("A", None),
            ("A-1", None),
            ("É1", None),
            ("ZZZZZZZZ1", None),
            ("A99999999999", None),
        ] {
            assert_eq!(place(reference), expected, "{reference}");
        }
    }

    #[test]
    fn iso_dates_may_have_a_time() {
        assert_eq!(iso("2026-05-04"), Some(Value::Day(20_577)));
        assert_eq!(iso("2026-05-04T00:00:00"), Some(Value::Day(20_577)));
        assert_eq!(iso("2026-05-04T09:20:00.250"), Some(Value::Moment(20_577, 33_600_250)));
        assert_eq!(iso("04/05/2026"), None);
    }
}
