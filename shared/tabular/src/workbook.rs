//! A workbook as rows of cells.
//!
//! The format's directory stands at the file's end, so its bytes are gathered first, up to a limit. Its rows are then read
//! one after another by a thread that stays a few of them ahead: memory follows the compressed file and its table of
//! shared texts, not the number of cells.

use std::io::{Cursor, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use calamine::{DataRef, ExcelDateTime, Reader, SheetVisible, Xlsx, XlsxError};
use chrono::NaiveDate;
use fonderie_contract::Sheet;
use fonderie_core::{ErrorCode, Result, StageError};
use zip::ZipArchive;

use crate::cell::Cell;
use crate::reader::Limits;
use crate::rows::Found;

/// Rows passed from the thread at a time, and how many such pieces may wait.
const PIECE: usize = 256;
const WAITING: usize = 4;

/// A row: its number in the sheet, from 1, and its cells from the first column to the last filled one.
struct Row {
    line: u64,
    cells: Vec<Cell<'static>>,
}

type Pieces = Receiver<Result<Vec<Row>>>;

/// A workbook at work.
pub(crate) struct WorkbookInput {
    sheet: Option<Sheet>,
    header_line: u64,
    limits: Limits,
    bytes: Vec<u8>,
    pieces: Option<Pieces>,
    ended: bool,
    piece: std::vec::IntoIter<Row>,
    row: Row,
}

impl WorkbookInput {
    pub(crate) fn new(sheet: Option<Sheet>, header_line: u64, limits: &Limits) -> Self {
        Self {
            sheet,
            header_line,
            limits: *limits,
            bytes: Vec::new(),
            pieces: None,
            ended: false,
            piece: Vec::new().into_iter(),
            row: Row { line: 0, cells: Vec::new() },
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
        let bytes = std::mem::take(&mut self.bytes);
        check_sizes(&bytes, &self.limits)?;
        let (sender, pieces) = sync_channel(WAITING);
        let (sheet, first_line) = (self.sheet.clone(), self.header_line);
        let read = move || {
            if let Err(error) = read(bytes, sheet.as_ref(), first_line, &sender) {
                // A receiver that is gone wants no more rows, nor an error.
                let _ = sender.send(Err(error));
            }
        };
        std::thread::Builder::new().name("workbook".into()).spawn(read).map_err(|error| {
            StageError::new(ErrorCode::Internal, "no thread could be started to read the workbook").caused_by(error)
        })?;
        self.pieces = Some(pieces);
        Ok(())
    }

    pub(crate) fn next(&mut self) -> Result<Found> {
        let Some(pieces) = &self.pieces else { return Ok(Found::Pending) };
        loop {
            if let Some(row) = self.piece.next() {
                self.row = row;
                return Ok(if self.row.cells.iter().all(Cell::is_blank) { Found::Blank } else { Found::Row });
            }
            if self.ended {
                return Ok(Found::End);
            }
            match pieces.recv() {
                // An empty piece is the sheet's end.
                Ok(Ok(rows)) if rows.is_empty() => self.ended = true,
                Ok(Ok(rows)) => self.piece = rows.into_iter(),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(unreadable("its content brought the reader down")),
            }
        }
    }

    pub(crate) fn line(&self) -> u64 {
        self.row.line
    }

    pub(crate) fn len(&self) -> usize {
        self.row.cells.len()
    }

    pub(crate) fn cell(&self, index: usize) -> Cell<'_> {
        match self.row.cells.get(index) {
            None => Cell::Empty,
            Some(Cell::Text(text)) => Cell::Text(text.as_ref().into()),
            Some(cell) => cell.clone(),
        }
    }
}

fn unreadable(what: &str) -> StageError {
    let message = format!("the workbook cannot be read: {what}; have it saved again as .xlsx and sent again");
    StageError::new(ErrorCode::WorkbookUnreadable, message)
}

fn too_large(what: &str) -> StageError {
    let message = format!("the workbook {what}, which is more than is read: have it sent as CSV, or in parts");
    StageError::new(ErrorCode::LimitExceeded, message)
}

fn protected() -> StageError {
    let message = "the workbook is protected by a password: have it sent again without one";
    StageError::new(ErrorCode::WorkbookProtected, message)
}

fn workbook_error(error: XlsxError) -> StageError {
    match error {
        XlsxError::Password => protected(),
        // The cause may quote the sheet, so it is not passed on.
        XlsxError::Zip(_) | XlsxError::Io(_) => unreadable("it is cut off or damaged"),
        _ => unreadable("its parts do not have the shape of a workbook"),
    }
}

/// Refuses what would fill the memory when it is unpacked, whatever sizes the archive declares.
fn check_sizes(bytes: &[u8], limits: &Limits) -> Result<()> {
    const ENCRYPTED_OR_OLD: &[u8] = &[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
    if bytes.starts_with(ENCRYPTED_OR_OLD) {
        // An encrypted workbook lies in a container of the older format, as a stream of this name.
        let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let encrypted = memchr::memmem::find(bytes, &name).is_some();
        return Err(if encrypted { protected() } else { unreadable("it is of the format before .xlsx (.xls)") });
    }
    if !bytes.starts_with(b"PK") {
        return Err(unreadable("the file is no workbook"));
    }
    let damaged = |_| unreadable("it is cut off or damaged");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let mut unpacked = 0_u64;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(damaged)?;
        unpacked = unpacked.saturating_add(entry.size());
        let name = entry.name().map_err(damaged)?.to_ascii_lowercase();
        if name.contains("worksheets/") || !(name.ends_with(".xml") || name.ends_with(".rels")) {
            continue;
        }
        // Everything but the sheets is held in memory: its true size counts.
        let most = limits.max_workbook_texts;
        let size = std::io::copy(&mut entry.by_ref().take(most + 1), &mut std::io::sink());
        if size.map_err(|_| unreadable("it is cut off or damaged"))? > most {
            return Err(too_large(&format!("holds more than {} MiB of texts", most >> 20)));
        }
    }
    if unpacked > limits.max_workbook_unpacked {
        return Err(too_large(&format!("has more than {} MiB when unpacked", limits.max_workbook_unpacked >> 20)));
    }
    Ok(())
}

/// Reads a sheet from a line on and sends its rows; at the end an empty piece.
fn read(bytes: Vec<u8>, sheet: Option<&Sheet>, first_line: u64, sender: &SyncSender<Result<Vec<Row>>>) -> Result<()> {
    let mut workbook = Xlsx::new(Cursor::new(bytes)).map_err(workbook_error)?;
    let name = choose(&workbook, sheet)?;
    let mut cells = workbook.worksheet_cells_reader(&name).map_err(workbook_error)?;
    let mut piece: Vec<Row> = Vec::with_capacity(PIECE);
    while let Some(cell) = cells.next_cell().map_err(workbook_error)? {
        let (row, column) = cell.get_position();
        let line = u64::from(row) + 1;
        if line < first_line {
            continue;
        }
        match piece.last() {
            Some(last) if last.line == line => {}
            Some(last) if last.line > line => return Err(unreadable("its rows are not in their order")),
            _ => {
                if piece.len() == PIECE {
                    let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE));
                    if sender.send(Ok(full)).is_err() {
                        return Ok(());
                    }
                }
                piece.push(Row { line, cells: Vec::new() });
            }
        }
        let value = value(cell.get_value());
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if value == Cell::Empty || column >= MOST_COLUMNS {
            continue;
        }
        if let Some(Row { cells, .. }) = piece.last_mut() {
            if cells.len() > column {
                return Err(unreadable("its cells are not in their order"));
            }
            cells.resize(column, Cell::Empty);
            cells.push(value);
        }
    }
    for piece in [piece, Vec::new()] {
        if sender.send(Ok(piece)).is_err() {
            break;
        }
    }
    Ok(())
}

