//! Which sheets are read.

use fonderie_contract::{Sheet, Workbook};
use fonderie_core::Result;

use super::book::SheetEntry;
use super::error::{no_such_sheet, unreadable};

/// A sheet to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) name: String,
    /// Its position in the workbook, from 1.
    pub(super) number: usize,
    pub(super) path: String,
}

/// The sheets that the contract asks for, in the workbook's order; if it names none, the only visible one.
///
/// # Errors
/// `WorkbookUnreadable` if one that it names is not there, if several are visible and it names none, or if it reads several and
/// leaves a visible one out that it does not ignore.
pub(super) fn choose(sheets: &[SheetEntry], format: &Workbook) -> Result<Vec<Chosen>> {
    let wanted = format.sheets.as_slice();
    let missing = |what: &str| no_such_sheet(what, sheets.iter().map(|sheet| sheet.name.as_str()));
    let mut chosen: Vec<usize> = Vec::new();
    if wanted.is_empty() {
        let visible = |at: &usize| sheets[*at].visible && sheets[*at].path.is_some();
        chosen.extend((0..sheets.len()).filter(visible));
        if chosen.len() != 1 {
            return Err(missing(&format!("{} visible sheets, and the contract names none", chosen.len())));
        }
    }
    for wanted in wanted {
        let pattern = matches!(wanted, Sheet::Pattern(_));
        let before = chosen.len();
        for (at, sheet) in sheets.iter().enumerate() {
            if wanted.fits(&sheet.name, at + 1, sheet.visible) && !(pattern && sheet.path.is_none()) {
                chosen.push(at);
            }
        }
        if chosen.len() == before {
            return Err(missing(&format!("there is no {wanted}")));
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    let left_out = |(at, sheet): &(usize, &SheetEntry)| {
        let ignored = format.ignored_sheets.iter().any(|ignored| ignored.fits(&sheet.name, at + 1, sheet.visible));
        sheet.visible && sheet.path.is_some() && !chosen.contains(at) && !ignored
    };
    if let Some((_, sheet)) = sheets.iter().enumerate().find(left_out).filter(|_| format.all_visible) {
        let name: String = sheet.name.chars().take(40).collect();
        return Err(missing(&format!(
            "the visible sheet \"{name}\" is in neither `sheets` nor `ignored_sheets`, and no sheet is left out in silence"
        )));
    }
    let entry = |at: usize| {
        let SheetEntry { name, path, .. } = &sheets[at];
        let path = path.clone().ok_or_else(|| unreadable("the sheet that the contract names is a chart, not cells"))?;
        Ok(Chosen { name: name.clone(), number: at + 1, path })
    };
    chosen.into_iter().map(entry).collect()
}
