//! Money as whole cents: never a binary float, from the byte in the file to the column in the warehouse.

/// Formats cents as a plain decimal with two places: `-1234` is `-12.34`.
pub fn format_cents(cents: i128) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let absolute = cents.unsigned_abs();
    format!("{sign}{}.{:02}", absolute / 100, absolute % 100)
}

/// Groups the digits of a plain number by three: `-12345.60` is `-12 345.60`.
pub fn group_digits(number: &str) -> String {
    let (whole, rest) = number.find('.').map_or((number, ""), |at| number.split_at(at));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out + rest
}

/// Reads what [`format_cents`] writes (at most two decimals); `None` for anything else.
pub fn parse_cents(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || fraction.len() > 2 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let cents: i128 = format!("{whole}{fraction:0<2}").parse().ok()?;
    Some(if negative { -cents } else { cents })
}

/// Serialises cents as a decimal string (`"379293596.32"`), so that no JSON reader on the way makes a float of it.
pub mod as_decimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes cents as a decimal string.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(cents: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::format_cents(*cents))
    }

    /// Reads cents from a decimal string.
    ///
    /// # Errors
    /// For another text than [`super::format_cents`] writes.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::parse_cents(&text).ok_or_else(|| D::Error::custom("an amount is not a decimal with at most two places"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        for (text, shown) in
            [("0", "0"), ("123", "123"), ("1234", "1 234"), ("-1234567.80", "-1 234 567.80"), ("-123.45", "-123.45")]
        {
            assert_eq!(group_digits(text), shown);
        }
    }

    #[test]
    fn cents_round_trip() {
        for (cents, text) in [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (123_456, "1234.56"), (-100, "-1.00")] {
            assert_eq!(format_cents(cents), text);
            assert_eq!(parse_cents(text), Some(cents));
        }
        assert_eq!(parse_cents("12"), Some(1200));
        assert_eq!(parse_cents("12.5"), Some(1250));
        for bad in ["", "-", ".5", "1.234", "1,5", "1e3", "+1", "--1"] {
            assert_eq!(parse_cents(bad), None, "{bad}");
        }
    }
}
