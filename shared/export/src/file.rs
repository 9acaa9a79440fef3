//! A file under way, in one of the formats.

use std::fs::File;
use std::io::Read;

use bytes::Bytes;
use fonderie_contract::ExportFormat;
use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_warehouse::TypedColumn;

use crate::csv::Csv;
use crate::parquet::ParquetFile;
use crate::xlsx::Sheet;

/// The most bytes of a query's values that become a file. A sheet takes some more for each of its cells.
pub const LIMIT: u64 = 256 << 20;

/// Bytes that a piece has at least, unless it is the last one.
const PIECE: usize = 256 << 10;

/// A file under way: rows are put in, pieces of bytes come out.
pub struct ExportFile {
    columns: Vec<TypedColumn>,
    writer: Writer,
    rows: u64,
    bytes: u64,
    limit: u64,
}

enum Writer {
    Csv(Csv),
    Sheet(Box<Sheet>),
    Parquet(Box<ParquetFile>),
}

/// What is left of a file after its last row.
pub(crate) enum Rest {
    Bytes(Bytes),
    File(File),
}

impl ExportFile {
    /// Begins a file with these columns; `title` is the name of a workbook's sheet, and `limit` bounds the bytes of its values ([`LIMIT`]).
    ///
    /// # Errors
    /// `ContractInvalid` if the format cannot hold the columns; `Internal` if there is no temporary file.
    pub fn new(format: ExportFormat, title: &str, columns: Vec<TypedColumn>, limit: u64) -> Result<Self> {
        let writer = match format {
            ExportFormat::Csv => Writer::Csv(Csv::new(&columns)),
            ExportFormat::Xlsx => Writer::Sheet(Box::new(Sheet::new(title, &columns)?)),
            ExportFormat::Parquet => Writer::Parquet(Box::new(ParquetFile::new(&columns)?)),
        };
        Ok(Self { columns, writer, rows: 0, bytes: 0, limit })
    }

    /// The rows that it has.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Appends a row: a value of each column as PostgreSQL writes it, `None` for NULL.
    ///
    /// # Errors
    /// `ContractInvalid` with the column and the row if the format cannot hold a value, or the file gets too large.
    pub fn row(&mut self, values: &[Option<&str>]) -> Result<()> {
        self.rows += 1;
        let overhead = match self.writer {
            Writer::Csv(_) | Writer::Parquet(_) => 1,
            Writer::Sheet(_) => 40,
        };
        self.bytes += values.iter().map(|value| value.map_or(1, |text| text.len() as u64 + overhead)).sum::<u64>();
        if self.bytes > self.limit {
            return Err(invalid(format!(
                "it has more than {} MiB, after {} rows: let the query return fewer rows or columns",
                self.limit >> 20,
                self.rows
            )));
        }
        let (columns, row) = (&self.columns, self.rows);
        match &mut self.writer {
            Writer::Csv(csv) => csv.row(columns, values),
            Writer::Sheet(sheet) => sheet.row(columns, values, row)?,
            Writer::Parquet(file) => file.row(columns, values, row)?,
        }
        Ok(())
    }

    /// The bytes that are ready, if they are enough for a piece.
    pub fn piece(&mut self) -> Option<Bytes> {
        let buffer = match &mut self.writer {
            Writer::Csv(csv) => csv.buffer(),
            Writer::Sheet(_) => return None,
            Writer::Parquet(file) => file.buffer(),
        };
        (buffer.len() >= PIECE).then(|| std::mem::take(buffer).into())
    }

    /// Ends the file.
    pub(crate) fn finish(self) -> Result<Rest> {
        match self.writer {
            Writer::Csv(mut csv) => Ok(Rest::Bytes(std::mem::take(csv.buffer()).into())),
            Writer::Sheet(sheet) => Ok(Rest::File(sheet.finish(&self.columns, self.rows)?)),
            Writer::Parquet(file) => Ok(Rest::Bytes(file.finish()?.into())),
        }
    }
}

impl Rest {
    /// The next piece; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>> {
        match self {
            Self::Bytes(bytes) => Ok(Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty())),
            Self::File(file) => {
                let mut piece = Vec::with_capacity(PIECE);
                let read = file.take(PIECE as u64).read_to_end(&mut piece);
                read.map_err(|error| temporary(&error))?;
                Ok(Some(Bytes::from(piece)).filter(|piece| !piece.is_empty()))
            }
        }
    }
}

