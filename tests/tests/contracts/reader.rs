//! Files of the three facilities, small and broken in every way, through the reader.

use std::collections::BTreeMap;

use arrow_array::{Array, RecordBatch};
use arrow_cast::display::array_value_to_string;
use fonderie_contract::{Bundle, Dataset, FileFormat, Format, Source};
use fonderie_core::tally::check_conserved;
use fonderie_core::{ErrorCode, StageError, money::format_cents};
use fonderie_tabular::{Batch, Limits, ReadSummary, Reader, Reject, refused_key_schema, reject_rows};
use proptest::prelude::*;

use crate::billing::{self, billing};

struct ReadFile {
    batches: Vec<RecordBatch>,
    rejects: Vec<Reject>,
    summary: ReadSummary,
}

fn read(dataset: &Dataset, source: &str, bytes: &[u8], piece: usize) -> Result<ReadFile, StageError> {
    let source = dataset.source(source).unwrap();
    read_format(dataset, source, &source.formats[0], bytes, piece)
}

fn read_format(
    dataset: &Dataset,
    source: &Source,
    format: &FileFormat,
    bytes: &[u8],
    piece: usize,
) -> Result<ReadFile, StageError> {
    let limits = Limits { max_record: 4096, batch_rows: 3, batch_bytes: 1 << 20, ..Limits::default() };
    let mut reader = Reader::new(&dataset.records[0], source, format, "etablissement.csv", limits);
    let (mut batches, mut rejects) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(piece).map(Some).chain([None]) {
        match piece {
            Some(piece) => reader.feed(piece)?,
            None => reader.end()?,
        }
        while let Some(batch) = reader.batch()? {
            match batch {
                Batch::Records(batch) => batches.push(batch),
                Batch::Rejects(batch) => rejects.extend(reject_rows(&batch).unwrap()),
                Batch::RefusedKeys(_) => {}
            }
        }
    }
    Ok(ReadFile { batches, rejects, summary: reader.finish() })
}

/// The records of batches, one `column: value` a line.
fn lines(batches: &[RecordBatch]) -> String {
    let mut lines = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                lines.push(format!("{}: {:?}", field.name(), array_value_to_string(column, row).unwrap()));
            }
        }
    }
    lines.join("\n")
}

const HEADER_B: &str = "invoice_id,patient_id,last_name,first_name,age,facility_id,facility_name,facility_type,city,\
    service_code,service_name,service_category,invoice_date,payment_date,billed_amount,paid_amount,status\n";

fn row_b(id: &str, name: &str, age: &str, date: &str, billed: &str) -> String {
    format!(
        "{id},P1,{name},Zo\u{e9},{age},ETAB_B,Clinique,Priv\u{e9}e,B\u{e9}ziers,CONS,Consultation,Ambulatoire,{date},,{billed},0.00,UNPAID\n"
    )
}

#[test]
fn a_french_windows_1252_file_becomes_the_canonical_record() {
    let dataset = billing();
    let text = "N\u{b0} Facture;N\u{b0} Patient;Nom;Pr\u{e9}nom;\u{c2}ge;Code \u{c9}tablissement;\u{c9}tablissement;Type;Ville;Code Service;Service;Cat\u{e9}gorie;Date Facture;Date Paiement;Montant Factur\u{e9};Montant Pay\u{e9};Statut\r\n\
        FA-1;P1;\u{152}hler;No\u{eb}l;41;ETAB_A;CHU;H\u{f4}pital public;Orl\u{e9}ans;OPHT;Ophtalmologie, \u{153}il;Ambulatoire;05/03/2024;;1\u{a0}234,50 \u{20ac};0,00;Impay\u{e9}e\r\n\
        \r\n\
        FA-2;P2;\"  D'Angély; née\r\nNoël \"; L\u{e9}a;;ETAB_A;CHU;H\u{f4}pital public;;OPHT;Ophtalmologie;Ambulatoire; 06/03/2024;7/3/2024;12;12,0;Pay\u{e9}e\r\n";
    let (bytes, _, unmappable) = encoding_rs::WINDOWS_1252.encode(text);
    assert!(!unmappable);
    for piece in [1, 5, 4096] {
        let file = read(&dataset, "etablissement_a", &bytes, piece).unwrap();
        assert_eq!(file.rejects, []);
        insta::assert_snapshot!("canonical_record", lines(&file.batches));
        assert_eq!(file.summary.skipped.get("blank_lines"), Some(&1));
        assert_eq!(format_cents(file.summary.kept.amounts["montant_facture"].sum), "1246.50");
    }
}

