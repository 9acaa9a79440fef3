//! Workbooks, whole and broken in every way, through the reader.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Decimal128Type, Int32Type};
use fonderie_contract::{Bundle, Dataset};
use fonderie_core::tally::check_conserved;
use fonderie_core::{ErrorCode, StageError};
use fonderie_tabular::{Batch, Cell, Limits, ReadSummary, Reader, Reject, Rows, Step, reject_rows};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet};

/// The billing dataset, the contract of facility D changed.
fn billing(change: impl Fn(String) -> String) -> Dataset {
    let mut files = fonderie_test_support::dataset_files("facturation");
    let d = files.iter_mut().find(|(path, _)| path == "sources/etablissement_d.toml").unwrap();
    d.1 = change(d.1.clone());
    Bundle::from_files(files).compile().unwrap()
}

struct ReadFile {
    batches: Vec<RecordBatch>,
    rejects: Vec<Reject>,
    summary: ReadSummary,
}

fn read_with(dataset: &Dataset, bytes: &[u8], limits: Limits) -> Result<ReadFile, StageError> {
    let source = dataset.source("etablissement_d").unwrap();
    let format = dataset.format_of_key(source, "etablissement_D.xlsx").unwrap();
    let mut reader = Reader::new(&dataset.record, source, format, limits);
    for piece in bytes.chunks(1000) {
        reader.feed(piece)?;
        assert!(reader.batch()?.is_none());
    }
    reader.end()?;
    let (mut batches, mut rejects) = (Vec::new(), Vec::new());
    while let Some(batch) = reader.batch()? {
        match batch {
            Batch::Records(batch) => batches.push(batch),
            Batch::Rejects(batch) => rejects.extend(reject_rows(&batch).unwrap()),
        }
    }
    assert!(reader.batch()?.is_none());
    Ok(ReadFile { batches, rejects, summary: reader.finish() })
}

fn read(dataset: &Dataset, bytes: &[u8]) -> Result<ReadFile, StageError> {
    read_with(dataset, bytes, Limits { batch_rows: 1000, ..Limits::default() })
}

const HEADER: [&str; 17] = [
    "facture_id",
    "patient_id",
    "nom",
    "prenom",
    "age",
    "etablissement_id",
    "nom_etablissement",
    "type_etablissement",
    "ville",
    "code_service",
    "nom_service",
    "categorie",
    "date_facture",
    "date_paiement",
    "montant_facture",
    "montant_paye",
    "statut",
];
const TEXTS: [&str; 17] = [
    "FD-1",
    "P1",
    "Bœuf",
    "Zoé",
    "41",
    "ETAB_D",
    "Polyclinique",
    "Clinique",
    "Annecy",
    "CONS",
    "Consultation",
    "Ambulatoire",
    "05-03-2024",
    "",
    "1 234.50 €",
    "0",
    "impayée",
];

fn write_texts(sheet: &mut Worksheet, row: u32, texts: &[&str]) {
    for (column, text) in (0..).zip(texts) {
        sheet.write_string(row, column, *text).unwrap();
    }
}

/// A workbook of one sheet: the header, then what `fill` writes.
fn workbook(fill: impl Fn(&mut Worksheet)) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    write_texts(sheet, 0, &HEADER);
    fill(sheet);
    workbook.save_to_buffer().unwrap()
}

fn day_format() -> Format {
    Format::new().set_num_format("dd/mm/yyyy")
}

#[test]
fn native_cells_and_texts_become_the_same_record() {
    let bytes = workbook(|sheet| {
        write_texts(sheet, 1, &TEXTS);
        write_texts(sheet, 2, &TEXTS);
        sheet.write_number(2, 0, 20_240_001).unwrap();
        sheet.write_number(2, 4, 41).unwrap();
        sheet.write_with_format(2, 12, ExcelDateTime::from_ymd(2024, 3, 5).unwrap(), &day_format()).unwrap();
        sheet.write_number(2, 14, 1234.5).unwrap();
        sheet.write_number(2, 15, 0).unwrap();
    });
    let file = read(&billing(|text| text), &bytes).unwrap();
    assert_eq!(file.rejects, []);
    let batch = &file.batches[0];
    let text = |column: usize, row: usize| batch.column(column).as_string::<i32>().value(row).to_owned();
    assert_eq!((text(0, 0), text(0, 1)), ("FD-1".to_owned(), "20240001".to_owned()));
    assert_eq!((text(2, 1), text(16, 1), text(17, 1)), ("Bœuf".to_owned(), "IMPAYEE".to_owned(), "groupe".to_owned()));
    for row in 0..2 {
        assert_eq!(batch.column(4).as_primitive::<Int32Type>().value(row), 41);
        assert_eq!(batch.column(12).as_primitive::<Date32Type>().value(row), 19_787);
        assert_eq!(batch.column(14).as_primitive::<Decimal128Type>().value(row), 123_450);
        assert_eq!(batch.column(15).as_primitive::<Decimal128Type>().value(row), 0);
    }
    assert_eq!(batch.column(13).null_count(), 2);
    let lines = batch.column_by_name("source_line").unwrap();
    assert_eq!(lines.as_primitive::<arrow::datatypes::Int64Type>().values(), &[2, 3]);
}

