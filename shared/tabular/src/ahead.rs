//! Where a quote leads that is open at the end of a line.

use memchr::{memchr, memchr2, memchr3};

use crate::line_end::line_end;

/// The reading of what follows a line that ends inside quotes.
///
/// It is at most once per byte, however many lines leave a quote open: at the start of a line, all readings that have not
/// ended are inside quotes, so they are one reading from there on.
#[derive(Debug)]
pub(crate) struct Ahead {
    /// The start of a line, inside quotes. So is the start of each line from here to `pos`.
    start: usize,
    /// What was read.
    pub(crate) pos: usize,
    state: State,
    /// The quote that is open, unless it was opened on a line before.
    opened: Option<usize>,
    pub(crate) outcome: Option<Outcome>,
}

#[derive(Debug)]
enum State {
    Quoted,
    FieldStart,
    Unquoted,
    /// After text that follows a closing quote: up to the line's end.
    Faulty,
}

/// How a record over several lines ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    /// The end of the bytes that show it.
    pub(crate) end: usize,
    /// Where the next line begins.
    pub(crate) next: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// At a line's end, quotes in order.
    Closed,
    /// With text after a closing quote.
    TextAfterQuote,
    /// With text after a quote that stands at the start of a field, on a later line than the one before it.
    Reopened,
    /// With the file, inside quotes.
    Unclosed,
}

impl Ahead {
    pub(crate) fn new(start: usize) -> Self {
        Self { start, pos: start, state: State::Quoted, opened: None, outcome: None }
    }

    /// Whether the reading passes the start of a line.
    pub(crate) fn knows(&self, start: usize) -> bool {
        start == self.start || (self.start..self.pos).contains(&start)
    }

    /// The same, after the buffer has lost its first bytes; `pos` is not among them.
    pub(crate) fn moved(self, by: usize) -> Self {
        let outcome = |outcome: Outcome| Outcome {
            end: outcome.end.saturating_sub(by),
            next: outcome.next.saturating_sub(by),
            ..outcome
        };
        Self {
            start: self.start.saturating_sub(by),
            pos: self.pos - by,
            // A line begins where the buffer does.
            opened: self.opened.and_then(|opened| opened.checked_sub(by)),
            outcome: self.outcome.map(outcome),
            ..self
        }
    }

    /// Reads on, up to the outcome or the buffer's end.
    pub(crate) fn advance(&mut self, buffer: &[u8], delimiter: u8, quote: u8, ended: bool) {
        while self.outcome.is_none() {
            match self.state {
                State::Quoted => {
                    let Some(offset) = memchr(quote, &buffer[self.pos..]) else {
                        self.pos = buffer.len();
                        if ended {
                            self.end(Kind::Unclosed, self.pos, self.pos);
                        }
                        return;
                    };
                    let found = self.pos + offset;
                    match buffer.get(found + 1) {
                        Some(&next) if next == quote => self.pos = found + 2,
                        Some(&next) if next == delimiter => (self.pos, self.state) = (found + 2, State::FieldStart),
                        Some(b'\n' | b'\r') => (self.pos, self.state) = (found + 1, State::Unquoted),
                        Some(_) if self.reopens(buffer, found, delimiter) => {
                            self.pos = found;
                            self.end(Kind::Reopened, found + 1, found + 1);
                        }
                        Some(_) => (self.pos, self.state) = (found + 1, State::Faulty),
                        None => {
                            self.pos = found;
                            if ended {
                                self.end(Kind::Closed, found + 1, found + 1);
                            }
                            return;
                        }
                    }
                }
                State::FieldStart => match buffer.get(self.pos) {
                    None if !ended => return,
                    Some(&next) if next == quote => {
                        self.opened = Some(self.pos);
                        (self.pos, self.state) = (self.pos + 1, State::Quoted);
                    }
                    _ => self.state = State::Unquoted,
                },
                State::Unquoted => {
                    let found = memchr3(delimiter, b'\n', b'\r', &buffer[self.pos..]);
                    let end = found.map_or(buffer.len(), |offset| self.pos + offset);
                    if buffer.get(end) == Some(&delimiter) {
                        (self.pos, self.state) = (end + 1, State::FieldStart);
                    } else if !self.end_line(buffer, Kind::Closed, ended) {
                        return;
                    }
                }
                State::Faulty => {
                    if !self.end_line(buffer, Kind::TextAfterQuote, ended) {
                        return;
                    }
                }
            }
        }
    }

    /// Reads to the line's end; whether it is there.
    fn end_line(&mut self, buffer: &[u8], kind: Kind, ended: bool) -> bool {
        match line_end(buffer, self.pos, ended) {
            Ok((end, next)) => {
                self.pos = end;
                self.end(kind, end, next);
                true
            }
            Err(pos) => {
                self.pos = pos;
                false
            }
        }
    }

    fn end(&mut self, kind: Kind, end: usize, next: usize) {
        self.outcome = Some(Outcome { kind, end, next });
    }

    /// Whether a quote that text follows stands at the start of a field, on a later line than the one before it.
    fn reopens(&self, buffer: &[u8], quote: usize, delimiter: u8) -> bool {
        let at_field_start = quote
            .checked_sub(1)
            .is_none_or(|before| matches!(buffer[before], b'\n' | b'\r') || buffer[before] == delimiter);
        at_field_start && self.opened.is_none_or(|opened| memchr2(b'\n', b'\r', &buffer[opened..quote]).is_some())
    }
}
