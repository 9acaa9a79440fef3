//! What a workbook's sheet shows around a number. A formatted number counts as the text that the sheet shows: what stands around
//! it is read as it would be in a text, of the number 1 in its place.

/// The place of a digit in a text that a sheet shows.
pub(crate) const DIGIT: char = '\0';

/// What a text with [`DIGIT`]s shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Around {
    /// A number, and the text that it is in with 1 in its place: `1 €`, `(1)`.
    Number(String),
    /// Another number than the digits make: a decimal mark stands among them as a text.
    OtherNumber,
    /// No number.
    Nothing,
}

/// Takes a text apart in which each digit of a number is a [`DIGIT`].
pub(crate) fn around(text: &str) -> Around {
    let (Some(first), Some(last)) = (text.find(DIGIT), text.rfind(DIGIT)) else { return Around::Nothing };
    let (before, number, after) = (&text[..first], &text[first..=last], &text[last + DIGIT.len_utf8()..]);
    let mut shown = String::from("1");
    let mut rest = number.trim_start_matches(DIGIT);
    while let Some((between, digits)) = rest.find(DIGIT).map(|at| rest.split_at(at)) {
        rest = digits.trim_start_matches(DIGIT);
        match between.trim() {
            // Separators, and the bar of a fraction.
            "" | "'" | "\u{2019}" | "/" => {}
            "." | "," if digits.len() - rest.len() == 3 * DIGIT.len_utf8() => {}
            "." | "," => return Around::OtherNumber,
            // No amount: what stands there is named.
            other => shown.extend([other, "1"]),
        }
    }
    let visible = |c: &char| !fonderie_contract::is_control(*c) && !fonderie_contract::is_invisible(*c, true);
    let text: String = [before, &shown, after].concat().chars().filter(visible).collect();
    let text = text.trim();
    // A fixed minus may have a gap behind it.
    let unsigned = text.strip_prefix('-').map(str::trim_start);
    Around::Number(unsigned.map_or_else(|| text.to_owned(), |rest| format!("-{rest}")))
}

/// The same of the text that a sheet shows for a whole number.
pub(crate) fn around_digits(number: f64, shown: &str) -> Around {
    let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
    // Digits of the format's own make another number of it.
    if digits.parse::<f64>() != Ok(number.abs()) {
        return Around::OtherNumber;
    }
    around(&shown.replace(|c: char| c.is_ascii_digit(), "\0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_number_is_seen_with_1_in_its_place() {
        for (number, text, expected) in [
            (48.0, "48 €", Some("1 €")),
            (48.0, "-€48", Some("-€1")),
            (48.0, " - 48", Some("-1")),
            (1234.0, "(1 234) CR", Some("(1) CR")),
            (1234.0, "1.234", Some("1")),
            (1234.0, "12.34", None),
            (123.0, "1h23", Some("1h1")),
            (123.0, "1-23", Some("1-1")),
            (7.0, "F-0007", Some("F-1")),
            (7.0, "2024-0007", None),
            (7.0, "7000", None),
            (7.0, "\u{200f}7 \u{20aa}", Some("1 \u{20aa}")),
        ] {
            let expected = expected.map_or(Around::OtherNumber, |text| Around::Number(text.to_owned()));
            assert_eq!(around_digits(number, text), expected, "{text}");
        }
        assert_eq!(around("oui"), Around::Nothing);
    }
}