#[test]
fn each_broken_row_is_rejected_with_its_place_and_reason() {
    let dataset = billing();
    let rows = [
        row_b("1", "Martin", "40", "2024-01-31", "10.00"),
        row_b("2", "Martin", "40", "2024-02-31", "10.00"),
        row_b("3", "Martin", "4x", "03/04/2025", "1O.00"),
        row_b("4", "Martin, n\u{e9} No\u{eb}l", "40", "2024-01-31", "10.00"),
        "5,P1,Martin\n".to_owned(),
        row_b("6", "\"Martin\"s", "40", "2024-01-31", "10.00"),
        row_b("7", "Mar\u{0}tin", "40", "2024-01-31", "10.00"),
        row_b("8", &"x".repeat(101), "40", "2024-01-31", "10.00"),
        row_b("9", "\"Martin", "40", "2024-01-31", "10.00"),
        row_b("10", "\"a\nb\"", "151", "2024-01-31", "10.001"),
        row_b("11", "Martin", "40", "2024-01-31", "100000000"),
    ];
    let mut bytes = format!("{HEADER_B}{}", rows.concat()).into_bytes();
    let end = row_b("12", "Martin", "40", "2024-01-31", "2.50").replace("Martin", "Mart\u{e9}n");
    bytes.extend(encoding_rs::WINDOWS_1252.encode(&end).0.iter());
    let file = read(&dataset, "etablissement_b", &bytes, 7).unwrap();
    let told: Vec<String> = file
        .rejects
        .iter()
        .map(|r| {
            format!(
                "{} {} {} {:?} {:?}",
                r.line,
                r.record,
                r.rule,
                r.column.as_deref(),
                r.value.as_deref().map(|v| v.chars().take(20).collect::<String>())
            )
        })
        .collect();
    insta::assert_snapshot!("broken_rows", told.join("\n"));
    let summary = &file.summary;
    assert_eq!((summary.read.rows, summary.kept.rows, summary.rejected.rows), (12, 1, 11));
    let billed = &summary.rejected.amounts["montant_facture"];
    // 2, 7, 8 and 12 were rejected for another cell; four rows are broken as a whole, three amounts cannot be read.
    assert_eq!((format_cents(billed.sum).as_str(), billed.unreadable), ("32.50", 7));
    check_conserved("read", &summary.read, &summary.kept, &summary.rejected).unwrap();
}

#[track_caller]
fn refused(source: &str, text: &str, code: ErrorCode, told: &str) {
    let error = match read(&billing(), source, text.as_bytes(), 11) {
        Ok(_) => panic!("accepted"),
        Err(error) => error,
    };
    assert_eq!(error.code, code, "{error}");
    assert!(error.message.contains(told), "{error}");
}

#[test]
fn headers_that_do_not_hold_what_the_contract_reads() {
    let b = "etablissement_b";
    let missing = HEADER_B.replace("billed_amount", "amount");
    refused(b, &missing, ErrorCode::ColumnMissing, "lacks \"billed_amount\"");
    refused(
        b,
        &row_b("1", "Martin", "40", "2024-01-31", "1"),
        ErrorCode::ColumnMissing,
        "has 0 of the 17 columns of the contract of `etablissement_b`: it looks like a record",
    );
    refused(b, &HEADER_B.replace("\n", ",discount\n"), ErrorCode::ColumnUnknown, "has \"discount\"");
    refused(
        b,
        &HEADER_B.replace("\n", ",city\n"),
        ErrorCode::ColumnRepeated,
        "has the name \"city\" in several columns, so their values cannot be told apart: name them by position (\"#9\", \"#18\")",
    );
    refused(b, "", ErrorCode::HeaderUnreadable, "no header");
    refused(b, "\n\n", ErrorCode::HeaderUnreadable, "line 1 is blank");
    refused(b, &format!("\"{HEADER_B}"), ErrorCode::HeaderUnreadable, "quote");
    refused("etablissement_a", &format!("\u{feff}{HEADER_B}"), ErrorCode::EncodingMismatch, "windows-1252");
    refused(b, &"x".repeat(5000), ErrorCode::LimitExceeded, "line 1 is longer than 4096");
}

#[test]
fn a_record_does_not_stand_in_for_a_header_and_its_words_are_not_shown() {
    let names = [
        "invoice_id",
        "patient_id",
        "last_name",
        "first_name",
        "age",
        "facility_id",
        "facility_name",
        "facility_type",
        "city",
        "service_code",
        "service_name",
        "service_category",
        "invoice_date",
        "payment_date",
        "billed_amount",
        "paid_amount",
        "status",
    ];
    let by_position = |header: &str| {
        billing::changed("sources/etablissement_b.toml", |b| {
            let positions = names.iter().enumerate().fold(b.to_owned(), |b, (at, name)| {
                b.replace(&format!("= \"{name}\"\n"), &format!("= \"#{}\"\n", at + 1))
            });
            positions.replace("[format]", &format!("[format]\n{header}"))
        })
    };
    let undeclared = by_position("").unwrap_err().to_string();
    assert!(
        undeclared.contains("`format.header`: found nothing, while all columns are named by position"),
        "{undeclared}"
    );
    let text = row_b("1", "Martin", "40", "2024-01-31", "10.00");
    let dataset = by_position("header = true").unwrap();
    let error = read(&dataset, "etablissement_b", text.as_bytes(), 9).err().unwrap();
    assert_eq!(error.code, ErrorCode::HeaderUnreadable);
    assert!(error.message.contains("`header = false`") && !error.message.contains("Martin"), "{error}");
    let wider = text.replace('\n', ",Secret\n");
    let error = read(&dataset, "etablissement_b", wider.as_bytes(), 9).err().unwrap();
    assert!(!error.message.contains("Secret"), "{error}");
    let file = read(&by_position("header = false").unwrap(), "etablissement_b", text.as_bytes(), 9).unwrap();
    assert_eq!(file.summary.kept.rows, 1);
    let with_header = read(&dataset, "etablissement_b", format!("{HEADER_B}{text}").as_bytes(), 9).unwrap();
    assert_eq!(with_header.batches[0].column(14), file.batches[0].column(14));
}

