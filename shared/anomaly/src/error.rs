use smartcore::error::Failed;

/// Why a forest cannot be trained, read or asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnomalyError {
    /// A value is NaN, infinite, or too large for an f32.
    #[error("row {row}, feature {feature} is not a finite f32: an isolation forest has no place for it")]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// The feature, from 0.
        feature: usize,
    },
    /// The matrix has another number of columns than the forest has features.
    #[error("the matrix has {found} features, the forest has {expected}")]
    Features {
        /// The forest's.
        expected: usize,
        /// The matrix's.
        found: usize,
    },
    /// A parameter is out of its range.
    #[error("{0}")]
    Parameter(&'static str),
    /// A tree is not one that the forest's parameters can give.
    #[error("tree {tree}: {reason}")]
    Tree {
        /// The tree, from 0.
        tree: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A stored forest is of another version, or its content does not have its hash.
    #[error("{0}")]
    Record(String),
}

impl From<AnomalyError> for Failed {
    fn from(error: AnomalyError) -> Self {
        Failed::input(&error.to_string())
    }
}
