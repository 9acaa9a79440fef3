//! What both readers make of a workbook, and whether they agree.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};

use calamine::{Data, ExcelDateTime, Reader, Xlsx, XlsxError};
use chrono::{NaiveDate, NaiveDateTime};
use fonderie_contract::{Bundle, FileFormat, Format, Header, Sheet, Workbook};
use fonderie_core::StageError;
use fonderie_tabular::{Appearance, Cell, Limits, Rows, Step};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// The parts of a workbook.
#[derive(Clone)]
pub struct Parts(BTreeMap<String, Vec<u8>>);

/// A sheet's part around its rows.
pub fn sheet(rows: &str) -> String {
    format!(
        "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>{rows}</sheetData></worksheet>"
    )
}

/// A row around its cells.
pub fn row(cells: &str) -> String {
    format!("<row>{cells}</row>")
}

impl Parts {
    /// A workbook of one sheet, with five shared texts and a style for dates, 1.
    pub fn new(sheet: &str) -> Self {
        let relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
        let texts = "<sst><si><t>zéro</t></si><si><r><rPr><b/></rPr><t xml:space=\"preserve\">Dupont </t></r><r><t> fils </t></r></si>\
            <si><t>東京</t><rPh sb=\"0\" eb=\"2\"><t>とうきょう</t></rPh></si><si/><si><t xml:space=\"preserve\"> &lt;a> </t></si></sst>";
        let rels = format!(
            "<Relationships><Relationship Id=\"rId1\" Type=\"{relations}/worksheet\" Target=\"worksheets/sheet1.xml\"/>\
             <Relationship Id=\"rId2\" Type=\"{relations}/styles\" Target=\"styles.xml\"/>\
             <Relationship Id=\"rId3\" Type=\"{relations}/sharedStrings\" Target=\"sharedStrings.xml\"/></Relationships>"
        );
        Self(BTreeMap::new())
            .with("[Content_Types].xml", "<Types/>")
            .with("_rels/.rels", format!("<Relationships><Relationship Id=\"rId1\" Type=\"{relations}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"))
            .with("xl/workbook.xml", format!("<workbook xmlns:r=\"{relations}\"><sheets><sheet name=\"Feuille\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>"))
            .with("xl/_rels/workbook.xml.rels", rels)
            .with("xl/sharedStrings.xml", texts)
            .with("xl/styles.xml", "<styleSheet><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>")
            .with("xl/worksheets/sheet1.xml", sheet)
    }

    /// The parts of a workbook's bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut parts = Self(BTreeMap::new());
        for at in 0..archive.len() {
            let mut part = archive.by_index(at).unwrap();
            let mut content = Vec::new();
            part.read_to_end(&mut content).unwrap();
            parts.0.insert(part.name().unwrap().to_string(), content);
        }
        parts
    }

    pub fn with(mut self, path: &str, part: impl AsRef<[u8]>) -> Self {
        self.0.insert(path.to_owned(), part.as_ref().to_vec());
        self
    }

    pub fn without(mut self, path: &str) -> Self {
        self.0.remove(path).unwrap();
        self
    }

    pub fn moved(mut self, from: &str, to: &str) -> Self {
        let part = self.0.remove(from).unwrap();
        self.with(to, part)
    }

    /// Replaces a text in a part, in which it must stand.
    pub fn edit(self, path: &str, from: &str, to: &str) -> Self {
        let part = String::from_utf8(self.0[path].clone()).unwrap();
        assert!(part.contains(from), "{from} is not in {part}");
        self.with(path, part.replace(from, to))
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, part) in &self.0 {
            archive.start_file(path.as_str(), SimpleFileOptions::default()).unwrap();
            archive.write_all(part).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }
}

/// Cells by row, from 1, and column, from 0.
type Cells<T> = BTreeMap<(u64, usize), T>;

/// What calamine makes of a sheet: its cells, or why it refuses it.
type Theirs = Result<Cells<Data>, String>;

/// A format without a header, of one sheet.
fn format(number: usize) -> FileFormat {
    thread_local! {
        static FORMAT: FileFormat = {
            let dataset = Bundle::from_files(fonderie_test_support::shop_files()).compile().unwrap();
            let source = dataset.source("orders").unwrap();
            dataset.format_of_key(source, "orders.csv").unwrap().clone()
        };
    }
    let workbook = Workbook { sheets: vec![Sheet::Position(number)], ..Workbook::default() };
    FORMAT.with(|format| FileFormat { header: Header::Absent, format: Format::Workbook(workbook), ..format.clone() })
}

