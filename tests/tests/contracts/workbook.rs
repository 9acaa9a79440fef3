//! Workbooks, whole and broken in every way, through the reader.

use std::path::Path;

use crate::billing::{billing, changed};
use crate::book::{Book, sheet, text_cell};
use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Decimal128Type, Int64Type};
use fonderie_contract::Dataset;
use fonderie_core::tally::check_conserved;
use fonderie_core::{ErrorCode, StageError};
use fonderie_tabular::{Appearance, Batch, Cell, Limits, ReadSummary, Reader, Reject, Rows, Step, reject_rows};
use proptest::prelude::*;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet};

/// The billing dataset, the contract of facility D changed.
fn with_d(change: impl FnOnce(&str) -> String) -> Dataset {
    changed("sources/etablissement_d.toml", change).unwrap()
}

struct ReadFile {
    batches: Vec<RecordBatch>,
    rejects: Vec<Reject>,
    summary: ReadSummary,
}

fn read_with(dataset: &Dataset, bytes: &[u8], limits: Limits) -> Result<ReadFile, StageError> {
    let source = dataset.source("etablissement_d").unwrap();
    let format = dataset.format_of_key(source, "etablissement_D.xlsx").unwrap();
    let mut reader = Reader::new(&dataset.records[0], source, format, "etablissement_D.xlsx", limits);
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
            Batch::RefusedKeys(_) => {}
        }
    }
    assert!(reader.batch()?.is_none());
    Ok(ReadFile { batches, rejects, summary: reader.finish() })
}

fn read(dataset: &Dataset, bytes: &[u8]) -> Result<ReadFile, StageError> {
    read_with(dataset, bytes, Limits { batch_rows: 1000, ..Limits::default() })
}

pub(crate) const HEADER: [&str; 17] = [
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
    let file = read(&billing(), &bytes).unwrap();
    assert_eq!(file.rejects, []);
    let batch = &file.batches[0];
    let text = |column: usize, row: usize| batch.column(column).as_string::<i32>().value(row).to_owned();
    assert_eq!((text(0, 0), text(0, 1)), ("FD-1".to_owned(), "20240001".to_owned()));
    assert_eq!((text(2, 1), text(16, 1), text(17, 1)), ("Bœuf".to_owned(), "IMPAYEE".to_owned(), "groupe".to_owned()));
    for row in 0..2 {
        assert_eq!(batch.column(4).as_primitive::<Int64Type>().value(row), 41);
        assert_eq!(batch.column(12).as_primitive::<Date32Type>().value(row), 19_787);
        assert_eq!(batch.column(14).as_primitive::<Decimal128Type>().value(row), 123_450);
        assert_eq!(batch.column(15).as_primitive::<Decimal128Type>().value(row), 0);
    }
    assert_eq!(batch.column(13).null_count(), 2);
    let lines = batch.column_by_name("source_line").unwrap();
    assert_eq!(lines.as_primitive::<arrow_array::types::Int64Type>().values(), &[2, 3]);
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
    let file = read(&billing(), &bytes).unwrap();
    let told: Vec<String> = file
        .rejects
        .iter()
        .map(|r| format!("{} {} {} {:?}", r.line, r.rule, r.column.as_deref().unwrap_or("-"), r.value.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            "2 date_illisible date_facture Some(\"45356\")",
            "3 date_illisible date_facture Some(\"2024-03-05 12:00:00\")",
            "4 type_de_cellule montant_facture Some(\"2024-03-05\")",
            "5 type_de_cellule statut Some(\"VRAI\")",
            "7 nombre_illisible age Some(\"41.5\")",
            "8 date_illisible date_facture Some(\"31-02-2024\")",
            &format!("9 enregistrement_long - Some(\"{};de trop\")", TEXTS.join(";")),
            "10 notation_scientifique patient_id Some(\"1000000000000000\")",
            "11 cellule_en_erreur montant_facture Some(\"#DIV/0!\")",
        ]
    );
    let ReadSummary { read, kept, rejected, .. } = &file.summary;
    assert_eq!((read.rows, kept.rows, rejected.rows), (10, 1, 9));
    check_conserved("read", read, kept, rejected).unwrap();
    let rounding = with_d(|text| text.replace("[numbers]", "[numbers]\nrounding = \"half_up\""));
    let file = rounded_amount(&rounding, &bytes);
    assert_eq!(file, 30);
}

#[test]
fn the_text_of_a_refused_row_is_short() {
    let refused = |cells: String| {
        let header: String = HEADER.iter().map(|name| text_cell(name)).collect();
        let bytes = Book::of(sheet(&format!("<row>{header}</row><row>{cells}</row>"))).bytes();
        let dataset = billing();
        let source = dataset.source("etablissement_d").unwrap();
        let format = dataset.format_of_key(source, "etablissement_D.xlsx").unwrap();
        let mut rows = Rows::new(&dataset.records[0], source, format, &Limits::default());
        rows.feed(&bytes).unwrap();
        rows.end().unwrap();
        assert_eq!(rows.advance().unwrap(), Step::Record);
        rows.shown()
    };
    assert_eq!(refused("<c r=\"B2\"><v>7</v></c><c r=\"XFD2\"><v>1</v></c>".to_owned()), ";7;…;1");
    assert_eq!(
        refused("<c r=\"A2\"><v>7</v></c><c r=\"CW2\"><v>1</v></c>".to_owned()),
        format!("7{}1", ";".repeat(100))
    );
    let long = refused(text_cell(&"é".repeat(3_000)).repeat(40));
    assert!(long.len() <= (8 << 10) + 3 && long.starts_with("ééé") && long.ends_with("é…"), "{}", long.len());
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
    let dataset = with_d(|text| text.replace("type = \"xlsx\"", "type = \"xlsx\"\ntotals = \"TOTAL\""));
    let file = read(&dataset, &bytes).unwrap();
    assert_eq!((file.summary.read.rows, file.summary.kept.rows), (2, 2));
    let skipped: Vec<_> = file.summary.skipped.iter().map(|(kind, rows)| (kind.as_str(), *rows)).collect();
    assert_eq!(skipped, [("blank_lines", 1), ("repeated_headers", 1), ("totals_lines", 1)]);
    // Undeclared, the line of totals is a record like any other, and lacks what records need.
    let file = read(&billing(), &bytes).unwrap();
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
    let declared = |what: &str| with_d(|text| text.replace("type = \"xlsx\"", &format!("type = \"xlsx\"\n{what}")));
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
        (
            ErrorCode::HeaderUnreadable,
            "line 2 is blank where the header should be: correct `header_line` in the contract, or the file"
        )
    );
    let error = read(&declared("sheet = 2"), &bytes).err().unwrap();
    assert_eq!(error.code, ErrorCode::ColumnMissing, "{error}");
}

#[test]
fn what_is_no_readable_workbook_is_refused_in_a_sentence() {
    let dataset = billing();
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

/// Each row of a file in a format of facility D, header first, as its line and its cells; sheets begin with their name.
fn rows_in(what: &str, bytes: &[u8]) -> Result<(Vec<String>, bool), StageError> {
    let dataset = with_d(|text| text.replace("type = \"xlsx\"", &format!("type = \"xlsx\"\n{what}")));
    let source = dataset.source("etablissement_d").unwrap();
    let format = dataset.format_of_key(source, "etablissement_D.xlsx").unwrap();
    let mut rows = Rows::without_contract(format, &Limits::default());
    rows.feed(bytes)?;
    rows.end()?;
    let mut found = Vec::new();
    let mut sheet = 0;
    while rows.advance()? == Step::Record {
        let (name, number) = rows.sheet().unwrap();
        if sheet != number {
            sheet = number;
            found.push(format!("{number} {name}: {}", rows.layout().unwrap().names().collect::<Vec<_>>().join(" ")));
        }
        let width = rows.layout().unwrap().columns.len();
        let cells: Vec<String> = (0..width).map(|at| shown(&rows.cell(at))).collect();
        found.push(format!("{} {}", rows.line(), cells.join(" ")));
    }
    Ok((found, rows.recalculates()))
}

fn rows(bytes: &[u8]) -> Vec<String> {
    rows_in("", bytes).unwrap().0
}

fn shown(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Empty => "-".to_owned(),
        Cell::Text(text) => format!("'{text}'"),
        Cell::TooLong(text) => format!("too long: {}", text.len()),
        Cell::Number(number) => number.to_string(),
        Cell::Formatted(number, Appearance::Other) => format!("~{number}"),
        Cell::Formatted(number, appearance) => format!("~{number}:{appearance:?}"),
        Cell::ShownAs(number, text) => format!("{number}='{text}'"),
        Cell::Formula => "uncomputed".to_owned(),
        other => other.shown(),
    }
}

