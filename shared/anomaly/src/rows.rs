//! The matrix as the forest sees it: f32, row after row, all finite.

use smartcore::linalg::basic::arrays::Array2;
use smartcore::numbers::realnum::RealNumber;

use crate::AnomalyError;

/// N rows of M features: what a forest is trained on and asked about. A matrix becomes one; a stream of rows is pushed into
/// one, and needs no other place in memory.
#[derive(Clone, Debug)]
pub struct Rows {
    values: Vec<f32>,
    pub(crate) features: usize,
    /// Values per row: up to four features are padded to four, so that a tree's walk needs no bounds check.
    pub(crate) stride: usize,
}

impl Rows {
    /// No rows yet, of so many features.
    ///
    /// # Errors
    /// There are none, or more than 65,535.
    pub fn of_features(features: usize) -> Result<Self, AnomalyError> {
        if features == 0 || features > usize::from(u16::MAX) {
            return Err(AnomalyError::Parameter("a forest has between 1 and 65535 features"));
        }
        Ok(Self { values: Vec::new(), features, stride: features.max(4) })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// It has another number of features, or a value that is not a finite f32.
    pub fn push(&mut self, row: &[f64]) -> Result<(), AnomalyError> {
        #[allow(clippy::cast_possible_truncation)] // to the nearest f32, as scikit-learn does
        self.push_f32(row.len(), row.iter().map(|value| Some(*value as f32)))
    }

    fn push_f32(&mut self, found: usize, row: impl Iterator<Item = Option<f32>>) -> Result<(), AnomalyError> {
        let (number, begin) = (self.len(), self.values.len());
        if found != self.features {
            return Err(AnomalyError::Features { expected: self.features, found });
        }
        for (feature, value) in row.enumerate() {
            // Adding 0 makes -0 and 0 one value.
            match value.map(|value| value + 0.0) {
                Some(value) if value.is_finite() => self.values.push(value),
                _ => {
                    self.values.truncate(begin);
                    return Err(AnomalyError::NotFinite { row: number, feature });
                }
            }
        }
        self.values.resize(begin + self.stride, 0.0);
        Ok(())
    }

    pub(crate) fn new<T: RealNumber, X: Array2<T>>(x: &X) -> Result<Self, AnomalyError> {
        let (rows, features) = x.shape();
        let mut own = Self::of_features(features)?;
        own.values.reserve(rows * own.stride);
        for row in 0..rows {
            own.push_f32(features, (0..features).map(|feature| x.get((row, feature)).to_f32()))?;
        }
        Ok(own)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.values.len() / self.stride
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.stride..][..self.features]
    }

    /// The values of whole rows, in pieces of at most `rows` rows.
    pub(crate) fn pieces(&self, rows: usize) -> impl Iterator<Item = &[f32]> {
        self.values.chunks(rows * self.stride)
    }

    /// The rows in an order that depends on what they hold alone: by a fingerprint, then by their values. Equal rows are
    /// interchangeable, so no key is needed to tell them apart.
    pub(crate) fn canonical_order(&self) -> Vec<usize> {
        let mut order: Vec<(u64, usize)> = (0..self.len()).map(|row| (fingerprint(self.row(row)), row)).collect();
        order.sort_unstable_by(|a, b| {
            let by_value = || self.row(a.1).iter().map(|v| v.to_bits()).cmp(self.row(b.1).iter().map(|v| v.to_bits()));
            a.0.cmp(&b.0).then_with(by_value)
        });
        order.into_iter().map(|(_, row)| row).collect()
    }
}

/// A chain of splitmix64 finalizers over the bits.
fn fingerprint(row: &[f32]) -> u64 {
    row.iter().fold(0x9E37_79B9_7F4A_7C15, |state, value| {
        let mut z = state ^ u64::from(value.to_bits());
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}