#[test]
fn a_header_alone_is_a_file_of_no_rows_and_columns_may_come_in_any_order() {
    let dataset = billing();
    let file = read(&dataset, "etablissement_b", HEADER_B.as_bytes(), 9).unwrap();
    assert_eq!((file.summary.read.rows, file.batches.len()), (0, 0));
    let reversed = |line: &str| line.trim_end().split(',').rev().collect::<Vec<_>>().join(",") + "\n";
    let row = row_b("1", "Martin", "40", "2024-01-31", "10.00");
    let straight = read(&dataset, "etablissement_b", format!("{HEADER_B}{row}").as_bytes(), 9).unwrap();
    let text = format!("\u{feff}{}{}", reversed(HEADER_B), reversed(&row));
    assert_eq!(read(&dataset, "etablissement_b", text.as_bytes(), 9).unwrap().batches, straight.batches);
}

#[test]
fn delimiters_at_line_ends_are_harmless_only_where_the_header_has_them_too() {
    let dataset = billing();
    let row = row_b("1", "Martin", "40", "2024-01-31", "10.00");
    let trailing = |line: &str| line.replace('\n', ",\n");
    let both = format!("{}{}", trailing(HEADER_B), trailing(&row));
    assert_eq!(read(&dataset, "etablissement_b", both.as_bytes(), 9).unwrap().summary.kept.rows, 1);
    let shifted = format!("{}{}", trailing(HEADER_B), row.replace("Martin", "Martin, n\u{e9}"));
    let file = read(&dataset, "etablissement_b", shifted.as_bytes(), 9).unwrap();
    assert!(file.rejects.iter().any(|reject| reject.rule == "colonne_sans_nom"), "{:?}", file.rejects);
    let row_alone = format!("{HEADER_B}{}", trailing(&row));
    let file = read(&dataset, "etablissement_b", row_alone.as_bytes(), 9).unwrap();
    assert_eq!(file.rejects[0].rule, "enregistrement_long");
}

/// The billing dataset with a text of one of its files replaced.
fn changed(file: &str, from: &str, to: &str) -> Dataset {
    billing::changed(file, |text| billing::replaced(text, from, to)).unwrap()
}

#[test]
fn repeated_headers_and_declared_totals_are_no_records() {
    let row = row_b("1", "Martin", "40", "2024-01-31", "10.00");
    let text = format!("{HEADER_B}{row}{HEADER_B}{row}Total,,,,,,,,,,,,,,20.00\n");
    let b = "sources/etablissement_b.toml";
    let dataset = changed(b, "[format]", "[format]\ntotals = \"TOTAL\"");
    let file = read(&dataset, "etablissement_b", text.as_bytes(), 9).unwrap();
    let skipped: Vec<_> = file.summary.skipped.iter().map(|(kind, lines)| (kind.as_str(), *lines)).collect();
    assert_eq!((file.summary.read.rows, file.rejects.len()), (2, 0));
    assert_eq!(skipped, [("repeated_headers", 1), ("totals_lines", 1)]);
    // Undeclared, the line of totals is a record, and too short for one.
    let file = read(&billing(), "etablissement_b", text.as_bytes(), 9).unwrap();
    assert_eq!((file.summary.read.rows, file.rejects[0].rule.as_str()), (3, "enregistrement_court"));
    // A line of totals that has all that identifies a record is reported.
    let text = format!("{HEADER_B}{row}{row}{}", row.replace("1,P1", "Total-1,P1"));
    let dataset = changed(b, "[format]", "[format]\ntotals = \"TOTAL*\"");
    let file = read(&dataset, "etablissement_b", text.as_bytes(), 9).unwrap();
    assert_eq!(file.summary.skipped.get("totals_lines"), Some(&1));
    assert!(matches!(&file.summary.notices[..], [notice] if notice.contains("line 4")), "{:?}", file.summary.notices);
}

#[test]
fn a_second_header_in_another_order_or_spelling_halts_the_file() {
    let row = row_b("1", "Martin", "40", "2024-01-31", "10.00");
    let swapped = HEADER_B.replace("billed_amount,paid_amount", "paid_amount,billed_amount");
    for other in [
        swapped.clone(),
        swapped.to_uppercase(),
        HEADER_B.replace("status", "statut"),
        HEADER_B.replace(",city,", ","),
        format!("sent_on,{HEADER_B}"),
        "status,paid_amount,billed_amount,payment_date,invoice_date,last_name,first_name,patient_id,invoice_id\n"
            .to_owned(),
    ] {
        let text = format!("{HEADER_B}{row}{other}{row}");
        let file = read(&billing(), "etablissement_b", text.as_bytes(), 9).unwrap();
        assert!(
            matches!(&file.summary.halts[..], [halt] if halt.contains("line 3 has most names")),
            "{other}: {:?}",
            file.summary.halts
        );
    }
    // In another case or with other spaces it is the same header; rows with some of the words are rows.
    for other in [HEADER_B.to_uppercase(), HEADER_B.replace(',', " , "), HEADER_B.replace("city", "CITÝ")] {
        let text = format!("{HEADER_B}{row}{other}{row}");
        let file = read(&billing(), "etablissement_b", text.as_bytes(), 9).unwrap();
        assert_eq!((file.summary.skipped.get("repeated_headers"), file.summary.kept.rows), (Some(&1), 2), "{other}");
        assert_eq!(file.summary.halts, Vec::<String>::new());
    }
    let text = format!("{HEADER_B}{}", row_b("city", "last_name", "status", "2024-01-31", "10.00"));
    assert_eq!(read(&billing(), "etablissement_b", text.as_bytes(), 9).unwrap().summary.halts, Vec::<String>::new());
}

