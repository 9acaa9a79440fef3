//! How many standard deviations a value is from the mean.

use serde::{Deserialize, Serialize};

use crate::tree::Exact;

/// What the squared deviations are divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deviation {
    /// The number of values, as `scipy.stats.zscore` does by default: the values are the whole population.
    Population,
    /// One less (Bessel's correction): the values are a sample of it.
    Sample,
}

/// Mean and standard deviation of some values: `z = (value - mean) / standard_deviation`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Stored", from = "Stored")]
pub struct ZScore {
    /// Which of the two it is.
    pub deviation: Deviation,
    /// In the unit of the values.
    pub mean: f64,
    /// In the unit of the values; 0 if all are equal.
    pub standard_deviation: f64,
}

/// The stored form.
#[derive(Serialize, Deserialize)]
struct Stored {
    deviation: Deviation,
    mean: Exact<f64>,
    standard_deviation: Exact<f64>,
}

impl From<ZScore> for Stored {
    fn from(ZScore { deviation, mean, standard_deviation }: ZScore) -> Self {
        Self { deviation, mean: Exact(mean), standard_deviation: Exact(standard_deviation) }
    }
}

impl From<Stored> for ZScore {
    fn from(Stored { deviation, mean: Exact(mean), standard_deviation: Exact(standard_deviation) }: Stored) -> Self {
        Self { deviation, mean, standard_deviation }
    }
}

impl ZScore {
    /// That of finite values. It depends on them as a multiset, not on their order. `None` of fewer than two.
    ///
    /// ```
    /// use fonderie_anomaly::{Deviation, ZScore};
    ///
    /// let of = |deviation| ZScore::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], deviation).unwrap();
    /// assert_eq!(of(Deviation::Population).score(9.0), Some(2.0));
    /// assert_eq!(of(Deviation::Sample).standard_deviation, (32.0_f64 / 7.0).sqrt());
    /// ```
    #[allow(clippy::cast_precision_loss)] // a table has fewer than 2^53 rows
    pub fn of(values: &[f64], deviation: Deviation) -> Option<Self> {
        if values.len() < 2 {
            return None;
        }
        let mut values = values.to_vec();
        values.sort_unstable_by(f64::total_cmp);
        let sums = |term: &dyn Fn(f64) -> f64| values.iter().fold(Sum::default(), |sum, &value| sum.plus(term(value)));
        let mean = Self::mean(&sums(&|value| value))?;
        Self::around(mean, &sums(&|value| (value - mean) * (value - mean)), deviation)
    }

    /// The mean of some values, by their sum in ascending order. `None` of none.
    #[allow(clippy::cast_precision_loss)] // a table has fewer than 2^53 rows
    pub fn mean(values: &Sum) -> Option<f64> {
        let (least, greatest) = values.ends?;
        // of equal values, the mean is that value to the last bit
        Some(if least == greatest { least } else { values.total() / values.count as f64 })
    }

    /// That of values with this mean, by the sum of their squared distances from it, in the values' ascending order. `None` of fewer than two.
    #[allow(clippy::cast_precision_loss)] // a table has fewer than 2^53 rows
    pub fn around(mean: f64, squares: &Sum, deviation: Deviation) -> Option<Self> {
        let divisor = match deviation {
            Deviation::Population => squares.count,
            Deviation::Sample => squares.count.saturating_sub(1),
        };
        let standard_deviation = (squares.total() / divisor as f64).sqrt();
        (squares.count > 1).then_some(Self { deviation, mean, standard_deviation })
    }

    /// What a distance from the mean is divided by; `None` if no value has a score.
    pub fn unit(&self) -> Option<f64> {
        let deviation = self.standard_deviation;
        (deviation > 0.0 && deviation.is_finite()).then_some(deviation)
    }

    /// A value's score; `None` if all values were equal, or are too large for their squares to be numbers.
    pub fn score(&self, value: f64) -> Option<f64> {
        Some((value - self.mean) / self.unit()?)
    }
}

/// A compensated sum (Neumaier 1974): its error does not grow with the number of values.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    sum: f64,
    lost: f64,
    count: u64,
    /// The first value and the last one.
    ends: Option<(f64, f64)>,
}

impl Sum {
    /// The sum with one more value.
    #[must_use]
    pub fn plus(self, value: f64) -> Self {
        let next = self.sum + value;
        let lost = if self.sum.abs() >= value.abs() { (self.sum - next) + value } else { (value - next) + self.sum };
        let first = self.ends.map_or(value, |(first, _)| first);
        Self { sum: next, lost: self.lost + lost, count: self.count + 1, ends: Some((first, value)) }
    }

    fn total(self) -> f64 {
        self.sum + self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_values_does_not_matter() {
        let values: Vec<f64> = (0..1000).map(|at| f64::from(at * 7919 % 1000) / 100.0 + 1e6).collect();
        let mut turned = values.clone();
        turned.reverse();
        let of = |values: &[f64]| ZScore::of(values, Deviation::Sample).unwrap();
        assert_eq!(of(&values), of(&turned));
        // 0.00, 0.01, … 9.99 have the variance (n² - 1) / 12, in hundredths
        let population = ZScore::of(&values, Deviation::Population).unwrap();
        assert!((population.standard_deviation - (999_999.0_f64 / 12.0).sqrt() / 100.0).abs() < 1e-9);
        assert!((population.mean - 1_000_004.995).abs() < 1e-9);
    }

    #[test]
    fn equal_values_have_no_score() {
        let of = |values: &[f64]| ZScore::of(values, Deviation::Population);
        assert_eq!(of(&[0.1; 7]).unwrap().standard_deviation, 0.0);
        assert_eq!(of(&[0.1; 7]).unwrap().score(0.1), None);
        assert_eq!(of(&[1e200, -1e200]).unwrap().score(1e200), None);
        assert_eq!(of(&[1.0]), None);
    }
}
