//! How far the values of a feature have moved since a training.

use serde::{Deserialize, Serialize};

/// A share of 0 would be infinitely far from any other.
const LEAST_SHARE: f64 = 1e-4;
/// Of fewer values the shares are chance.
const LEAST_VALUES: u64 = 100;

/// The tenths of a feature's values at the training: bins with the shares that they had then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tenths {
    /// The upper ends of all bins but the last, ascending: a value is in the first bin whose end is not below it. Equal values are in one bin, so
    /// that there may be fewer than ten.
    edges: Vec<f64>,
    /// The share of the training's values in each bin; they add up to 1.
    shares: Vec<f64>,
}

impl Tenths {
    /// Those of some finite values; `None` of none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        values.sort_unstable_by(f64::total_cmp);
        let mut edges: Vec<f64> = (1..10).map(|tenth| values[(values.len() * tenth).div_ceil(10) - 1]).collect();
        edges.dedup();
        let mut tenths = Self { edges, shares: Vec::new() };
        let mut counts = tenths.no_counts();
        values.iter().for_each(|&value| tenths.count(value, &mut counts));
        tenths.shares = shares(&counts);
        Some(tenths)
    }

    /// A count of 0 for each bin.
    pub fn no_counts(&self) -> Vec<u64> {
        vec![0; self.edges.len() + 1]
    }

    /// Counts a value to its bin.
    pub fn count(&self, value: f64, counts: &mut [u64]) {
        let bin = self.edges.partition_point(|edge| *edge < value);
        if let Some(count) = counts.get_mut(bin) {
            *count += 1;
        }
    }

    /// The population stability index of later values, by their counts per bin: Σ (now - then) × ln(now / then) over the bins' shares, of which
    /// none is taken for less than 0.0001 (Siddiqi: Credit Risk Scorecards, 2006). `None` of fewer than 100 values, or if the bins are not these.
    ///
    /// ```
    /// let tenths = fonderie_anomaly::Tenths::of((0..1000).map(f64::from).collect()).unwrap();
    /// let mut counts = tenths.no_counts();
    /// assert_eq!(tenths.stability(&counts), None);
    /// (0..500).for_each(|value| tenths.count(f64::from(2 * value), &mut counts));
    /// assert_eq!(tenths.stability(&counts), Some(0.0));
    /// ```
    pub fn stability(&self, counts: &[u64]) -> Option<f64> {
        if counts.len() != self.shares.len() || counts.iter().sum::<u64>() < LEAST_VALUES {
            return None;
        }
        let floor = |share: f64| share.max(LEAST_SHARE);
        let terms = self.shares.iter().zip(shares(counts));
        Some(terms.map(|(then, now)| (floor(now) - floor(*then)) * (floor(now) / floor(*then)).ln()).sum())
    }
}

#[allow(clippy::cast_precision_loss)] // a table has fewer than 2^53 rows
fn shares(counts: &[u64]) -> Vec<f64> {
    let all = counts.iter().sum::<u64>() as f64;
    counts.iter().map(|count| *count as f64 / all).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stability(then: impl Iterator<Item = u32>, now: impl Iterator<Item = u32>) -> f64 {
        let tenths = Tenths::of(then.map(f64::from).collect()).unwrap();
        let mut counts = tenths.no_counts();
        now.for_each(|value| tenths.count(f64::from(value), &mut counts));
        tenths.stability(&counts).unwrap()
    }

    #[test]
    fn the_index_is_that_of_the_formula() {
        // all values in the last tenth: (1 - 0.1) ln(1 / 0.1) + 9 × (0.0001 - 0.1) ln(0.0001 / 0.1)
        let expected = 0.9 * 10.0_f64.ln() + 9.0 * (0.0001 - 0.1) * 0.001_f64.ln();
        assert!((stability(0..1000, 900..1000) - expected).abs() < 1e-12);
        // the lower half twice as often as it was, the upper half never
        let expected = 5.0 * (0.2 - 0.1) * 2.0_f64.ln() + 5.0 * (0.0001 - 0.1) * 0.001_f64.ln();
        assert!((stability(0..1000, 0..500) - expected).abs() < 1e-12);
    }

    #[test]
    fn equal_values_are_in_one_bin() {
        assert_eq!(stability(std::iter::repeat_n(7, 100), std::iter::repeat_n(7, 300)), 0.0);
        let tenths = Tenths::of(vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0]).unwrap();
        assert_eq!((tenths.edges.as_slice(), tenths.shares.as_slice()), (&[0.0, 1.0][..], &[0.8, 0.1, 0.1][..]));
        assert_eq!(tenths.stability(&[100, 0]), None, "other bins");
        assert_eq!(tenths.stability(&[97, 1, 1]), None, "too few");
    }
}
