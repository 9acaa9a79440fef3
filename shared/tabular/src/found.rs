//! What the two kinds of input have in common.

/// What an input finds next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Row,
    Blank,
    /// The next sheet of several begins.
    Sheet,
    /// All rows of the sheet have come, and some cells are merged over several.
    Merges,
    Pending,
    End,
}
