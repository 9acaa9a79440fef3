//! Workbooks that are made to take memory or time: each is read in a process of its own, whose peak is measured.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::billing::billing;
use crate::book::{Book, sheet, text_cell};
use crate::workbook::HEADER;
use fonderie_tabular::{Batch, Limits, Reader};

/// The file that the process is to read, if it is one of those.
const FILE: &str = "FONDERIE_HOSTILE_FILE";

const MOST_MEMORY: u64 = 256 << 20;

/// Five seconds, four times over: tests are not optimised, and share their machine.
const MOST_TIME: Duration = Duration::from_secs(20);

/// Not a test by itself: what the process of a hostile file does.
#[test]
fn child() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let bytes = std::fs::read(file).unwrap();
    let dataset = billing();
    let source = dataset.source("etablissement_d").unwrap();
    let format = dataset.format_of_key(source, "etablissement_D.xlsx").unwrap();
    let mut reader = Reader::new(&dataset.records[0], source, format, "etablissement_D.xlsx", Limits::default());
    let began = Instant::now();
    let mut read = || {
        reader.feed(&bytes)?;
        reader.end()?;
        let (mut records, mut rejects) = (0, 0);
        while let Some(batch) = reader.batch()? {
            match batch {
                Batch::Records(batch) => records += batch.num_rows(),
                Batch::Rejects(batch) => rejects += batch.num_rows(),
                Batch::RefusedKeys(_) => {}
            }
        }
        Ok(format!("{records} records, {rejects} rejects"))
    };
    let outcome = read().unwrap_or_else(|error: fonderie_core::StageError| error.message);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    println!("\noutcome {} ms|{}|{outcome}", began.elapsed().as_millis(), peak.trim().trim_end_matches(" kB"));
}

/// Reads a file in a process of its own; what became of it must contain one of the texts.
fn survives(name: &str, bytes: &[u8], outcome: &str) {
    let path: PathBuf = std::env::temp_dir().join(format!("fonderie-hostile-{}-{name}.xlsx", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hostile::child", "--nocapture"])
        .env(FILE, &path)
        .output()
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    let line =
        output.lines().find_map(|line| line.strip_prefix("outcome ")).unwrap_or_else(|| panic!("{name}: {child:?}"));
    let parts: Vec<&str> = line.splitn(3, '|').collect();
    let time = Duration::from_millis(parts[0].trim_end_matches(" ms").parse().unwrap());
    let peak = parts[1].trim().parse::<u64>().unwrap() << 10;
    println!("{name} ({} KiB): {time:?}, {} MiB, {}", bytes.len() >> 10, peak >> 20, parts[2]);
    assert!(child.status.success() && parts[2].contains(outcome), "{name}: {line}");
    assert!(peak < MOST_MEMORY && time < MOST_TIME, "{name}: {line}");
    assert!(parts[2].chars().count() <= 500, "{name}: {line}");
}

fn header() -> String {
    format!("<row>{}</row>", HEADER.iter().map(|name| text_cell(name)).collect::<String>())
}

/// A sheet of the header and other rows.
fn with_header(rows: &str) -> String {
    sheet(&format!("{}{rows}", header()))
}

#[test]
fn long_texts_are_not_copied_into_each_cell() {
    let cells = "<c t=\"s\"><v>0</v></c>".repeat(17);
    let text = format!("<sst uniqueCount=\"4294967295\"><si><t>{}</t></si></sst>", "x".repeat(20 << 20));
    let book = Book::of(with_header(&format!("<row>{cells}</row>").repeat(6))).part("xl/sharedStrings.xml", text);
    survives("shared", &book.bytes(), "0 records, ");
    // Each within a cell's bounds, together beyond a row's.
    let text = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(32_767));
    let cells = "<c t=\"s\"><v>0</v></c>".repeat(16_384);
    let book = Book::of(with_header(&format!("<row>{cells}</row>").repeat(20))).part("xl/sharedStrings.xml", text);
    survives("wide", &book.bytes(), "0 records, ");
    // Beyond what the rows of a sheet have.
    let text = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(32_767));
    let cells = "<c t=\"s\"><v>0</v></c>".repeat(32);
    let book = Book::of(with_header(&format!("<row>{cells}</row>").repeat(60_000))).part("xl/sharedStrings.xml", text);
    survives("repeated", &book.bytes(), "more than 2048 MiB of text in the cells of a sheet");
    let inline = format!("<row>{}</row>", text_cell(&"x".repeat(3 << 20)));
    survives("inline", &Book::of(with_header(&inline.repeat(8))).bytes(), "0 records, ");
}

