//! What a file is, by its first bytes, whatever its name claims.

use memchr::memmem;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    /// An Office Open XML workbook (`.xlsx`).
    Workbook,
    /// A workbook of the format before it (`.xls`).
    OldWorkbook,
    /// A workbook under a password.
    EncryptedWorkbook,
    /// A binary workbook (`.xlsb`).
    Xlsb,
    /// An OpenDocument spreadsheet (`.ods`).
    Ods,
    /// Any other zip archive.
    Zip,
    /// An archive of another format.
    Archive,
    /// A file compressed by gzip.
    Gzip,
    /// A web page.
    Html,
    /// A PDF document.
    Pdf,
    /// XML of any kind.
    Xml,
    /// JSON.
    Json,
    /// A word processor's Rich Text Format.
    Rtf,
    /// Text.
    Text,
    /// Nothing.
    Empty,
    /// NULs, and perhaps marks of a file's end.
    Blank,
    /// Anything else.
    Binary,
}

impl Container {
    /// What the file is and what to do about it: a sentence without its full stop.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Workbook => {
                "the file is a workbook (.xlsx): have it exported as CSV, or declare `type = \"xlsx\"` in the contract"
            }
            Self::OldWorkbook => {
                "the file is of the Office format before .xlsx (.xls): have it saved as .xlsx or CSV and sent again"
            }
            Self::EncryptedWorkbook => "the workbook is protected by a password: have it sent again without one",
            Self::Xlsb => "the file is a binary workbook (.xlsb): have it saved as .xlsx and sent again",
            Self::Ods => "the file is an OpenDocument spreadsheet (.ods): have it saved as .xlsx and sent again",
            Self::Zip => "the file is a zip archive, not a workbook or a text: have the files in it sent, unpacked",
            Self::Archive => "the file is an archive (7z, RAR or the like): have the files in it sent, unpacked",
            Self::Gzip => "the file is compressed (gzip): have it unpacked and sent again",
            Self::Html => {
                "the file is a web page (HTML) under another name: have it opened in a spreadsheet, saved as .xlsx or CSV \
                 and sent again"
            }
            Self::Pdf => "the file is a PDF document: have the data exported as .xlsx or CSV and sent",
            Self::Xml => "the file is XML: have it opened in a spreadsheet, saved as .xlsx or CSV and sent again",
            Self::Json => "the file is JSON: have the data exported as .xlsx or CSV and sent",
            Self::Rtf => {
                "the file is a word processor's document (RTF): have the data exported as .xlsx or CSV and sent"
            }
            Self::Text => {
                "the file is no workbook but text: if it is CSV, declare `type = \"csv\"` in the contract, or have it saved \
                 as .xlsx and sent again"
            }
            Self::Empty => "the file is empty: have it exported and sent again",
            Self::Blank => {
                "the file holds no text, only NUL bytes or marks of its end (0x1A): it was never written, or a disk error has \
                 lost it: have it exported and sent again"
            }
            Self::Binary => "the file is neither a workbook nor text: have it exported again as .xlsx or CSV",
        }
    }
}

/// The first bytes of the formats that have fixed ones, zip and OLE aside.
const MAGIC: [(&[u8], Container); 12] = [
    (b"\x1F\x8B", Container::Gzip),
    (b"%PDF", Container::Pdf),
    (b"7z\xBC\xAF\x27\x1C", Container::Archive),
    (b"Rar!\x1A\x07", Container::Archive),
    (b"BZh", Container::Archive),
    (b"\xFD7zXZ\x00", Container::Archive),
    (b"\x28\xB5\x2F\xFD", Container::Archive),
    // Workbooks of Excel 2 to 4, which had no container.
    (b"\x09\x00\x04\x00", Container::OldWorkbook),
    (b"\x09\x02\x06\x00", Container::OldWorkbook),
    (b"\x09\x04\x06\x00", Container::OldWorkbook),
    (b"\x09\x08\x08\x00", Container::OldWorkbook),
    (b"\x09\x08\x10\x00", Container::OldWorkbook),
];

/// Recognises a file. All its bytes give the surest answer; its first few kibibytes nearly always suffice.
pub(crate) fn container(bytes: &[u8]) -> Container {
    const OLE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";
    if bytes.is_empty() {
        return Container::Empty;
    }
    if bytes.starts_with(OLE) {
        // An encrypted workbook lies in a container of the older format, as a stream of this name.
        let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let encrypted = memmem::find(bytes, &name).is_some();
        return if encrypted { Container::EncryptedWorkbook } else { Container::OldWorkbook };
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return zip(bytes);
    }
    if bytes.iter().all(|byte| matches!(byte, 0 | 0x1A)) {
        return Container::Blank;
    }
    let known = MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic));
    known.map_or_else(|| text(&bytes[..bytes.len().min(4096)]), |(_, container)| *container)
}

/// What an archive is: its entries' names stand in it as they are.
fn zip(bytes: &[u8]) -> Container {
    const LOCAL_HEADER: usize = 30;
    // Software writes them in any order, and a file may be cut off.
    const PARTS: [&[u8]; 5] = [b"[Content_Types].xml", b"_rels/.rels", b"docProps/", b"xl/workbook", b"xl/worksheets"];
    let holds = |name: &[u8]| memmem::find(bytes, name).is_some();
    let first = bytes.get(LOCAL_HEADER..).unwrap_or_default();
    if first.starts_with(b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet") {
        Container::Ods
    } else if !PARTS.iter().any(|part| holds(part)) {
        // What breaks off before its first entry's name is taken for the workbook that it was meant to be.
        if bytes.len() <= LOCAL_HEADER && bytes.starts_with(b"PK\x03") { Container::Workbook } else { Container::Zip }
    } else if holds(b"xl/workbook.bin") {
        Container::Xlsb
    } else if holds(b"word/document") || holds(b"ppt/presentation") {
        Container::Zip
    } else {
        Container::Workbook
    }
}