#[test]
fn rows_are_left_out_and_words_are_found_however_their_accents_are_composed() {
    let name = |name: &str| row_b("1", name, "40", "2024-01-31", "10.00");
    let text = format!("{HEADER_B}{}{}{}", name("Annul\u{e9}e"), name("Annule\u{301}e"), name("Annul\u{e9}e\u{200b}"));
    for declared in ["Annul\u{e9}e", "Annule\u{301}e"] {
        let rows = format!("skip_rows = {{ last_name = [\"{declared}\"] }}\n[format]");
        let dataset = changed("sources/etablissement_b.toml", "[format]", &rows);
        let file = read(&dataset, "etablissement_b", text.as_bytes(), 9).unwrap();
        assert_eq!((file.summary.skipped.get("filtered_rows"), file.summary.read.rows), (Some(&3), 0));
    }
    // of a list of tables, all entries of one fit
    let rows = "skip_rows = [{ last_name = [\"Martin\"], age = [\"40\"] }, { first_name = [\"Bo\"] }]\n[format]";
    let dataset = changed("sources/etablissement_b.toml", "[format]", rows);
    let of = |id: &str, name: &str, age: &str| row_b(id, name, age, "2024-01-31", "10.00");
    let text = format!("{HEADER_B}{}{}{}", of("1", "Martin", "40"), of("2", "Martin", "41"), of("3", "Morin", "40"));
    let file = read(&dataset, "etablissement_b", text.as_bytes(), 9).unwrap();
    assert_eq!((file.summary.skipped.get("filtered_rows"), file.summary.kept.rows), (Some(&1), 2));
    let dated = format!("{HEADER_B}{}", row_b("1", "Martin", "ne\u{301}ant", "2024-01-31", "10.00"));
    let dataset = changed("sources/etablissement_b.toml", "[format]", "empty = [\"n\u{e9}ant\"]\n[format]");
    assert_eq!(read(&dataset, "etablissement_b", dated.as_bytes(), 9).unwrap().summary.kept.rows, 1);
}

/// No value of a refused column gets out of a file, whatever its lines look like.
#[test]
fn refused_columns_stay_in_the_file() {
    let dataset = changed("records/facturation.toml", "fields = [", "refused_columns = [\"Télé phone\"]\nfields = [");
    let header = HEADER_B.replace("city,", "city,TELE  PHONE,");
    let row = |id: &str, age: &str, phone: &str| {
        row_b(id, "Martin", age, "2024-01-31", "10.00").replace("B\u{e9}ziers,", &format!("B\u{e9}ziers,{phone},"))
    };
    let text = format!(
        "{header}{}{}{}{}{}",
        row("1", "40", "SECRET1"),
        row("2", "old", "SECRET2"),
        row("3", "40", "\"SECRET3, and more\""),
        row("4", "40", "SECRET4,SECRET5"),
        row("5", "old", "\"SECRET6").replace('\n', "\"\n"),
    );
    let file = read(&dataset, "etablissement_b", text.as_bytes(), 9).unwrap();
    assert_eq!((file.summary.kept.rows, file.rejects.len()), (2, 3), "{:?}", file.rejects);
    let all = format!("{}{:?}{:?}", lines(&file.batches), file.rejects, file.summary);
    assert!(!all.contains("SECRET"), "{all}");
    assert!(file.rejects.iter().any(|reject| reject.value.as_deref() == Some("…")), "{:?}", file.rejects);
    // a value in a column without a name: the others may be shifted
    let unnamed = header.replace("status\n", "status,\n");
    let text = format!("{unnamed}{}{}", row("1", "40", "SECRET1"), row("2", "40", "x,SECRET2"));
    let file = read(&dataset, "etablissement_b", text.as_bytes(), 9).unwrap();
    let found: Vec<_> = file.rejects.iter().map(|one| (one.line, one.rule.as_str(), one.value.as_deref())).collect();
    assert_eq!((file.summary.kept.rows, found), (1, vec![(3, "colonne_sans_nom", Some("…"))]));
    // a header that comes again with its columns in other places
    let moved = header.replace("city,TELE  PHONE,", "TELE  PHONE,city,");
    let text = format!("{header}{}{moved}{}", row("1", "40", "SECRET1"), row("2", "40", "SECRET2"));
    let error = read(&dataset, "etablissement_b", text.as_bytes(), 9).err().unwrap();
    assert_eq!(error.code, ErrorCode::HeaderUnreadable);
    assert!(error.message.contains("line 3 ") && !error.message.contains("SECRET"), "{error}");
}

#[test]
fn what_identifies_a_row_is_no_word_for_nothing_and_wears_nothing() {
    let refused = |id: &str| {
        let text = format!("{HEADER_B}{}", row_b(id, "Martin", "40", "2024-01-31", "10.00"));
        let file = read(&billing(), "etablissement_b", text.as_bytes(), 9).unwrap();
        file.rejects.first().map(|reject| reject.rule.clone())
    };
    for id in [
        "na",
        "NA",
        "<NA>",
        "NaT",
        "[null]",
        "nd",
        "(blank)",
        "----------",
        "__________",
        "????",
        "#REF!",
        "#DIV/0!",
        "#VALEUR!",
        "#NOM?",
        "##########",
        "N/A",
    ] {
        assert_eq!(refused(id).as_deref(), Some("mot_vide_non_declare"), "{id}");
    }
    for id in ["Na", "NAT-1", "nd1", "#1", "A-", "#REF", "0"] {
        assert_eq!(refused(id), None, "{id}");
    }
    for id in ["'F8", "'0010", "=\"F8\""] {
        assert_eq!(refused(id).as_deref(), Some("texte_de_tableur"), "{id}");
    }
    for id in [" \"F8\"", "\t\"F8"] {
        assert_eq!(refused(id).as_deref(), Some("guillemets"), "{id}");
    }
    assert_eq!(refused("\"F8\""), None);
}