#[test]
fn cells_that_are_not_of_their_columns_type_are_rejected_with_row_and_reason() {
    let bytes = workbook(|sheet| {
        for row in 1..=10 {
            write_texts(sheet, row, &TEXTS);
        }
        sheet.write_number(1, 12, 45_356).unwrap();
        sheet.write_with_format(2, 12, 45_356.5, &day_format()).unwrap();
        sheet.write_with_format(3, 14, 45_356, &day_format()).unwrap();
        sheet.write_boolean(4, 16, true).unwrap();
        sheet.write_number(5, 14, 0.1 + 0.2).unwrap();
        sheet.write_number(6, 4, 41.5).unwrap();
        sheet.write_string(7, 12, "31-02-2024").unwrap();
        sheet.write_string(8, 17, "de trop").unwrap();
        sheet.write_number(9, 1, 1e15).unwrap();
        sheet.write_formula(10, 14, rust_xlsxwriter::Formula::new("=1/0").set_result("#DIV/0!")).unwrap();
    });
    let file = read(&billing(|text| text), &bytes).unwrap();
    let told: Vec<String> = file
        .rejects
        .iter()
        .map(|r| format!("{} {} {} {:?}", r.line, r.rule, r.column.as_deref().unwrap_or("-"), r.value.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            "2 date_illisible date_facture Some(\"45356\")",
            "3 date_illisible date_facture Some(\"45356.5\")",
            "4 type_de_cellule montant_facture Some(\"2024-03-05\")",
            "5 type_de_cellule statut Some(\"VRAI\")",
            "6 montant_illisible montant_facture Some(\"0.30000000000000004\")",
            "7 nombre_illisible age Some(\"41.5\")",
            "8 date_illisible date_facture Some(\"31-02-2024\")",
            &format!("9 enregistrement_long - Some(\"{};de trop\")", TEXTS.join(";")),
            "10 nombre_illisible patient_id Some(\"1000000000000000\")",
            "11 cellule_en_erreur montant_facture Some(\"#DIV/0!\")",
        ]
    );
    let ReadSummary { read, kept, rejected, .. } = &file.summary;
    assert_eq!((read.rows, kept.rows, rejected.rows), (10, 0, 10));
    check_conserved("read", read, kept, rejected).unwrap();
    let rounding = billing(|text| text.replace("[numbers]", "[numbers]\nrounding = \"half_up\""));
    let file = rounded_amount(&rounding, &bytes);
    assert_eq!(file, 30);
}

/// The amount of the only row that rounding lets in.
fn rounded_amount(dataset: &Dataset, bytes: &[u8]) -> i128 {
    let file = read(dataset, bytes).unwrap();
    assert_eq!(file.summary.kept.rows, 1);
    file.batches[0].column(14).as_primitive::<Decimal128Type>().value(0)
}

#[test]
fn blank_rows_a_repeated_header_and_totals_are_no_records() {
    let bytes = workbook(|sheet| {
        write_texts(sheet, 1, &TEXTS);
        sheet.write_string(3, 2, "  ").unwrap();
        write_texts(sheet, 4, &HEADER);
        write_texts(sheet, 5, &TEXTS);
        sheet.write_string(6, 0, "Total").unwrap();
        sheet.write_number(6, 14, 2469).unwrap();
    });
    let dataset = billing(|text| text.replace("type = \"xlsx\"", "type = \"xlsx\"\ntotals = \"TOTAL\""));
    let file = read(&dataset, &bytes).unwrap();
    assert_eq!((file.summary.read.rows, file.summary.kept.rows), (2, 2));
    let skipped: Vec<_> = file.summary.skipped.iter().map(|(kind, rows)| (kind.as_str(), *rows)).collect();
    assert_eq!(skipped, [("blank_lines", 1), ("repeated_headers", 1), ("totals_lines", 1)]);
    // Undeclared, the line of totals is a record like any other, and lacks what records need.
    let file = read(&billing(|text| text), &bytes).unwrap();
    assert_eq!(file.summary.read.rows, 3);
}

