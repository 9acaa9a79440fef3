//! What a number format makes of a number: a date, a text with leading zeros, or another appearance.

/// A longer format code than Excel allows is not looked at.
const LONGEST: usize = 255;

/// How a number format shows a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NumberFormat {
    /// As it is.
    Plain,
    /// As a date, a time of day, or both.
    Date,
    /// As a span of time.
    Span,
    /// As a text of a fixed number of digits.
    Zeros(Zeros),
    /// In any other way: rounded, with thousands separators, as a percentage, …
    Other,
}

impl NumberFormat {
    /// A format that the standard numbers.
    pub(super) fn built_in(id: u32) -> Self {
        match id {
            // 49 is `@`, under which a number is shown as it is.
            0 | 49 => Self::Plain,
            1 => Self::of_code("0"),
            14..=22 | 27..=36 | 45 | 47 | 50..=58 => Self::Date,
            46 => Self::Span,
            _ => Self::Other,
        }
    }

    /// A format by its code.
    pub(super) fn of_code(code: &str) -> Self {
        if code.len() > LONGEST {
            return Self::Other;
        }
        if code.eq_ignore_ascii_case("General") || code == "@" || code.is_empty() {
            return Self::Plain;
        }
        Zeros::parse(code).map_or_else(|| time(code), Self::Zeros)
    }
}

/// Whether a code shows dates or spans of time: a date's letter outside of quotes, escapes, and brackets.
fn time(code: &str) -> NumberFormat {
    let mut characters = code.chars();
    while let Some(c) = characters.next() {
        match c.to_ascii_lowercase() {
            // Negative numbers, zeros and texts have formats of their own behind it.
            ';' => break,
            '"' => {
                characters.by_ref().find(|c| *c == '"');
            }
            '\\' | '_' | '*' => {
                characters.next();
            }
            '[' => {
                let (inner, rest) = characters.as_str().split_once(']').unwrap_or_default();
                characters = rest.chars();
                let mut letters = inner.chars().map(|c| c.to_ascii_lowercase());
                let first = letters.next();
                // `[h]`, `[mm]`; others are colours, conditions and locales.
                if matches!(first, Some('h' | 'm' | 's')) && letters.all(|c| Some(c) == first) {
                    return NumberFormat::Span;
                }
            }
            // `General` may stand among other things.
            'g' if characters.as_str().get(..6).is_some_and(|rest| rest.eq_ignore_ascii_case("eneral")) => {
                characters.nth(5);
            }
            'd' | 'm' | 'y' | 'h' | 's' => return NumberFormat::Date,
            // `A/P` for the halves of the day.
            'a' if characters.as_str().get(..2).is_some_and(|rest| rest.eq_ignore_ascii_case("/p")) => {
                return NumberFormat::Date;
            }
            _ => {}
        }
    }
    NumberFormat::Other
}

/// A format of zeros and fixed characters between them: `0000`, `00000-00`, `"F-"0000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Zeros(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Digit,
    Fixed(char),
}

impl Zeros {
    fn parse(code: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut characters = code.chars();
        while let Some(c) = characters.next() {
            match c {
                '0' => pieces.push(Piece::Digit),
                '\\' => pieces.push(Piece::Fixed(characters.next()?)),
                '"' => {
                    let quoted = characters.as_str();
                    let (quoted, rest) = quoted.split_once('"')?;
                    pieces.extend(quoted.chars().map(Piece::Fixed));
                    characters = rest.chars();
                }
                // Shown as they are without quotes.
                '-' | ' ' | '(' | ')' => pieces.push(Piece::Fixed(c)),
                _ => return None,
            }
        }
        pieces.contains(&Piece::Digit).then_some(Self(pieces))
    }