#[test]
fn a_column_is_not_used_and_ignored_at_once() {
    let row = row_b("1", "Martin", "40", "2024-01-31", "10.00");
    let text = format!("{HEADER_B}{row}");
    let dataset = changed("sources/etablissement_b.toml", "[format]", "ignored_columns = [\"#15\"]\n[format]");
    let error = read(&dataset, "etablissement_b", text.as_bytes(), 9).err().unwrap();
    assert_eq!(error.code, ErrorCode::ColumnRepeated);
    for word in ["\"billed_amount\"", "\"#15\"", "`ignored_columns`"] {
        assert!(error.message.contains(word), "{error}");
    }
}

#[test]
fn a_header_that_is_not_found_names_the_key_to_correct() {
    let row = row_b("1", "Martin", "40", "2024-01-31", "10.00");
    let b = "sources/etablissement_b.toml";
    for (keys, text, expected) in [
        (
            "[format]\nheader_pattern = [\"Invoices*\"]",
            format!("Invoices of May\n{HEADER_B}{row}"),
            "line 2 has them: correct `format.header_pattern`",
        ),
        ("[format]", format!("Invoices of May\n{HEADER_B}{row}"), "line 2 has them: correct `format.header_line`"),
        ("[format]", format!("\"{}\"\n{row}", HEADER_B.trim()), "the whole line stands in quotes"),
        ("skip_rows = { nope = [\"x\"] }\n[format]", format!("{HEADER_B}{row}"), "correct `skip_rows`"),
        ("skip_rows = { \"#40\" = [\"x\"] }\n[format]", format!("{HEADER_B}{row}"), "correct `skip_rows`"),
    ] {
        let error = read(&changed(b, "[format]", keys), "etablissement_b", text.as_bytes(), 4096).err().unwrap();
        assert!(error.message.contains(expected), "{keys}: {error}");
    }
    let dataset = changed(b, "= \"last_name\"", "= \"#99\"");
    let error = read(&dataset, "etablissement_b", format!("{HEADER_B}{row}").as_bytes(), 4096).err().unwrap();
    assert!(error.message.contains("the line has 17 columns: correct the positions"), "{error}");
}

#[test]
fn one_more_delimiter_at_line_ends_is_accepted_where_it_is_declared() {
    let row = row_b("1", "Martin", "40", "2024-01-31", "10.00");
    let trailing = |count: usize| row.replace('\n', &format!("{}\n", ",".repeat(count)));
    let shifted = trailing(1).replace("UNPAID,", "UNPAID,x");
    let text = format!("{HEADER_B}{row}{}{}{shifted}", trailing(1), trailing(2));
    let dataset = changed("sources/etablissement_b.toml", "[format]", "[format]\ntrailing_delimiters = true");
    let file = read(&dataset, "etablissement_b", text.as_bytes(), 9).unwrap();
    let refused: Vec<_> = file.rejects.iter().map(|reject| (reject.line, reject.rule.as_str())).collect();
    assert_eq!(refused, [(4, "enregistrement_long"), (5, "enregistrement_long")]);
    assert_eq!(file.summary.kept.rows, 2);
}

#[test]
fn a_value_that_cannot_be_read_is_left_out_only_where_the_dataset_says_so() {
    let rows = [row_b("1", "Martin", "4x", "2024-01-31", "10.00"), row_b("2", "Martin", "40", "2024-01-31", "10.00")];
    let text = format!("{HEADER_B}{}", rows.concat());
    let age = "max = 150, personal = true";
    let dataset = changed("records/facturation.toml", age, &format!("{age}, unreadable = \"empty\""));
    let file = read(&dataset, "etablissement_b", text.as_bytes(), 9).unwrap();
    assert_eq!((file.rejects.len(), file.summary.kept.rows), (0, 2));
    assert_eq!(file.summary.warned.get("nombre_illisible_videe"), Some(&1));
    assert_eq!(file.batches[0].column_by_name("age").unwrap().null_count(), 1);
    let file = read(&billing(), "etablissement_b", text.as_bytes(), 9).unwrap();
    assert_eq!((file.rejects.len(), file.summary.kept.rows, file.summary.warned.len()), (1, 1, 0));
}

proptest! {
    /// Whatever the bytes, rows and cents are conserved, and the pieces in which they arrive make no difference.
    #[test]
    fn nothing_is_lost(rows in prop::collection::vec("[a\"\n\r,0-9.\u{e9} -]{0,60}", 0..12), piece in 1_usize..40, bad in any::<u8>()) {
        let dataset = billing();
        let mut bytes = HEADER_B.as_bytes().to_vec();
        for (index, row) in rows.iter().enumerate() {
            bytes.extend(row_b(&index.to_string(), row, "40", "2024-01-31", "10.00").bytes());
            bytes.extend(row_b("x", "Martin", row, row, row).bytes());
        }
        bytes.push(bad);
        let pieces = read(&dataset, "etablissement_b", &bytes, piece).unwrap();
        let whole = read(&dataset, "etablissement_b", &bytes, bytes.len()).unwrap();
        let ReadSummary { read, kept, rejected, .. } = &pieces.summary;
        check_conserved("read", read, kept, rejected).unwrap();
        prop_assert_eq!(&pieces.batches, &whole.batches);
        prop_assert_eq!(&pieces.rejects, &whole.rejects);
        let mut refused: Vec<i64> = pieces.rejects.iter().map(|reject| reject.record).collect();
        refused.dedup();
        prop_assert_eq!(refused.len() as u64, rejected.rows);
    }

    /// Each line of the file is the header's, a record's, or passed over: counted without the splitter.
    #[test]
    fn no_line_is_lost(rows in prop::collection::vec("[a\"\n\r,]{0,20}", 0..12), piece in 1_usize..40) {
        let dataset = billing();
        let mut text = HEADER_B.to_owned();
        for row in &rows {
            text.push_str(&row_b("1", row, "40", "2024-01-31", "10.00"));
            text.push_str(row);
        }
        let limits = Limits { max_record: 4096, ..Limits::default() };
        let source = dataset.source("etablissement_b").unwrap();
        let mut reader = Reader::new(&dataset.records[0], source, &source.formats[0], "etablissement.csv", limits);
        for piece in text.as_bytes().chunks(piece).map(Some).chain([None]) {
            match piece {
                Some(piece) => reader.feed(piece).unwrap(),
                None => reader.end().unwrap(),
            }
            while reader.batch().unwrap().is_some() {}
        }
        reader.finish().units.check_conserved("read").unwrap();
    }
}

