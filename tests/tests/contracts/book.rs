//! Workbooks built part by part, as no well-behaved library writes them.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A workbook to build.
#[derive(Clone, Default)]
pub(crate) struct Book {
    sheets: Vec<(String, String, Vec<u8>)>,
    properties: String,
    parts: Vec<(String, Vec<u8>)>,
}

/// A sheet's part around its rows.
pub(crate) fn sheet(rows: &str) -> String {
    format!("<worksheet><sheetData>{rows}</sheetData></worksheet>")
}

/// A cell of text.
pub(crate) fn text_cell(text: &str) -> String {
    format!("<c t=\"inlineStr\"><is><t>{text}</t></is></c>")
}

impl Book {
    /// A workbook of one sheet.
    pub(crate) fn of(sheet: impl AsRef<[u8]>) -> Self {
        Self::default().sheet("Feuille", "visible", sheet)
    }

    /// One more sheet: `state` is `visible` or `hidden`.
    pub(crate) fn sheet(mut self, name: &str, state: &str, part: impl AsRef<[u8]>) -> Self {
        self.sheets.push((name.to_owned(), state.to_owned(), part.as_ref().to_vec()));
        self
    }

    /// What stands behind the list of sheets.
    pub(crate) fn properties(mut self, properties: &str) -> Self {
        self.properties = properties.to_owned();
        self
    }

    /// Another part.
    pub(crate) fn part(mut self, path: &str, part: impl AsRef<[u8]>) -> Self {
        self.parts.push((path.to_owned(), part.as_ref().to_vec()));
        self
    }

    /// The workbook's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let namespace = "xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"";
        let (mut list, mut references) = (String::new(), String::new());
        for (at, (name, state, _)) in self.sheets.iter().enumerate() {
            list += &format!("<sheet name=\"{name}\" sheetId=\"{at}\" state=\"{state}\" r:id=\"rId{at}\"/>");
            references +=
                &format!("<Relationship Id=\"rId{at}\" Type=\"x/worksheet\" Target=\"worksheets/sheet{at}.xml\"/>");
        }
        let workbook = format!("<workbook {namespace}><sheets>{list}</sheets>{}</workbook>", self.properties);
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let mut add = |path: &str, part: &[u8]| {
            archive.start_file(path, SimpleFileOptions::default()).unwrap();
            archive.write_all(part).unwrap();
        };
        add("[Content_Types].xml", b"<Types/>");
        add("xl/workbook.xml", workbook.as_bytes());
        add("xl/_rels/workbook.xml.rels", format!("<Relationships>{references}</Relationships>").as_bytes());
        for (at, (_, _, part)) in self.sheets.iter().enumerate() {
            add(&format!("xl/worksheets/sheet{at}.xml"), part);
        }
        for (path, part) in &self.parts {
            add(path, part);
        }
        archive.finish().unwrap().into_inner()
    }
}