/// What is wrong with an export's query; the caller puts the export's name in front.
pub(crate) fn invalid(message: impl Into<String>) -> StageError {
    StageError::new(ErrorCode::ContractInvalid, message)
}

/// A value that the format cannot hold. The value itself may be personal.
pub(crate) fn unfit(column: &TypedColumn, row: u64, why: &str) -> StageError {
    invalid(format!("row {row}, column {}: {why}", column.name))
}

/// The disk does not take the temporary file of a workbook.
pub(crate) fn temporary(error: &dyn std::fmt::Display) -> StageError {
    let message = format!("the temporary file of a workbook could not be written or read: {error}");
    StageError::new(ErrorCode::Internal, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::io::Cursor;

    use arrow_array::RecordBatch;
    use arrow_schema::{DataType, TimeUnit};
    use calamine::{Data, Reader, Xlsx};
    use fonderie_warehouse::ColumnKind;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    const COLUMNS: [(&str, ColumnKind); 8] = [
        ("name", ColumnKind::Text),
        ("paid", ColumnKind::Boolean),
        ("count", ColumnKind::Integer),
        ("weight", ColumnKind::Number),
        ("amount", ColumnKind::Decimal(Some((20, 2)))),
        ("day", ColumnKind::Date),
        ("at", ColumnKind::Timestamp),
        ("instant", ColumnKind::Instant),
    ];

    const ROWS: [[Option<&str>; 8]; 3] = [
        [
            Some("O\"Neil; Zoé"),
            Some("t"),
            Some("-7"),
            Some("-1e-05"),
            Some("-1234.50"),
            Some("2026-06-30"),
            Some("2026-06-30 12:30:15.25"),
            Some("2026-06-30 12:30:15+02"),
        ],
        [
            Some("=1+1"),
            Some("f"),
            Some("9007199254740993"),
            None,
            Some("123456789012345678.01"),
            Some("1899-12-31"),
            None,
            None,
        ],
        [None, None, None, Some("NaN"), None, None, None, None],
    ];

    fn columns(columns: &[(&str, ColumnKind)]) -> Vec<TypedColumn> {
        columns.iter().map(|(name, kind)| TypedColumn { name: (*name).to_owned(), kind: *kind }).collect()
    }

    fn written(format: ExportFormat, rows: &[[Option<&str>; 8]]) -> Vec<u8> {
        let mut file = ExportFile::new(format, "Ventes", columns(&COLUMNS), LIMIT).unwrap();
        let mut bytes = Vec::new();
        for row in rows {
            file.row(row).unwrap();
            bytes.extend(file.piece().into_iter().flatten());
        }
        assert_eq!(file.rows(), rows.len() as u64);
        let mut rest = file.finish().unwrap();
        while let Some(piece) = rest.next().unwrap() {
            bytes.extend(piece);
        }
        bytes
    }

    #[test]
    fn a_csv_opens_in_a_spreadsheet() {
        let text = String::from_utf8(written(ExportFormat::Csv, &ROWS)).unwrap();
        let expected = [
            "\u{feff}name;paid;count;weight;amount;day;at;instant",
            "\"O\"\"Neil; Zoé\";true;-7;-1e-05;-1234,50;2026-06-30;2026-06-30 12:30:15.25;2026-06-30 12:30:15",
            "\"'=1+1\";false;9007199254740993;;123456789012345678,01;1899-12-31;;",
            ";;;NaN;;;;",
            "",
        ];
        assert_eq!(text, expected.join("\r\n"));
    }

    #[test]
    fn a_workbook_has_typed_cells_and_loses_no_digit() {
        let bytes = written(ExportFormat::Xlsx, &ROWS);
        assert_eq!(bytes, written(ExportFormat::Xlsx, &ROWS), "the same rows make the same bytes");
        let mut book = Xlsx::new(Cursor::new(&bytes)).unwrap();
        assert_eq!(book.sheet_names(), ["Ventes"]);
        let range = book.worksheet_range("Ventes").unwrap();
        let rows: Vec<&[Data]> = range.rows().collect();
        let text = |text: &str| Data::String(text.to_owned());
        assert_eq!(rows[0][4], text("amount"));
        assert_eq!(
            rows[1][..5],
            [text("O\"Neil; Zoé"), Data::Bool(true), Data::Float(-7.0), Data::Float(-1e-05), Data::Float(-1234.5)]
        );
        let days = |data: &Data| match data {
            Data::DateTime(time) => time.as_f64(),
            other => panic!("{other:?} is no date"),
        };
        // days from 1899-12-30, and the part of a day
        assert_eq!(days(&rows[1][5]), 46_203.0);
        let part = (12.0 * 3_600.0 + 30.0 * 60.0 + 15.25) / 86_400.0;
        assert!((days(&rows[1][6]) - 46_203.0 - part).abs() < 1e-9, "{:?}", rows[1][6]);
        assert!((days(&rows[1][7]) - 46_203.0 - part).abs() < 1e-5, "where the session is, without the offset");
        // a double would alter these
        assert_eq!(rows[2][..3], [text("=1+1"), Data::Bool(false), text("9007199254740993")]);
        assert_eq!(rows[2][3..6], [Data::Empty, text("123456789012345678.01"), text("1899-12-31")]);
        assert_eq!(rows[3][3], text("NaN"));
        let xml = part_of(&bytes, "xl/worksheets/sheet1.xml");
        for words in ["<pane ySplit=\"1\"", "state=\"frozen\"", "<autoFilter ref=\"A1:H4\"", "<col min=\"1\" max=\"1\""]
        {
            assert!(xml.contains(words), "{words}: {xml}");
        }
        assert!(!xml.contains("<f>"), "no formula: {xml}");
    }

    /// A part of a workbook, as text.
    fn part_of(bytes: &[u8], name: &str) -> String {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        std::io::read_to_string(archive.by_name(name).unwrap()).unwrap()
    }

    #[test]
    fn parquet_has_typed_columns() {
        let rows = [
            ROWS[0],
            [Some("a"), None, Some("9007199254740993"), Some("NaN"), Some("123456789012345678.01"), None, None, None],
        ];
        // enough rows for several batches
        let many: Vec<_> = rows.iter().cycle().take(20_000).copied().collect();
        let bytes = written(ExportFormat::Parquet, &many);
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(bytes)).unwrap().build().unwrap();
        let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 20_000);
        let types: Vec<DataType> = batches[0].schema().fields().iter().map(|field| field.data_type().clone()).collect();
        assert_eq!(
            types,
            [
                DataType::Utf8,
                DataType::Boolean,
                DataType::Int64,
                DataType::Float64,
                DataType::Decimal128(20, 2),
                DataType::Date32,
                DataType::Timestamp(TimeUnit::Microsecond, None),
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            ]
        );
        let shown = format!("{:?}", batches[0].slice(0, 2).columns());
        for value in
            ["-123450", "12345678901234567801", "9007199254740993", "2026-06-30T12:30:15.250", "2026-06-30T10:30:15"]
        {
            assert!(shown.contains(value), "{value}: {shown}");
        }
    }

    #[test]
    fn what_a_format_cannot_hold_is_named_without_its_value() {
        let refused = |format, kind, text: &str| {
            let mut file = ExportFile::new(format, "Ventes", columns(&[("a", kind)]), LIMIT).unwrap();
            let error = file.row(&[Some(text)]).unwrap_err();
            assert_eq!(error.code, ErrorCode::ContractInvalid);
            error.message
        };
        let average = refused(ExportFormat::Parquet, ColumnKind::Decimal(None), "33.33333333333333");
        assert!(average.starts_with("row 1, column a: it does not fit into numeric(38,10): round it"), "{average}");
        let infinity = refused(ExportFormat::Parquet, ColumnKind::Date, "infinity");
        assert_eq!(infinity, "row 1, column a: it is no day: cast the column to text, or leave it out");
        let long = refused(ExportFormat::Xlsx, ColumnKind::Text, &"é".repeat(32_768));
        assert!(long.contains("more than 32,767 characters") && !long.contains('é'), "{long}");
    }

    #[test]
    fn a_file_has_a_limit() {
        for format in [ExportFormat::Csv, ExportFormat::Xlsx, ExportFormat::Parquet] {
            let mut file = ExportFile::new(format, "Ventes", columns(&[("a", ColumnKind::Text)]), 1 << 20).unwrap();
            let text = "x".repeat(10_000);
            let error = (0..200).find_map(|_| file.row(&[Some(&text)]).err()).unwrap();
            assert!(error.message.contains("more than 1 MiB, after 10"), "{error}");
        }
    }
}
