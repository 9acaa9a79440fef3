//! Delimited text as rows of cells.

use std::borrow::Cow;

use fonderie_contract::Csv;
use fonderie_core::{ErrorCode, Result, StageError};

use crate::cell::Cell;
use crate::decode::Decoding;
use crate::rows::Found;
use crate::split::{Fault, Next, Splitter};

/// Delimited text at work.
pub(crate) struct CsvInput {
    decoding: Decoding,
    splitter: Splitter,
    encoding: &'static str,
    pub(crate) trailing_delimiters: bool,
    max_record: usize,
    preamble: u64,
    ended: bool,
}

impl CsvInput {
    pub(crate) fn new(csv: &Csv, header_line: u64, max_record: usize) -> Self {
        Self {
            decoding: Decoding::new(csv.encoding),
            splitter: Splitter::new(csv.delimiter, csv.quote, max_record),
            encoding: csv.encoding.name(),
            trailing_delimiters: csv.trailing_delimiters,
            max_record,
            preamble: header_line - 1,
            ended: false,
        }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        self.decoding.append(bytes, false, self.splitter.refill())
    }

    pub(crate) fn end(&mut self) -> Result<()> {
        self.ended = true;
        self.decoding.append(&[], true, self.splitter.refill())
    }

    pub(crate) fn next(&mut self) -> Result<Found> {
        loop {
            let next =
                if self.preamble > 0 { self.splitter.skip_line(self.ended) } else { self.splitter.next(self.ended) };
            return Ok(match next {
                Next::Record if self.preamble > 0 => {
                    self.preamble -= 1;
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

    pub(crate) fn cell(&self, index: usize) -> Cell<'_> {
        let text = match self.splitter.field(index) {
            Cow::Borrowed(bytes) => self.decoding.cell(bytes),
            Cow::Owned(bytes) => self.decoding.cell(&bytes).map(|text| Cow::Owned(text.into_owned())),
        };
        match text {
            Some(text) => Cell::Text(text),
            None => Cell::Undecodable(self.decoding.shown(&self.splitter.field(index))),
        }
    }

    /// A cell's bytes, not decoded.
    pub(crate) fn bytes(&self, index: usize) -> Cow<'_, [u8]> {
        self.splitter.field(index)
    }

    /// The record as it stands in the file.
    pub(crate) fn raw(&self) -> String {
        self.decoding.shown(self.splitter.raw())
    }

    /// What is wrong with the record's shape: rule and sentence.
    pub(crate) fn fault(&self) -> Option<(&'static str, &'static str)> {
        self.splitter.fault().map(|fault| match fault {
            Fault::UnclosedQuote => ("guillemets", "Un guillemet ouvert n'est jamais refermé."),
            Fault::TextAfterQuote => ("guillemets", "Du texte suit un guillemet fermant."),
        })
    }

    pub(crate) fn encoding(&self) -> &'static str {
        self.encoding
    }
}