/// Cells of a name column, of which some are refused, warned of, mapped, or evidence of another encoding.
const NAMES: [&str; 14] = [
    "Martin",
    " Martin ",
    "\"Martin\"",
    "\"Mar\"\"tin\"",
    "",
    " ",
    "null",
    "N/A",
    "Ang\u{e9}ly",
    "Ange\u{301}ly",
    "Ang\u{c3}\u{a9}ly",
    "Mar\u{200b}tin",
    "Mar\u{0}tin",
    "Mar\u{202e}tin",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A text is read as it is when it comes alone, however often and after whatever others it comes.
    #[test]
    fn a_text_is_read_the_same_the_first_time_and_later(cells in prop::collection::vec((0..NAMES.len(), 0..NAMES.len()), 1..60)) {
        let dataset = billing();
        let row = |(line, (name, id)): (usize, &(usize, usize))| {
            row_b(&format!("{line}"), NAMES[*name], "40", "2024-01-31", "10.00").replace(",P1,", &format!(",{},", NAMES[*id]))
        };
        let rows: Vec<String> = cells.iter().enumerate().map(row).collect();
        let all = read(&dataset, "etablissement_b", format!("{HEADER_B}{}", rows.concat()).as_bytes(), 97).unwrap();
        let (mut values, mut rejects, mut rules, mut warned) = (Vec::new(), Vec::new(), BTreeMap::new(), BTreeMap::new());
        for row in &rows {
            let file = read(&dataset, "etablissement_b", format!("{HEADER_B}{row}").as_bytes(), 97).unwrap();
            values.extend(texts(&file.batches));
            rejects.extend(file.rejects.into_iter().map(|reject| (reject.rule, reject.column, reject.value)));
            let counts = [(&mut rules, file.summary.rules), (&mut warned, file.summary.warned)];
            for (sum, counts) in counts {
                counts.into_iter().for_each(|(rule, rows)| *sum.entry(rule).or_default() += rows);
            }
        }
        prop_assert_eq!(texts(&all.batches), values);
        let found: Vec<_> = all.rejects.into_iter().map(|reject| (reject.rule, reject.column, reject.value)).collect();
        prop_assert_eq!(found, rejects);
        prop_assert_eq!((all.summary.rules, all.summary.warned), (rules, warned));
    }
}

/// The names and patients of batches.
fn texts(batches: &[RecordBatch]) -> Vec<String> {
    let column = |batch: &RecordBatch, name: &str, row: usize| {
        array_value_to_string(batch.column_by_name(name).unwrap(), row).unwrap()
    };
    let rows = batches.iter().flat_map(|batch| (0..batch.num_rows()).map(move |row| (batch, row)));
    rows.map(|(batch, row)| format!("{}|{}", column(batch, "patient_id", row), column(batch, "nom", row))).collect()
}

/// Rejected lines with rule and column.
fn encodings(text: &[u8]) -> Vec<String> {
    let dataset = billing();
    let source = dataset.source("etablissement_b").unwrap();
    let rejects = read_format(&dataset, source, &source.formats[0], text, 9).unwrap().rejects;
    let shown = |reject: &Reject| format!("{} {} {:?}", reject.line, reject.rule, reject.column);
    rejects.iter().map(shown).collect()
}

#[test]
fn cells_in_another_encoding_than_the_declared_one_are_refused() {
    let row = |name: &str| {
        format!(
            "1,P1,{name},Zoe,40,ETAB_B,Clinique,Public,Paris,CONS,Consultation,Ambulatoire,2024-01-31,,10.00,0.00,UNPAID\n"
        )
    };
    let text = format!("{HEADER_B}{}{}{}", row("Quéré"), row("QuÃ©rÃ©"), row("Morvan"));
    assert_eq!(encodings(text.as_bytes()), ["3 double_encodage Some(\"last_name\")"]);
    let (bytes, _, _) = encoding_rs::WINDOWS_1252.encode(&text);
    let found = encodings(&bytes);
    // The line that was UTF-8 twice is UTF-8 now; the other one is not.
    assert_eq!(found, ["2 encodage Some(\"last_name\")"]);
}

