//! The archive that a workbook is: its sizes are tested before anything is unpacked, and no part is read beyond them.

use std::collections::HashMap;
use std::io::Cursor;

use fonderie_core::Result;
use zip::ZipArchive;
use zip::read::ZipFile;

use super::error::{damaged, other_file, too_large};
use super::xml::Xml;
use crate::container::{Container, container};
use crate::limits::Limits;

/// More entries than any workbook has; each takes memory before it is looked at.
const MOST_ENTRIES: usize = 10_000;

/// A part of this size or more may not be packed to less than a share of it, as cells of any meaning are not.
const SUSPICIOUS_SIZE: u64 = 64 << 20;
const MOST_RATIO: u64 = 200;

/// A workbook's archive.
pub(super) struct Archive {
    zip: ZipArchive<Cursor<Vec<u8>>>,
    /// Place by name, in lower case: some software writes names in another case than their references.
    places: HashMap<String, usize>,
}

/// A file of the archive, as it is unpacked.
pub(super) type Entry<'a> = ZipFile<'a, Cursor<Vec<u8>>>;

impl Archive {
    /// Opens a file's bytes.
    ///
    /// # Errors
    /// What the file is if it is no workbook; a limit that it exceeds; `WorkbookUnreadable` if it is damaged.
    pub(super) fn open(bytes: Vec<u8>, limits: &Limits) -> Result<Self> {
        match container(&bytes) {
            Container::Workbook => {}
            other => return Err(other_file(other)),
        }
        let entries = memchr::memmem::find_iter(&bytes, b"PK\x01\x02").take(MOST_ENTRIES + 1).count();
        if entries > MOST_ENTRIES {
            return Err(too_large(&format!("has more than {MOST_ENTRIES} parts")));
        }
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|_| damaged())?;
        if zip.has_overlapping_entries().map_err(|_| damaged())? {
            return Err(damaged());
        }
        let mut unpacked = 0_u64;
        let mut places = HashMap::with_capacity(zip.len());
        for index in 0..zip.len() {
            let entry = zip.by_index_raw(index).map_err(|_| damaged())?;
            let (size, packed) = (entry.size(), entry.compressed_size());
            unpacked = unpacked.saturating_add(size);
            if size >= SUSPICIOUS_SIZE && size / MOST_RATIO > packed {
                return Err(too_large(&format!("has a part that unpacks to more than {MOST_RATIO} times its size")));
            }
            let name = entry.name().map_err(|_| damaged())?.replace('\\', "/").to_lowercase();
            let is_text = name.ends_with(".xml") || name.ends_with(".rels");
            if is_text && !name.contains("worksheets/") && size > limits.max_workbook_texts {
                return Err(too_large(&format!("holds more than {} MiB of texts", limits.max_workbook_texts >> 20)));
            }
            places.insert(name.trim_start_matches('/').to_owned(), index);
        }
        if unpacked > limits.max_workbook_unpacked {
            return Err(too_large(&format!("has more than {} MiB when unpacked", limits.max_workbook_unpacked >> 20)));
        }
        Ok(Self { zip, places })
    }

    /// A part by its path; `None` if there is none.
    pub(super) fn part(&mut self, path: &str) -> Result<Option<Xml<Entry<'_>>>> {
        let Some(&index) = self.places.get(&path.to_lowercase()) else { return Ok(None) };
        let part = self.zip.by_index(index).map_err(|_| damaged())?;
        let size = part.size();
        Ok(Some(Xml::new(part, size)))
    }
}

/// The path of a reference's target: absolute, or relative to the folder of the part that has it.
pub(super) fn resolve(folder: &str, target: &str) -> String {
    let target = target.replace('\\', "/");
    let (folder, target) = match target.strip_prefix('/') {
        Some(absolute) => ("", absolute),
        None => (folder, target.as_str()),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(target.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn targets_are_absolute_or_relative_to_their_folder() {
        assert_eq!(resolve("xl", "worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolve("xl", "/xl/worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolve("xl", "../data\\sheet1.xml"), "data/sheet1.xml");
        assert_eq!(resolve("", "../../xl/workbook.xml"), "xl/workbook.xml");
    }
}