/// The widest sheet of the format.
const MOST_COLUMNS: usize = 16_384;

/// The name of the sheet that the contract asks for.
fn choose(workbook: &Xlsx<Cursor<Vec<u8>>>, sheet: Option<&Sheet>) -> Result<String> {
    let sheets = workbook.sheets_metadata();
    let missing = |what: String| {
        let names = sheets.iter().map(|sheet| format!("\"{}\"", sheet.name)).collect::<Vec<_>>().join(", ");
        let message =
            format!("{what}; the workbook has the sheets {names}: correct `sheet` in the contract, or the file");
        StageError::new(ErrorCode::WorkbookUnreadable, message)
    };
    let visible: Vec<_> = sheets.iter().filter(|sheet| sheet.visible == SheetVisible::Visible).collect();
    match (sheet, visible.as_slice()) {
        (Some(Sheet::Name(name)), _) => sheets
            .iter()
            .find(|sheet| sheet.name.trim() == name.trim())
            .map(|sheet| sheet.name.clone())
            .ok_or_else(|| missing(format!("there is no sheet \"{name}\""))),
        (Some(Sheet::Position(position)), _) => sheets
            .get(position - 1)
            .map(|sheet| sheet.name.clone())
            .ok_or_else(|| missing(format!("there is no sheet number {position}"))),
        (None, [only]) => Ok(only.name.clone()),
        (None, several) => Err(missing(format!("{} visible sheets, and the contract names none", several.len()))),
    }
}

fn value(value: &DataRef<'_>) -> Cell<'static> {
    let text = |text: &str| if text.is_empty() { Cell::Empty } else { Cell::Text(text.to_owned().into()) };
    match value {
        DataRef::Empty => Cell::Empty,
        #[allow(clippy::cast_precision_loss)] // the format itself has doubles alone
        DataRef::Int(number) => Cell::Number(*number as f64),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::String(own) => text(own),
        DataRef::SharedString(shared) => text(shared),
        DataRef::Bool(truth) => Cell::Truth(*truth),
        DataRef::DateTime(time) => day(time).map_or(Cell::Time(time.as_f64()), Cell::Day),
        DataRef::DateTimeIso(text) => {
            let day = text.strip_suffix("T00:00:00").unwrap_or(text).parse::<NaiveDate>();
            day.map_or_else(|_| Cell::Text(text.clone().into()), |day| Cell::Day(day.to_epoch_days()))
        }
        DataRef::DurationIso(text) => Cell::Text(text.clone().into()),
        DataRef::Error(error) => Cell::Error(error.to_string()),
    }
}

/// The day of a serial date, of either epoch; `None` for what carries a time, is a span of time or lies outside the calendar.
fn day(time: &ExcelDateTime) -> Option<i32> {
    let serial = time.as_f64();
    if time.is_duration() || serial.fract() != 0.0 || !(0.0..2_958_466.0).contains(&serial) {
        return None;
    }
    let (year, month, day, ..) = time.to_ymd_hms_milli();
    // The 1900 epoch has a 29 February 1900, which no calendar has.
    Some(NaiveDate::from_ymd_opt(i32::from(year), u32::from(month), u32::from(day))?.to_epoch_days())
}
