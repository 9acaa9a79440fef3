//! Bytes to records, each with the lines that it covers.
//!
//! Works on the raw bytes of any encoding in which ASCII bytes mean ASCII (UTF-8 and the single-byte ones), so that only
//! cells that are not ASCII need decoding. Accepts `\n`, `\r\n` and `\r` as line ends, mixed; a quote counts as one only at
//! the beginning of a field.
//!
//! A stray quote must neither swallow the lines after it nor melt them into one record:
//!
//! - A quote that is still open at the end of the file or at the limit on records, or whose next one is on a later line, at
//!   the start of a field and followed by text: the line on which the record begins is faulty. The next line is read anew.
//! - Text after a closing quote, and a record over several lines that has a wrong number of fields or whose first and last
//!   line are complete by themselves: each of its lines is a faulty record. Reading resumes after the last of them.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};

use memchr::{memchr, memchr_iter, memchr2, memchr2_iter, memchr3, memrchr2};

use crate::ahead::{Ahead, Kind};
use crate::line_end::{after_line_end, line_end};
use crate::problem::Problem;

/// The next thing in the buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A record, or a faulty line: see [`Splitter::fault`] and [`Splitter::field`].
    Record,
    /// A line without a character.
    Blank,
    /// The buffer ends before the record does: more bytes are needed, or the end of the file.
    NeedMore,
    /// A line is longer than the limit.
    TooLong,
    /// The file has ended.
    End,
}

/// A field's place, counted from the start of its record.
#[derive(Clone, Copy, Debug)]
struct Field {
    start: usize,
    end: usize,
    /// Contains doubled quotes.
    escaped: bool,
}

/// Splits a stream of bytes into records.
#[derive(Debug)]
pub struct Splitter {
    delimiter: u8,
    quote: Option<u8>,
    max_record: usize,
    /// Whether records may cover several lines; by the rules if `None`.
    multiline: Option<bool>,
    /// How many fields a record may have.
    width: Option<RangeInclusive<usize>>,
    buffer: Vec<u8>,
    /// Where the next record begins.
    at: usize,
    /// The line on which it begins, from 1.
    next_line: u64,
    /// Where in it to resume after [`Next::NeedMore`]: the fields before are kept.
    resume: usize,
    /// Where the quote leads that is open at the end of a line.
    ahead: Option<Ahead>,
    /// Each line up to a position is faulty.
    refused: Option<(usize, Problem)>,
    fields: Vec<Field>,
    record: Range<usize>,
    line: u64,
    lines: u64,
    fault: Option<Problem>,
}

impl Splitter {
    /// A splitter for records of at most `max_record` bytes.
    pub fn new(delimiter: u8, quote: Option<u8>, max_record: usize) -> Self {
        Self {
            delimiter,
            quote,
            max_record,
            multiline: None,
            width: None,
            buffer: Vec::new(),
            at: 0,
            next_line: 1,
            resume: 0,
            ahead: None,
            refused: None,
            fields: Vec::new(),
            record: 0..0,
            line: 1,
            lines: 1,
            fault: None,
        }
    }

    /// Declares whether a record may cover several lines: each well-formed one does (`true`), none does (`false`, the header
    /// excepted), or one does if its first and last line are not both complete by themselves (`None`, the default).
    #[must_use]
    pub fn multiline(mut self, multiline: Option<bool>) -> Self {
        self.multiline = multiline;
        self
    }

    /// Sets how many fields a record may have. Those beyond the smallest number must be blank. Before, only quotes make a
    /// record faulty.
    pub fn set_width(&mut self, width: RangeInclusive<usize>) {
        self.width = Some(width);
    }

