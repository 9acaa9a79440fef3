//! Bytes to records, each with the line on which it begins.
//!
//! Works on the raw bytes of any encoding in which ASCII bytes mean ASCII (UTF-8 and the single-byte ones), so that only
//! cells that are not ASCII need decoding. Accepts `\n`, `\r\n` and `\r` as line ends, mixed; a quote counts as one only at
//! the beginning of a field. A quote that is never closed must not swallow the rows after it: the line on which it
//! was opened becomes a faulty record, and reading goes on with the next line.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2_iter, memchr3};

/// What is wrong with the shape of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A quoted field does not end before the file does, or before the limit on records.
    UnclosedQuote,
    /// Characters stand between a closing quote and the next delimiter.
    TextAfterQuote,
}

/// The next thing in the buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A record: see [`Splitter::fields`] and its siblings.
    Record,
    /// A line without a character.
    Blank,
    /// The buffer ends before the record does: feed more, or say that the file has ended.
    NeedMore,
    /// A record without a line end is longer than the limit.
    TooLong,
    /// The file has ended.
    End,
}

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
    buffer: Vec<u8>,
    /// Where the next record begins.
    at: usize,
    /// The line on which it begins, from 1.
    next_line: u64,
    fields: Vec<Field>,
    record: Range<usize>,
    line: u64,
    fault: Option<Fault>,
}

impl Splitter {
    /// A splitter for records of at most `max_record` bytes.
    pub fn new(delimiter: u8, quote: Option<u8>, max_record: usize) -> Self {
        Self {
            delimiter,
            quote,
            max_record,
            buffer: Vec::new(),
            at: 0,
            next_line: 1,
            fields: Vec::new(),
            record: 0..0,
            line: 1,
            fault: None,
        }
    }

    /// The buffer to append the next bytes to; what was read before is dropped first.
    pub fn refill(&mut self) -> &mut Vec<u8> {
        self.buffer.drain(..self.at);
        self.at = 0;
        &mut self.buffer
    }

    /// Moves on to the next record. With `ended`, the buffer's end is the file's.
    pub fn next(&mut self, ended: bool) -> Next {
        if self.at == self.buffer.len() {
            return if ended { Next::End } else { Next::NeedMore };
        }
        self.line = self.next_line;
        self.fault = None;
        self.fields.clear();
        match self.scan(ended) {
            Scan::Record { end, next, breaks } => {
                self.record = self.at..end;
                self.at = next;
                self.next_line += breaks;
                if self.record.is_empty() { Next::Blank } else { Next::Record }
            }
            Scan::NeedMore { quoted } => {
                if self.buffer.len() - self.at <= self.max_record {
                    Next::NeedMore
                } else if quoted {
                    self.give_up_on_quote(false)
                } else {
                    Next::TooLong
                }
            }
            Scan::Unclosed => self.give_up_on_quote(true),
        }
    }

    /// Passes over one line, quotes and delimiters disregarded.
    pub fn skip_line(&mut self, ended: bool) -> Next {
        match self.line_end(self.at, ended) {
            Some((_, next)) => {
                self.at = next;
                self.next_line += 1;
                Next::Record
            }
            None if ended => Next::End,
            None if self.buffer.len() - self.at > self.max_record => Next::TooLong,
            None => Next::NeedMore,
        }
    }

    /// How many fields the record has.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether the record has no fields, as one with an unclosed quote.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// A field's bytes, quotes taken off.
    pub fn field(&self, index: usize) -> Cow<'_, [u8]> {
        let Field { start, end, escaped } = self.fields[index];
        let bytes = &self.buffer[start..end];
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