/// Rejected lines with their rules, halts and notices of a file of names whose contract declares windows-1252.
fn as_windows_1252(names: &[&[u8]]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let dataset = billing();
    let source = dataset.source("etablissement_b").unwrap();
    let mut format = source.formats[0].clone();
    let Format::Csv(csv) = &mut format.format else { panic!("delimited text") };
    csv.encoding = encoding_rs::WINDOWS_1252.into();
    let mut bytes = HEADER_B.as_bytes().to_vec();
    for (at, name) in names.iter().enumerate() {
        bytes.extend(format!("{at},P1,").bytes());
        bytes.extend_from_slice(name);
        bytes.extend(
            b",Zoe,40,ETAB_B,Clinique,Public,Paris,CONS,Consultation,Ambulatoire,2024-01-31,,10.00,0.00,UNPAID\n",
        );
    }
    let file = read_format(&dataset, source, &format, &bytes, 9).unwrap();
    let rejects = file.rejects.iter().map(|reject| format!("{} {}", reject.line, reject.rule)).collect();
    (rejects, file.summary.halts, file.summary.notices)
}

#[test]
fn a_file_in_cp850_is_halted_unless_a_cell_shows_the_contrary() {
    let cp850: [&[u8]; 4] = [b"No\x89l", b"Lef\x8Avre", b"Fran\x87ois", b"M\x81ller"];
    let (rejects, halts, notices) = as_windows_1252(&cp850);
    assert_eq!((rejects, notices), (vec!["5 encodage".to_owned()], vec![]));
    assert_eq!(
        halts,
        [
            "4 cells have bytes that the declared encoding lacks, or signs between the letters of a word, and no cell shows the \
          contrary: the file may be in another encoding, such as windows-1252, iso-8859-15, cp850 or macintosh: correct `format.encoding`, or the file's export"
        ]
    );
    let (_, halts, notices) = as_windows_1252(&[&cp850[..], &[b"H\xE9l\xE8ne"]].concat());
    assert_eq!((halts.len(), notices.len()), (0, 1));
    assert!(notices[0].contains("4 cells") && notices[0].contains("1 show the contrary"), "{notices:?}");
    assert_eq!(as_windows_1252(&[b"H\xE9l\xE8ne", b"\x8Cuvrard", b"Br\x9Cuf"]), (vec![], vec![], vec![]));
}

#[test]
fn names_of_all_the_world_in_utf8_are_not_read_as_windows_1252() {
    let names = ["Nguyễn", "Lefe\u{300}vre", "Čapek", "Иван", "محمد", "中国"];
    let (rejects, halts, _) = as_windows_1252(&names.map(str::as_bytes));
    assert_eq!(rejects, (2..8).map(|line| format!("{line} double_encodage")).collect::<Vec<_>>());
    assert!(halts.len() == 1 && halts[0].contains("6 cells are UTF-8"), "{halts:?}");
}

#[test]
fn a_name_that_lost_a_character_is_refused_in_utf8() {
    let row = "1,P1,Qu\u{fffd}r\u{fffd},Zoe,40,ETAB_B,Clinique,Public,Paris,CONS,Consultation,Ambulatoire,2024-01-31,,10.00,0.00,UNPAID\n";
    assert_eq!(encodings(format!("{HEADER_B}{row}").as_bytes()), ["2 encodage Some(\"last_name\")"]);
}

#[test]
fn marks_at_the_end_of_a_file_are_no_record() {
    let row = row_b("1", "Martin", "40", "2024-01-31", "10.00");
    for marks in ["\u{1a}", "\0", "\u{1a}\0\0", &"\0".repeat(20_000)] {
        for piece in [1, 9, 50_000] {
            let text = format!("{HEADER_B}{row}{marks}");
            let file = read(&billing(), "etablissement_b", text.as_bytes(), piece).unwrap();
            let ReadSummary { read, kept, skipped, notices, units, .. } = &file.summary;
            assert_eq!((read.rows, kept.rows, skipped.get("end_marks")), (1, 1, Some(&1)));
            assert!(matches!(&notices[..], [notice] if notice.contains("0x1A")), "{notices:?}");
            units.check_conserved("read").unwrap();
            // On a record's line they are part of it.
            let text = text.replace(&format!("\n{marks}"), marks);
            let file = self::read(&billing(), "etablissement_b", text.as_bytes(), piece).unwrap();
            assert_eq!((file.summary.read.rows, file.summary.kept.rows, file.summary.skipped.len()), (1, 0, 0));
            let message = &file.rejects[0].message;
            assert!(
                message.contains("U+001A, la marque de fin") || message.contains("U+0000, un octet nul"),
                "{message}"
            );
            file.summary.units.check_conserved("read").unwrap();
        }
    }
    for (date, amount) in [("2024-01-31\u{1a}", "10.00"), ("2024-01-31", "10.00\u{1a}")] {
        let text = format!("{HEADER_B}{}", row_b("1", "Martin", "40", date, amount));
        let file = read(&billing(), "etablissement_b", text.as_bytes(), 9).unwrap();
        assert_eq!(file.rejects[0].rule, "caractere_interdit");
    }
    for nothing in ["\0", &"\0".repeat(20_000), "\u{1a}"] {
        refused("etablissement_b", nothing, ErrorCode::WorkbookUnreadable, "only NUL bytes");
    }
    refused(
        "etablissement_b",
        &format!("{}{HEADER_B}", "\0".repeat(5_000)),
        ErrorCode::LimitExceeded,
        "line 1 is longer",
    );
}

#[test]
fn a_name_that_only_looks_like_the_contracts_is_not_blamed_on_the_encoding() {
    let header = "Nº Facture;N\u{b0} Patient;Nom;Pr\u{e9}nom;\u{c2}ge;Code \u{c9}tablissement;\u{c9}tablissement;Type;Ville;Code Service;Service;\
        Cat\u{e9}gorie;Date Facture;Date Paiement;Montant Factur\u{e9};Montant Pay\u{e9};Statut\r\n";
    let (bytes, _, _) = encoding_rs::WINDOWS_1252.encode(header);
    let error = read(&billing(), "etablissement_a", &bytes, 9).err().unwrap();
    assert_eq!(error.code, ErrorCode::ColumnMissing);
    assert!(error.message.contains("has º (U+00BA) where the contract has ° (U+00B0)"), "{error}");
    assert!(error.message.chars().count() <= 500 && !error.message.contains("encoding"), "{error}");
}