fn owned(cell: Cell<'_>) -> Cell<'static> {
    match cell {
        Cell::Text(text) => Cell::Text(text.into_owned().into()),
        Cell::TooLong(text) => Cell::TooLong(text.into_owned().into()),
        Cell::ShownAs(number, text) => Cell::ShownAs(number, text.into_owned().into()),
        Cell::Number(number) => Cell::Number(number),
        Cell::Formatted(number, _) => Cell::Formatted(number, Appearance::Other),
        Cell::Day(day) => Cell::Day(day),
        Cell::Moment { day, milliseconds } => Cell::Moment { day, milliseconds },
        Cell::Time(serial) => Cell::Time(serial),
        Cell::Truth(truth) => Cell::Truth(truth),
        Cell::Error(error) => Cell::Error(error),
        Cell::Formula => Cell::Formula,
        Cell::Empty | Cell::Undecodable(_) | Cell::DoubleEncoded(_) => Cell::Empty,
    }
}

/// The filled cells of a sheet, rows of white space only left out, up to a column.
fn ours(bytes: &[u8], number: usize, columns: usize) -> Result<Cells<Cell<'static>>, String> {
    let format = format(number);
    let mut rows = Rows::without_contract(&format, &Limits::default());
    let mut cells = Cells::new();
    let mut read = || -> Result<(), StageError> {
        rows.feed(bytes)?;
        rows.end()?;
        while rows.advance()? == Step::Record {
            for column in 0..columns {
                match rows.cell(column) {
                    Cell::Empty => {}
                    cell => drop(cells.insert((rows.line(), column), owned(cell))),
                }
            }
        }
        Ok(())
    };
    match read() {
        // An empty sheet is refused by those who look for its records, not by the reader of its cells.
        Err(error) if !error.message.contains("the file has no record") => Err(error.message),
        Ok(()) | Err(_) => Ok(cells),
    }
}

/// What calamine makes of every sheet, and whether the workbook counts its days from 1904.
fn theirs(bytes: &[u8]) -> Result<(Vec<Theirs>, bool), String> {
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let names = book.sheet_names();
    let of_1904 = book.has_1904_epoch();
    let mut read = |name: &str| {
        let mut reader = match book.worksheet_cells_reader(name) {
            Err(XlsxError::NotAWorksheet(root)) if root == "worksheet" => return Ok(Cells::new()),
            reader => reader?,
        };
        let mut cells = Cells::new();
        while let Some(cell) = reader.next_cell()? {
            let (row, column) = cell.get_position();
            let at = (u64::from(row) + 1, usize::try_from(column).unwrap());
            match Data::from(cell.get_value().clone()) {
                Data::Empty => {}
                Data::String(text) if text.is_empty() => {}
                value => drop(cells.insert(at, value)),
            }
        }
        Ok(cells)
    };
    let cells = names.iter().map(|name| read(name).map_err(|error: XlsxError| error.to_string())).collect();
    Ok((cells, of_1904))
}

fn blank(value: &Data) -> bool {
    matches!(value, Data::String(text) if text.trim().is_empty())
}

/// Where the two readers differ; nothing if they agree, or refuse the same sheets.
pub fn differences(bytes: &[u8]) -> Vec<String> {
    let (sheets, of_1904) = match theirs(bytes) {
        Ok(read) => read,
        Err(error) => {
            let ours = ours(bytes, 1, 100);
            return ours
                .into_iter()
                .map(|cells| format!("only calamine refuses: {error}, ours reads {cells:?}"))
                .collect();
        }
    };
    let mut different = Vec::new();
    for (at, theirs) in sheets.into_iter().enumerate() {
        let columns = theirs.iter().flat_map(|cells| cells.keys()).map(|(_, column)| column + 2).max().unwrap_or(0);
        match (ours(bytes, at + 1, columns.max(200)), theirs) {
            (Err(_), Err(_)) => {}
            (Ok(ours), Err(error)) => different.push(format!("only calamine refuses: {error}, ours reads {ours:?}")),
            (Err(error), Ok(_)) => different.push(format!("only ours refuses: {error}")),
            (Ok(ours), Ok(mut theirs)) => {
                let filled: std::collections::BTreeSet<u64> = theirs
                    .iter()
                    .filter(|(_, value)| !blank(value))
                    .map(|((row, _), _)| *row)
                    .chain(ours.keys().map(|(row, _)| *row))
                    .collect();
                theirs.retain(|(row, _), _| filled.contains(row));
                let places: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
                for place in places {
                    let (ours, theirs) =
                        (ours.get(place).unwrap_or(&Cell::Empty), theirs.get(place).unwrap_or(&Data::Empty));
                    if !alike(ours, theirs, of_1904) {
                        different.push(format!("sheet {} {place:?}: ours {ours:?}, calamine {theirs:?}", at + 1));
                    }
                }
            }
        }
    }
    different
}

