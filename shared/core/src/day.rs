//! A day that a person types: `yyyy-mm-dd`, of the years 1900 to 9999.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Deserializer, de};

/// Reads a typed day. A year of two digits is refused: `26-1-1` would be a day of the year 26.
///
/// ```
/// assert!(fonderie_core::day::parse("2026-06-30").is_ok());
/// assert!(fonderie_core::day::parse("26-6-30").is_err());
/// ```
///
/// # Errors
/// A sentence about what is accepted.
pub fn parse(text: &str) -> Result<NaiveDate, String> {
    let shape = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
    let day = shape.then(|| text.parse::<NaiveDate>().ok()).flatten().filter(|day| day.year() >= 1900);
    day.ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        format!("`{shown}` is no day: write it as yyyy-mm-dd, with a year from 1900 to 9999")
    })
}

/// [`parse`], for a field of a request.
pub(crate) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveDate>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| parse(&text).map_err(|sentence| de::Error::custom(format!("as_of: {sentence}")))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_a_year_of_four_digits() {
        for good in ["1900-01-01", "2024-02-29", "9999-12-31"] {
            assert_eq!(parse(good).map(|day| day.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "26-1-1",
            "0026-01-01",
            "1899-12-31",
            "2026-1-1",
            "2026-02-29",
            "2026-13-01",
            "+12026-01-01",
            "20260101",
            "2026-01-01 ",
            " 2026-01-01",
            "2026/01/01",
            "٢٠٢٦-01-01",
            "hier",
            "",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(error.contains("yyyy-mm-dd") && error.contains("1900"), "{error}");
        }
    }
}