#[test]
fn the_sheet_is_the_declared_one_or_the_only_visible_one() {
    let mut book = Workbook::new();
    book.add_worksheet().set_name("Notes").unwrap().write_string(0, 0, "à ne pas lire").unwrap();
    let sheet = book.add_worksheet().set_name("Factures").unwrap();
    sheet.write_string(0, 0, "Extraction du 30 juin").unwrap();
    write_texts(sheet, 2, &HEADER);
    write_texts(sheet, 3, &TEXTS);
    let bytes = book.save_to_buffer().unwrap();
    let declared = |what: &str| billing(|text| text.replace("type = \"xlsx\"", &format!("type = \"xlsx\"\n{what}")));
    for sheet in ["sheet = \"Factures\"\nheader_line = 3", "sheet = 2\nheader_line = 3"] {
        assert_eq!(read(&declared(sheet), &bytes).unwrap().summary.kept.rows, 1, "{sheet}");
    }
    for (what, told) in [
        ("", "2 visible sheets"),
        ("sheet = \"Feuil1\"", "there is no sheet \"Feuil1\"; the workbook has the sheets \"Notes\", \"Factures\""),
        ("sheet = 3", "there is no sheet number 3"),
    ] {
        let error = read(&declared(what), &bytes).err().unwrap();
        assert_eq!(error.code, ErrorCode::WorkbookUnreadable);
        assert!(error.message.contains(told), "{error}");
    }
    let error = read(&declared("sheet = 2\nheader_line = 2"), &bytes).err().unwrap();
    assert_eq!(
        (error.code, error.message.as_str()),
        (ErrorCode::HeaderUnreadable, "line 2 is blank where the header should be")
    );
    let error = read(&declared("sheet = 2"), &bytes).err().unwrap();
    assert_eq!(error.code, ErrorCode::ColumnMissing, "{error}");
}

#[test]
fn what_is_no_readable_workbook_is_refused_in_a_sentence() {
    let dataset = billing(|text| text);
    let whole = workbook(|sheet| (1..500).for_each(|row| write_texts(sheet, row, &TEXTS)));
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 200].fill(0x55);
    let old = [&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1][..], &[0; 600]].concat();
    let cases: [(&[u8], &str); 5] = [
        (&whole[..whole.len() * 2 / 3], "cut off or damaged"),
        (&damaged, "the workbook cannot be read"),
        (b"facture_id;patient_id\n1;2\n", "the file is no workbook"),
        (&old, "before .xlsx"),
        (b"PK\x03\x04", "cut off or damaged"),
    ];
    for (bytes, told) in cases {
        let error = read(&dataset, bytes).err().unwrap_or_else(|| panic!("accepted where {told}"));
        assert_eq!(error.code, ErrorCode::WorkbookUnreadable, "{error}");
        assert!(error.message.contains(told), "{error}");
    }
    for (limits, told) in [
        (Limits { max_workbook: 1 << 10, ..Limits::default() }, "more than 0 MiB"),
        (Limits { max_workbook_unpacked: 1 << 10, ..Limits::default() }, "when unpacked"),
        (Limits { max_workbook_texts: 100, ..Limits::default() }, "of texts"),
    ] {
        let error = read_with(&dataset, &whole, limits).err().unwrap();
        assert_eq!(error.code, ErrorCode::LimitExceeded, "{error}");
        assert!(error.message.contains(told), "{error}");
    }
}

/// A third party's workbook; `None` where the fixtures are not beside this checkout.
fn fixture(name: &str) -> Option<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/excel");
    if !folder.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "CI must have the fixtures");
        return None;
    }
    Some(std::fs::read(folder.join(name)).unwrap())
}

/// All cells of a third party's workbook, the header's names first.
fn cells(name: &str) -> Option<Vec<Vec<Cell<'static>>>> {
    let dataset = billing(|text| text.replace("type = \"xlsx\"", "type = \"xlsx\"\nsheet = 1"));
    let source = dataset.source("etablissement_d").unwrap();
    let format = dataset.format_of_key(source, "etablissement_D.xlsx").unwrap();
    let mut rows = Rows::new(format, &Limits::default());
    rows.feed(&fixture(name)?).unwrap();
    rows.end().unwrap();
    let mut found = Vec::new();
    while rows.advance().unwrap() == Step::Record {
        if found.is_empty() {
            found.push(rows.header().unwrap().iter().map(|name| Cell::Text(name.clone().into())).collect());
        }
        let row = (0..4).map(|column| match rows.cell(column) {
            Cell::Text(text) => Cell::Text(text.into_owned().into()),
            Cell::Day(day) => Cell::Day(day),
            Cell::Time(time) => Cell::Time(time),
            Cell::Number(number) => Cell::Number(number),
            Cell::Error(error) => Cell::Error(error),
            _ => Cell::Empty,
        });
        found.push(row.collect());
    }
    Some(found)
}

#[test]
fn third_parties_workbooks() {
    let (Some(of_1900), Some(of_1904)) = (cells("date.xlsx"), cells("date_1904.xlsx")) else { return };
    insta::assert_debug_snapshot!("dates", (of_1900, of_1904));
    insta::assert_debug_snapshot!("errors", cells("errors.xlsx"));
    let bytes = fixture("pass_protected.xlsx").unwrap();
    let error = read(&billing(|text| text), &bytes).err().unwrap();
    assert_eq!(error.code, ErrorCode::WorkbookProtected);
    assert!(error.message.contains("protected by a password"), "{error}");
}
