//! The sentences for a workbook that cannot be read as a whole. None quotes a cell.

use fonderie_core::{ErrorCode, StageError};

use crate::container::Container;
use crate::visible::visible;

pub(super) fn unreadable(what: &str) -> StageError {
    let message = format!("the workbook cannot be read: {what}; have it saved again as .xlsx and sent again");
    StageError::new(ErrorCode::WorkbookUnreadable, message)
}

pub(super) fn damaged() -> StageError {
    unreadable("it is cut off or damaged")
}

/// Why a part cannot be read, on its way to whoever knows where that is.
#[derive(Debug)]
pub(super) enum Fault {
    /// A clause on what the format does not have there.
    Shape(String),
    /// A sentence of its own: a limit, a damaged archive.
    Whole(StageError),
}

/// What is read of a part.
pub(super) type Parsed<T> = std::result::Result<T, Fault>;

impl Fault {
    pub(super) fn shape(what: impl Into<String>) -> Self {
        Self::Shape(what.into())
    }

    /// The same with the place before it.
    pub(super) fn within(self, place: &str) -> Self {
        match self {
            Self::Shape(what) => Self::Shape(format!("{place}: {what}")),
            whole @ Self::Whole(_) => whole,
        }
    }

    /// The same with the part's path before it.
    pub(super) fn within_part(self, path: &str) -> Self {
        self.within(&format!("its part {}", visible(path)))
    }
}

impl From<StageError> for Fault {
    fn from(error: StageError) -> Self {
        Self::Whole(error)
    }
}

impl From<Fault> for StageError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Shape(what) => unreadable(&what),
            Fault::Whole(error) => error,
        }
    }
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