#[test]
fn numbers_are_shown_as_their_formats_show_them() {
    let styles = "<styleSheet><numFmts count=\"4294967295\"><numFmt numFmtId=\"164\" formatCode=\"0000000\"/>\
        <numFmt numFmtId=\"165\" formatCode=\"&quot;F-&quot;0000\"/><numFmt numFmtId=\"166\" formatCode=\"#,##0.00\\ &quot;€&quot;\"/>\
        <numFmt numFmtId=\"167\" formatCode=\"dd/mm/yyyy hh:mm\"/></numFmts>\
        <cellStyleXfs><xf numFmtId=\"14\"/></cellStyleXfs>\
        <cellXfs count=\"4294967295\"><xf numFmtId=\"0\"/><xf numFmtId=\"164\"/><xf numFmtId=\"165\"><alignment/></xf>\
        <xf numFmtId=\"166\"/><xf numFmtId=\"167\"/><xf numFmtId=\"49\"/><xf numFmtId=\"46\"/><xf numFmtId=\"1\"/></cellXfs>\
        <dxfs><dxf><numFmt numFmtId=\"164\" formatCode=\"dd\"/></dxf></dxfs></styleSheet>";
    let cell = |style: usize, value: &str| format!("<c s=\"{style}\"><v>{value}</v></c>");
    let row =
        [(0, "10"), (1, "10"), (1, "10.5"), (2, "7"), (3, "10"), (4, "46146"), (4, "46184.38888888889"), (4, "60")];
    let more = [(5, "10"), (6, "1.5"), (7, "10"), (9, "10"), (1, "1E+20"), (0, "1e999"), (0, " 48 ")];
    let cells: String = row.iter().chain(&more).map(|(style, value)| cell(*style, value)).collect();
    let header: String = (0..15).map(|at| text_cell(&format!("c{at}"))).collect();
    let bytes =
        Book::of(sheet(&format!("<row>{header}</row><row>{cells}</row>"))).part("xl/styles.xml", styles).bytes();
    assert_eq!(
        rows(&bytes)[1],
        "2 10 10='0000010' ~10.5 7='F-0007' ~10:Around(\"1 €\") 2026-05-04 2026-06-11 09:20:00 60 10 1.5 10='10' 10 \
         ~100000000000000000000 '1e999' 48"
    );
}

#[test]
fn the_text_that_zeros_show_is_the_text_fields_value() {
    let bytes = workbook(|sheet| {
        write_texts(sheet, 1, &TEXTS);
        sheet.write_number_with_format(1, 0, 10, &Format::new().set_num_format("0000000")).unwrap();
        sheet.write_number_with_format(1, 1, 10, &Format::new().set_num_format("#,##0")).unwrap();
        sheet.write_number_with_format(1, 4, 41, &Format::new().set_num_format("000")).unwrap();
        sheet.write_number_with_format(1, 14, 12.5, &Format::new().set_num_format("0.00")).unwrap();
    });
    let file = read(&billing(), &bytes).unwrap();
    assert_eq!(file.rejects, []);
    let text = |column: usize| file.batches[0].column(column).as_string::<i32>().value(0).to_owned();
    assert_eq!((text(0), text(1)), ("0000010".to_owned(), "10".to_owned()));
    assert_eq!(file.batches[0].column(4).as_primitive::<Int64Type>().value(0), 41);
    assert_eq!(file.batches[0].column(14).as_primitive::<Decimal128Type>().value(0), 1250);
}

/// Formulas as programs write them: with values, without any, and with an empty text as their value.
const FORMULAS: &str = "<row><c t=\"inlineStr\"><is><t>a</t></is></c></row>\
    <row><c><f>J2*K2</f><v /></c></row><row><c><f>A1</f></c></row><row><c><f t=\"shared\" si=\"0\"/><v></v></c></row>\
    <row><c t=\"str\"><f>A1</f></c></row><row><c t=\"str\"><f>A1</f><v></v></c></row>\
    <row><c t=\"str\"><f>A1</f><v>a&amp;_x0041_</v></c></row><row><c><f>1+1</f><v>2</v></c></row>\
    <row><c t=\"e\"><f>1/0</f><v>#DIV/0!</v></c></row><row><c><v/></c></row><row><c><f>A1</f><v> </v></c></row>";

#[test]
fn a_formula_without_a_stored_value_is_neither_empty_nor_a_number() {
    let bytes = Book::of(sheet(FORMULAS)).bytes();
    let (found, recalculates) = rows_in("", &bytes).unwrap();
    // Rows 6 and 10 are blank.
    let expected = [
        "2 uncomputed",
        "3 uncomputed",
        "4 uncomputed",
        "5 uncomputed",
        "7 'a&A'",
        "8 2",
        "9 #DIV/0!",
        "11 uncomputed",
    ];
    assert_eq!(found[1..], expected);
    assert!(!recalculates);
    // In an optional field, too.
    let cells = |texts: &[&str]| texts.iter().copied().map(text_cell).collect::<Vec<_>>();
    let mut record = cells(&TEXTS);
    record[13] = "<c><f>M2+30</f><v/></c>".to_owned();
    let rows = format!("<row>{}</row><row>{}</row>", cells(&HEADER).concat(), record.concat());
    let file = read(&billing(), &Book::of(sheet(&rows)).bytes()).unwrap();
    let broken: Vec<_> = file.rejects.iter().map(|r| (r.rule.as_str(), r.column.as_deref())).collect();
    assert_eq!(broken, [("formule_sans_valeur", Some("date_paiement"))]);
}

#[test]
fn a_workbook_that_asks_for_recalculation_is_reported_or_refused() {
    for (properties, asks) in [
        ("<calcPr calcId=\"1\" fullCalcOnLoad=\"1\"/>", true),
        ("<calcPr calcCompleted=\"0\"/>", true),
        ("<calcPr forceFullCalc=\"1\"/>", true),
        ("<calcPr fullCalcOnLoad=\"0\" forceFullCalc=\"0\" calcCompleted=\"1\"/>", false),
        ("", false),
    ] {
        let formulas = Book::of(sheet(FORMULAS)).properties(properties).bytes();
        assert_eq!(rows_in("", &formulas).unwrap().1, asks, "{properties}");
        let strict = rows_in("formulas = \"strict\"", &formulas);
        assert_eq!(strict.is_err(), asks, "{properties}");
        if let Err(error) = strict {
            assert_eq!(error.code, ErrorCode::WorkbookUnreadable);
            assert!(error.message.contains("recalculated, saved"), "{error}");
        }
        // Without a formula there is nothing to recalculate.
        let values = Book::of(sheet("<row><c><v>1</v></c></row>")).properties(properties).bytes();
        assert!(!rows_in("formulas = \"strict\"", &values).unwrap().1);
    }
}

