//! The matrix as the forest sees it: f32, row after row, all finite.

use smartcore::linalg::basic::arrays::Array2;
use smartcore::numbers::realnum::RealNumber;

use crate::AnomalyError;

/// N rows of M features.
pub(crate) struct Rows {
    values: Vec<f32>,
    pub(crate) features: usize,
    /// Values per row: up to four features are padded to four, so that a tree's walk needs no bounds check.
    pub(crate) stride: usize,
}

impl Rows {
    pub(crate) fn new<T: RealNumber, X: Array2<T>>(x: &X) -> Result<Self, AnomalyError> {
        let (rows, features) = x.shape();
        if features == 0 || features > usize::from(u16::MAX) {
            return Err(AnomalyError::Parameter("a forest has between 1 and 65535 features"));
        }
        let stride = features.max(4);
        let mut values = Vec::with_capacity(rows * stride);
        for row in 0..rows {
            for feature in 0..features {
                // Adding 0 makes -0 and 0 one value.
                match x.get((row, feature)).to_f32().map(|value| value + 0.0) {
                    Some(value) if value.is_finite() => values.push(value),
                    _ => return Err(AnomalyError::NotFinite { row, feature }),
                }
            }
            values.resize((row + 1) * stride, 0.0);
        }
        Ok(Self { values, features, stride })
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len() / self.stride
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