    /// The buffer to append the next bytes to. What was read before may be dropped.
    pub fn refill(&mut self) -> &mut Vec<u8> {
        // The rest is moved only if it is the smaller part: many short pieces cost as much as few long ones.
        if self.at >= self.buffer.len() - self.at {
            self.buffer.drain(..self.at);
            let at = std::mem::take(&mut self.at);
            self.ahead = self.ahead.take().filter(|ahead| ahead.pos >= at).map(|ahead| ahead.moved(at));
            if let Some((until, _)) = &mut self.refused {
                *until = until.saturating_sub(at);
            }
            self.record = 0..0;
        }
        &mut self.buffer
    }

    /// Moves on to the next record. With `ended`, the buffer's end is the file's.
    pub fn next(&mut self, ended: bool) -> Next {
        if self.at == self.buffer.len() {
            return if ended { Next::End } else { Next::NeedMore };
        }
        self.line = self.next_line;
        self.fault = None;
        if self.resume == 0 {
            self.fields.clear();
        }
        if self.refused.is_some() {
            return self.refused_line();
        }
        if self.resume == 0
            && let Some(next) = self.plain_line()
        {
            return next;
        }
        match self.scan_line(ended) {
            Line::NeedMore { pos } if pos <= self.max_record => Next::NeedMore,
            Line::Record { end, next } if end <= self.max_record => {
                self.give(end, next, 1);
                if end == 0 { Next::Blank } else { Next::Record }
            }
            Line::Faulty { end, next } if end <= self.max_record => {
                self.give_faulty(end, next, Problem::TextAfterQuote)
            }
            Line::Open { end, next } if end <= self.max_record => self.over_lines(end, next, ended),
            _ => Next::TooLong,
        }
    }

    /// Passes over one line, quotes and delimiters disregarded.
    pub fn skip_line(&mut self, ended: bool) -> Next {
        self.line = self.next_line;
        self.resume = 0;
        let bytes = &self.buffer[self.at..];
        match memchr2(b'\n', b'\r', bytes) {
            Some(end) if end > self.max_record => Next::TooLong,
            Some(end) => match after_line_end(bytes, end, ended) {
                Some(next) => {
                    self.give(end, next, 1);
                    Next::Record
                }
                None => Next::NeedMore,
            },
            None if bytes.len() > self.max_record => Next::TooLong,
            None if ended => Next::End,
            None => Next::NeedMore,
        }
    }