#[test]
fn several_sheets_are_read_as_one_file() {
    let month = |id: &str| sheet(&format!("<row>{}</row><row>{}</row>", text_cell("facture"), text_cell(id)));
    let book = Book::default()
        .sheet("Notes", "hidden", month("N"))
        .sheet("Mai", "visible", month("M"))
        .sheet("Juin 1", "visible", month("J1"))
        .sheet("Juin 2", "hidden", month("J2"))
        .sheet("juin 3", "visible", month("J3"));
    let bytes = book.bytes();
    let read = |what: &str| rows_in(what, &bytes).map(|(rows, _)| rows.join(", "));
    let (mai, one, two, three) = (
        "2 Mai: facture, 20000002 'M'",
        "3 Juin 1: facture, 30000002 'J1'",
        "4 Juin 2: facture, 40000002 'J2'",
        "5 juin 3: facture, 50000002 'J3'",
    );
    for (what, found) in [
        ("sheets = [\"Juin*\", \"mai\"]", [mai, one, three].join(", ")),
        ("sheets = [\"Juin 2\", 2, \"MAI\"]\nignored_sheets = [\"Juin*\"]", [mai, two].join(", ")),
        ("sheets = [\"?uin [12]\"]\nignored_sheets = [2, \"juin 3\"]", one.to_owned()),
        ("sheets = [\"*\", 4]", [mai, one, two, three].join(", ")),
        ("sheet = \" MAI\"", "2 Mai: facture, 2 'M'".to_owned()),
    ] {
        assert_eq!(read(what).unwrap(), found, "{what}");
    }
    for (what, sentence) in [
        (
            "sheets = [\"Mai\", \"Août*\"]",
            "there is no visible sheet like \"Août*\"; the workbook has the sheets \"Notes\", ",
        ),
        ("sheets = [\"Mai\", 6]", "there is no sheet number 6"),
        ("sheets = [\"Note?\"]", "there is no visible sheet like \"Note?\""),
        ("sheets = [\"Mai\", \"Juin 1\"]", "the visible sheet \"juin 3\" is in neither `sheets` nor `ignored_sheets`"),
        ("sheet = \"Juin*\"", "there is no sheet \"Juin*\""),
        ("", "3 visible sheets, and the contract names none"),
    ] {
        let error = read(what).unwrap_err();
        assert_eq!(error.code, ErrorCode::WorkbookUnreadable);
        assert!(error.message.contains(sentence), "{error}");
    }
    // Spreadsheets leave empty sheets behind.
    let empty = book.sheet("Vide", "visible", sheet("")).bytes();
    assert_eq!(
        rows_in("sheets = [\"mai\", \"vide\"]\nignored_sheets = [\"juin*\"]", &empty).unwrap().0,
        ["2 Mai: facture", "20000002 'M'"]
    );
}

#[test]
fn sentences_with_sheet_names_are_short() {
    let mut book = Book::default();
    for at in 0..200 {
        book = book.sheet(&format!("{at} {}", "très long nom ".repeat(20)), "visible", sheet(""));
    }
    let bytes = book.bytes();
    for what in ["", "sheets = [\"Août*\"]", &format!("sheet = \"{}\"", "é".repeat(500))] {
        let error = rows_in(what, &bytes).unwrap_err();
        assert!(error.message.chars().count() <= 500, "{} in {error}", error.message.chars().count());
        assert!(error.message.contains("and 190 more"), "{error}");
    }
}

#[test]
fn sheets_that_differ_from_excels_are_read_or_refused() {
    let a = text_cell("a");
    for (rows_xml, expected) in [
        // Only the cells have numbers; only the rows have; a prefix; cells far to the right; elements of other makers.
        ("<row>H</row><row><c r=\"A5\"><v>1</v></c></row>", Ok("5 1")),
        ("<row r=\"1\">H</row><row r=\"7\" hidden=\"1\"><c><v>1</v></c></row>", Ok("7 1")),
        ("<row>H</row><x:row xmlns:x=\"x\"><x:c><x:v>1</x:v></x:c></x:row>", Ok("2 1")),
        ("<row>H</row><row><c><extLst><ext><v>9</v></ext></extLst><v>1</v></c></row>", Ok("2 1")),
        // Nothing is lost with an empty element, a comment, or the sounds of a text.
        (
            "<row>H</row><row> <c t=\"inlineStr\"> <v> </v> <is><t>q</t><rPh><t>b</t></rPh></is><v/> </c> <!-- 1 --> </row>",
            Ok("2 'q'"),
        ),
        ("<row>H</row><row><c><v/><v>1</v><v/><is/></c><extLst><c><v>9</v></c></extLst></row>", Ok("2 1")),
        ("<row>H</row><row><c t=\"d\"><v>2026-05-04T00:00:00</v></c></row>", Ok("2 2026-05-04")),
        ("<row>H</row><row><c t=\"b\"><v>1</v></c></row>", Ok("2 VRAI")),
        ("<row>H</row><row r=\"1\"><c><v>1</v></c></row>", Err("order")),
        ("<row>H</row><row><c r=\"B2\"><v>1</v></c><c r=\"A2\"><v>1</v></c></row>", Err("order")),
        ("<row>H</row><row r=\"2\"><c r=\"A2\"><v>1</v></c><c r=\"B3\"><v>1</v></c></row>", Err("another row")),
        ("<row>H</row><row r=\"4294967295\"><c><v>1</v></c></row>", Err("more rows")),
        ("<row>H</row><row r=\"99999999999\"><c><v>1</v></c></row>", Err("row 1: the number of a row below it")),
        ("<row>H</row><row><c r=\"XFE2\"><v>1</v></c></row>", Err("more columns")),
        ("<row>H</row><row><c t=\"s\"><v>7</v></c></row>", Err("cell A2: it refers to a shared text")),
        ("<row>H</row><row><c t=\"z\"><v>7</v></c></row>", Err("row 2: it is of a type")),
        ("<row>H</row><row><c><v>&unknown;</v></c></row>", Err("cell A2: a text has a reference")),
        ("<row>H</row><row><c><v>7</v></row>", Err("cell A2: its XML is malformed")),
    ] {
        let bytes = Book::of(sheet(&rows_xml.replace('H', &a))).bytes();
        let found = rows_in("", &bytes).map(|(rows, _)| rows[1..].join(", ")).map_err(|error| error.message);
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{rows_xml}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found} for {rows_xml}"),
            (found, expected) => panic!("{found:?} instead of {expected:?} for {rows_xml}"),
        }
    }
}

