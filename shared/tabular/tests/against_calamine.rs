//! The workbook reader against calamine, which has met years of odd files: both read the same cells, but for the differences
//! that stand here with their reasons.
#![allow(clippy::unwrap_used, clippy::panic)]

mod oracle;

use std::path::{Path, PathBuf};

use oracle::{Parts, differences, read_ours, read_theirs, row, sheet};
use proptest::prelude::*;
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Table, Workbook};

#[track_caller]
fn agree(what: &str, bytes: &[u8]) {
    assert_eq!(differences(bytes), Vec::<String>::new(), "{what}");
}

fn workbooks_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            workbooks_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "xlsx") {
            found.push(path);
        }
    }
}

#[test]
#[cfg_attr(not(beside_shared), ignore = "needs ../shared")]
fn files_of_others() {
    let mut paths = Vec::new();
    workbooks_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), &mut paths);
    assert!(paths.len() >= 26, "{paths:?}");
    for path in paths {
        let different = differences(&std::fs::read(&path).unwrap());
        if path.ends_with("pbi_dim_a0.xlsx") {
            // A dimension declares nothing that a reader needs.
            assert!(different[0].contains("only calamine refuses"), "{different:?}");
        } else {
            assert_eq!(different, Vec::<String>::new(), "{}", path.display());
        }
    }
}

#[test]
fn workbooks_of_a_writer() {
    for of_1904 in [false, true] {
        let mut book = Workbook::new();
        let text = ["é ü ß 漢字 😀", "  deux  espaces  ", "a\r\nb\tc", "_x0041_ _x005F_", "<&>\"'", "="];
        let sheet = book.add_worksheet().set_name("Tout & <rien>").unwrap();
        for (column, text) in (0..).zip(text) {
            sheet.write_string(0, column, text).unwrap();
        }
        let bold = Format::new().set_bold();
        sheet.write_rich_string(0, 9, &[(&Format::new(), "gras "), (&bold, " et "), (&bold, "\nnon")]).unwrap();
        let formats =
            ["dd/mm/yyyy", "[$-40C]d mmm yyyy", "[h]:mm", "h:mm AM/PM", "0\" jours\"", "0\\d", "[Red]0;dd", "000"];
        for (row, format) in (1..).zip(formats) {
            let format = Format::new().set_num_format(format);
            for (column, number) in
                (0..).zip([0.0, 0.25, 1.0, 59.0, 60.0, 61.0, 45_356.0, 45_356.999_999, 46_184.388_888_89])
            {
                sheet.write_number_with_format(row, column, number, &format).unwrap();
            }
        }
        let day = Format::new().set_num_format("yyyy-mm-dd hh:mm:ss");
        let moment = ExcelDateTime::from_ymd(2026, 5, 4).unwrap().and_hms(9, 20, 1).unwrap();
        sheet.write_with_format(20, 0, moment, &day).unwrap();
        for (column, result) in (0..).zip(["1.5", "texte", "#DIV/0!", "#N/A", "TRUE", ""]) {
            sheet.write_formula(21, column, Formula::new("=A1").set_result(result)).unwrap();
        }
        sheet.write_boolean(22, 0, true).unwrap().write_boolean(22, 16_383, false).unwrap();
        sheet.write_blank(22, 4, &bold).unwrap();
        sheet.merge_range(23, 0, 24, 3, "fusion", &bold).unwrap();
        sheet.set_row_hidden(23).unwrap();
        sheet.write_number(1_048_575, 0, -1e-7).unwrap();
        let hidden = book.add_worksheet();
        hidden.set_very_hidden(true).write_string(5, 5, "caché").unwrap();
        let table = book.add_worksheet();
        table.write_column(1, 0, [1, 2, 3]).unwrap().add_table(0, 0, 4, 2, &Table::new()).unwrap();
        let mut bytes = book.save_to_buffer().unwrap();
        if of_1904 {
            bytes = Parts::of(&bytes).edit("xl/workbook.xml", "<workbookPr ", "<workbookPr date1904=\"1\" ").bytes();
        }
        agree(if of_1904 { "of 1904" } else { "of 1900" }, &bytes);
        let read = read_ours(&bytes, 1).unwrap();
        assert!(
            read.contains("A1 'é ü ß 漢字 😀', B1 '  deux  espaces  ', C1 'a\r\nb\tc', D1 '_x0041_ _x005F_'"),
            "{read}"
        );
    }
}

