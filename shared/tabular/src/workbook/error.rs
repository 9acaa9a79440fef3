//! The sentences for a workbook that cannot be read as a whole. None quotes a cell.

use fonderie_core::{ErrorCode, StageError};

use crate::container::Container;

pub(super) fn unreadable(what: &str) -> StageError {
    let message = format!("the workbook cannot be read: {what}; have it saved again as .xlsx and sent again");
    StageError::new(ErrorCode::WorkbookUnreadable, message)
}

pub(super) fn damaged() -> StageError {
    unreadable("it is cut off or damaged")
}

/// A part that is XML, but not what the format wants there.
pub(super) fn misshapen() -> StageError {
    unreadable("its parts do not have the shape of a workbook")
}

pub(super) fn too_large(what: &str) -> StageError {
    let message = format!("the workbook {what}, which is more than is read: have it sent as CSV, or in parts");
    StageError::new(ErrorCode::LimitExceeded, message)
}

/// A file that is something else than a workbook that can be read.
pub(super) fn other_file(container: Container) -> StageError {
    let code = match container {
        Container::EncryptedWorkbook => ErrorCode::WorkbookProtected,
        _ => ErrorCode::WorkbookUnreadable,
    };
    StageError::new(code, container.sentence())
}

/// A workbook whose stored values may be stale, under a contract that wants none of these.
pub(super) fn recalculation() -> StageError {
    let message = "the workbook has formulas and asks to be recalculated, so its stored values may be out of date, and the \
                   contract has `formulas = \"strict\"`: have it opened in a spreadsheet, recalculated, saved and sent again";
    StageError::new(ErrorCode::WorkbookUnreadable, message)
}

/// A contract that asks for sheets which the workbook does not have: the names that it has, the first ten of them.
pub(super) fn no_such_sheet<'a>(what: &str, names: impl ExactSizeIterator<Item = &'a str>) -> StageError {
    const SHOWN: usize = 10;
    const LONGEST: usize = 24;
    let more = names.len().saturating_sub(SHOWN);
    let mut listed: Vec<String> = names
        .take(SHOWN)
        .map(|name| {
            let short: String = name.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
            if short.len() < name.len() { format!("\"{short}…\"") } else { format!("\"{name}\"") }
        })
        .collect();
    if more > 0 {
        listed.push(format!("and {more} more"));
    }
    let message = format!(
        "{what}; the workbook has the sheets {}: correct the sheet in the contract, or the file",
        listed.join(", ")
    );
    StageError::new(ErrorCode::WorkbookUnreadable, message)
}