#[test]
fn what_is_wrong_in_a_workbook_is_said_with_its_place() {
    let rows = |cell: &str| {
        let cells = format!("<c r=\"A1\" t=\"inlineStr\"><is><t>a</t></is></c></row><row r=\"2\">{cell}");
        sheet(&format!("<row r=\"1\">{cells}</row>"))
    };
    let failed = |book: &Book| rows_in("", &book.bytes()).err().map(|error| (error.code, error.message));
    let of_cell = |cell: &str, place: &str, what: &str| {
        let told = format!("the workbook cannot be read: the sheet \"Feuille\", {place}: {what}; have it saved again");
        let book = Book::of(rows(cell)).part("xl/sharedStrings.xml", "<sst><si><t>q</t></si></sst>");
        let (code, found) = failed(&book).unwrap_or_else(|| panic!("{cell}"));
        assert_eq!((code, found.contains(&told)), (ErrorCode::WorkbookUnreadable, true), "{cell}: {found}");
    };
    let unknown_text = "it refers to a shared text that the workbook does not have";
    of_cell("<c r=\"C2\" t=\"s\"><v>99</v></c>", "cell C2", unknown_text);
    of_cell("<c r=\"AA2\" t=\"s\"><v>q</v></c>", "cell AA2", unknown_text);
    of_cell("<c r=\"B2\" t=\"b\"><v>2</v></c>", "cell B2", "its truth value is neither 0 nor 1");
    of_cell("<c t=\"x\" r=\"B2\"><v>2</v></c>", "cell B2", "it is of a type that the format does not have");
    of_cell("<c r=\"B2\" s=\"x\"><v>2</v></c>", "cell B2", "its style is not a number");
    of_cell("<c r=\"2B\"><v>2</v></c>", "row 2", "the reference of a cell is not one such as B2");
    of_cell("<c r=\"B2\"><v>2</v></c><c r=\"A2\"/>", "cell A2", "the cells are not in their order");
    of_cell("<c r=\"B2\"><v>2</x></c>", "cell B2", "its XML is malformed");
    let lost = "it has content where the format has none, which would be lost";
    of_cell("<c r=\"B2\" t=\"inlineStr\"><v>12.5</v></c>", "cell B2", lost);
    of_cell("<c r=\"B2\" t=\"inlineStr\"><is>Ann</is></c>", "cell B2", lost);
    of_cell("<c r=\"B2\" t=\"inlineStr\"><is><T>Ann</T></is></c>", "cell B2", lost);
    of_cell("<c r=\"B2\">12.5</c>", "cell B2", lost);
    of_cell("<c r=\"B2\"><![CDATA[12.5]]></c>", "cell B2", lost);
    of_cell("<c r=\"B2\">&#49;</c>", "cell B2", lost);
    of_cell("<c r=\"B2\"><V>12.5</V></c>", "cell B2", lost);
    of_cell("<c r=\"B2\"><v>1</v><v>2</v></c>", "cell B2", lost);
    of_cell("<c r=\"B2\"><is><t>1</t></is><v>2</v></c>", "cell B2", lost);
    of_cell("<c r=\"B2\"><v>1<x>2</x></v></c>", "cell B2", lost);
    of_cell("<C r=\"B2\"><v>12.5</v></C>", "row 2", lost);
    of_cell("12.5", "row 2", lost);
    let utf16: Vec<u8> = rows("").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin1: Vec<u8> = rows("<c t=\"str\"><v>Zo\u{e9}</v></c>").chars().map(|c| c as u8).collect();
    let declared = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>".as_bytes();
    let no_sheet = Book::default().sheet("Mai", "visible", "").bytes();
    let cut: Vec<u8> = {
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(no_sheet)).unwrap();
        let mut copy = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for at in (0..archive.len()).filter(|at| *at != 3) {
            copy.raw_copy_file(archive.by_index_raw(at).unwrap()).unwrap();
        }
        copy.finish().unwrap().into_inner()
    };
    let (code, found) = rows_in("", &cut).err().map(|error| (error.code, error.message)).unwrap();
    assert_eq!(code, ErrorCode::WorkbookUnreadable);
    assert!(found.contains("the sheet \"Mai\": the archive lacks its part xl/worksheets/sheet0.xml;"), "{found}");
    for (book, told) in [
        (Book::of(&utf16), "the sheet \"Feuille\": its text is in UTF-16, not in UTF-8;"),
        (Book::of([b"\xFF\xFE", &utf16[..]].concat()), "the sheet \"Feuille\": its text is in UTF-16, not in UTF-8;"),
        (Book::of(&latin1), "the sheet \"Feuille\", cell A2: its text is not in UTF-8;"),
        (Book::of([declared, &latin1].concat()), "the sheet \"Feuille\", cell A2: its text is not in UTF-8;"),
        (Book::of(rows("<c/>").replace("row", "Row")), &format!("the sheet \"Feuille\": {lost};")),
        (Book::of(rows("<c/>").replace("sheetData", "SheetData")), &format!("the sheet \"Feuille\": {lost};")),
        (
            Book::of(
                rows("<c/>").replace("</worksheet>", "<sheetData><row><c><v>1</v></c></row></sheetData></worksheet>"),
            ),
            lost,
        ),
        (Book::of(sheet("")).part("xl/sharedStrings.xml", "<sst><SI><t>q</t></SI></sst>"), lost),
        (Book::of(sheet("")).part("xl/sharedStrings.xml", "<sst><si>q</si></sst>"), lost),
        (Book::of("<chartsheet/>"), "the sheet \"Feuille\": its part is not a sheet's;"),
        (Book::of(sheet("")).part("xl/styles.xml", "<a></b>"), "its part xl/styles.xml: its XML is malformed;"),
        (
            Book::of(sheet("")).part("xl/sharedStrings.xml", "<sst><si><t>\u{e9}&x;"),
            "its part xl/sharedStrings.xml: a text",
        ),
        (Book::of(sheet("")).properties("<a></b>"), "its part xl/workbook.xml: its XML is malformed;"),
        (
            Book::of(sheet("").replace("</worksheet>", "<mergeCell ref=\"B:C\"/></worksheet>")),
            "the sheet \"Feuille\": a range of merged cells is not one such as B2:B3;",
        ),
    ] {
        let (code, found) = failed(&book).unwrap_or_else(|| panic!("{told}"));
        assert_eq!((code, found.contains(told)), (ErrorCode::WorkbookUnreadable, true), "{found} instead of {told}");
    }
}

/// A given case's file; `None` where the cases are not beside this checkout.
fn case(path: &str) -> Option<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases");
    if !folder.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "CI must have the cases");
        return None;
    }
    Some(std::fs::read(folder.join(path)).unwrap())
}

#[test]
fn workbooks_as_facilities_send_them() {
    for name in ["pbi_dim_a0", "pbi_dim_a1", "pbi_sans_dim", "pbi_sans_r"] {
        let Some(bytes) = case(&format!("xlsx-powerbi/{name}.xlsx")) else { return };
        let found = rows(&bytes);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[2].contains("'Quéré' 'Yann' 2026-06-11 - 1260.5 0 'Impayée'"), "{found:?}");
    }
    let read = |path: &str| rows_in("", &case(path).unwrap()).unwrap();
    let (found, recalculates) = read("xlsx-formules/xform.xlsx");
    assert!(recalculates);
    assert!(found[1].contains("2026-06-01 - uncomputed 0 'Impayée' 2 24"), "{found:?}");
    let (found, recalculates) = read("xlsx-dates-melees/xmix.xlsx");
    assert!(!recalculates);
    assert!(
        found[1].contains("'Léa' 2026-04-05 - 10 0") && found[2].contains("'Léa' '13/05/2026' - 20 0"),
        "{found:?}"
    );
    assert_eq!(read("feuilles-et-lignes-masquees/masque.xlsx").0.len(), 4);
    let (found, _) = read("date-heure/heure.xlsx");
    assert!(found[2].contains("2026-06-11 09:20:00"), "{found:?}");
    let (found, _) = read("notation-scientifique/sci.xlsx");
    assert!(found[1].starts_with("2 24952000000010900000 123456789012345000 'Morvan'"), "{found:?}");
    let (found, _) = read("xlsx-flottants/xflot.xlsx");
    assert!(found[1].contains("~0.30000000000000004 ~0"), "{found:?}");
    let months = case("feuilles-et-lignes-masquees/mois.xlsx").unwrap();
    let error = rows_in("", &months).unwrap_err();
    assert!(error.message.contains("2 visible sheets"), "{error}");
    let (found, _) = rows_in("sheets = [\"*\"]", &months).unwrap();
    assert_eq!(found.iter().filter(|row| row.contains("Facture Patient")).count(), 2, "{found:?}");
    for (name, what) in [
        ("faux.xls", "web page"),
        ("faux_csv.xlsx", "no workbook but text"),
        ("faux_html.xlsx", "web page"),
        ("faux_vide.xlsx", "is empty"),
        ("faux_xls.xlsx", "before .xlsx"),
    ] {
        let error = rows_in("", &case(&format!("faux-xlsx/{name}")).unwrap()).unwrap_err();
        assert_eq!(error.code, ErrorCode::WorkbookUnreadable);
        assert!(error.message.contains(what), "{name}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What a workbook holds comes out, whatever stands beside it: number, text, nothing.
    #[test]
    fn cells_come_out_where_they_were_written(
        cells in prop::collection::vec((0_u32..40, 0_u16..60, prop_oneof![
            (-1e9_f64..1e9).prop_map(Ok),
            "[a-zé<&\"_x0-9\n ]{1,12}".prop_map(Err),
        ]), 1..60)
    ) {
        let mut written = std::collections::BTreeMap::new();
        for (row, column, cell) in cells {
            written.insert((row + 1, column), cell);
        }
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        for column in 0..60 {
            sheet.write_string(0, column, format!("c{column}")).unwrap();
        }
        for ((row, column), cell) in &written {
            match cell {
                Ok(number) => sheet.write_number(*row, *column, *number).unwrap(),
                Err(text) => sheet.write_string(*row, *column, text).unwrap(),
            };
        }
        let bytes = book.save_to_buffer().unwrap();
        let dataset = billing();
        let source = dataset.source("etablissement_d").unwrap();
        let mut rows = Rows::without_contract(dataset.format_of_key(source, "etablissement_D.xlsx").unwrap(), &Limits::default());
        rows.feed(&bytes).unwrap();
        rows.end().unwrap();
        let mut read = std::collections::BTreeMap::new();
        while rows.advance().unwrap() == Step::Record {
            for column in 0..60 {
                let cell = match rows.cell(column) {
                    Cell::Empty => continue,
                    Cell::Number(number) => Ok(number),
                    other => Err(other.shown()),
                };
                read.insert((u32::try_from(rows.line()).unwrap() - 1, u16::try_from(column).unwrap()), cell);
            }
        }
        // Rows of white space only are blank.
        let blank = |row: u32| written.range((row, 0)..(row + 1, 0)).all(|(_, c)| matches!(c, Err(t) if t.trim().is_empty()));
        let expected: std::collections::BTreeMap<_, _> =
            written.iter().filter(|((row, _), _)| !blank(*row)).map(|(at, cell)| (*at, cell.clone())).collect();
        prop_assert_eq!(read, expected);
    }

    /// Whatever is cut out of a sheet, out of the styles or out of the archive, the reader ends, with rows or a sentence.
    #[test]
    fn damage_anywhere_ends_in_rows_or_a_sentence(
        part in 0_usize..3, at in 0.0_f64..1.0, length in 0_usize..40, noise in prop::collection::vec(any::<u8>(), 0..20)
    ) {
        let damage = |text: &[u8]| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let start = (text.len() as f64 * at) as usize;
            [&text[..start], &noise, &text[(start + length).min(text.len())..]].concat()
        };
        let sheet = sheet(FORMULAS).into_bytes();
        let styles = b"<styleSheet><numFmts><numFmt numFmtId=\"164\" formatCode=\"000\"/></numFmts></styleSheet>".to_vec();
        let (sheet, styles) = match part {
            0 => (damage(&sheet), styles),
            1 => (sheet, damage(&styles)),
            _ => (sheet, styles),
        };
        let mut bytes = Book::of(&sheet).part("xl/styles.xml", &styles).bytes();
        if part == 2 {
            bytes = damage(&bytes);
        }
        match rows_in("", &bytes) {
            Ok((rows, _)) => prop_assert!(rows.len() <= 12),
            Err(error) => prop_assert!(error.message.len() < 500 && error.code != ErrorCode::Internal, "{}", error),
        }
    }
}