    /// How many fields the record has.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether the record has no fields, as a faulty one.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// A field's bytes, quotes taken off.
    pub fn field(&self, index: usize) -> Cow<'_, [u8]> {
        let Field { start, end, escaped } = self.fields[index];
        let bytes = &self.raw()[start..end];
        match self.quote {
            Some(quote) if escaped => {
                let mut plain = Vec::with_capacity(bytes.len());
                let mut rest = bytes;
                while let Some(at) = memchr(quote, rest) {
                    plain.extend_from_slice(&rest[..=at]);
                    rest = &rest[at + 2..];
                }
                plain.extend_from_slice(rest);
                Cow::Owned(plain)
            }
            _ => Cow::Borrowed(bytes),
        }
    }

    /// The record as it stands in the file, without its line end.
    pub fn raw(&self) -> &[u8] {
        &self.buffer[self.record.clone()]
    }

    /// The line on which the record begins, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// How many lines of the file the record covers.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// What is wrong with its quotes. A faulty record is one line and has no fields.
    pub fn fault(&self) -> Option<&Problem> {
        self.fault.as_ref()
    }

    /// The common case: a whole line without a quote. `None` if it is anything else.
    fn plain_line(&mut self) -> Option<Next> {
        let bytes = &self.buffer[self.at..];
        let end = memchr2(b'\n', b'\r', bytes).filter(|end| *end <= self.max_record)?;
        let next = after_line_end(bytes, end, false)?;
        let line = &bytes[..end];
        if self.quote.is_some_and(|quote| memchr(quote, line).is_some()) {
            return None;
        }
        let mut start = 0;
        each_place(self.delimiter, line, |at| {
            self.fields.push(Field { start, end: at, escaped: false });
            start = at + 1;
        });
        self.fields.push(Field { start, end, escaped: false });
        self.give(end, next, 1);
        Some(if end == 0 { Next::Blank } else { Next::Record })
    }

    /// Reads the fields of the record's first line: all of them, unless the line ends inside quotes.
    fn scan_line(&mut self, ended: bool) -> Line {
        let bytes = &self.buffer[self.at..];
        let mut at = self.resume;
        loop {
            self.resume = at;
            let mut field = Field { start: at, end: at, escaped: false };
            // The end of a quoted field; others end at the next delimiter or line end.
            let mut closed = None;
            let mut from = at;
            if let Some(quote) = self.quote
                && bytes.get(at) == Some(&quote)
            {
                let mut search = at + 1;
                let closing = loop {
                    let Some(offset) = memchr3(quote, b'\n', b'\r', &bytes[search..]) else {
                        let end = bytes.len();
                        return if ended { Line::Open { end, next: end } } else { Line::NeedMore { pos: end } };
                    };
                    let found = search + offset;
                    if bytes[found] != quote {
                        return match after_line_end(bytes, found, ended) {
                            Some(next) => Line::Open { end: found, next },
                            None => Line::NeedMore { pos: found },
                        };
                    }
                    if bytes.get(found + 1) != Some(&quote) {
                        break found;
                    }
                    field.escaped = true;
                    search = found + 2;
                };
                match bytes.get(closing + 1) {
                    None if !ended => return Line::NeedMore { pos: closing },
                    Some(&next) if next != self.delimiter && next != b'\r' && next != b'\n' => {
                        return match line_end(bytes, closing + 1, ended) {
                            Ok((end, next)) => Line::Faulty { end, next },
                            Err(pos) => Line::NeedMore { pos },
                        };
                    }
                    _ => {
                        field.start = at + 1;
                        from = closing + 1;
                        closed = Some(closing);
                    }
                }
            }
            let found = memchr3(self.delimiter, b'\n', b'\r', &bytes[from..]);
            if found.is_none() && !ended {
                return Line::NeedMore { pos: bytes.len() };
            }
            let end = found.map_or(bytes.len(), |offset| from + offset);
            if bytes.get(end) != Some(&self.delimiter) {
                let Some(next) = after_line_end(bytes, end, ended) else { return Line::NeedMore { pos: end } };
                field.end = closed.unwrap_or(end);
                self.fields.push(field);
                return Line::Record { end, next };
            }
            field.end = closed.unwrap_or(end);
            self.fields.push(field);
            at = end + 1;
        }
    }

    /// Decides about a record whose first line ends inside quotes: where that line ends, and where the next one begins.
    fn over_lines(&mut self, end: usize, next: usize, ended: bool) -> Next {
        let Some(quote) = self.quote else { return Next::End };
        let start = self.at + next;
        let mut ahead = self.ahead.take().filter(|ahead| ahead.knows(start)).unwrap_or_else(|| Ahead::new(start));
        ahead.advance(&self.buffer, self.delimiter, quote, ended);
        let (pos, outcome) = (ahead.pos, ahead.outcome);
        self.ahead = Some(ahead);
        let most = self.at + self.max_record;
        match outcome {
            None if pos <= most => Next::NeedMore,
            Some(outcome) if outcome.end <= most => match outcome.kind {
                Kind::Unclosed => self.give_faulty(end, next, Problem::UnclosedQuote),
                Kind::Reopened => self.give_faulty(end, next, Problem::ReopenedQuote),
                Kind::TextAfterQuote => self.refuse(outcome.next, Problem::TextAfterQuote),
                Kind::Closed => self.whole_record(quote, outcome.end - self.at, outcome.next - self.at),
            },
            _ => self.give_faulty(end, next, Problem::UnclosedQuote),
        }
    }

    /// Gives out a record over several lines whose quotes are in order, or refuses its lines.
    fn whole_record(&mut self, quote: u8, end: usize, next: usize) -> Next {
        let bytes = &self.buffer[self.at..self.at + end];
        let mut at = self.resume;
        loop {
            let mut field = Field { start: at, end, escaped: false };
            let mut from = at;
            if bytes.get(at) == Some(&quote) {
                field.start = at + 1;
                from = at + 1;
                while let Some(offset) = memchr(quote, &bytes[from..]) {
                    field.end = from + offset;
                    from = field.end + 1;
                    if bytes.get(from) != Some(&quote) {
                        break;
                    }
                    field.escaped = true;
                    from += 1;
                }
            }
            let delimiter = memchr(self.delimiter, &bytes[from..]).map(|offset| from + offset);
            if from == at {
                field.end = delimiter.unwrap_or(end);
            }
            self.fields.push(field);
            match delimiter {
                Some(delimiter) => at = delimiter + 1,
                None => break,
            }
        }
        let lines = 1 + line_breaks(bytes);
        self.give_range(end);
        match self.shape(lines) {
            Some(problem) => self.refuse(self.at + next, problem),
            None => {
                self.give(end, next, lines);
                Next::Record
            }
        }
    }

    /// What is wrong with the shape of the record, one over several lines.
    fn shape(&self, lines: u64) -> Option<Problem> {
        let width = self.width.as_ref()?;
        let (found, expected) = (self.len(), *width.start());
        if self.multiline == Some(false) {
            return Some(Problem::SeveralLines);
        }
        if found < expected {
            return Some(Problem::ShortRecord { found, expected });
        }
        if found > *width.end() || (expected..found).any(|at| !self.field(at).trim_ascii().is_empty()) {
            return Some(Problem::LongRecord { found, expected });
        }
        if self.multiline == Some(true) {
            return None;
        }
        let raw = self.raw();
        let first = memchr2(b'\n', b'\r', raw).map_or(raw, |end| &raw[..end]);
        let last = memrchr2(b'\n', b'\r', raw).map_or(raw, |end| &raw[end + 1..]);
        let complete = |line| memchr_iter(self.delimiter, line).count() + 1 >= expected;
        (complete(first) && complete(last)).then_some(Problem::MeltedLines { lines })
    }

    fn give_range(&mut self, end: usize) {
        self.record = self.at..self.at + end;
    }

    /// Makes a range the record and moves on.
    fn give(&mut self, end: usize, next: usize, lines: u64) {
        self.give_range(end);
        self.at += next;
        self.resume = 0;
        self.lines = lines;
        self.next_line += lines;
    }

    /// Makes one line a faulty record.
    fn give_faulty(&mut self, end: usize, next: usize, problem: Problem) -> Next {
        self.fields.clear();
        self.fault = Some(problem);
        self.give(end, next, 1);
        Next::Record
    }

    /// Makes each line up to a position a faulty record.
    fn refuse(&mut self, until: usize, problem: Problem) -> Next {
        self.refused = Some((until, problem));
        self.refused_line()
    }

    fn refused_line(&mut self) -> Next {
        let Some((until, problem)) = self.refused.take() else { return Next::End };
        let bytes = &self.buffer[self.at..until];
        let (end, next) = line_end(bytes, 0, true).unwrap_or((bytes.len(), bytes.len()));
        if self.at + next < until {
            self.refused = Some((until, problem.clone()));
        }
        self.give_faulty(end, next, problem)
    }
}

