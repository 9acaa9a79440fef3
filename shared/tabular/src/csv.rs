//! Delimited text as rows of cells.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use fonderie_contract::Csv;
use fonderie_core::{ErrorCode, Result, StageError};
use memchr::memchr_iter;

use crate::cell::Cell;
use crate::container::{Container, container};
use crate::decode::{Decoded, Decoding, Shows};
use crate::problem::Problem;
use crate::rows::Found;
use crate::split::{Next, Splitter};

/// Delimited text at work.
pub(crate) struct CsvInput {
    decoding: Decoding,
    splitter: Splitter,
    lines: LineCount,
    encoding: &'static str,
    pub(crate) trailing_delimiters: bool,
    max_record: usize,
    /// Lines still to be passed over, quotes disregarded, and those that were.
    preamble: u64,
    passed_over: u64,
    /// Whether the first bytes were looked at for what is no text.
    looked_at: bool,
    delimiter: u8,
    ended: bool,
}

impl CsvInput {
    pub(crate) fn new(csv: &Csv, max_record: usize) -> Self {
        Self {
            decoding: Decoding::new(csv.encoding),
            splitter: Splitter::new(csv.delimiter, csv.quote, max_record).multiline(csv.multiline),
            lines: LineCount::default(),
            encoding: csv.encoding.name(),
            trailing_delimiters: csv.trailing_delimiters,
            max_record,
            preamble: 0,
            passed_over: 0,
            looked_at: false,
            delimiter: csv.delimiter,
            ended: false,
        }
    }

    /// Passes over the first lines of the file, quotes disregarded.
    pub(crate) fn pass_over_lines(&mut self, lines: u64) {
        self.preamble = lines;
    }

    /// Lines of the file that were passed over.
    pub(crate) fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// Sets the numbers of fields that a record may have, so that the records after it are judged by it.
    pub(crate) fn set_width(&mut self, widths: RangeInclusive<usize>) {
        self.splitter.set_width(widths);
    }

    pub(crate) fn delimiter(&self) -> u8 {
        self.delimiter
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        self.append(bytes)
    }

    pub(crate) fn end(&mut self) -> Result<()> {
        self.ended = true;
        self.append(&[])
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.looked_at && !bytes.is_empty() {
            self.looked_at = true;
            let container = container(bytes);
            if !matches!(container, Container::Text | Container::Empty | Container::Binary) {
                return Err(StageError::new(ErrorCode::WorkbookUnreadable, container.sentence()));
            }
        }
        let buffer = self.splitter.refill();
        let before = buffer.len();
        self.decoding.append(bytes, self.ended, buffer)?;
        self.lines.add(&buffer[before..]);
        Ok(())
    }

    pub(crate) fn next(&mut self) -> Result<Found> {
        loop {
            let next =
                if self.preamble > 0 { self.splitter.skip_line(self.ended) } else { self.splitter.next(self.ended) };
            return Ok(match next {
                Next::Record if self.preamble > 0 => {
                    self.preamble -= 1;
                    self.passed_over += 1;
                    continue;
                }
                Next::Record => Found::Row,
                Next::Blank => Found::Blank,
                Next::NeedMore => Found::Pending,
                Next::End => Found::End,
                Next::TooLong => {
                    let (line, most) = (self.splitter.line(), self.max_record);
                    let message = format!("line {line} is longer than {most} bytes: it is no line of this format");
                    return Err(StageError::new(ErrorCode::LimitExceeded, message));
                }
            });
        }
    }

    pub(crate) fn line(&self) -> u64 {
        self.splitter.line()
    }

    pub(crate) fn len(&self) -> usize {
        self.splitter.len()
    }

    /// How many lines of the file the record covers.
    pub(crate) fn lines(&self) -> u64 {
        self.splitter.lines()
    }

    /// The lines of the file so far, counted without the splitter.
    pub(crate) fn physical_lines(&self) -> u64 {
        self.lines.count()
    }