#[test]
fn nothing_is_reserved_by_what_a_part_declares() {
    let rows = with_header("").replace("<sheetData>", "<dimension ref=\"A1:XFD1048576\"/><sheetData>");
    let styles = "<styleSheet><cellXfs count=\"4294967295\"><xf/></cellXfs></styleSheet>";
    let book = Book::of(rows).part("xl/styles.xml", styles).part("xl/sharedStrings.xml", "<sst count=\"4294967295\"/>");
    survives("counts", &book.bytes(), "0 records, 0 rejects");
    let texts = format!("<sst>{}</sst>", "<si/>".repeat(2_000_000));
    survives(
        "empty-texts",
        &Book::of(with_header("")).part("xl/sharedStrings.xml", texts).bytes(),
        "0 records, 0 rejects",
    );
}

#[test]
fn parts_that_unpack_to_much_are_refused() {
    let spaces = |size: usize| " ".repeat(size << 20);
    survives("ratio", &Book::of(with_header(&spaces(70))).bytes(), "more than 200 times");
    survives(
        "text",
        &Book::of(with_header(&format!("<row><c><v>{}", "9".repeat(40 << 20)))).bytes(),
        "a text or tag of",
    );
    survives("attribute", &Book::of(with_header(&format!("<row a=\"{}\">", spaces(40)))).bytes(), "a text or tag of");
    survives("nested", &Book::of(with_header(&"<a>".repeat(10 << 20))).bytes(), "nested too deep");
    survives("comment", &Book::of(with_header(&format!("<!--{}-->", spaces(40)))).bytes(), "a text or tag of");
}

#[test]
fn far_cells_do_not_fill_their_rows() {
    let rows: String = (2..5_000).map(|row| format!("<row r=\"{row}\"><c r=\"XFD{row}\"><v>1</v></c></row>")).collect();
    survives("far", &Book::of(with_header(&rows)).bytes(), "0 records, 4998 rejects");
    let rows: String = (2..200_000).map(|row| format!("<row><c r=\"XFD{row}\"><v>1</v></c></row>")).collect();
    survives("many-far", &Book::of(with_header(&rows)).bytes(), "0 records, 199998 rejects");
    let far = header().replace("</row>", "<c r=\"XFD1\"><v>1</v></c></row>");
    survives("far-header", &Book::of(sheet(&far)).bytes(), "does not know");
}

/// An archive whose entries, but for the first, all are the same bytes.
fn overlapping(entries: u16) -> Vec<u8> {
    let data = vec![0; 256 << 10];
    let name = |at: u16| if at == 0 { "[Content_Types].xml".to_owned() } else { format!("xl/worksheets/{at:05}") };
    let size = u32::try_from(data.len()).unwrap().to_le_bytes();
    let header =
        |name: &str| [&[0; 10][..], &size, &size, &u16::try_from(name.len()).unwrap().to_le_bytes(), &[0; 2]].concat();
    let mut bytes = [b"PK\x03\x04\x14\0", &header(&name(0))[2..], name(0).as_bytes(), &data].concat();
    let start = bytes.len();
    for at in 0..entries {
        let name = name(at);
        bytes.extend([b"PK\x01\x02\x14\0\x14\0", &header(&name)[2..], &[0; 14], name.as_bytes()].concat());
    }
    let length = u32::try_from(bytes.len() - start).unwrap().to_le_bytes();
    let (start, entries) = (u32::try_from(start).unwrap().to_le_bytes(), entries.to_le_bytes());
    bytes.extend([b"PK\x05\x06\0\0\0\0", &entries[..], &entries, &length, &start, &[0; 2]].concat());
    bytes
}

#[test]
fn archives_with_false_sizes_are_refused() {
    survives("overlap", &overlapping(2_000), "cut off or damaged");
    survives("entries", &overlapping(20_000), "more than 10000 parts");
    // A part that is longer than it declares.
    let rows = with_header(&"<row><c><v>1</v></c></row>".repeat(10_000));
    let mut bytes = Book::of(&rows).bytes();
    let size = u32::try_from(rows.len()).unwrap();
    let places: Vec<usize> = memchr::memmem::find_iter(&bytes, &size.to_le_bytes()).collect();
    assert_eq!(places.len(), 2);
    for place in places {
        bytes[place..place + 4].copy_from_slice(&(size / 2).to_le_bytes());
    }
    survives("longer", &bytes, "cut off or damaged");
}
