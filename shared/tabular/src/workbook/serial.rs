//! Serial dates: days since an epoch, the time of day as a fraction.

use super::block::Value;

/// The day from which serial numbers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Epoch {
    /// 1 is 1900-01-01, and 60 a 29 February 1900 that no calendar has.
    Of1900,
    /// 0 is 1904-01-01.
    Of1904,
}

/// Milliseconds of a day.
const DAY: f64 = 86_400_000.0;
/// The last one of a day.
pub(super) const LAST_MILLISECOND: u32 = 86_399_999;

impl Epoch {
    /// A serial number that is shown as a date: a day, a day with a time to the millisecond, or, for what has no day (a time of
    /// day only, 29 February 1900, a number outside the calendar), the number.
    pub(super) fn date(self, serial: f64) -> Value {
        // Counted from 1970-01-01; the last day is 9999-12-31.
        let (first, before_leap_day, last) = match self {
            Self::Of1900 => (-25_569.0, -25_568.0, 2_958_465.0),
            Self::Of1904 => (-24_107.0, -24_107.0, 2_957_003.0),
        };
        // What is smaller than a millisecond is noise of a double.
        let milliseconds = (serial * DAY).round();
        let whole = (milliseconds / DAY).floor();
        let of_day = milliseconds - whole * DAY;
        let no_day = self == Self::Of1900 && (whole == 60.0 || whole == 0.0 && of_day > 0.0);
        if no_day || !(0.0..=last).contains(&whole) {
            return Value::Time(serial);
        }
        let origin = if whole < 60.0 { before_leap_day } else { first };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // both are whole and in range
        match (of_day as u32, (origin + whole) as i32) {
            (0, day) => Value::Day(day),
            (milliseconds, day) => Value::Moment(day, milliseconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    #[test]
    fn serials_of_both_epochs_become_days() {
        let iso = |epoch: Epoch, serial| match epoch.date(serial) {
            Value::Day(day) => NaiveDate::from_epoch_days(day).map(|day| day.to_string()),
            Value::Moment(day, time) => NaiveDate::from_epoch_days(day).map(|day| format!("{day} {time}")),
            _ => None,
        };
        for (serial, day) in [
            (0.0, Some("1899-12-31")),
            (1.0, Some("1900-01-01")),
            (59.0, Some("1900-02-28")),
            (60.0, None),
            (61.0, Some("1900-03-01")),
            (46_146.0, Some("2026-05-04")),
            (46_184.388_888_888_89, Some("2026-06-11 33600000")),
            (46_145.999_999_999_9, Some("2026-05-04")),
            (46_146.999_999_965_28, Some("2026-05-04 86399997")),
            (46_146.999_994_5, Some("2026-05-04 86399525")),
            (46_146.999_999_999, Some("2026-05-05")),
            (60.999_999_9, None),
            (60.999_999_999, Some("1900-03-01")),
            (2_958_465.999_999_9, Some("9999-12-31 86399991")),
            (2_958_465.0, Some("9999-12-31")),
            (2_958_466.0, None),
            (0.5, None),
            (-1.0, None),
            (f64::INFINITY, None),
            (f64::NAN, None),
        ] {
            assert_eq!(iso(Epoch::Of1900, serial).as_deref(), day, "{serial}");
        }
        assert_eq!(iso(Epoch::Of1904, 0.0).as_deref(), Some("1904-01-01"));
        assert_eq!(iso(Epoch::Of1904, 44_684.0).as_deref(), Some("2026-05-04"));
        assert_eq!(iso(Epoch::Of1904, 2_957_003.0).as_deref(), Some("9999-12-31"));
    }
}
