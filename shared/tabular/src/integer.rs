//! Whole numbers, exactly as the contract declares them.

use fonderie_contract::NumberFormat;

use crate::amount;
use crate::problem::Problem;
use crate::unit::without_unit;

/// Reads a whole number; surrounding white space must be off already.
///
/// # Errors
/// When it is none, or outside the bounds.
pub(crate) fn integer(text: &str, min: i64, max: i64, format: &NumberFormat) -> Result<i64, Problem> {
    let number = without_unit(text, format).unwrap_or(text);
    let digits = number.strip_prefix('-').unwrap_or(number);
    let bounds = Problem::IntegerBounds { min, max };
    let within = |number: i64| if (min..=max).contains(&number) { Ok(number) } else { Err(bounds.clone()) };
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return within(number.parse().map_err(|_| bounds.clone())?);
    }
    match amount::amount(number, format, 19, 0) {
        // `1 000`, `+5`, `1000,0`: as the contract writes numbers
        Ok(whole) if is_number(number, format) => within(i64::try_from(whole).map_err(|_| bounds.clone())?),
        Err(problem) if number.contains(|c: char| c.is_ascii_digit()) && helps(&problem) => Err(problem.of_number()),
        Err(Problem::SpreadsheetText) => Err(Problem::SpreadsheetText),
        _ => Err(Problem::Integer),
    }
}

/// Whether a problem of an amount names what would make a whole number of the text, too.
fn helps(problem: &Problem) -> bool {
    match problem {
        Problem::AmountNeeds { key } => {
            ["thousands", "decimal_mark", "units"].iter().any(|known| key.starts_with(known))
        }
        Problem::AmountWord(_) | Problem::AmountDecimals { .. } => true,
        _ => false,
    }
}

/// Whether a text is made of digits, a sign, the decimal mark and separators of thousands alone.
fn is_number(text: &str, format: &NumberFormat) -> bool {
    let is_part = |c: char| c.is_ascii_digit() || c == format.decimal_mark || format.thousands.contains(&c);
    format.scale == 0 && text.strip_prefix(['+', '-']).unwrap_or(text).chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use fonderie_contract::Messages;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_whole_number_reads_back(number: i64) {
            let format = NumberFormat { thousands: vec!['\u{202f}'], ..NumberFormat::plain(',') };
            prop_assert_eq!(integer(&number.to_string(), i64::MIN, i64::MAX, &format), Ok(number));
            let digits = number.unsigned_abs().to_string();
            let mut grouped = if number < 0 { "-".to_owned() } else { String::new() };
            for (at, digit) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at) % 3 == 0 {
                    grouped.push('\u{202f}');
                }
                grouped.push(digit);
            }
            prop_assert_eq!(integer(&grouped, i64::MIN, i64::MAX, &format), Ok(number));
        }
    }

    #[test]
    fn whole_numbers() {
        let format = NumberFormat { units: vec!["%".into(), "jours".into(), "m2".into()], ..NumberFormat::plain(',') };
        for (text, number) in [("42", 42), ("5 %", 5), ("% 5", 5), ("12jours", 12), ("-0", 0), ("52 m2", 52)] {
            assert_eq!(integer(text, 0, 150, &format), Ok(number), "{text}");
        }
        for text in ["-1", "151", "99999999999", "99999999999999999999999", "-5 %"] {
            assert_eq!(integer(text, 0, 150, &format), Err(Problem::IntegerBounds { min: 0, max: 150 }), "{text}");
        }
        for text in ["", "-", "abc", "%", "5 % %", "--4", "€", "4€", "5-"] {
            assert_eq!(integer(text, 0, 150, &format), Err(Problem::Integer), "{text}");
        }
        let grouped = NumberFormat { thousands: vec![' '], ..format.clone() };
        for (text, number) in [("+4", 4), ("4,0", 4), ("1 000", 1000), ("-1 000,00", -1000)] {
            assert_eq!(integer(text, -5000, 5000, &grouped), Ok(number), "{text}");
        }
        for (text, told) in [
            ("4,2", "decimals"),
            ("1 000", "`thousands = [\" \"]`"),
            ("m25", "`units = [\"m\"]`"),
            ("5 ans", "`units = [\"ans\"]`"),
        ] {
            let problem = integer(text, 0, 150, &format).unwrap_err();
            assert!(
                matches!(problem, Problem::IntegerAs(_)) && problem.sentence(&Messages::default()).contains(told),
                "{text}: {problem:?}"
            );
        }
        assert_eq!(integer("=\"0010\"", 0, 150, &format), Err(Problem::SpreadsheetText));
        assert_eq!(integer("-9223372036854775808", i64::MIN, i64::MAX, &format), Ok(i64::MIN));
        assert_eq!(integer("9 223 372 036 854 775 807", i64::MIN, i64::MAX, &grouped), Ok(i64::MAX));
        let bounds = Problem::IntegerBounds { min: i64::MIN, max: i64::MAX };
        for text in ["9223372036854775808", "9 223 372 036 854 775 808"] {
            assert_eq!(integer(text, i64::MIN, i64::MAX, &grouped), Err(bounds.clone()), "{text}");
        }
    }
}
