//! What the workbook's own part says: its sheets, its epoch, whether it asks for recalculation; and where its parts are.

use std::io::Read;

use fonderie_core::Result;
use quick_xml::events::Event;

use super::archive::{Archive, resolve};
use super::error::{Fault, Parsed, too_large, unreadable};
use super::serial::Epoch;
use super::xml::{Attributes, Xml, is_true, unescaped};

/// More sheets, or references to parts, than any workbook has.
const MOST_SHEETS: usize = 10_000;

/// A workbook's table of contents.
pub(super) struct Book {
    pub(super) sheets: Vec<SheetEntry>,
    pub(super) epoch: Epoch,
    /// Stored values of formulas may be out of date.
    pub(super) recalculates: bool,
    pub(super) texts_path: String,
    pub(super) styles_path: String,
}

/// A sheet, or another tab.
pub(super) struct SheetEntry {
    pub(super) name: String,
    pub(super) visible: bool,
    /// Where its cells are; `None` for a chart or a dialog.
    pub(super) path: Option<String>,
}

/// A reference from one part to another.
struct Reference {
    id: String,
    kind: String,
    target: String,
}

impl Book {
    /// Reads the table of contents.
    pub(super) fn read(archive: &mut Archive) -> Result<Self> {
        let document = references(archive, "_rels/.rels")?
            .into_iter()
            .find(|reference| reference.kind == "officeDocument")
            .map_or_else(|| "xl/workbook.xml".to_owned(), |reference| resolve("", &reference.target));
        let (folder, file) = document.rsplit_once('/').unwrap_or(("", &document));
        let references = references(archive, &resolve(folder, &format!("_rels/{file}.rels")))?;
        let path = |kind: &str, usual: &str| {
            let reference = references.iter().find(|reference| reference.kind == kind);
            resolve(folder, reference.map_or(usual, |reference| &reference.target))
        };
        let mut book = Self {
            sheets: Vec::new(),
            epoch: Epoch::Of1900,
            recalculates: false,
            texts_path: path("sharedStrings", "sharedStrings.xml"),
            styles_path: path("styles", "styles.xml"),
        };
        let part = archive.part(&document)?.ok_or_else(|| unreadable("the archive holds no workbook"))?;
        book.read_document(part, folder, &references).map_err(|fault| fault.within_part(&document))?;
        Ok(book)
    }

    fn read_document<R: Read>(&mut self, mut xml: Xml<R>, folder: &str, references: &[Reference]) -> Parsed<()> {
        loop {
            match xml.event()? {
                Event::Start(tag) => {
                    let attributes = Attributes::new(tag.attributes_raw());
                    match tag.local_name().as_ref() {
                        "sheet" => {
                            if self.sheets.len() == MOST_SHEETS {
                                return Err(too_large(&format!("has more than {MOST_SHEETS} sheets")).into());
                            }
                            self.sheets.push(sheet(attributes, folder, references)?);
                        }
                        "workbookPr" => {
                            for attribute in attributes {
                                // An extension has a tag of the same name without the attribute.
                                if let ("date1904", value) = attribute? {
                                    self.epoch = if is_true(value) { Epoch::Of1904 } else { Epoch::Of1900 };
                                }
                            }
                        }
                        "calcPr" => {
                            for attribute in attributes {
                                match attribute? {
                                    ("fullCalcOnLoad" | "forceFullCalc", value) => self.recalculates |= is_true(value),
                                    ("calcCompleted", value) => self.recalculates |= !is_true(value),
                                    _ => {}
                                }
                            }
                        }
                        _ => {}
                    }
                }
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    }
}

fn sheet(attributes: Attributes<'_>, folder: &str, references: &[Reference]) -> Parsed<SheetEntry> {
    let (mut name, mut id, mut visible) = (String::new(), String::new(), true);
    for attribute in attributes {
        match attribute? {
            ("name", value) => name = unescaped(value)?,
            // Whatever the prefix of references is, and without one.
            (key, value) if key.rsplit(':').next() == Some("id") => id = unescaped(value)?,
            ("state", value) => visible = value == "visible",
            _ => {}
        }
    }
    let no_part = || Fault::shape(format!("it names no part of the sheet \"{}\"", crate::visible::visible(&name)));
    let reference = references.iter().find(|reference| reference.id == id).ok_or_else(no_part)?;
    let path = (reference.kind == "worksheet").then(|| resolve(folder, &reference.target));
    Ok(SheetEntry { name, visible, path })
}

/// The references of a part; none if the archive has no such list.
fn references(archive: &mut Archive, path: &str) -> Result<Vec<Reference>> {
    let Some(part) = archive.part(path)? else { return Ok(Vec::new()) };
    Ok(read_references(part).map_err(|fault| fault.within_part(path))?)
}

fn read_references<R: Read>(mut xml: Xml<R>) -> Parsed<Vec<Reference>> {
    let mut references = Vec::new();
    loop {
        match xml.event()? {
            Event::Start(tag) if tag.local_name().as_ref() == "Relationship" => {
                if references.len() == MOST_SHEETS {
                    return Err(too_large(&format!("has more than {MOST_SHEETS} references to parts")).into());
                }
                let mut reference = Reference { id: String::new(), kind: String::new(), target: String::new() };
                for attribute in Attributes::new(tag.attributes_raw()) {
                    match attribute? {
                        ("Id", value) => reference.id = unescaped(value)?,
                        // The kinds' prefixes differ between the editions of the format.
                        ("Type", value) => reference.kind = value.rsplit('/').next().unwrap_or_default().to_owned(),
                        ("Target", value) => reference.target = unescaped(value)?,
                        _ => {}
                    }
                }
                references.push(reference);
            }
            Event::Eof => return Ok(references),
            _ => {}
        }
    }
}