/// Cells that both readers read alike, and what they read.
const CELLS: &[(&str, &str)] = &[
    // Numbers.
    (
        "<c><v>1E3</v></c><c><v>-0</v></c><c><v>1.0E-5</v></c><c><v>.5</v></c><c t=\"n\"><v>5.</v></c>",
        "A1 1000, B1 -0, C1 0.00001, D1 0.5, E1 5",
    ),
    (
        "<c><v>0.1</v></c><c><v>0.30000000000000004</v></c><c><v>9007199254740993</v></c>",
        "A1 0.1, B1 0.30000000000000004, C1 9007199254740992",
    ),
    ("<c><v>douze</v></c><c><v>1 234,5</v></c>", "A1 'douze', B1 '1 234,5'"),
    // Truth values, errors, ISO dates.
    (
        "<c t=\"b\"><v>true</v></c><c t=\"b\"><v>False</v></c><c t=\"b\"><v> 1 </v></c><c t=\"b\"/>",
        "A1 VRAI, B1 FAUX, C1 VRAI",
    ),
    ("<c t=\"e\"><v>#N/A</v></c><c t=\"e\"><f>1/0</f><v>#DIV/0!</v></c>", "A1 #N/A, B1 #DIV/0!"),
    (
        "<c t=\"d\"><v>2026-05-04</v></c><c t=\"d\"><v>2026-05-04T09:20:00</v></c>",
        "A1 2026-05-04, B1 2026-05-04 09:20:00",
    ),
    ("<c t=\"d\"><v>2026-05-04T00:00:00.000</v></c><c t=\"d\"><v>09:20</v></c>", "A1 2026-05-04, B1 '09:20'"),
    // Texts: shared, inline, of formulas.
    ("<c t=\"s\"><v>0</v></c><c t=\"s\"><v>1</v></c><c t=\"s\"><v/></c><c t=\"s\"/>", "A1 'zéro', B1 'Dupont fils'"),
    ("<c t=\"s\"><v>2</v></c><c t=\"s\"><v>3</v></c><c t=\"s\"><v>4</v></c>", "A1 '東京', C1 ' <a> '"),
    (
        "<c t=\"inlineStr\"><is><t>a</t></is></c><c t=\"inlineStr\"><is><r><t>a </t></r><r><t xml:space=\"preserve\"> b</t></r></is></c>",
        "A1 'a', B1 'a b'",
    ),
    ("<c t=\"inlineStr\"><v/><is><t>a</t></is></c><c><is><t>12</t></is></c>", "A1 'a', B1 '12'"),
    ("<c t=\"inlineStr\"><is><t>東</t><rPh sb=\"0\" eb=\"1\"><t>ひがし</t></rPh><phoneticPr/></is></c>", "A1 '東'"),
    (
        "<c t=\"inlineStr\"><is><t>_x005F_x0041_</t></is></c><c t=\"inlineStr\"><is><t>a_x000D_b</t></is></c>",
        "A1 '_x0041_', B1 'a\rb'",
    ),
    (
        "<c t=\"inlineStr\"><is><r><t>_x00</t></r><r><t>41_</t></r></is></c><c t=\"str\"><v>_x0041_</v></c>",
        "A1 '_x0041_', B1 'A'",
    ),
    (
        "<c t=\"inlineStr\"><is><t>&#233;&#xE9;&amp;<![CDATA[<b>]]></t></is></c><c t=\"str\"><v>&lt;&#10;</v></c>",
        "A1 'éé&<b>', B1 '<\n'",
    ),
    (
        "<c t=\"str\"><v>12</v></c><c t=\"str\"><v> a </v></c><c t=\"str\"><f>A1</f><v>a&amp;b</v></c>",
        "A1 '12', B1 ' a ', C1 'a&b'",
    ),
    (
        "<c t=\"inlineStr\"><is><t>\u{a0}a\u{a0}</t></is></c><c t=\"inlineStr\"><is><t>\r\n\ta </t></is></c>",
        "A1 '\u{a0}a\u{a0}', B1 'a'",
    ),
    (
        "<c t=\"inlineStr\"><is><t/></is></c><c t=\"inlineStr\"><is/></c><c t=\"str\"><v/></c><c s=\"1\"/><c><v>1</v></c>",
        "E1 1",
    ),
    // Attributes in any order, quotes, white space, foreign ones.
    (
        "<c  t = 's'\n s=\"0\"\tr='C1' ><v>0</v></c><c x:r=\"A9\" x:t=\"s\" r=\"E1\"><v>7</v></c><c><v>8</v></c>",
        "C1 'zéro', E1 7, F1 8",
    ),
    ("<c r=\"xfd1\"><v>1</v></c>", "XFD1 1"),
    // What stands between.
    ("<!-- <c><v>9</v></c> --><c><v>1</v></c><?p i?>\n <c> <v>2</v> </c>", "A1 1, B1 2"),
    (
        "<c cm=\"1\" vm=\"1\" ph=\"1\"><f t=\"shared\" si=\"0\"/><v>2</v></c><c><f t=\"array\" ref=\"A1\">1</f><v>3</v></c>",
        "A1 2, B1 3",
    ),
];

#[test]
fn cells_in_every_form() {
    for (cells, expected) in CELLS {
        let bytes = Parts::new(&sheet(&row(cells))).bytes();
        agree(cells, &bytes);
        assert_eq!(read_ours(&bytes, 1).unwrap(), *expected, "{cells}");
    }
}

