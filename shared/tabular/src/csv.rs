//! Delimited text as rows of cells.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use fonderie_contract::Csv;
use fonderie_core::{ErrorCode, Result, StageError};
use memchr::memchr_iter;

use crate::cell::Cell;
use crate::container::{Container, container};
use crate::decode::{Decoded, Decoding, Shows};
use crate::found::Found;
use crate::problem::Problem;
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
    marks: EndMarks,
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
            marks: EndMarks::default(),
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
            if !matches!(container, Container::Text | Container::Empty | Container::Blank | Container::Binary) {
                return Err(StageError::new(ErrorCode::WorkbookUnreadable, container.sentence()));
            }
        }
        let buffer = self.splitter.refill();
        let before = buffer.len();
        self.decoding.append(bytes, self.ended, buffer)?;
        self.lines.add(&buffer[before..]);
        self.marks.take_off(buffer, before, self.max_record);
        if self.ended { self.marks.end(buffer) } else { Ok(()) }
    }

    /// Lines of nothing but marks of the file's end: one or none.
    pub(crate) fn end_marks(&self) -> u64 {
        self.marks.lines
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

/// What stands at a file's end and is no record: the mark by which DOS ended a text (0x1A), and the NULs of a file whose space was
/// taken before it was written, with the end of their line if it has one. They are kept back until it is known whether something
/// follows.
#[derive(Debug, Default)]
struct EndMarks {
    /// Those at the end of what has arrived; as many as make a line too long stand for more.
    kept: Vec<u8>,
    /// The last byte before them.
    last: Option<u8>,
    lines: u64,
}

impl EndMarks {
    /// As many are shown of a line that ends with them: it is refused however many there are.
    const SHOWN: usize = 100;

    const fn is_mark(byte: u8) -> bool {
        matches!(byte, 0 | 0x1A)
    }

    /// Where the marks at the end of bytes begin.
    fn start(bytes: &[u8]) -> usize {
        let line_end = [&b"\r\n"[..], b"\n", b"\r"].into_iter().find(|end| bytes.ends_with(end)).map_or(0, <[u8]>::len);
        let marks = &bytes[..bytes.len() - line_end];
        let start = marks.iter().rposition(|byte| !Self::is_mark(*byte)).map_or(0, |at| at + 1);
        // a line end alone is no mark
        if start == marks.len() { bytes.len() } else { start }
    }

    /// Takes the marks off the end of what was added to the buffer from a position on, and puts those before it back if it has
    /// more than marks.
    fn take_off(&mut self, buffer: &mut Vec<u8>, from: usize, most: usize) {
        let only_marks = !self.kept.ends_with(b"\n") && !self.kept.ends_with(b"\r");
        if !(only_marks && buffer[from..].iter().all(|byte| Self::is_mark(*byte))) {
            buffer.splice(from..from, self.kept.drain(..));
        }
        let start = from + Self::start(&buffer[from..]);
        if start > from {
            self.last = Some(buffer[start - 1]);
        }
        let room = most.saturating_add(1).saturating_sub(self.kept.len());
        let marks = buffer.split_off(start);
        let ended = marks.last().is_some_and(|last| !Self::is_mark(*last));
        self.kept.extend(marks.into_iter().take(if ended { usize::MAX } else { room }));
    }

    /// At the file's end: marks on a line of their own are counted, others are part of the line that they stand on.
    ///
    /// # Errors
    /// `WorkbookUnreadable` for a file of nothing else.
    fn end(&mut self, buffer: &mut Vec<u8>) -> Result<()> {
        let kept = std::mem::take(&mut self.kept);
        match self.last {
            _ if kept.is_empty() => {}
            None => return Err(StageError::new(ErrorCode::WorkbookUnreadable, Container::Blank.sentence())),
            Some(b'\n' | b'\r') => self.lines = 1,
            Some(_) => buffer.extend(kept.into_iter().take(Self::SHOWN)),
        }
        Ok(())
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
    use proptest::prelude::*;

    use super::*;

    /// What is left of a file that arrives in pieces, and its lines of marks.
    fn without_marks(file: &[u8], piece: usize, most: usize) -> Result<(Vec<u8>, u64)> {
        let (mut marks, mut buffer) = (EndMarks::default(), Vec::new());
        for piece in file.chunks(piece) {
            let before = buffer.len();
            buffer.extend_from_slice(piece);
            marks.take_off(&mut buffer, before, most);
            assert!(marks.kept.len() <= most + 1 + piece.len());
        }
        marks.end(&mut buffer)?;
        Ok((buffer, marks.lines))
    }

    #[test]
    fn marks_at_the_end_are_kept_back_until_something_follows() {
        for (file, left, lines) in [
            (&b"a\n\x1a"[..], &b"a\n"[..], 1),
            (b"a\r\n\0\0\0\0", b"a\r\n", 1),
            (b"a\n\x1a\0\0\x1a", b"a\n", 1),
            (b"a\x1a", b"a\x1a", 0),
            (b"a\0\0", b"a\0\0", 0),
            (b"a\n\x1a\n", b"a\n", 1),
            (b"a\r\n\0\x1a\r\n", b"a\r\n", 1),
            (b"a\x1a\r\n", b"a\x1a\r\n", 0),
            (b"a\n\x1a\n\n", b"a\n\x1a\n\n", 0),
            (b"a\n\x1a\n\x1a", b"a\n\x1a\n", 1),
            (b"a\n\n", b"a\n\n", 0),
            (b"\n", b"\n", 0),
            (b"a\n\0\0b\n\0", b"a\n\0\0b\n", 1),
            (b"\0a\n", b"\0a\n", 0),
            (b"", b"", 0),
        ] {
            for piece in 1..9 {
                assert_eq!(without_marks(file, piece, 100).unwrap(), (left.to_vec(), lines), "{file:?} by {piece}");
            }
        }
        for file in [&b"\0"[..], &[0; 5_000], b"\x1a", b"\x1a\r\n"] {
            let error = without_marks(file, 7, 100).unwrap_err();
            assert!(error.message.contains("no text"), "{error}");
        }
        let (left, lines) = without_marks(&[b"a\n".as_slice(), &[0; 5_000]].concat(), 64, 100).unwrap();
        assert_eq!((left.as_slice(), lines), (&b"a\n"[..], 1));
    }

    proptest! {
        /// However a file arrives, nothing but a last line of marks is taken off.
        #[test]
        fn nothing_but_a_last_line_of_marks_is_taken_off(file in "[a\r\n\0\x1a]{0,12}", piece in 1_usize..13) {
            let line_end = ["\r\n", "\n", "\r"].into_iter().find(|end| file.ends_with(end)).unwrap_or_default();
            let line = &file[..file.len() - line_end.len()];
            let text = line.trim_end_matches(['\0', '\x1a']);
            let marked = text != line;
            match without_marks(file.as_bytes(), piece, 100) {
                Err(_) => prop_assert!(text.is_empty() && marked),
                Ok((left, 1)) => prop_assert!(left == text.as_bytes() && text.ends_with(['\n', '\r']) && marked),
                Ok((left, lines)) => {
                    prop_assert!(lines == 0 && left == file.as_bytes() && (!marked || !text.ends_with(['\n', '\r'])));
                }
            }
        }
    }

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