fn text(start: &[u8]) -> Container {
    if start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF") {
        return Container::Text;
    }
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start);
    let lower = start.trim_ascii_start().to_ascii_lowercase();
    const TAGS: [&[u8]; 8] =
        [b"<!doctype html", b"<html", b"<head", b"<body", b"<table", b"<meta", b"<script", b"<style"];
    if TAGS.iter().any(|tag| lower.starts_with(tag)) {
        return Container::Html;
    }
    if lower.starts_with(b"<?xml") || lower.starts_with(b"<!--") {
        return if memmem::find(&lower, b"<html").is_some() { Container::Html } else { Container::Xml };
    }
    if lower.starts_with(b"{\\rtf") {
        return Container::Rtf;
    }
    if is_json(&lower) {
        return Container::Json;
    }
    let control = |byte: &&u8| **byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C);
    // Text with a damaged byte here and there is text; its reader names the line.
    if start.iter().filter(control).count() * 8 > start.len() { Container::Binary } else { Container::Text }
}

/// Whether a text begins as JSON does. A header may begin with a bracket, too: `[Id];[Total]`.
fn is_json(text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else { return false };
    let second = rest.trim_ascii_start().first();
    matches!((first, second), (b'{', Some(b'"' | b'}')) | (b'[', Some(b'{' | b'[' | b'"' | b']')))
}

/// The name of the UTF-16 that a text without a byte order mark begins in: every second byte is NUL, some signs aside.
pub(crate) fn unmarked_utf16(start: &[u8]) -> Option<&'static str> {
    let units = start.len() / 2;
    let nuls = |from: usize| start.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    match (nuls(0), nuls(1)) {
        (0, low) if units > 3 && low * 10 >= units * 9 => Some("UTF-16LE"),
        (high, 0) if units > 3 && high * 10 >= units * 9 => Some("UTF-16BE"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_what_they_are() {
        let utf16: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let ole = |rest: &[u8]| [b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", rest].concat();
        let local = |name: &[u8], data: &[u8]| [b"PK\x03\x04", &[0; 26][..], name, data].concat();
        for (bytes, expected) in [
            (b"".to_vec(), Container::Empty),
            (ole(&[0; 600]), Container::OldWorkbook),
            (ole(&utf16), Container::EncryptedWorkbook),
            (b"\x09\x08\x10\x00\x00\x06".to_vec(), Container::OldWorkbook),
            (local(b"[Content_Types].xml", b"..."), Container::Workbook),
            (local(b"[Content_Types].xml", b"...xl/workbook.bin"), Container::Xlsb),
            (local(b"[Content_Types].xml", b"...word/document.xml"), Container::Zip),
            (local(b"mimetype", b"application/vnd.oasis.opendocument.spreadsheetPK"), Container::Ods),
            (local(b"mimetype", b"application/vnd.oasis.opendocument.text"), Container::Zip),
            (local(b"orders.csv", b"a;b"), Container::Zip),
            (b"PK\x03\x04".to_vec(), Container::Workbook),
            (b"PK\x05\x06\0\0\0\0".to_vec(), Container::Zip),
            (b"PKG;total\n".to_vec(), Container::Text),
            (b"\x1F\x8B\x08\0".to_vec(), Container::Gzip),
            (b"%PDF-1.7".to_vec(), Container::Pdf),
            (b"\n  <HTML><body>".to_vec(), Container::Html),
            (b"\xEF\xBB\xBF<table><tr>".to_vec(), Container::Html),
            (b"<?xml version=\"1.0\"?><!DOCTYPE html><html>".to_vec(), Container::Html),
            (b"<?xml version=\"1.0\"?><Workbook>".to_vec(), Container::Xml),
            (b"\xEF\xBB\xBF \n[ {\"id\": 1}]".to_vec(), Container::Json),
            (b"{\n\"id\": 1}".to_vec(), Container::Json),
            (b"[[1,2]]".to_vec(), Container::Json),
            (b"{\\rtf1\\ansi}".to_vec(), Container::Rtf),
            (b"[Id];[Total]\n1;2".to_vec(), Container::Text),
            (b"{Id};{Total}\n1;2".to_vec(), Container::Text),
            (b"order;total\r\n1;2".to_vec(), Container::Text),
            (b"nom;Qu\xE9r\xE9\0\n".repeat(3), Container::Text),
            (b"\xFF\xFEf\0;\0".to_vec(), Container::Text),
            (b"PAR1\x15\x04\x15\x10\0\0\0\x01\x02\x03".to_vec(), Container::Binary),
        ] {
            assert_eq!(container(&bytes), expected, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn utf16_is_recognised_without_its_mark() {
        let le = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let be = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
        let text = "Id;Prénom;Total €\r\nA-1;Zoé;12,00\r\n";
        assert_eq!(unmarked_utf16(&le(text)), Some("UTF-16LE"));
        assert_eq!(unmarked_utf16(&be(text)), Some("UTF-16BE"));
        for other in [text.as_bytes(), b"", b"a\0", &[0; 200], &b"nom;Qu\xE9r\xE9\0\n".repeat(9)] {
            assert_eq!(unmarked_utf16(other), None);
        }
    }
}