/// Cells that the two read otherwise: what ours makes of them, what calamine does, and why ours stays.
const DIFFERENT: &[(&str, &str, &str, &str)] = &[
    (
        "<c><f>A2</f></c><c><f>A2</f><v/></c>",
        "A1 uncomputed, B1 uncomputed",
        "",
        "a formula without a value is not empty",
    ),
    ("<c><v>5</v><f>A2</f></c>", "A1 5", "", "the order of a value and its formula does not matter"),
    ("<c><v> 48 </v></c>", "A1 48", "A1 ' 48 '", "XML's numbers may have white space around them"),
    (
        "<c><v>1e999</v></c><c><v>NaN</v></c>",
        "A1 '1e999', B1 'NaN'",
        "A1 inf, B1 NaN",
        "no spreadsheet has such numbers",
    ),
    ("<c t=\"n\"><v>douze</v></c>", "A1 'douze'", "refused", "one odd cell does not refuse a file: its field will"),
    ("<c><v><![CDATA[5]]></v></c><c><v><!-- -->6</v></c>", "A1 5, B1 6", "", "CDATA and comments are XML as any other"),
    ("<c t=\"str\"><v><![CDATA[a]]></v></c>", "A1 'a'", "", "the same"),
    ("<c t=\"s\"><v> 1 </v></c>", "A1 'Dupont fils'", "A1 'zéro'", "another text is worse than none"),
    ("<c t=\"s\"><v>x</v></c>", "refused", "A1 'zéro'", "the same"),
    ("<c t=\"e\"><v>#SPILL!</v></c>", "A1 #SPILL!", "refused", "newer errors are errors"),
    ("<c><v>1</v><extLst><ext/></extLst></c>", "A1 1", "refused", "extensions may stand in cells"),
    ("<c s=\"x\"><v>1</v></c>", "refused", "A1 1", "a number without its format may be a date"),
    (
        "<c r=\"B1\"><v>1</v></c><c r=\"A1\"><v>2</v></c>",
        "refused",
        "A1 2, B1 1",
        "cells out of their order: a damaged file",
    ),
    ("<c r=\"A1\"><v>1</v></c><c r=\"A1\"><v>2</v></c>", "refused", "A1 2", "one of the two would be lost"),
    ("<c t=\"inlineStr\"><v>9</v><is><t>a</t></is></c>", "refused", "A1 'a'", "the same"),
    ("<c r=\"XFE1\"><v>1</v></c>", "refused", "XFE1 1", "no sheet is as wide"),
    (
        "<c r=\"B7\"><v>1</v></c></row><row><c><v>2</v></c>",
        "B7 1, A8 2",
        "A2 2, B7 1",
        "a row without a number follows the one before it",
    ),
];

#[test]
fn cells_that_calamine_reads_otherwise() {
    for (cells, ours, theirs, why) in DIFFERENT {
        let bytes = Parts::new(&sheet(&format!("<row>{cells}</row>"))).bytes();
        let refused = |read: Result<String, String>| read.unwrap_or_else(|_| "refused".to_owned());
        assert_eq!(
            (refused(read_ours(&bytes, 1)).as_str(), refused(read_theirs(&bytes, 1)).as_str()),
            (*ours, *theirs),
            "{why}: {cells}"
        );
    }
    // Texts that no cell has.
    for (length, shown) in [(32_767, "A1 'x".to_owned()), (32_768, format!("A1 too long: {}", "x".repeat(100)))] {
        let bytes = Parts::new(&sheet(&row(&format!("<c t=\"str\"><v>{}</v></c>", "x".repeat(length))))).bytes();
        assert!(read_ours(&bytes, 1).unwrap().starts_with(&shown));
        agree("long text", &bytes);
    }
}