    /// A cell of the record, not counted as evidence of the encoding.
    pub(crate) fn peek(&self, index: usize) -> Cell<'_> {
        self.decoded(index, |bytes| (self.decoding.peek(bytes), Shows::default())).0
    }

    /// A cell of the record, and what it shows of the file's encoding, not counted.
    pub(crate) fn read(&self, index: usize) -> (Cell<'_>, Shows) {
        self.decoded(index, |bytes| self.decoding.read(bytes))
    }

    fn decoded<'a>(
        &'a self,
        index: usize,
        decode: impl for<'b> Fn(&'b [u8]) -> (Decoded<'b>, Shows),
    ) -> (Cell<'a>, Shows) {
        let field = self.splitter.field(index);
        // ASCII is the same in each encoding, and evidence of none.
        if let Cow::Borrowed(bytes) = field
            && bytes.is_ascii()
            && let Ok(text) = std::str::from_utf8(bytes)
        {
            return (Cell::Text(Cow::Borrowed(text)), Shows::default());
        }
        let (text, shows) = match field {
            Cow::Borrowed(bytes) => decode(bytes),
            Cow::Owned(ref bytes) => {
                let (text, shows) = decode(bytes);
                (text.map(|text| Cow::Owned(text.into_owned())), shows)
            }
        };
        let cell = match text {
            Ok(text) => Cell::Text(text),
            Err(Problem::DoubleEncoding) => Cell::DoubleEncoded(self.decoding.shown(&field)),
            Err(_) => Cell::Undecodable(self.decoding.shown(&field)),
        };
        (cell, shows)
    }

    /// Counts what a cell shows of the file's encoding.
    pub(crate) fn count(&self, shows: Shows) {
        self.decoding.count(shows);
    }

    /// How many cells look encoded twice, and how many show the contrary.
    pub(crate) fn double_encoding(&self) -> (u64, u64) {
        self.decoding.double_encoding()
    }

    /// How many cells look as if they were in another single-byte encoding, and how many show the contrary.
    pub(crate) fn foreign_encoding(&self) -> (u64, u64) {
        self.decoding.foreign_encoding()
    }

    /// A cell's bytes, not decoded.
    pub(crate) fn bytes(&self, index: usize) -> Cow<'_, [u8]> {
        self.splitter.field(index)
    }

    /// The record as it stands in the file.
    pub(crate) fn raw(&self) -> String {
        self.decoding.shown(self.splitter.raw())
    }

    /// What is wrong with the record's quotes.
    pub(crate) fn fault(&self) -> Option<&Problem> {
        self.splitter.fault()
    }

    pub(crate) fn encoding(&self) -> &'static str {
        self.encoding
    }
}

/// Counts lines as bytes arrive, for a check on what the splitter makes of them: `\n`, `\r\n` and `\r` end one each, and the
/// file's end another if a byte is left.
#[derive(Debug, Default)]
struct LineCount {
    ends: u64,
    last: Option<u8>,
}

impl LineCount {
    fn add(&mut self, bytes: &[u8]) {
        let Some(&last) = bytes.last() else { return };
        let pairs = memchr_iter(b'\r', bytes).filter(|at| bytes.get(at + 1) == Some(&b'\n')).count()
            + usize::from(self.last == Some(b'\r') && bytes[0] == b'\n');
        let ends = memchr_iter(b'\n', bytes).count() + memchr_iter(b'\r', bytes).count();
        self.ends = self.ends + ends as u64 - pairs as u64;
        self.last = Some(last);
    }

    fn count(&self) -> u64 {
        self.ends + u64::from(self.last.is_some_and(|last| !matches!(last, b'\n' | b'\r')))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_whatever_ends_them_and_however_they_arrive() {
        for (text, lines) in
            [("", 0), ("a", 1), ("a\n", 1), ("a\r\nb\rc\n\nd", 5), ("\r\r\n\n\r", 4), ("\"a\nb\"\n", 2)]
        {
            for piece in [1, 2, 3, 100] {
                let mut count = LineCount::default();
                text.as_bytes().chunks(piece).for_each(|piece| count.add(piece));
                assert_eq!(count.count(), lines, "{text:?} in pieces of {piece}");
            }
        }
    }
}