/// Whether two cells are the same, or differ as they should.
fn alike(ours: &Cell<'_>, theirs: &Data, of_1904: bool) -> bool {
    match (ours, theirs) {
        // A formula without a stored value is refused, not empty.
        (Cell::Formula, Data::Empty) => true,
        (Cell::Text(ours), Data::String(theirs)) => ours == theirs,
        // No cell has a text of more UTF-16 units.
        (Cell::TooLong(ours), Data::String(theirs)) => {
            theirs.encode_utf16().count() > 32_767 && theirs.starts_with(ours.as_ref())
        }
        // Numbers know how they are shown.
        (Cell::Number(ours) | Cell::Formatted(ours, _), Data::Float(theirs)) => ours == theirs,
        (Cell::ShownAs(ours, shown), Data::Float(theirs)) => {
            let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
            ours == theirs && (ours.abs() - digits.parse::<f64>().unwrap_or(f64::NAN)).abs() < 1.0
        }
        (Cell::Truth(ours), Data::Bool(theirs)) => ours == theirs,
        (Cell::Error(ours), Data::Error(theirs)) => *ours == theirs.to_string(),
        (_, Data::DateTime(theirs)) => same_moment(ours, theirs, of_1904),
        (Cell::Text(ours), Data::DateTimeIso(theirs)) => ours == theirs,
        (_, Data::DateTimeIso(theirs)) => {
            let day = theirs.parse::<NaiveDate>().map(|day| day.and_hms_opt(0, 0, 0).unwrap());
            moment(ours).is_some() && moment(ours) == day.or_else(|_| theirs.parse::<NaiveDateTime>()).ok()
        }
        (Cell::Empty, Data::Empty) => true,
        _ => false,
    }
}

fn moment(cell: &Cell<'_>) -> Option<NaiveDateTime> {
    let (day, milliseconds) = match cell {
        Cell::Day(day) => (*day, 0),
        Cell::Moment { day, milliseconds } if *milliseconds > 0 => (*day, *milliseconds),
        _ => return None,
    };
    let seconds = milliseconds / 1_000;
    let day = NaiveDate::from_epoch_days(day)?;
    day.and_hms_milli_opt(seconds / 3600, seconds / 60 % 60, seconds % 60, milliseconds % 1_000)
}

/// Spans, times without a day and days that no calendar has stay serial numbers; other moments are those of the calendar, to
/// the millisecond.
fn same_moment(ours: &Cell<'_>, theirs: &ExcelDateTime, of_1904: bool) -> bool {
    let serial = theirs.as_f64();
    let rounded = (serial * 86_400_000.0).round() / 86_400_000.0;
    let last = if of_1904 { 2_957_003.0 } else { 2_958_465.0 };
    let no_day = rounded < 0.0
        || rounded.floor() > last
        || !of_1904 && (rounded.floor() == 60.0 || (0.5 / 86_400.0..1.0).contains(&rounded));
    if theirs.is_duration() || no_day {
        return *ours == Cell::Time(serial);
    }
    let (year, month, day, hour, minute, second, milli) = theirs.to_ymd_hms_milli();
    let day = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into());
    let theirs = day.and_then(|day| day.and_hms_milli_opt(hour.into(), minute.into(), second.into(), milli.into()));
    match (moment(ours), theirs) {
        (Some(ours), Some(theirs)) => (ours - theirs).num_milliseconds().abs() <= 1,
        _ => false,
    }
}

fn place((row, column): (u64, usize)) -> String {
    let mut name = String::new();
    let mut rest = column + 1;
    while rest > 0 {
        name.insert(0, char::from(b'A' + u8::try_from((rest - 1) % 26).unwrap()));
        rest = (rest - 1) / 26;
    }
    format!("{name}{row}")
}

/// A sheet's cells as ours reads them, as one text.
pub fn read_ours(bytes: &[u8], number: usize) -> Result<String, String> {
    let shown = |cell: &Cell<'_>| match cell {
        Cell::Text(text) => format!("'{text}'"),
        Cell::TooLong(text) => format!("too long: {text}"),
        Cell::Formula => "uncomputed".to_owned(),
        other => other.shown(),
    };
    let cells = ours(bytes, number, 16_384)?;
    Ok(cells.iter().map(|(at, cell)| format!("{} {}", place(*at), shown(cell))).collect::<Vec<_>>().join(", "))
}

/// A sheet's cells as calamine reads them, as one text.
pub fn read_theirs(bytes: &[u8], number: usize) -> Result<String, String> {
    let shown = |value: &Data| match value {
        Data::String(text) => format!("'{text}'"),
        other => other.to_string(),
    };
    let cells = theirs(bytes)?.0.remove(number - 1)?;
    Ok(cells.iter().map(|(at, value)| format!("{} {}", place(*at), shown(value))).collect::<Vec<_>>().join(", "))
}