    /// The text that a sheet shows for a number; `None` for one that is not whole, or not exact to its last digit.
    ///
    /// Digits fill the zeros from the right; those that are left over stand before the first one.
    pub(super) fn show(&self, number: f64) -> Option<String> {
        if number.fract() != 0.0 || number.abs() >= 1e15 {
            return None;
        }
        let digits = number.abs().to_string();
        let places = self.0.iter().filter(|piece| **piece == Piece::Digit).count();
        let padded = format!("{digits:0>places$}");
        let (surplus, mut rest) = padded.split_at(padded.len() - places);
        let mut shown = String::from(if number < 0.0 { "-" } else { "" });
        let mut surplus = Some(surplus);
        for piece in &self.0 {
            match piece {
                Piece::Fixed(c) => shown.push(*c),
                Piece::Digit => {
                    shown.push_str(surplus.take().unwrap_or_default());
                    let (digit, others) = rest.split_at(1);
                    shown.push_str(digit);
                    rest = others;
                }
            }
        }
        Some(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_show_a_number_as_a_text() {
        let show = |code: &str, number| match NumberFormat::of_code(code) {
            NumberFormat::Zeros(zeros) => zeros.show(number),
            _ => Some(format!("{code} is not of zeros")),
        };
        for (code, number, shown) in [
            ("0000", 10.0, Some("0010")),
            ("0000", 0.0, Some("0000")),
            ("0000", 123_456.0, Some("123456")),
            ("0000", -10.0, Some("-0010")),
            ("0", 42.0, Some("42")),
            ("00000-00", 1_234_567.0, Some("12345-67")),
            ("00000-00", 123_456_789.0, Some("1234567-89")),
            ("\"F-\"0000", 7.0, Some("F-0007")),
            ("\\F0000\\.\"É\"", 7.0, Some("F0007.É")),
            ("000 000", 12.0, Some("000 012")),
            ("0000", 10.5, None),
            ("0000000000000000", 1e15, None),
            ("0000", f64::NAN, None),
        ] {
            assert_eq!(show(code, number).as_deref(), shown, "{number} under {code}");
        }
    }

    #[test]
    fn formats_are_told_apart() {
        for (code, expected) in [
            ("General", NumberFormat::Plain),
            ("@", NumberFormat::Plain),
            ("dd/mm/yyyy", NumberFormat::Date),
            ("[$-40C]d mmmm yyyy;@", NumberFormat::Date),
            ("[Red]yyyy", NumberFormat::Date),
            ("h:mm AM/PM", NumberFormat::Date),
            ("[h]:mm:ss", NumberFormat::Span),
            ("[MM]", NumberFormat::Span),
            ("d [h]:mm", NumberFormat::Date),
            ("A/P", NumberFormat::Date),
            ("#\" jours\"", NumberFormat::Other),
            ("#\\d", NumberFormat::Other),
            ("\"jour_\"d", NumberFormat::Date),
            ("[h", NumberFormat::Other),
            ("#,##0.00\\ \"dhs\"", NumberFormat::Other),
            ("#,##0.00_d", NumberFormat::Other),
            ("[Red]0.00", NumberFormat::Other),
            ("0.00;dd", NumberFormat::Other),
            ("0.00", NumberFormat::Other),
            ("0%", NumberFormat::Other),
            ("0,0", NumberFormat::Other),
            ("0E+0", NumberFormat::Other),
            ("0000;-0000", NumberFormat::Other),
            ("# ?/?", NumberFormat::Other),
            ("\"abc", NumberFormat::Other),
            ("\"numéro \"General", NumberFormat::Other),
            ("---", NumberFormat::Other),
        ] {
            assert_eq!(NumberFormat::of_code(code), expected, "{code}");
        }
        assert_eq!(NumberFormat::built_in(14), NumberFormat::Date);
        assert_eq!(NumberFormat::built_in(49), NumberFormat::Plain);
        assert_eq!(NumberFormat::built_in(4), NumberFormat::Other);
        assert_eq!(NumberFormat::of_code(&"0".repeat(256)), NumberFormat::Other);
    }
}