#[test]
fn sheets_in_every_form() {
    let cells = "<c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" s=\"1\"><v>46146</v></c>";
    let rows = format!("<row r=\"1\">{cells}</row>");
    let plain = sheet(&rows);
    let prefixed = format!(
        "<x:worksheet xmlns:x=\"u\"><x:sheetData>{}</x:sheetData></x:worksheet>",
        rows.replace("</", "</x:").replace("<c", "<x:c").replace("<v", "<x:v").replace("<row", "<x:row")
    );
    let expected = "A1 'zéro', B1 2026-05-04";
    for (what, part) in [
        ("prefixes", prefixed),
        ("a mark before the declaration", format!("\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\r\n{plain}")),
        ("a false declaration", format!("<?xml version=\"1.0\" encoding=\"utf-16\"?>{plain}")),
        ("a dimension that lies", plain.replace("<sheetData>", "<dimension ref=\"C3:D4\"/><sheetData>")),
        ("a column before, rows and cells of other things", plain.replace("<sheetData>", "<cols><col min=\"1\" max=\"9\"/></cols><sheetPr><row><c/></row></sheetPr><sheetData>")),
        ("things behind", plain.replace("</sheetData>", "</sheetData><mergeCells><mergeCell ref=\"A1:B1\"/></mergeCells><extLst><row><c><v>9</v></c></row></extLst>")),
        ("attributes of rows", plain.replace("<row ", "<row spans=\"1:2\" ht=\"12.8\" hidden=\"1\" x14ac:dyDescent=\"0.25\" xml:space=\"preserve\" ")),
        ("no numbers", plain.replace(" r=\"A1\"", "").replace(" r=\"B1\"", "").replace(" r=\"1\"", "")),
        ("numbers of cells only", plain.replace(" r=\"1\"", "")),
        ("numbers of rows only", plain.replace(" r=\"A1\"", "").replace(" r=\"B1\"", "")),
    ] {
        let bytes = Parts::new(&part).bytes();
        agree(what, &bytes);
        assert_eq!(read_ours(&bytes, 1).unwrap(), expected, "{what}");
    }
    let gaps = sheet(
        "<row r=\"3\"><c><v>1</v></c></row><row/><row><c r=\"C5\"><v>2</v></c></row><row r=\"1048576\"><c><v>3</v></c></row>",
    );
    agree("gaps", &Parts::new(&gaps).bytes());
    assert_eq!(read_ours(&Parts::new(&gaps).bytes(), 1).unwrap(), "A3 1, C5 2, A1048576 3");
    for empty in [sheet(""), "<worksheet><sheetData/></worksheet>".to_owned(), "<worksheet/>".to_owned()] {
        agree("empty", &Parts::new(&empty).bytes());
        assert_eq!(read_ours(&Parts::new(&empty).bytes(), 1).unwrap(), "", "{empty}");
    }
    // Neither reads UTF-16, which the format allows but nobody writes.
    let utf_16: Vec<u8> = [0xFEFF].into_iter().chain(plain.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    agree("UTF-16", &Parts::new(&plain).with("xl/worksheets/sheet1.xml", utf_16).bytes());
    // Rows out of their order, and ends of other elements, are what a damaged file has.
    for part in [
        sheet("<row r=\"2\"><c><v>1</v></c></row><row r=\"1\"><c><v>1</v></c></row>"),
        plain.replace("</row>", "</rows>"),
    ] {
        let bytes = Parts::new(&part).bytes();
        assert!(read_ours(&bytes, 1).is_err() && read_theirs(&bytes, 1).is_ok(), "{part}");
    }
}

#[test]
fn archives_in_every_form() {
    let standard = Parts::new(&sheet("<row><c t=\"s\"><v>0</v></c><c s=\"1\"><v>46146</v></c></row>"));
    let expected = "A1 'zéro', B1 2026-05-04";
    let rels = "xl/_rels/workbook.xml.rels";
    let moved = |from: &str, to: &str| standard.clone().moved(from, to);
    let strict = ["xl/workbook.xml", rels, "_rels/.rels"].into_iter().fold(standard.clone(), |parts, path| {
        parts.edit(
            path,
            "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
            "http://purl.oclc.org/ooxml/officeDocument/relationships",
        )
    });
    for (what, parts) in [
        ("standard", standard.clone()),
        ("strict", strict),
        ("absolute target", standard.clone().edit(rels, "Target=\"worksheets/", "Target=\"/xl/worksheets/")),
        (
            "upper-case names",
            moved("xl/worksheets/sheet1.xml", "xl/Worksheets/SHEET1.xml")
                .moved("xl/sharedStrings.xml", "xl/SharedStrings.xml"),
        ),
        (
            "backslashes in names",
            moved("xl/worksheets/sheet1.xml", "xl\\worksheets\\sheet1.xml").moved("xl/styles.xml", "xl\\styles.xml"),
        ),
        (
            "another folder",
            moved("xl/workbook.xml", "a/b.xml")
                .moved(rels, "a/_rels/b.xml.rels")
                .moved("xl/styles.xml", "a/styles.xml")
                .moved("xl/sharedStrings.xml", "a/sharedStrings.xml")
                .moved("xl/worksheets/sheet1.xml", "a/worksheets/sheet1.xml")
                .edit("_rels/.rels", "xl/workbook.xml", "/a/b.xml"),
        ),
        ("an entity in a relation", standard.clone().edit("_rels/.rels", "xl/workbook.xml", "xl/w&#111;rkbook.xml")),
        (
            "prefixed parts",
            standard
                .clone()
                .edit("xl/workbook.xml", "<workbook xmlns:r", "<x:workbook xmlns:x=\"u\" xmlns:q")
                .edit("xl/workbook.xml", "</workbook", "</x:workbook")
                .edit("xl/workbook.xml", "r:id", "q:id")
                .edit("xl/workbook.xml", "<sheet ", "<x:sheet "),
        ),
        (
            "no reference to texts and styles",
            standard.clone().edit(rels, "sharedStrings\"", "x\"").edit(rels, "styles\"", "y\""),
        ),
        (
            "formats behind styles",
            standard.clone().with(
                "xl/styles.xml",
                "<styleSheet><cellXfs><xf/><xf numFmtId=\"14\"/></cellXfs><numFmts/></styleSheet>",
            ),
        ),
    ] {
        agree(what, &parts.bytes());
        assert_eq!(read_ours(&parts.bytes(), 1).unwrap(), expected, "{what}");
    }
    let bare = Parts::new(&sheet("<row><c s=\"1\"><v>46146</v></c></row>"));
    agree("no texts", &bare.clone().without("xl/sharedStrings.xml").bytes());
    agree("no styles", &bare.clone().without("xl/styles.xml").bytes());
    assert_eq!(read_ours(&bare.without("xl/styles.xml").bytes(), 1).unwrap(), "A1 46146");
    for missing in ["xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"] {
        agree(missing, &standard.clone().without(missing).bytes());
    }
    // What calamine looks for elsewhere, or not at all.
    for (what, parts) in [
        ("a backslash in a target", standard.clone().edit(rels, "worksheets/", "..\\xl\\worksheets\\")),
        ("a way up in a target", standard.clone().edit(rels, "worksheets/", "../xl/./worksheets/")),
        ("no relations of the package", standard.clone().without("_rels/.rels")),
        (
            "texts by their reference",
            moved("xl/sharedStrings.xml", "xl/t/texts.xml").edit(rels, "\"sharedStrings.xml", "\"t/texts.xml"),
        ),
        ("styles by their reference", moved("xl/styles.xml", "s.xml").edit(rels, "\"styles.xml", "\"/s.xml")),
    ] {
        assert_eq!(read_ours(&parts.bytes(), 1).unwrap(), expected, "{what}");
        assert_ne!(read_theirs(&parts.bytes(), 1).unwrap_or_default(), expected, "{what}");
    }
}

#[test]
fn several_sheets_in_the_lists_order() {
    let one = |text: &str| sheet(&row(&format!("<c t=\"str\"><v>{text}</v></c>")));
    let parts = Parts::new(&one("un"))
        .with("xl/worksheets/sheet2.xml", one("deux"))
        .with("xl/chartsheets/sheet1.xml", "<chartsheet/>")
        .edit("xl/workbook.xml", "</sheets>", "<sheet name=\"É &amp; &#39;2\" sheetId=\"9\" state=\"veryHidden\" r:id=\"z\"/><sheet r:id=\"y\" name=\"Graphe\" sheetId=\"3\"/><sheet name=\"Encore\" sheetId=\"1\" r:id=\"rId1\" state=\"hidden\"/></sheets>")
        .edit("xl/_rels/workbook.xml.rels", "<Relationships>", "<Relationships><Relationship Id=\"y\" Type=\"h/chartsheet\" Target=\"chartsheets/sheet1.xml\"/><Relationship Target=\"worksheets/sheet2.xml\" Type=\"h/worksheet\" Id=\"z\"/>");
    agree("sheets", &parts.bytes());
    let read: Vec<_> = (1..=4).map(|number| read_ours(&parts.bytes(), number).unwrap_or_else(|error| error)).collect();
    assert_eq!((&read[0][..], &read[1][..], &read[3][..]), ("A1 'un'", "A1 'deux'", "A1 'un'"));
    assert!(read[2].contains("is a chart, not cells"), "{}", read[2]);
}

/// A workbook with a style per number format, and cells that show numbers in each.
fn formatted(formats: &[(u32, Option<&str>)], epoch: &str) -> Vec<u8> {
    let (mut codes, mut styles, mut rows) = (String::new(), String::new(), String::new());
    for (at, (id, code)) in formats.iter().enumerate() {
        if let Some(code) = code {
            let code = quick_xml::escape::escape(*code);
            codes += &format!("<numFmt numFmtId=\"{id}\" formatCode=\"{code}\"/>");
        }
        styles += &format!("<xf numFmtId=\"{id}\" fontId=\"0\" applyNumberFormat=\"1\"><alignment/></xf>");
        let numbers = [
            "0",
            "0.5",
            "1",
            "59",
            "60",
            "60.999999999",
            "61",
            "46146",
            "46184.38888888889",
            "-1",
            "2957003.5",
            "2958465",
            "2958466",
        ];
        rows += &row(&numbers.map(|number| format!("<c s=\"{at}\"><v>{number}</v></c>")).concat());
    }
    Parts::new(&sheet(&rows))
        .with("xl/styles.xml", format!("<styleSheet><numFmts>{codes}</numFmts><fonts><font/></fonts><cellStyleXfs><xf numFmtId=\"14\"/></cellStyleXfs><cellXfs>{styles}</cellXfs></styleSheet>"))
        .edit("xl/workbook.xml", "<sheets>", &format!("<workbookPr {epoch}/><sheets>"))
        .bytes()
}

#[test]
fn number_formats_by_number_and_by_code() {
    let by_number: Vec<_> = (0..200).map(|id| (id, None)).collect();
    let codes = [
        "General",
        "@",
        "0",
        "0000",
        "#,##0.00",
        "0%",
        "0.00E+00",
        "# ?/?",
        "dd/mm/yyyy",
        "DD/MM/YY",
        "d-mmm",
        "mmm\\-yy",
        "[$-40C]d mmm yyyy",
        "[$-40C]d mmmm yyyy;@",
        "[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy",
        "[$-409]m/d/yy h:mm AM/PM;@",
        "[h]:mm",
        "[hh]:mm:ss",
        "[m]",
        "[mm]:ss",
        "[s].00",
        "[H]:MM",
        "d [h]:mm",
        "0\" jours\"",
        "0 \"d\"",
        "\\d0",
        "0\\d\\m",
        "[Red]0",
        "[Magenta]0.00",
        "[Red]dd/mm",
        "[<100]0;dd/mm",
        "0;dd",
        "dd;0",
        ";;;@",
        "#,##0.00\\ \"€\"",
        "#,##0_d;[Red]-#,##0_d",
        "_-* #,##0.00\\ [$€-40C]_-",
        "[$MAD]\\ #,##0",
        "\"F-\"0000",
        "h\"h\"mm",
        "mm:ss.0",
        "yyyy\"年\"m\"月\"d\"日\"",
        "A/P",
        "AM/PM",
        "0 \"unclosed d",
        "",
    ];
    let by_code: Vec<_> = (164..).zip(codes).map(|(id, code)| (id, Some(code))).collect();
    for epoch in ["", "date1904=\"1\"", "date1904=\"true\"", "date1904=\"0\"", "date1904=\"false\""] {
        agree(epoch, &formatted(&by_number, epoch));
        agree(epoch, &formatted(&by_code, epoch));
    }
    // A built-in number with another code.
    agree("redefined", &formatted(&[(14, Some("0.00")), (2, Some("dd/mm"))], ""));
    // Within quotes, `_` and `\` are characters as any other; codes are longer in no spreadsheet than 255 characters.
    for code in ["\"jour_\"d", "\"\\\"d", &format!("{}d", "0".repeat(255))] {
        assert_ne!(differences(&formatted(&[(164, Some(code))], "")), Vec::<String>::new(), "{code}");
    }
}

/// Parts as three programs write them.
#[test]
fn workbooks_as_other_programs_write_them() {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
    let openpyxl = format!(
        "<worksheet xmlns=\"{main}\"><sheetPr><outlinePr summaryBelow=\"1\" /><pageSetUpPr /></sheetPr><dimension ref=\"A1:D2\" />\
         <sheetViews><sheetView workbookViewId=\"0\"><selection activeCell=\"A1\" sqref=\"A1\" /></sheetView></sheetViews><sheetFormatPr baseColWidth=\"8\" defaultRowHeight=\"15\" />\
         <sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"inlineStr\"><is><t>é</t></is></c><c r=\"C1\" s=\"1\" t=\"n\"><v>46146</v></c><c r=\"D1\" t=\"b\"><v>1</v></c></row>\
         <row r=\"2\"><c r=\"A2\"><f>C1+1</f><v /></c><c r=\"B2\" t=\"n\"><v>1.5</v></c><c r=\"C2\" t=\"e\"><v>#REF!</v></c><c r=\"D2\" s=\"1\" /></row></sheetData><pageMargins left=\"0.75\" /></worksheet>"
    );
    let libreoffice = format!(
        "{declaration}<worksheet xmlns=\"{main}\" xmlns:mc=\"c\"><sheetPr filterMode=\"false\"><pageSetUpPr fitToPage=\"false\"/></sheetPr><dimension ref=\"A1:D2\"/>\
         <cols><col collapsed=\"false\" customWidth=\"false\" hidden=\"false\" max=\"4\" min=\"1\" width=\"11.53\"/></cols><sheetData>\
         <row r=\"1\" customFormat=\"false\" ht=\"12.8\" hidden=\"false\" customHeight=\"false\" outlineLevel=\"0\" collapsed=\"false\">\
         <c r=\"A1\" s=\"0\" t=\"s\"><v>0</v></c><c r=\"B1\" s=\"1\" t=\"n\"><v>46146</v></c><c r=\"C1\" s=\"0\" t=\"str\"><f aca=\"false\">A1&amp;&quot;x&quot;</f><v>zérox</v></c>\
         <c r=\"D1\" s=\"0\" t=\"n\"><f aca=\"false\">1+1</f><v>2</v></c></row><row r=\"2\" hidden=\"true\"><c r=\"A2\" s=\"0\" t=\"b\"><f aca=\"false\">TRUE()</f><v>1</v></c>\
         <c r=\"C2\" s=\"0\" t=\"e\"><f aca=\"false\">1/0</f><v>#DIV/0!</v></c></row></sheetData><printOptions headings=\"false\"/></worksheet>"
    );
    let google = format!(
        "{declaration}<worksheet xmlns=\"{main}\" xmlns:mx=\"http://schemas.microsoft.com/office/mac/excel/2008/main\" xmlns:x14ac=\"a\"><sheetPr><outlinePr summaryBelow=\"0\"/></sheetPr>\
         <sheetViews><sheetView workbookViewId=\"0\"/></sheetViews><sheetFormatPr customHeight=\"1\" defaultRowHeight=\"15.75\"/><sheetData><row r=\"1\"><c r=\"A1\" s=\"0\" t=\"s\"><v>0</v></c>\
         <c r=\"B1\" s=\"1\"><v>46146.0</v></c><c r=\"C1\" s=\"0\"><v>1.0</v></c><c r=\"D1\" s=\"0\" t=\"b\"><v>0</v></c></row><row r=\"2\"><c r=\"A2\" s=\"0\" t=\"str\"><f t=\"shared\" ref=\"A2:A9\" si=\"1\">A1</f><v>zéro</v></c>\
         <c r=\"B2\" s=\"1\"/><c r=\"C2\" s=\"0\"><f>C1*2</f><v>2.0</v></c><c r=\"Z2\" s=\"0\" t=\"e\"><f>x</f><v>#NAME?</v></c></row></sheetData><drawing r:id=\"rId1\"/></worksheet>"
    );
    for (what, part, expected) in [
        ("openpyxl", openpyxl, "A1 'zéro', B1 'é', C1 2026-05-04, D1 VRAI, A2 uncomputed, B2 1.5, C2 #REF!"),
        ("LibreOffice", libreoffice, "A1 'zéro', B1 2026-05-04, C1 'zérox', D1 2, A2 VRAI, C2 #DIV/0!"),
        ("Google", google, "A1 'zéro', B1 2026-05-04, C1 1, D1 FAUX, A2 'zéro', C2 2, Z2 #NAME?"),
    ] {
        let parts = Parts::new(&part);
        let parts = if what == "openpyxl" {
            parts.edit("xl/_rels/workbook.xml.rels", "Target=\"", "Target=\"/xl/")
        } else {
            parts
        };
        agree(what, &parts.bytes());
        assert_eq!(read_ours(&parts.bytes(), 1).unwrap(), expected, "{what}");
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Zéß漢😀0-9 ]{0,6}",
        prop::sample::select(vec![
            "&amp;",
            "&lt;",
            "&#233;",
            "&#x41;",
            "&quot;",
            "_x000D_",
            "_x005F_",
            "_xD83D__xDE00_",
            "_xD83D_",
            "_x",
            "_",
            "\n",
            "\t",
            "\r\n",
            "  ",
            "\u{a0}"
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn any_rich() -> impl Strategy<Value = String> {
    let t = (any_text(), any::<bool>(), any::<bool>()).prop_map(|(text, kept, cdata)| {
        let text = if cdata && !text.is_empty() { format!("{text}<![CDATA[&<{}>]]>", "x") } else { text };
        format!("<t{}>{text}</t>", if kept { " xml:space=\"preserve\"" } else { "" })
    });
    (prop::collection::vec((t, 0_u8..4), 1..4)).prop_map(|pieces| {
        let piece = |(t, kind): &(String, u8)| match kind {
            0 => format!("<rPh sb=\"0\" eb=\"1\">{t}</rPh>"),
            1 => t.clone(),
            _ => format!("<r><rPr><b/></rPr>{t}</r>"),
        };
        pieces.iter().map(piece).collect()
    })
}

/// A cell's type attribute and content.
fn any_cell() -> impl Strategy<Value = (Option<&'static str>, String)> {
    let number = prop_oneof![
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| n.to_string()),
        (-3_000_000.0..3_000_000.0).prop_map(|n: f64| format!("{n:e}")),
        (0_u32..100_000).prop_map(|n| n.to_string()),
        prop::sample::select(vec!["1E3", "-0", "1.0E-5", ".5", "5.", "+5", "00012", "1e-400", "0.1e1"])
            .prop_map(str::to_owned),
    ];
    prop_oneof![
        (number, any::<bool>(), 0_u8..3).prop_map(|(n, typed, formula)| {
            let formula = ["", "<f>A1+1</f>", "<f t=\"shared\" si=\"0\"/>"][usize::from(formula)];
            (typed.then_some("n"), format!("{formula}<v>{n}</v>"))
        }),
        (0_u32..5).prop_map(|at| (Some("s"), format!("<v>{at}</v>"))),
        any_rich().prop_map(|rich| (Some("inlineStr"), format!("<is>{rich}</is>"))),
        (any_text(), any::<bool>())
            .prop_map(|(text, f)| (Some("str"), format!("{}<v>{text}</v>", if f { "<f>A1</f>" } else { "" }))),
        prop::sample::select(vec!["0", "1", "true", "FALSE", "True"]).prop_map(|b| (Some("b"), format!("<v>{b}</v>"))),
        prop::sample::select(vec!["#N/A", "#REF!", "#VALUE!"]).prop_map(|e| (Some("e"), format!("<f>x</f><v>{e}</v>"))),
        prop::sample::select(vec!["", "<v/>", "<f>A1</f>", "<f>A1</f><v></v>"]).prop_map(|c| (None, c.to_owned())),
        (any::<u16>(), 0_u32..90_000).prop_map(|(day, second)| {
            let day = chrono::NaiveDate::from_epoch_days(i32::from(day)).unwrap();
            let time = if second < 86_400 {
                format!("T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
            } else {
                String::new()
            };
            (Some("d"), format!("<v>{day}{time}</v>"))
        }),
    ]
}

fn column_name(mut column: usize) -> String {
    let mut name = String::new();
    loop {
        name.insert(0, char::from(b'A' + u8::try_from(column % 26).unwrap()));
        if column < 26 {
            return name;
        }
        column = column / 26 - 1;
    }
}

fn any_sheet() -> impl Strategy<Value = String> {
    let between = prop::sample::select(vec!["", "", "\n  ", "<!-- <c/> -->", "<?x y?>"]);
    let cell = (any_cell(), 0_usize..30, any::<bool>(), 0_u8..12, 0_u8..6, between);
    let rows = prop::collection::vec((prop::collection::vec(cell, 0..6), 1_usize..4, any::<bool>()), 0..8);
    rows.prop_map(|rows| {
        let (mut xml, mut at) = (String::new(), 0);
        for (cells, gap, numbered) in rows {
            at += if numbered { gap } else { 1 };
            xml += &if numbered { format!("<row spans=\"1:9\" r=\"{at}\">") } else { "<row>".to_owned() };
            let mut column = 0;
            for ((kind, content), gap, named, style, order, between) in cells {
                column += if named { gap } else { 0 };
                let mut attributes = Vec::new();
                attributes.extend(named.then(|| format!(" r=\"{}{at}\"", column_name(column))));
                attributes.extend((style < 8).then(|| format!(" s=\"{style}\"")));
                attributes.extend(kind.map(|kind| format!(" t='{kind}'")));
                let length = attributes.len().max(1);
                attributes.rotate_left(usize::from(order) % length);
                xml += &format!("{between}<c{}>{content}</c>", attributes.concat());
                column += 1;
            }
            xml += "</row>";
        }
        sheet(&xml)
    })
}

fn any_code() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "d",
        "m",
        "yyyy",
        "h",
        "ss",
        "0",
        "#",
        "[h]",
        "[mm]",
        "[SS]",
        "[Red]",
        "[$-40C]",
        "[<5]",
        "[$€-407]",
        "\\d",
        "\"jours\"",
        "_d",
        "*m",
        ";",
        "/",
        "-",
        " ",
        "@",
        "AM/PM",
        "€",
        ".",
        "%",
        "E+00",
        ",",
        "?",
    ]);
    prop::collection::vec(piece, 1..7).prop_map(|pieces| pieces.concat())
}

const STYLES: &str = "<styleSheet><numFmts count=\"3\"><numFmt numFmtId=\"164\" formatCode=\"0000\"/><numFmt numFmtId=\"165\" formatCode=\"[h]:mm\"/><numFmt formatCode=\"d/m/yy h:mm\" numFmtId=\"166\"/></numFmts>\
    <cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"164\"/><xf numFmtId=\"165\"/><xf numFmtId=\"166\"/><xf numFmtId=\"4\"/><xf/></cellXfs></styleSheet>";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn random_sheets(part in any_sheet(), texts in prop::collection::vec(any_rich(), 5), of_1904: bool) {
        let texts: String = texts.iter().map(|text| format!("<si>{text}</si>")).collect();
        let epoch = if of_1904 { "<workbookPr date1904=\"1\"/><sheets>" } else { "<sheets>" };
        let parts = Parts::new(&part)
            .with("xl/styles.xml", STYLES)
            .with("xl/sharedStrings.xml", format!("<sst count=\"5\">{texts}</sst>"))
            .edit("xl/workbook.xml", "<sheets>", epoch);
        prop_assert_eq!(differences(&parts.bytes()), Vec::<String>::new(), "{}\n{}", part, texts);
    }

    #[test]
    fn random_number_formats(codes in prop::collection::vec(any_code(), 1..20)) {
        let formats: Vec<_> = (164..).zip(&codes).map(|(id, code)| (id, Some(code.as_str()))).collect();
        prop_assert_eq!(differences(&formatted(&formats, "")), Vec::<String>::new(), "{:?}", codes);
    }
}
