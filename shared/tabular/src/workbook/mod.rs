//! A workbook as rows of cells.
//!
//! The format's directory stands at the file's end, so its bytes are gathered first, up to a limit. Its rows are then read
//! one after another by a thread that stays a few blocks ahead: memory follows the compressed file and its table of shared
//! texts, not the number of cells, and every part of it is bounded in bytes (see `archive` and `xml`).
//!
//! The parts are read here, event by event with `quick-xml`, not by a library for spreadsheets: a cell's value, its number
//! format and whether it is a formula without a value come from one pass, shared texts are not copied per cell, and nothing
//! is reserved or kept by what a part declares.

mod archive;
mod block;
mod book;
mod choice;
mod error;
mod number_format;
mod output;
mod serial;
mod sheet;
mod styles;
mod texts;
mod xml;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use fonderie_contract::Workbook;
use fonderie_core::{ErrorCode, Result, StageError};

use self::archive::Archive;
use self::block::Block;
use self::book::Book;
use self::choice::choose;
use self::error::{Fault, too_large, unreadable};
pub(crate) use self::output::Merge;
use self::output::{Message, Output};
use self::serial::Epoch;
use self::sheet::{Context, Sheet};
use self::styles::Styles;
use self::texts::Texts;
use crate::cell::Cell;
use crate::found::Found;
use crate::limits::Limits;
use crate::visible::visible;

/// How many blocks of rows may wait.
const WAITING: usize = 4;

/// The most bytes of a row as one text, and the most columns between two of its cells that are shown one by one: what a few bytes of
/// a sheet make long is not written out for each of its rows.
const MOST_RAW: usize = 8 << 10;
const MOST_GAP: usize = 100;

/// A workbook at work.
pub(crate) struct WorkbookInput {
    format: Workbook,
    limits: Limits,
    bytes: Vec<u8>,
    messages: Option<Receiver<Result<Message>>>,
    sheet: (String, usize),
    block: Block,
    /// The row at hand in the block, and the one after it.
    row: usize,
    next_row: usize,
    /// What is merged in the sheet whose rows have come.
    merges: Vec<Merge>,
    ended: bool,
    recalculates: bool,
    counts_from_1904: bool,
    rows_read: u64,
}

