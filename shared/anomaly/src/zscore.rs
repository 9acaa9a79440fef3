//! How many standard deviations a value is from the mean.

use serde::{Deserialize, Serialize};

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
pub struct ZScore {
    /// Which of the two it is.
    pub deviation: Deviation,
    /// In the unit of the values.
    pub mean: f64,
    /// In the unit of the values; 0 if all are equal.
    pub standard_deviation: f64,
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
        // of equal values, the mean is that value to the last bit
        let mean = if values[0] == values[values.len() - 1] {
            values[0]
        } else {
            sum(values.iter().copied()) / values.len() as f64
        };
        let squares = sum(values.iter().map(|value| (value - mean) * (value - mean)));
        let divisor = match deviation {
            Deviation::Population => values.len(),
            Deviation::Sample => values.len() - 1,
        };
        Some(Self { deviation, mean, standard_deviation: (squares / divisor as f64).sqrt() })
    }

    /// A value's score; `None` if all values were equal, or are too large for their squares to be numbers.
    pub fn score(&self, value: f64) -> Option<f64> {
        let score = (value - self.mean) / self.standard_deviation;
        (self.standard_deviation > 0.0 && self.standard_deviation.is_finite()).then_some(score)
    }
}

/// A compensated sum (Neumaier 1974): its error does not grow with the number of values.
fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0_f64, 0.0_f64);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    sum + lost
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
