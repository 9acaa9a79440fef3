//! What the reading thread sends: blocks of rows of a bounded size, sheet after sheet.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use fonderie_core::Result;

use super::block::Block;
use super::error::unreadable;
use super::texts::Texts;

/// A block is sent when it has so many rows or bytes, whichever comes first. A row may exceed the bytes by its own limits.
const BLOCK_ROWS: usize = 256;
const BLOCK_BYTES: usize = 256 << 10;

/// Merged cells: rows from 1 and columns from 0, first and last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Merge {
    pub(crate) rows: (u32, u32),
    pub(crate) columns: (u32, u32),
}

impl fmt::Display for Merge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (letters(self.columns.0), letters(self.columns.1));
        write!(f, "{first}{}:{last}{}", self.rows.0, self.rows.1)
    }
}

/// A column, from 0, as a reference names it.
pub(super) fn letters(column: u32) -> String {
    let (mut name, mut rest) = (String::new(), column + 1);
    while rest > 0 {
        name.insert(0, char::from_digit((rest - 1) % 26 + 10, 36).unwrap_or('?').to_ascii_uppercase());
        rest = (rest - 1) / 26;
    }
    name
}

/// What the reading thread sends.
pub(super) enum Message {
    /// A sheet begins: its name, and its position in the workbook, from 1.
    Sheet(String, usize),
    /// The next rows of the sheet.
    Rows(Block),
    /// The ranges of the sheet whose cells are merged, after its last row.
    Merges(Vec<Merge>),
    /// All is read: whether there are formulas whose values the workbook wants to be recalculated, and whether its days are counted
    /// from 1904.
    End { recalculates: bool, counts_from_1904: bool },
}

/// The way out of the reading thread.
pub(super) struct Output {
    sender: SyncSender<Result<Message>>,
    texts: Arc<Texts>,
    block: Block,
}

impl Output {
    pub(super) fn new(sender: SyncSender<Result<Message>>, texts: Texts) -> Self {
        let texts = Arc::new(texts);
        Self { sender, block: Block::new(texts.clone()), texts }
    }

    pub(super) fn texts(&self) -> &Texts {
        &self.texts
    }

    /// The rows that are not sent yet.
    pub(super) const fn block(&mut self) -> &mut Block {
        &mut self.block
    }

    /// Begins a row; sends those before it if they are enough.
    pub(super) fn begin_row(&mut self, line: u32) -> Result<()> {
        if self.block.rows() >= BLOCK_ROWS || self.block.bytes() >= BLOCK_BYTES {
            self.flush()?;
        }
        self.block.begin_row(line);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.block.rows() == 0 {
            return Ok(());
        }
        let block = std::mem::replace(&mut self.block, Block::new(self.texts.clone()));
        self.send_now(Message::Rows(block))
    }

    /// Sends all rows, then a message.
    pub(super) fn send(&mut self, message: Message) -> Result<()> {
        self.flush()?;
        self.send_now(message)
    }

    fn send_now(&self, message: Message) -> Result<()> {
        // A receiver that is gone wants neither rows nor this error.
        self.sender.send(Ok(message)).map_err(|_| unreadable("nobody reads it any more"))
    }
}