/// Calls for each place of a byte, in order; eight bytes at a time, since fields are shorter than what a search costs to set up.
fn each_place(byte: u8, bytes: &[u8], mut found: impl FnMut(usize)) {
    const LOW: u64 = u64::from_ne_bytes([0x7F; 8]);
    let pattern = u64::from_ne_bytes([byte; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let differs = u64::from_le_bytes(*word) ^ pattern;
        // The high bit of each byte that is zero; no carry leaves a byte.
        let mut same = !(((differs & LOW) + LOW) | differs | LOW);
        while same != 0 {
            found(index * 8 + same.trailing_zeros() as usize / 8);
            same &= same - 1;
        }
    }
    for (index, _) in rest.iter().enumerate().filter(|(_, found)| **found == byte) {
        found(words.len() * 8 + index);
    }
}

/// What the first line of a record is; places are counted from its start.
enum Line {
    Record {
        end: usize,
        next: usize,
    },
    /// Text after a closing quote.
    Faulty {
        end: usize,
        next: usize,
    },
    /// A quote is open at the line's end.
    Open {
        end: usize,
        next: usize,
    },
    /// The line has no end up to here.
    NeedMore {
        pos: usize,
    },
}

/// Line ends inside bytes; `\r\n` is one.
fn line_breaks(bytes: &[u8]) -> u64 {
    memchr2_iter(b'\n', b'\r', bytes).filter(|&at| bytes[at] == b'\r' || at == 0 || bytes[at - 1] != b'\r').count()
        as u64
}

#[cfg(test)]
mod quote_rule;

#[cfg(test)]
mod tests {
    use super::*;

    /// Each record as `line: field|field`, `!` before faulty ones, fed in pieces of a size.
    fn split(text: &str, piece: usize) -> Vec<String> {
        let mut splitter = Splitter::new(b';', Some(b'"'), 64);
        let mut pieces = text.as_bytes().chunks(piece);
        let mut ended = false;
        let mut out = Vec::new();
        loop {
            match splitter.next(ended) {
                Next::Record => {
                    let field = |i| String::from_utf8(splitter.field(i).into_owned()).unwrap();
                    let fields: Vec<String> = (0..splitter.len()).map(field).collect();
                    let text = match splitter.fault() {
                        Some(_) => format!("!{}", String::from_utf8_lossy(splitter.raw())),
                        None => fields.join("|"),
                    };
                    out.push(format!("{}: {text}", splitter.line()));
                }
                Next::Blank => out.push(format!("{}: blank", splitter.line())),
                Next::TooLong => {
                    out.push("too long".to_owned());
                    return out;
                }
                Next::NeedMore => match pieces.next() {
                    Some(piece) => splitter.refill().extend_from_slice(piece),
                    None => ended = true,
                },
                Next::End => return out,
            }
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        for piece in [1, 2, 3, 7, 1000] {
            assert_eq!(split(text, piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn line_ends_of_every_kind_and_their_lines() {
        check("a;b\nc;d\r\ne;f\rg;h", &["1: a|b", "2: c|d", "3: e|f", "4: g|h"]);
        check("a\n\r\n\rb\n", &["1: a", "2: blank", "3: blank", "4: b"]);
        check(";;\n", &["1: ||"]);
        check("", &[]);
    }

    #[test]
    fn quoted_fields_hold_delimiters_quotes_and_line_ends() {
        check("\"a;b\";\"c\"\"d\";\"\"\n", &["1: a;b|c\"d|"]);
        check("\"a\r\nb\nc\";x\r\ny;z\n", &["1: a\r\nb\nc|x", "4: y|z"]);
        check("a;\"b\"", &["1: a|b"]);
        check("a\"b;c\"\n", &["1: a\"b|c\""]);
    }

    #[test]
    fn text_after_a_quote_is_a_fault_and_shortens_nothing() {
        check("\"a\"b;c\nd;e\n", &["1: !\"a\"b;c", "2: d|e"]);
        check("\"a\"\"x\" ;c\n", &["1: !\"a\"\"x\" ;c"]);
    }

    #[test]
    fn an_unclosed_quote_costs_its_line_alone() {
        check("a;b\n\"c;d\ne;f\n", &["1: a|b", "2: !\"c;d", "3: e|f"]);
        let far = format!("\"c;d\n{}", "e;f\n".repeat(30));
        let found = split(&far, 5);
        assert_eq!((found.len(), found[0].as_str(), found[30].as_str()), (31, "1: !\"c;d", "31: e|f"));
    }

    #[test]
    fn a_record_without_end_is_stopped_at_the_limit() {
        assert_eq!(split(&format!("a\n{}", "x".repeat(100)), 10), ["1: a", "too long"]);
    }
}