impl WorkbookInput {
    pub(crate) fn new(format: &Workbook, limits: &Limits) -> Self {
        Self {
            format: format.clone(),
            limits: *limits,
            bytes: Vec::new(),
            messages: None,
            sheet: (String::new(), 0),
            block: Block::new(Arc::new(Texts::default())),
            row: 0,
            next_row: 0,
            merges: Vec::new(),
            ended: false,
            recalculates: false,
            counts_from_1904: false,
            rows_read: 0,
        }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        let most = self.limits.max_workbook;
        if self.bytes.len() + bytes.len() > most {
            return Err(too_large(&format!("has more than {} MiB", most >> 20)));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn end(&mut self) -> Result<()> {
        // What is no workbook is refused here; what is wrong inside of one, by the thread.
        let archive = Archive::open(std::mem::take(&mut self.bytes), &self.limits)?;
        let (sender, messages) = sync_channel(WAITING);
        let (format, limits) = (self.format.clone(), self.limits);
        let work = move || {
            if let Err(error) = read(archive, &format, &limits, &sender) {
                // A receiver that is gone wants no more rows, nor an error.
                let _ = sender.send(Err(error));
            }
        };
        std::thread::Builder::new().name("workbook".into()).spawn(work).map_err(|error| {
            StageError::new(ErrorCode::Internal, "no thread could be started to read the workbook").caused_by(error)
        })?;
        self.messages = Some(messages);
        Ok(())
    }

    /// Moves on: to the beginning of a sheet, to a row of it, to what is merged in it, or to the end.
    pub(crate) fn next(&mut self) -> Result<Found> {
        let Some(messages) = &self.messages else { return Ok(Found::Pending) };
        loop {
            if self.next_row < self.block.rows() {
                (self.row, self.next_row) = (self.next_row, self.next_row + 1);
                let blank = self.block.filled(self.row).all(|(_, cell)| cell.is_blank());
                return Ok(if blank { Found::Blank } else { Found::Row });
            }
            if self.ended {
                return Ok(Found::End);
            }
            match messages.recv() {
                Ok(Ok(Message::Rows(block))) => {
                    self.rows_read += block.rows() as u64;
                    (self.block, self.next_row) = (block, 0);
                }
                Ok(Ok(Message::Sheet(name, number))) => {
                    self.sheet = (name, number);
                    return Ok(Found::Sheet);
                }
                Ok(Ok(Message::Merges(merges))) => {
                    self.merges = merges;
                    return Ok(Found::Merges);
                }
                Ok(Ok(Message::End { recalculates, counts_from_1904 })) => {
                    (self.ended, self.recalculates, self.counts_from_1904) = (true, recalculates, counts_from_1904);
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(unreadable("its content brought the reader down")),
            }
        }
    }

    /// Rows that have come from the sheets so far: those with a cell.
    pub(crate) const fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// The ranges of the sheet whose cells are merged, once it says so; given out once.
    pub(crate) fn take_merges(&mut self) -> Vec<Merge> {
        std::mem::take(&mut self.merges)
    }

    /// Whether the contract reads several sheets as one file, so that a row's number does not suffice to find it.
    pub(crate) fn several_sheets(&self) -> bool {
        self.format.sheets.len() > 1 || matches!(self.format.sheets.as_slice(), [fonderie_contract::Sheet::Pattern(_)])
    }

    /// The sheet at hand: its name, and its position in the workbook, from 1.
    pub(crate) fn sheet(&self) -> (&str, usize) {
        (&self.sheet.0, self.sheet.1)
    }

    /// At the end: whether the sheets that were read have formulas, and the workbook asks for their recalculation, so that
    /// their stored values may be out of date.
    pub(crate) const fn recalculates(&self) -> bool {
        self.recalculates
    }

    /// At the end: whether the workbook counts its days from 1904.
    pub(crate) const fn counts_from_1904(&self) -> bool {
        self.counts_from_1904
    }

    /// The row's number in its sheet, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.block.line(self.row)
    }

    /// The number of columns up to the row's last filled cell.
    pub(crate) fn len(&self) -> usize {
        self.block.len(self.row)
    }

    /// A cell of the row.
    pub(crate) fn cell(&self, index: usize) -> Cell<'_> {
        self.block.at(self.row, index)
    }

    /// The row's filled cells with their columns: a sheet is wide, and mostly empty.
    pub(crate) fn filled(&self) -> impl Iterator<Item = (usize, Cell<'_>)> {
        self.block.filled(self.row)
    }

    /// The row's cells as one text, with `;` between columns: at most [`MOST_RAW`] bytes and an ellipsis, which also stands for many
    /// empty columns.
    pub(crate) fn raw(&self) -> String {
        let mut raw = String::new();
        let mut at = 0;
        for (column, cell) in self.filled() {
            match column - at {
                gap @ ..=MOST_GAP => raw.extend(std::iter::repeat_n(';', gap)),
                _ => raw.push_str(";…;"),
            }
            raw.push_str(&cell.shown());
            at = column;
            if raw.len() > MOST_RAW {
                raw.truncate((0..=MOST_RAW).rev().find(|end| raw.is_char_boundary(*end)).unwrap_or(0));
                raw.push('…');
                raw.shrink_to_fit();
                break;
            }
        }
        raw
    }
}

/// Reads the sheets that the contract asks for, and sends their rows.
fn read(mut archive: Archive, format: &Workbook, limits: &Limits, sender: &SyncSender<Result<Message>>) -> Result<()> {
    let book = Book::read(&mut archive)?;
    let sheets = choose(&book.sheets, format)?;
    let styles = archive.part(&book.styles_path)?.map(Styles::read).transpose();
    let styles = styles.map_err(|fault| fault.within_part(&book.styles_path))?.unwrap_or_default();
    let texts = archive.part(&book.texts_path)?.map(|part| Texts::read(part, limits)).transpose();
    let texts = texts.map_err(|fault| fault.within_part(&book.texts_path))?.unwrap_or_default();
    let context = Context {
        styles,
        epoch: book.epoch,
        most_row: limits.max_record,
        most_text: limits.max_workbook_unpacked,
        refuse_formulas: format.strict_formulas && book.recalculates,
    };
    let mut output = Output::new(sender.clone(), texts);
    let mut formulas = false;
    for sheet in sheets {
        let place = format!("the sheet \"{}\"", visible(&sheet.name));
        output.send(Message::Sheet(sheet.name, sheet.number))?;
        let lacking = || Fault::shape(format!("the archive lacks its part {}", visible(&sheet.path))).within(&place);
        let part = archive.part(&sheet.path)?.ok_or_else(lacking)?;
        formulas |= Sheet::new(part, &place, &context, &mut output).read()?;
    }
    output.send(Message::End {
        recalculates: formulas && book.recalculates,
        counts_from_1904: book.epoch == Epoch::Of1904,
    })
}