/// A third party's workbook; `None` where the fixtures are not beside this checkout.
fn fixture(name: &str) -> Option<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/excel");
    if !folder.is_dir() {
        assert!(std::env::var_os("CI").is_none(), "CI must have the fixtures");
        return None;
    }
    Some(std::fs::read(folder.join(name)).unwrap())
}

/// All cells of a third party's workbook, the header's names first.
fn cells(name: &str) -> Option<Vec<Vec<Cell<'static>>>> {
    let dataset = with_d(|text| text.replace("type = \"xlsx\"", "type = \"xlsx\"\nsheet = 1"));
    let source = dataset.source("etablissement_d").unwrap();
    let format = dataset.format_of_key(source, "etablissement_D.xlsx").unwrap();
    let mut rows = Rows::without_contract(format, &Limits::default());
    rows.feed(&fixture(name)?).unwrap();
    rows.end().unwrap();
    let mut found = Vec::new();
    while rows.advance().unwrap() == Step::Record {
        if found.is_empty() {
            found.push(rows.layout().unwrap().names().map(|name| Cell::Text(name.to_owned().into())).collect());
        }
        let row = (0..4).map(|column| match rows.cell(column) {
            Cell::Text(text) => Cell::Text(text.into_owned().into()),
            Cell::Day(day) => Cell::Day(day),
            Cell::Time(time) => Cell::Time(time),
            Cell::Moment { day, milliseconds } => Cell::Moment { day, milliseconds },
            Cell::Number(number) | Cell::Formatted(number, _) => Cell::Number(number),
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
    let error = read(&billing(), &bytes).err().unwrap();
    assert_eq!(error.code, ErrorCode::WorkbookProtected);
    assert!(error.message.contains("protected by a password"), "{error}");
}

/// What becomes of an amount and an age that are shown in a format: their values, or the rules and sentences.
fn formatted(numbers: &str, code: &str, number: f64) -> Result<(i128, i64), Vec<String>> {
    let format = Format::new().set_num_format(code);
    let bytes = workbook(|sheet| {
        write_texts(sheet, 1, &TEXTS);
        sheet.write_number_with_format(1, 4, number, &format).unwrap();
        sheet.write_number_with_format(1, 14, number, &format).unwrap();
    });
    let dataset = with_d(|text| text.replace("currency = [\"€\"]", numbers));
    let file = read(&dataset, &bytes).unwrap();
    if let Some(batch) = file.batches.first() {
        let age = batch.column(4).as_primitive::<Int64Type>().value(0);
        return Ok((batch.column(14).as_primitive::<Decimal128Type>().value(0), age));
    }
    let told = |r: &Reject| format!("{} {}: {}", r.rule, r.value.as_deref().unwrap_or("-"), r.message);
    Err(file.rejects.iter().map(told).collect())
}

#[test]
fn a_number_counts_as_its_format_shows_it() {
    let (euro, none, percent) = ("currency = [\"€\"]", "", "units = [\"%\"]");
    for (numbers, code, number, expected) in [
        (euro, "#,##0.00\\ \"€\"", 48.0, Some((4_800, 48))),
        (euro, "_-* #,##0.00\\ \"€\"_-", 48.0, Some((4_800, 48))),
        (euro, "#,##0.00\\ [$EUR]", 48.0, Some((4_800, 48))),
        (euro, "0 \"€\"", 48.0, Some((4_800, 48))),
        (euro, "#,##0.00", 48.0, Some((4_800, 48))),
        (euro, "0 \"points\"", 48.0, None),
        ("units = [\"points\"]", "0 \"points\"", 48.0, Some((4_800, 48))),
        (euro, "\"FR \"0.00", 48.0, None),
        ("currency = [\"€\"]\nunits = [\"FR\"]", "\"FR \"0.00", 48.0, Some((4_800, 48))),
        ("currency = [\"F\"]", "0.00\" F\"", 48.0, Some((4_800, 48))),
        ("currency = [\"CHF\"]", "\"Fr. \"0.00", 48.0, Some((4_800, 48))),
        (none, "#,##0.00\\ \"kr.\"", 48.0, None),
        (none, "#,##0.00\\ \"EUR\"", 48.0, Some((4_800, 48))),
        (none, "[$$-1009]0.00\" CAD\"", 48.0, None),
        ("currency = [\"CAD\"]", "[$$-1009]0.00\" CAD\"", 48.0, Some((4_800, 48))),
        (none, "[$$-1009]0.00\" €\"", 48.0, None),
        (euro, "0.00\" %\"", 48.0, None),
        (percent, "0.00\" %\"", 48.0, Some((4_800, 48))),
        (euro, "(0.00)", 48.0, None),
        (euro, "-0.00", 48.0, None),
        (euro, "0.00\"-\"", 48.0, None),
        (euro, "0.00\"-\"", -48.0, None),
        ("trailing_sign = true", "0.00\"-\"", 48.0, None),
        (euro, "0.00\" CR\"", 48.0, None),
        ("credit_suffix = true", "0.00\" CR\"", 48.0, None),
        ("credit_suffix = true", "0.00\" DR\";0.00\" CR\"", 48.0, Some((4_800, 48))),
        (euro, "0.00\" DR\";0.00\" CR\"", 48.0, None),
        (euro, "+0.00", 48.0, Some((4_800, 48))),
        (euro, "0.00;0.00", 48.0, Some((4_800, 48))),
        (euro, "0;0;0", 48.0, Some((4_800, 48))),
        (euro, "[Red]0.00;[Red]0.00", 48.0, Some((4_800, 48))),
        (euro, "(0)", 48.0, None),
        (euro, "0;0;\"-\"", 0.0, Some((0, 0))),
        (euro, "0.00;-0.00;", 0.0, Some((0, 0))),
        (euro, "#,##0\".–\"", 48.0, Some((4_800, 48))),
        (euro, "0\\.00", 48.0, None),
        (euro, "000 000", 48.0, Some((4_800, 48))),
        (euro, "0000", 48.0, Some((4_800, 48))),
        (euro, "\"F-\"0000", 48.0, None),
        (euro, "\"20\"00", 48.0, None),
        (euro, ";;;", 48.0, None),
        (euro, "$#,##0.00", 48.0, None),
        (euro, "#,##0.00 \"CHF\"", 48.0, None),
        (euro, "[$£-809]#,##0", 48.0, None),
        (euro, "[$DH]\\ 0", 48.0, None),
        (euro, "0\" CHF\"", 48.0, None),
        (none, "0\" CHF\"", 48.0, None),
        (none, "$#,##0.00", 48.0, None),
        ("currency = [\"CHF\"]", "0\" Fr.\"", 48.0, Some((4_800, 48))),
        ("currency = [\"CHF\"]", "0\" €\"", 48.0, None),
        (euro, "0%", 0.48, None),
        (percent, "0%", 0.48, Some((4_800, 48))),
        (percent, "0%", 0.07, Some((700, 7))),
        (percent, "0.00%", 1.1, Some((11_000, 110))),
        (percent, "0", 48.0, Some((4_800, 48))),
        (percent, "0\"%\"", 48.0, Some((4_800, 48))),
        (none, "#,##0,", 48.0, None),
        (none, "0\" k€\"", 48.0, None),
    ] {
        assert_eq!(formatted(numbers, code, number).ok(), expected, "{number} under {code} with {numbers}");
    }
    assert_eq!(
        formatted(euro, "#,##0.00 \"CHF\"", 48.0).unwrap_err(),
        [
            "nombre_illisible 48 CHF: Le nombre porte une autre devise que celle convenue (€).",
            "montant_illisible 48 CHF: Le montant porte une autre devise que celle convenue (€)."
        ]
    );
    let told = formatted(euro, "0%", 0.29).unwrap_err();
    assert!(told[0].starts_with("nombre_illisible 29%") && told[1].starts_with("montant_illisible 29%"), "{told:?}");
    assert!(told.iter().all(|told| told.contains("`units = [\"%\"]`")), "{told:?}");
    // An age below zero is refused in any format, an amount only if red is no sign.
    let told = formatted(euro, "0.00;[Red]0.00", -48.0).unwrap_err();
    assert!(told.len() == 1 && told[0].contains("hors des limites"), "{told:?}");
    let told = formatted(euro, "[Red]0.00;[Red]0.00", -48.0).unwrap_err();
    assert!(told.len() == 2 && told.iter().all(|told| told.contains("un autre signe")), "{told:?}");
    let told = formatted(euro, "#,##0,", 48.0).unwrap_err();
    assert!(told.iter().all(|told| told.contains("en milliers")), "{told:?}");
    for code in ["0.00 \"F\"", "0.00\" F\"", "[$F-40C] 0.00", "\"F\"0.00"] {
        let told = formatted(euro, code, 48.0).unwrap_err();
        assert!(told.iter().all(|told| told.contains("« F »") && told.contains("`units = [\"F\"]`")), "{told:?}");
    }
    assert_eq!(
        formatted("", "0.00\" Md€\"", 48.0).unwrap_err()[1],
        "montant_illisible 48 Md€: Le montant porte « Md€ », que le contrat ne déclare pas ; si ce mot n'y change rien, le contrat \
         l'admet par `units = [\"Md€\"]`, ou par `currency` si c'est la devise."
    );
    let told = formatted(euro, "(0.00)", 48.0).unwrap_err();
    assert!(
        told.iter().all(|told| told.contains("(48): Le format de la cellule montre le nombre avec un autre signe")),
        "{told:?}"
    );
    let long = formatted(euro, &format!("0\"{}\"", "mot ".repeat(60)), 48.0).unwrap_err();
    assert!(long.iter().all(|told| told.chars().count() < 800), "{long:?}");
    // Texts are what they are, also where a formula made them.
    let styles = "<styleSheet><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"9\"/></cellXfs></styleSheet>";
    let row = format!(
        "<row>{}</row><row><c s=\"1\" t=\"str\"><f>A1</f><v>0.2</v></c><c s=\"1\"><f>A1</f><v>0.2</v></c></row>",
        text_cell("a") + &text_cell("b")
    );
    assert_eq!(rows(&Book::of(sheet(&row)).part("xl/styles.xml", styles).bytes())[1], "2 '0.2' ~0.2:Percent(\"1%\")");
}

#[test]
fn serial_numbers_of_the_other_date_system_halt_the_file() {
    let halts = |format: &str, workbook: &str, day: &str| {
        let dataset = with_d(|text| text.replace("\"dd-mm-yyyy\"", format));
        let cells = |texts: &[&str]| texts.iter().copied().map(text_cell).collect::<Vec<_>>();
        let mut record = cells(&TEXTS);
        record[12] = day.to_owned();
        let rows = format!("<row>{}</row><row>{}</row>", cells(&HEADER).concat(), record.concat());
        let styles = "<styleSheet><cellXfs><xf/><xf numFmtId=\"14\"/><xf numFmtId=\"2\"/></cellXfs></styleSheet>";
        let book = Book::of(sheet(&rows)).properties(workbook).part("xl/styles.xml", styles);
        read(&dataset, &book.bytes()).unwrap().summary.halts
    };
    let of_1904 = "<workbookPr date1904=\"1\"/>";
    let number = "<c><v>44684</v></c>";
    let (rounded, text) = ("<c s=\"2\"><v>44684</v></c>", text_cell("44684"));
    let (day, iso) = ("<c s=\"1\"><v>44684</v></c>", text_cell("2024-03-05"));
    let (one, both) = ("\"excel\"", "[\"excel\", \"yyyy-mm-dd\"]");
    for cell in [number, rounded, &text] {
        for (format, workbook, key) in [(one, of_1904, "`\"excel1904\"`"), ("\"excel1904\"", "", "`\"excel\"`")] {
            let found = halts(format, workbook, cell);
            assert_eq!(found.len(), 1, "{cell} by {format}: {found:?}");
            assert!(
                found[0].contains("\"date_facture\", 1 serial number was")
                    && found[0].contains(&format!("declare {key} in")),
                "{found:?}"
            );
        }
    }
    for (format, workbook, cell) in [
        (one, "", number),
        ("\"excel1904\"", of_1904, number),
        ("\"excel1904\"", of_1904, &text),
        // Cells that are formatted as dates are the workbook's, and texts with separators count from nowhere.
        (one, of_1904, day),
        (both, of_1904, &iso),
    ] {
        assert_eq!(halts(format, workbook, cell), Vec::<String>::new(), "{cell} by {format}");
    }
}

#[test]
fn a_date_without_separators_is_read_as_zeros_show_it() {
    let read_as = |format: &str, code: Option<&str>, number: f64| {
        let bytes = workbook(|sheet| {
            write_texts(sheet, 1, &TEXTS);
            match code {
                Some(code) => {
                    sheet.write_number_with_format(1, 12, number, &Format::new().set_num_format(code)).unwrap()
                }
                None => sheet.write_number(1, 12, number).unwrap(),
            };
        });
        let dates = format!("[dates]\nformat = {format}");
        let dataset = with_d(|text| {
            text.replace("[dates]\nformat = \"dd-mm-yyyy\"", &dates).replace(
                "date_facture = \"date_facture\"",
                "date_facture = { column = \"date_facture\", empty = [\"00000000\", \"0\"] }",
            )
        });
        let file = read(&dataset, &bytes).unwrap();
        match (file.batches.first(), &file.rejects[..]) {
            (Some(batch), []) => {
                let days = batch.column(12).as_primitive::<Date32Type>();
                Ok(batch.column(12).is_valid(0).then(|| days.value(0)))
            }
            (_, rejects) => Err(rejects.iter().map(|reject| reject.rule.clone()).collect::<Vec<_>>().join(" ")),
        }
    };
    let (day, unreadable) = (Ok(Some(20_577)), Err("date_illisible".to_owned()));
    let zeros = Some("00000000");
    assert_eq!(read_as("\"ddmmyyyy\"", zeros, 4_052_026.0), day);
    assert_eq!(read_as("\"yyyymmdd\"", zeros, 20_260_504.0), day);
    assert_eq!(read_as("\"yyyymmdd\"", None, 20_260_504.0), day);
    assert_eq!(read_as("\"dd/mm/yyyy\"", Some("00\"/\"00\"/\"0000"), 4_052_026.0), day);
    assert_eq!(read_as("\"excel\"", zeros, 46_146.0), day);
    assert_eq!(read_as("[\"ddmmyyyy\", \"excel\"]", Some("00000"), 46_146.0), day);
    // Seven digits, as the cell shows them without zeros, are not the declared eight.
    assert_eq!(read_as("\"ddmmyyyy\"", None, 4_052_026.0), unreadable);
    assert_eq!(read_as("\"dd/mm/yyyy\"", zeros, 4_052_026.0), unreadable);
    // What stands for no date is declared as it is shown.
    assert_eq!(read_as("\"ddmmyyyy\"", zeros, 0.0), Ok(None));
    assert_eq!(read_as("\"excel\"", None, 0.0), Ok(None));
}

/// The first and the last row (from 1) and column (from 0) of a range such as `$B$3:C7`.
fn corners(range: &str) -> [(u32, u8); 2] {
    let of = |cell: &str| {
        let cell = cell.replace('$', "");
        (cell[1..].parse().unwrap(), cell.as_bytes()[0] - b'A')
    };
    let (first, last) = range.split_once(':').unwrap();
    let ((top, left), (bottom, right)): ((u32, u8), (u32, u8)) = (of(first), of(last));
    [(top.min(bottom), left.min(right)), (top.max(bottom), left.max(right))]
}

/// The halts of a file of four records below its header on row 2, a preamble above it, and merged cells, which leave the records'
/// cells without values, or with those that a program left there.
fn halts(merges: &[&str], more: &str, values_left: bool) -> Vec<String> {
    merged(merges, more, values_left).halts
}

/// The same file's summary.
fn merged(merges: &[&str], more: &str, values_left: bool) -> ReadSummary {
    let covered = |row: u32, column: u8| {
        let covers = |[(top, left), (bottom, right)]: [(u32, u8); 2]| {
            (top..=bottom).contains(&row) && (left..=right).contains(&column) && (row, column) != (top, left)
        };
        !values_left && row > 2 && merges.iter().any(|range| covers(corners(range)))
    };
    let row = |number: u32, texts: &[&str]| {
        let cells = texts.iter().zip(0..).map(|(text, column)| match covered(number, column) {
            true => "<c/>".to_owned(),
            false => text_cell(text),
        });
        format!("<row>{}</row>", cells.collect::<String>())
    };
    let header = [&HEADER[..], &["remarque"]].concat();
    let record = [&TEXTS[..], &["-"]].concat();
    let records: String = (3..7).map(|number| row(number, &record)).collect();
    let records = row(1, &["Extraction"]) + &row(2, &header) + &records + &row(7, &["Total"]) + &row(8, &["-"]);
    let ranges: String = merges.iter().map(|range| format!("<mergeCell ref=\"{range}\"/>")).collect();
    let part = format!(
        "<worksheet><sheetData>{records}</sheetData><autoFilter/><mergeCells>{ranges}</mergeCells>{more}</worksheet>"
    );
    let dataset = with_d(|text| {
        text.replace("type = \"xlsx\"", "type = \"xlsx\"\nheader_line = 2\ntotals = [\"Total\", \"-\"]")
            .replace("owns = [", "ignored_columns = [\"remarque\"]\nowns = [")
    });
    read(&dataset, &Book::of(part).bytes()).unwrap().summary
}

#[test]
fn values_under_merged_cells_are_reported() {
    for (merges, told) in [
        (&["B3:B4"][..], "the cells B3:B4 are merged, and a covered cell has a value"),
        (&["B3:B4"], "which was read in the column \"patient_id\":"),
        (&["C5:C6", "Z1:Z2", "$C$3:D4"], "the cells C3:D4 are merged (and 1 more ranges), and"),
        (&["C3:D3"], "in the column \"prenom\""),
        // The first cell is empty, and the one beside it is not.
        (&["N4:O4"], "in the column \"montant_facture\""),
    ] {
        let summary = merged(merges, "", true);
        assert_eq!(summary.halts, Vec::<String>::new(), "{merges:?}");
        let [notice] = &summary.notices[..] else { panic!("{:?} for {merges:?}", summary.notices) };
        assert!(notice.contains(told), "{notice} for {merges:?}");
    }
    // Outside of records, in a column that is not read, or without a covered value.
    for merges in [&["A1:Q1"][..], &["A2:B2"], &["A7:B8"], &["R3:R6"], &["N3:N6"], &["A20:C40"], &[]] {
        assert_eq!(merged(merges, "", true).notices, Vec::<String>::new(), "{merges:?}");
    }
    assert_eq!(merged(&["B3:B4"], "", false).notices, Vec::<String>::new());
}

#[test]
fn a_header_that_lacks_names_under_merged_cells_is_refused_with_their_range() {
    let failed = |lines: &[&[&str]], merges: &[&str], more: &str| {
        let row = |texts: &&[&str]| format!("<row>{}</row>", texts.iter().copied().map(text_cell).collect::<String>());
        let rows: String = lines.iter().map(row).collect();
        let rows = format!("{rows}{}", more.repeat(3_000));
        let ranges: String = merges.iter().map(|range| format!("<mergeCell ref=\"{range}\"/>")).collect();
        let part = sheet(&rows).replace("</worksheet>", &format!("<mergeCells>{ranges}</mergeCells></worksheet>"));
        let line = format!("type = \"xlsx\"\nheader_line = {}", lines.len());
        let error =
            read(&with_d(|text| text.replace("type = \"xlsx\"", &line)), &Book::of(part).bytes()).err().unwrap();
        assert_eq!(error.code, ErrorCode::ColumnMissing);
        error.message
    };
    let without = |column: usize| {
        HEADER.iter().enumerate().map(|(at, name)| if at == column { "" } else { *name }).collect::<Vec<_>>()
    };
    let (third, last) = (without(3), HEADER[..16].to_vec());
    for more in ["", "<row><c><v>1</v></c></row>"] {
        for (lines, merges, range) in [
            (&[&third[..]][..], &["A9:B9", "C1:D1"][..], Some("C1:D1")),
            (&[&last[..]], &["P1:Z1"], Some("P1:Z1")),
            (&[&HEADER[..], &third[..]], &["D1:D2"], Some("D1:D2")),
            (&[&third[..]], &["D1:D2"], None),
            (&[&third[..]], &["S1:Z1"], None),
            (&[&third[..]], &["A1:C1"], None),
            (&[&third[..]], &["C2:D2"], None),
            (&[&third[..]], &[], None),
        ] {
            let told = failed(lines, merges, more);
            match range {
                Some(range) if lines.len() == 1 => {
                    assert!(told.contains(&format!("its cells {range} are merged, so")), "{told}")
                }
                // The line above has all names.
                Some(_) => assert!(told.contains("line 1 has them"), "{told}"),
                None => assert!(!told.contains("merged"), "{told} for {merges:?}"),
            }
        }
    }
}

#[test]
fn cells_merged_over_records_halt_the_file() {
    // The header is row 2, the records are rows 3 to 6, and totals follow.
    for fine in [
        &["A1:Q1"][..],
        &["A2:B2"],
        &["A1:B2"],
        &["R3:R6"],
        &["R3:Z6"],
        &["Q3:R3"],
        &["R3:Z3"],
        // Rows that are totals, a range that is blank: `date_paiement` is empty in each record.
        &["A7:B8"],
        &["N4:N6"],
        &["N4:O4"],
        &["A7:A8"],
        &["A6:A8"],
        &["A20:C40"],
        &[],
    ] {
        assert_eq!(halts(fine, "", false), Vec::<String>::new(), "{fine:?}");
    }
    for (merges, told) in [
        (
            &["B3:B4"][..],
            "the cells B3:B4 are merged, so that only the first of them has a value, and a record lacks it in the column \"patient_id\":",
        ),
        (&["Z1:Z2", "M6:M4"], "the cells M4:M6 are merged, so"),
        (&["A2:A3"], "the cells A2:A3 are merged"),
        (&["C3:D3"], "lacks it in the column \"prenom\""),
        (&["A4:E4"], "lacks it in the column \"patient_id\""),
        (&["A2:B3"], "lacks it in the column \"facture_id\""),
        (&["Q4:Z5"], "lacks it in the column \"statut\""),
        (&["B5:B6", "$A$3:$A$4", "C3:C6"], "the cells A3:A4 are merged (and 2 more ranges), so"),
    ] {
        let found = halts(merges, "<hyperlinks/>", false);
        assert!(found.len() == 1 && found[0].contains(told), "{found:?} for {merges:?}");
        assert_eq!(halts(merges, "<hyperlinks/>", true), Vec::<String>::new(), "{merges:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A number shown as a percentage is the same amount as the text that is shown.
    #[test]
    fn a_percentage_is_the_text_that_is_shown(hundredths in -99_999_i32..99_999) {
        let shown = f64::from(hundredths) / 100.0;
        let stored: f64 = format!("{hundredths}e-4").parse().unwrap();
        let bytes = workbook(|sheet| {
            write_texts(sheet, 1, &TEXTS);
            write_texts(sheet, 2, &TEXTS);
            sheet.write_number_with_format(1, 14, stored, &Format::new().set_num_format("0.00%")).unwrap();
            sheet.write_string(2, 14, format!("{shown:.2} %")).unwrap();
        });
        let dataset = with_d(|text| text.replace("currency = [\"€\"]", "units = [\"%\"]"));
        let file = read(&dataset, &bytes).unwrap();
        let amounts = file.batches[0].column(14).as_primitive::<Decimal128Type>().values().to_vec();
        prop_assert_eq!(amounts, vec![i128::from(hundredths); 2]);
    }

    /// A number under a format is what the same contract makes of the text that the sheet shows.
    #[test]
    fn a_formatted_number_is_read_as_the_text_that_is_shown(
        words in prop::collection::vec(prop::sample::select(vec![
            "", "", "€", "EUR", "$", "CHF", "£", "DH", "FCFA", "¥", "F", "francs", "CFP", "Ft", "lei", "元", "k€", "ME", "Md€", "ct",
            "%", "TTC", "m2", "5", "FR", "€/mois", "$ CAD", "kr."
        ]), 2),
        dress in 0_usize..9,
        negative_dress in prop::option::of(0_usize..9),
        brackets in any::<bool>(),
        cents in -9_999_i32..9_999,
    ) {
        // A text has one currency; around a number that is known, its two names do no harm.
        prop_assume!(!words.iter().all(|word| ["€", "EUR"].contains(word)));
        // What stands before a number and behind it, with its sign.
        let dressed = |dress: usize| {
            let (before, after) = (words[0], words[1]);
            match dress {
                0..=2 => (format!("{before} "), format!(" {after}")),
                3 => (before.to_owned(), after.to_owned()),
                4 => (format!("({before}"), format!("{after})")),
                5 => (format!("-{before} "), format!(" {after}")),
                6 => (format!("{before} "), format!(" {after} -")),
                7 => (String::new(), format!("{after} CR")),
                _ => (String::new(), format!("{after} DR")),
            }
        };
        let quoted = |text: &str| match text.trim().is_empty() {
            true => String::new(),
            false if brackets && !text.contains(['-', '(', ')', ']']) => format!("[${text}-40C]"),
            false => format!("\"{text}\""),
        };
        let section = |dress: usize| {
            let (before, after) = dressed(dress);
            format!("{}0.00{}", quoted(&before), quoted(&after))
        };
        let code = negative_dress.map_or_else(|| section(dress), |other| format!("{};{};0.00", section(dress), section(other)));
        let number = f64::from(cents) / 100.0;
        let shown = {
            let (before, after) = dressed(negative_dress.filter(|_| cents < 0).unwrap_or(dress));
            let minus = if cents < 0 && negative_dress.is_none() { "-" } else { "" };
            match cents {
                0 if negative_dress.is_some() => "0.00".to_owned(),
                _ => format!("{minus}{before}{:.2}{after}", number.abs()),
            }
        };
        let bytes = workbook(|sheet| {
            write_texts(sheet, 1, &TEXTS);
            write_texts(sheet, 2, &TEXTS);
            sheet.write_number_with_format(1, 14, number, &Format::new().set_num_format(&code)).unwrap();
            sheet.write_string(2, 14, &shown).unwrap();
        });
        let dataset = with_d(|text| {
            text.replace("currency = [\"€\"]", "currency = [\"€\", \"EUR\"]\ntrailing_sign = true\ncredit_suffix = true\nunits = [\"m2\", \"%\"]")
        });
        let file = read(&dataset, &bytes).unwrap();
        let amounts: Vec<_> = file.batches.iter().flat_map(|batch| {
            let column = |at: usize| batch.column(at).clone();
            let lines = batch.column_by_name("source_line").unwrap().as_primitive::<arrow_array::types::Int64Type>().values().to_vec();
            lines.into_iter().zip(column(14).as_primitive::<Decimal128Type>().values().to_vec()).collect::<Vec<_>>()
        }).collect();
        let of = |line: i64| amounts.iter().find(|(at, _)| *at == line).map(|(_, amount)| *amount);
        let stored = i128::from(cents);
        // A text may say another number than the stored one: then the cell is refused.
        let expected = of(3).filter(|amount| *amount == stored);
        // A zero without a sign is nothing to disagree about.
        if cents != 0 {
            prop_assert_eq!(of(2), expected, "{} shown as {:?}: {:?}", code, shown, file.rejects);
        }
    }

    /// A file is halted exactly if a range of merged cells leaves a cell of a record, in a column that is read, without value.
    #[test]
    fn merges_halt_where_a_record_loses_a_value(
        (top, height, left, width) in (1_u32..10, 1_u32..5, 0_usize..20, 1_usize..4)
    ) {
        let letter = |column: usize| char::from(b'A' + u8::try_from(column).unwrap());
        let range = format!("{}{top}:{}{}", letter(left), letter(left + width - 1), top + height - 1);
        let records = 3..=6;
        let below = (top + 1..top + height).any(|row| records.contains(&row)) && left < 17;
        let beside = records.contains(&top) && width > 1 && left + 1 < 17;
        // The preamble's row is not kept; the column of payment dates and what lies right of the table are blank; so is all of the totals but
        // their first column.
        let filled = match top {
            1 => false,
            2 => left < 18,
            3..=6 => left < 18 && left != 13,
            _ => left == 0,
        };
        let loses = (below || beside) && filled;
        prop_assert_eq!(halts(&[&range], "", false).len(), usize::from(loses), "{}", range);
    }
}
