//! Whole numbers, exactly as the contract declares them.

use fonderie_contract::NumberFormat;

use crate::problem::Problem;
use crate::spreadsheet;

/// Reads a whole number; surrounding white space must be off already.
///
/// # Errors
/// When it is none, or outside the bounds.
pub(crate) fn integer(text: &str, min: i64, max: i64, format: &NumberFormat) -> Result<i64, Problem> {
    let number = without_unit(text, format).unwrap_or(text);
    let digits = number.strip_prefix('-').unwrap_or(number);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(if spreadsheet::is_wrapped(text) { Problem::SpreadsheetText } else { Problem::Integer });
    }
    number.parse().ok().filter(|number| (min..=max).contains(number)).ok_or(Problem::IntegerBounds { min, max })
}

/// A number's text without a declared unit behind or before it; `None` if it has none.
pub(crate) fn without_unit<'t>(text: &'t str, format: &NumberFormat) -> Option<&'t str> {
    let before = |unit: &String| {
        let ends_in_digit = unit.ends_with(|c: char| c.is_ascii_digit());
        text.strip_prefix(unit.as_str()).filter(|_| !ends_in_digit).map(str::trim_start)
    };
    let off = |unit: &String| text.strip_suffix(unit.as_str()).map(str::trim_end).or_else(|| before(unit));
    // The longest one: `°` must not leave the `F` of `°F`.
    format.units.iter().filter_map(off).min_by_key(|rest| rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        let format = NumberFormat { units: vec!["%".into(), "jours".into(), "m2".into()], ..NumberFormat::plain(',') };
        for (text, number) in [("42", 42), ("5 %", 5), ("% 5", 5), ("12jours", 12), ("-0", 0), ("52 m2", 52)] {
            assert_eq!(integer(text, 0, 150, &format), Ok(number), "{text}");
        }
        for text in ["-1", "151", "99999999999", "99999999999999999999999", "-5 %"] {
            assert_eq!(integer(text, 0, 150, &format), Err(Problem::IntegerBounds { min: 0, max: 150 }), "{text}");
        }
        for text in ["", "-", "4.2", "4,0", "abc", "+4", "1 000", "%", "5 % %", "5 °F", "m25", "--4"] {
            assert_eq!(integer(text, 0, 150, &format), Err(Problem::Integer), "{text}");
        }
        assert_eq!(integer("=\"0010\"", 0, 150, &format), Err(Problem::SpreadsheetText));
        assert_eq!(integer("-9223372036854775808", i64::MIN, i64::MAX, &format), Ok(i64::MIN));
    }
}