#[test]
fn an_invisible_character_in_a_date_or_an_amount_is_named() {
    let dataset = billing();
    for (date, billed, named) in [
        ("2024-01-31", "10.00\u{200b}", "U+200B"),
        ("2024-01-31\u{feff}", "10.00", "U+FEFF"),
        ("2024-01\u{ad}-31", "10.00", "U+00AD"),
    ] {
        let text = format!("{HEADER_B}{}", row_b("1", "Mar\u{200b}tin", "40", date, billed));
        let file = read(&dataset, "etablissement_b", text.as_bytes(), 97).unwrap();
        assert_eq!(file.rejects.len(), 1, "the name is stored without it");
        assert!(file.rejects[0].message.contains(named), "{:?}", file.rejects);
    }
}

#[test]
fn what_is_no_delimited_text_is_refused_by_its_name() {
    for (text, told) in [
        ("[{\"invoice_id\": 1}]", "JSON"),
        ("{\\rtf1 invoice_id}", "RTF"),
        ("<?xml version=\"1.0\"?><rows/>", "XML"),
        ("%PDF-1.7", "PDF"),
    ] {
        refused("etablissement_b", text, ErrorCode::WorkbookUnreadable, told);
    }
    let utf16: String = HEADER_B.chars().flat_map(|c| [c, '\0']).collect();
    refused("etablissement_b", &utf16, ErrorCode::EncodingMismatch, "UTF-16LE without a byte order mark");
}

#[test]
fn the_keys_of_refused_rows_of_a_complete_file_are_given_out() {
    let record = r#"
        key = ["shop", "id", "day"]
        owner = "shop"
        fields = [
            { name = "shop", type = "text", max_length = 10 },
            { name = "id", type = "text", max_length = 16 },
            { name = "name", type = "text", max_length = 8 },
            { name = "day", type = "date" },
            { name = "price", type = "decimal" },
        ]
        rules = [
            { id = "known", check = "required", fields = ["shop", "id", "day"], message = "…" },
            { id = "once", check = "unique", message = "…" },
        ]
        dimension = { name = "product", surrogate = "product_key", attributes = ["name", "price"], snapshot = { scope = ["shop"] } }
    "#;
    let source = r#"
        files = ["*.csv"]
        format = { type = "csv", encoding = "utf-8", delimiter = ";", trailing_delimiters = true }
        dates = { format = "yyyy-mm-dd" }
        numbers = { decimal_mark = "." }
        columns = { name = "name", day = "day", price = "price" }
        constants = { shop = "A" }
        derived = { id = { hash = ["name"] } }
    "#;
    let files = [
        ("dataset.toml", "name = \"shop\"\ntime_zone = \"Europe/Paris\""),
        ("records/product.toml", record),
        ("sources/products.toml", source),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let dataset = Bundle::from_files(files).compile().unwrap();
    let source = dataset.source("products").unwrap();
    let text = "name;day;price\npen;2026-05-04;1.00\ninkink;2026-05-04;two\npen;2026-05-04;two\nlonger name;2026-05-04;1.00\n\
                cap;2026-02-30;1.00\n;2026-05-04;two\ncap;2026-05-04;1;2;3\ncap;2026-05-04;\"1\n";
    let mut reader = Reader::new(
        &dataset.records[0],
        source,
        &source.formats[0],
        "a.csv",
        Limits { batch_rows: 3, ..Limits::default() },
    );
    let (mut keys, mut ids) = (Vec::new(), Vec::new());
    reader.feed(text.as_bytes()).unwrap();
    for end in [false, true] {
        if end {
            reader.end().unwrap();
        }
        while let Some(batch) = reader.batch().unwrap() {
            let shown = |batch: &RecordBatch, row| -> Vec<String> {
                batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap()).collect()
            };
            match batch {
                Batch::RefusedKeys(batch) => {
                    assert_eq!(batch.schema(), refused_key_schema(&dataset.records[0]));
                    keys.extend((0..batch.num_rows()).map(|row| shown(&batch, row)));
                }
                Batch::Records(batch) => ids.extend((0..batch.num_rows()).map(|row| shown(&batch, row)[1].clone())),
                Batch::Rejects(_) => {}
            }
        }
    }
    let summary = reader.finish();
    assert_eq!(keys.len() as u64, summary.rejected.rows);
    // a derived key is that of the same values in a row that can be read
    assert_eq!((ids.len(), keys[1][1].as_str()), (1, ids[0].as_str()));
    assert!(keys[0][1].len() == 16 && keys[0][1] != ids[0]);
    let known = |key: &[String]| key[..3].iter().map(|value| !value.is_empty()).collect::<Vec<_>>();
    let known: Vec<(Vec<bool>, &str)> = keys.iter().map(|key| (known(key), key[3].as_str())).collect();
    let expected = [
        (vec![true, true, true], "1"),
        (vec![true, true, true], "2"),
        // its name, of which the id is made, is too long
        (vec![true, false, true], "3"),
        (vec![true, true, false], "4"),
        (vec![true, false, true], "5"),
        (vec![false, false, false], "6"),
        (vec![false, false, false], "7"),
    ];
    assert_eq!(known, expected);
}
