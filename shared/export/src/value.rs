//! Values as PostgreSQL writes them.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// Whether a number is one that has digits: not NaN, not infinite, not empty.
pub(crate) fn is_finite(text: &str) -> bool {
    text.contains(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'))
}

/// A day such as `2026-06-30`; `None` for `infinity` and days before our era.
pub(crate) fn date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

/// A day and a time, such as `2026-06-30 12:00:00.5`.
pub(crate) fn timestamp(text: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()
}

/// An instant with its offset, such as `2026-06-30 12:00:00+02`, as microseconds in UTC.
pub(crate) fn instant(text: &str) -> Option<i64> {
    let read = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z").ok()?;
    Some(read.timestamp_micros())
}

/// An instant's day and time where the session is, without the offset.
pub(crate) fn local(text: &str) -> &str {
    let offset = text.get(19..).and_then(|rest| rest.find(['+', '-']));
    offset.map_or(text, |at| &text[..19 + at])
}

/// A decimal without its mark, at a scale; `None` if it has more decimals, or is no number.
pub(crate) fn unscaled(text: &str, scale: usize) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (kept, beyond) = fraction.split_at_checked(scale).unwrap_or((fraction, ""));
    if beyond.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let number: i128 = format!("{whole}{kept:0<scale$}").parse().ok()?;
    Some(sign * number)
}

/// How many digits a number has from its first one that is not zero.
pub(crate) fn significant(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).skip_while(|digit| *digit == b'0').count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn decimals_keep_every_digit() {
        for (text, scale, expected) in [
            ("12.50", 2, Some(1250)),
            ("-0.07", 2, Some(-7)),
            ("3", 2, Some(300)),
            ("1.2300", 2, Some(123)),
            ("1.2301", 2, None),
            ("NaN", 2, None),
            ("99999999999999999999999999999999999999", 0, Some(99_999_999_999_999_999_999_999_999_999_999_999_999)),
        ] {
            assert_eq!(unscaled(text, scale), expected, "{text} at {scale}");
        }
        assert_eq!(["0.07", "-1234.50", "1000000000000000"].map(significant), [1, 6, 16]);
    }

    #[test]
    fn an_instant_has_a_local_time_and_one_in_utc() {
        let summer = "2026-06-30 12:00:00.25+02";
        assert_eq!((local(summer), instant(summer)), ("2026-06-30 12:00:00.25", Some(1_782_813_600_250_000)));
        assert_eq!(local("2026-01-30 12:00:00-03:30"), "2026-01-30 12:00:00");
        assert_eq!((instant("infinity"), local("infinity")), (None, "infinity"));
        assert_eq!(
            (date("2026-06-30").map(|day| day.to_string()), date("infinity")),
            (Some("2026-06-30".into()), None)
        );
    }

    #[test]
    fn what_is_no_number_is_known() {
        assert_eq!(["1.5", "-1e-05", "NaN", "-Infinity", ""].map(is_finite), [true, true, false, false, false]);
    }
}