    /// What is wrong with its shape.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    fn scan(&mut self, ended: bool) -> Scan {
        let mut at = self.at;
        let mut breaks = 1;
        loop {
            let mut field = Field { start: at, end: at, escaped: false };
            // The end of a well-formed quoted field; others end at the next delimiter or line end.
            let mut closed = None;
            let mut search_from = at;
            if self.quote.is_some() && self.buffer.get(at) == self.quote.as_ref() {
                let Some(closing) = self.closing_quote(at + 1, &mut field.escaped) else {
                    return if ended { Scan::Unclosed } else { Scan::NeedMore { quoted: true } };
                };
                breaks += line_breaks(&self.buffer[at + 1..closing]);
                search_from = closing + 1;
                match self.buffer.get(search_from) {
                    None if !ended => return Scan::NeedMore { quoted: true },
                    Some(&next) if next != self.delimiter && next != b'\r' && next != b'\n' => {
                        self.fault = Some(Fault::TextAfterQuote);
                        field.escaped = false;
                    }
                    _ => {
                        field.start = at + 1;
                        closed = Some(closing);
                    }
                }
            }
            let found = memchr3(self.delimiter, b'\n', b'\r', &self.buffer[search_from..]);
            if found.is_none() && !ended {
                return Scan::NeedMore { quoted: false };
            }
            let end = found.map_or(self.buffer.len(), |offset| search_from + offset);
            field.end = closed.unwrap_or(end);
            self.fields.push(field);
            if end == self.buffer.len() {
                return Scan::Record { end, next: end, breaks };
            }
            if self.buffer[end] == self.delimiter {
                at = end + 1;
                continue;
            }
            return match self.after_line_end(end, ended) {
                Some(next) => Scan::Record { end, next, breaks },
                None => Scan::NeedMore { quoted: false },
            };
        }
    }

    /// The closing quote of a field whose text begins at `from`, doubled quotes passed over.
    fn closing_quote(&self, from: usize, escaped: &mut bool) -> Option<usize> {
        let quote = self.quote?;
        let mut from = from;
        loop {
            let at = from + memchr(quote, self.buffer.get(from..)?)?;
            if self.buffer.get(at + 1) != Some(&quote) {
                return Some(at);
            }
            *escaped = true;
            from = at + 2;
        }
    }

    /// Makes a faulty record of the line on which the record begins.
    fn give_up_on_quote(&mut self, ended: bool) -> Next {
        self.fields.clear();
        self.fault = Some(Fault::UnclosedQuote);
        let whole = self.buffer.len();
        match self.line_end(self.at, ended) {
            Some((end, next)) => {
                self.record = self.at..end;
                self.at = next;
            }
            None if ended => {
                self.record = self.at..whole;
                self.at = whole;
            }
            None => return Next::TooLong,
        }
        self.next_line += 1;
        Next::Record
    }

    /// The end of the line that begins at `from`, and where the next line begins.
    fn line_end(&self, from: usize, ended: bool) -> Option<(usize, usize)> {
        let end = from + memchr2_iter(b'\n', b'\r', &self.buffer[from..]).next()?;
        Some((end, self.after_line_end(end, ended)?))
    }

    /// Where the next line begins; `None` after a `\r` at the buffer's end, which a `\n` may yet follow.
    fn after_line_end(&self, end: usize, ended: bool) -> Option<usize> {
        if self.buffer[end] == b'\n' {
            return Some(end + 1);
        }
        match self.buffer.get(end + 1) {
            Some(b'\n') => Some(end + 2),
            None if !ended => None,
            _ => Some(end + 1),
        }
    }
}

enum Scan {
    Record { end: usize, next: usize, breaks: u64 },
    NeedMore { quoted: bool },
    Unclosed,
}

/// Line ends inside a quoted field; `\r\n` is one.
fn line_breaks(bytes: &[u8]) -> u64 {
    memchr2_iter(b'\n', b'\r', bytes).filter(|&at| bytes[at] == b'\r' || at == 0 || bytes[at - 1] != b'\r').count()
        as u64
}

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
                        Some(Fault::UnclosedQuote) => format!("!{}", String::from_utf8_lossy(splitter.raw())),
                        Some(Fault::TextAfterQuote) => format!("!{}", fields.join("|")),
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
        check("\"a\"b;c\nd;e\n", &["1: !\"a\"b|c", "2: d|e"]);
        check("\"a\"\"x\" ;c\n", &["1: !\"a\"\"x\" |c"]);
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
