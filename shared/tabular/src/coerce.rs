//! A cell's text to its value, exactly as the contract declares it: no second guess, no rounding, no default.

use chrono::NaiveDate;
use fonderie_contract::{DateFormat, DatePart, NumberFormat};

/// Why a cell that is present cannot be read: the rule's id, and a French sentence for the facility.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The rule's id.
    pub rule: &'static str,
    /// One sentence.
    pub message: &'static str,
}

const fn unreadable(rule: &'static str, message: &'static str) -> Unreadable {
    Unreadable { rule, message }
}

const AMOUNT: Unreadable = unreadable("montant_illisible", "Le montant ne peut pas être lu dans le format convenu.");
const AMOUNT_PRECISION: Unreadable = unreadable("montant_illisible", "Le montant a trop de décimales.");
const AMOUNT_SIZE: Unreadable = unreadable("montant_illisible", "Le montant est trop grand pour l'entrepôt.");
const DATE: Unreadable = unreadable("date_illisible", "La date n'est pas écrite dans le format convenu.");
const NO_SUCH_DAY: Unreadable = unreadable("date_illisible", "Ce jour n'existe pas dans le calendrier.");
const INTEGER: Unreadable = unreadable("nombre_illisible", "Le nombre entier ne peut pas être lu.");
const INTEGER_BOUNDS: Unreadable = unreadable("nombre_illisible", "Le nombre est hors des limites admises.");

/// Reads an amount into units of `10^-scale` (cents, for two decimals); surrounding white space must be off already.
///
/// Accepted: a sign or parentheses, a declared currency before or after, declared separators between groups of exactly
/// three digits, the declared decimal mark with at most `scale` digits behind it.
///
/// # Errors
/// When it is anything else, or has more than `precision` digits.
pub fn amount(text: &str, format: &NumberFormat, precision: u8, scale: i8) -> Result<i128, Unreadable> {
    let scale = usize::try_from(scale).unwrap_or(0);
    let (negative, number) = sign(currency(text, format))?;
    let (whole, fraction) = match number.split_once(format.decimal_mark) {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
        Some(_) => return Err(AMOUNT),
        None => (number, ""),
    };
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AMOUNT);
    }
    if fraction.len() > scale {
        return Err(AMOUNT_PRECISION);
    }
    let mut value: i128 = 0;
    let mut digits = 0_u32;
    let mut group: Option<(char, u32)> = None;
    for c in whole.chars() {
        if let Some(digit) = c.to_digit(10) {
            value = value.checked_mul(10).and_then(|v| v.checked_add(i128::from(digit))).ok_or(AMOUNT_SIZE)?;
            digits += 1;
            if let Some((_, in_group)) = &mut group {
                *in_group += 1;
            }
        } else {
            let complete = match group {
                None => (1..=3).contains(&digits),
                Some((separator, in_group)) => separator == c && in_group == 3,
            };
            if !complete || !format.thousands.contains(&c) {
                return Err(AMOUNT);
            }
            group = Some((c, 0));
        }
    }
    if digits == 0 || group.is_some_and(|(_, in_group)| in_group != 3) {
        return Err(AMOUNT);
    }
    for place in 0..scale {
        let digit = fraction.as_bytes().get(place).map_or(0, |b| i128::from(b - b'0'));
        value = value.checked_mul(10).and_then(|v| v.checked_add(digit)).ok_or(AMOUNT_SIZE)?;
    }
    if value >= 10_i128.pow(u32::from(precision)) {
        return Err(AMOUNT_SIZE);
    }
    Ok(if negative { -value } else { value })
}

/// Reads a workbook's number into units of `10^-scale`, by its shortest decimal: what the spreadsheet's user typed.
///
/// # Errors
/// When it has more than `scale` decimals (unless `round`, half away from zero) or more than `precision` digits.
pub fn number(number: f64, precision: u8, scale: i8, round: bool) -> Result<i128, Unreadable> {
    let places = usize::try_from(scale).unwrap_or(0);
    // Never an exponent: the format of a double without precision writes all its digits.
    let text = number.to_string();
    let (text, up) = match text.split_once('.') {
        Some((whole, fraction)) if round && fraction.len() > places => {
            (format!("{whole}.{}", &fraction[..places]), fraction.as_bytes()[places] >= b'5')
        }
        _ => (text, false),
    };
    let plain = NumberFormat { decimal_mark: '.', thousands: vec![], currency: vec![], round_cells: false };
    let units = amount(text.trim_end_matches('.'), &plain, precision, scale)?;
    let units = if up && number < 0.0 { units - 1 } else { units + i128::from(up) };
    if units.unsigned_abs() >= 10_u128.pow(u32::from(precision)) { Err(AMOUNT_SIZE) } else { Ok(units) }
}

/// Takes a declared currency off, once, before or after.
fn currency<'a>(text: &'a str, format: &NumberFormat) -> &'a str {
    let off = |name: &String| {
        let rest = text.strip_suffix(name.as_str()).map(str::trim_end);
        rest.or_else(|| text.strip_prefix(name.as_str()).map(str::trim_start))
    };
    format.currency.iter().find_map(off).unwrap_or(text)
}

/// `-12`, `+12`, `−12` (U+2212) and the accountants' `(12)`.
fn sign(text: &str) -> Result<(bool, &str), Unreadable> {
    if let Some(inner) = text.strip_prefix('(') {
        return inner.strip_suffix(')').map(|number| (true, number.trim())).ok_or(AMOUNT);
    }
    Ok(match text.strip_prefix(['-', '\u{2212}']) {
        Some(number) => (true, number.trim_start()),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    })
}

/// Reads a date into days since 1970-01-01; surrounding white space must be off already.
///
/// # Errors
/// When it is not written in the format, or no such day exists.
pub fn date(text: &str, format: &DateFormat) -> Result<i32, Unreadable> {
    // Without a separator every part has its full width, or the text could be read in two ways.
    let fixed = format.separator.is_empty();
    let mut numbers = [0_u32; 3];
    let mut rest = text;
    for (index, part) in format.parts.iter().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix(format.separator.as_str()).ok_or(DATE)?;
        }
        let widest = if *part == DatePart::Year { 4 } else { 2 };
        let narrowest = if *part == DatePart::Year || fixed { widest } else { 1 };
        let width = rest.bytes().take(widest).take_while(u8::is_ascii_digit).count();
        if width < narrowest {
            return Err(DATE);
        }
        numbers[index] = rest[..width].bytes().fold(0, |number, b| number * 10 + u32::from(b - b'0'));
        rest = &rest[width..];
    }
    if !rest.is_empty() {
        return Err(DATE);
    }
    let part = |wanted| format.parts.iter().position(|part| *part == wanted).map_or(0, |index| numbers[index]);
    let year = i32::try_from(part(DatePart::Year)).map_err(|_| DATE)?;
    let day = NaiveDate::from_ymd_opt(year, part(DatePart::Month), part(DatePart::Day)).filter(|_| year > 0);
    day.map(|day| day.to_epoch_days()).ok_or(NO_SUCH_DAY)
}

/// Reads a whole number; surrounding white space must be off already.
///
/// # Errors
/// When it is none, or outside the bounds.
pub fn integer(text: &str, min: i32, max: i32) -> Result<i32, Unreadable> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(INTEGER);
    }
    text.parse().ok().filter(|number| (min..=max).contains(number)).ok_or(INTEGER_BOUNDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn french() -> NumberFormat {
        NumberFormat {
            decimal_mark: ',',
            thousands: vec![' ', '\u{a0}', '\u{202f}'],
            currency: vec!["\u{20ac}".into()],
            round_cells: false,
        }
    }

    #[test]
    fn amounts_as_declared() {
        for (text, cents) in [
            ("1234,56", 123_456),
            ("12", 1_200),
            ("0,5", 50),
            ("1 234,50 \u{20ac}", 123_450),
            ("\u{20ac}12,00", 1_200),
            ("1\u{a0}234\u{a0}567,89", 123_456_789),
            ("-12,00", -1_200),
            ("\u{2212}12,00", -1_200),
            ("(12,00)", -1_200),
            ("+3,1", 310),
            ("99999999,99", 9_999_999_999),
        ] {
            assert_eq!(amount(text, &french(), 10, 2), Ok(cents), "{text}");
        }
    }

    #[test]
    fn amounts_that_could_be_read_in_two_ways_or_in_none() {
        for text in [
            "",
            "abc",
            "12,34,56",
            "#REF!",
            "--",
            "-",
            "O,OO",
            "?",
            "1.234,50",
            "12 34,50",
            "1234 567,00",
            "1 23",
            " ",
            "12,",
            ",50",
            "(12,00",
            "12,00-",
            "1\u{a0}234 567,00",
            "1e3",
            "0x1F",
            "\u{20ac}",
            "12 \u{20ac} \u{20ac}",
            "1 ",
            "1 234 ",
        ] {
            assert_eq!(amount(text, &french(), 10, 2), Err(AMOUNT), "{text}");
        }
        assert_eq!(amount("12,345", &french(), 10, 2), Err(AMOUNT_PRECISION));
        for text in ["100000000,00", "99999999999999999999999999999999999999999999", "-100000000"] {
            assert_eq!(amount(text, &french(), 10, 2), Err(AMOUNT_SIZE), "{text}");
        }
    }

    #[test]
    fn numbers_of_workbooks_become_their_shortest_decimal() {
        for (value, cents) in [(1234.5, 123_450), (0.1, 10), (-12.0, -1_200), (99_999_999.99, 9_999_999_999), (0.0, 0)]
        {
            assert_eq!(number(value, 10, 2, false), Ok(cents), "{value}");
        }
        assert_eq!(number(0.1 + 0.2, 10, 2, false), Err(AMOUNT_PRECISION));
        for (value, cents) in [(0.1 + 0.2, 30), (1.005, 101), (-1.005, -101), (2.674_999, 267), (7.0, 700)] {
            assert_eq!(number(value, 10, 2, true), Ok(cents), "{value}");
        }
        for value in [1e8, 1e300, 99_999_999.999] {
            assert_eq!(number(value, 10, 2, true), Err(AMOUNT_SIZE), "{value}");
        }
        for value in [f64::NAN, f64::INFINITY] {
            assert_eq!(number(value, 10, 2, false), Err(AMOUNT), "{value}");
        }
    }

    fn format(text: &str) -> DateFormat {
        let parts = match &text[..2] {
            "yy" => [DatePart::Year, DatePart::Month, DatePart::Day],
            "mm" => [DatePart::Month, DatePart::Day, DatePart::Year],
            _ => [DatePart::Day, DatePart::Month, DatePart::Year],
        };
        let separator = text.chars().filter(|c| !c.is_ascii_alphabetic()).take(1).collect();
        DateFormat { parts, separator, text: text.to_owned() }
    }

    #[test]
    fn dates_as_declared() {
        for (pattern, text, days) in [
            ("dd/mm/yyyy", "01/01/1970", 0),
            ("dd/mm/yyyy", "3/4/2025", 20_181),
            ("mm/dd/yyyy", "04/03/2025", 20_181),
            ("yyyy-mm-dd", "2024-02-29", 19_782),
            ("yyyymmdd", "20240229", 19_782),
        ] {
            assert_eq!(date(text, &format(pattern)), Ok(days), "{text}");
        }
        for text in ["31/02/2024", "00/00/0000", "99/99/9999", "29/02/2023", "01/01/0000"] {
            assert_eq!(date(text, &format("dd/mm/yyyy")), Err(NO_SUCH_DAY), "{text}");
        }
        for text in
            ["n/d", "2024", "01-02-2024", "01/02/24", "01/02/2024 10:00", "001/02/2024", "01/02/20245", "1/ 2/2024", ""]
        {
            assert_eq!(date(text, &format("dd/mm/yyyy")), Err(DATE), "{text}");
        }
        assert_eq!(date("2024229", &format("yyyymmdd")), Err(DATE));
    }

    #[test]
    fn whole_numbers() {
        assert_eq!(integer("42", 0, 150), Ok(42));
        assert_eq!(integer("-1", 0, 150), Err(INTEGER_BOUNDS));
        assert_eq!(integer("99999999999", 0, 150), Err(INTEGER_BOUNDS));
        for text in ["", "-", "4.2", "4,0", "abc", "+4", "1 000"] {
            assert_eq!(integer(text, 0, 150), Err(INTEGER), "{text}");
        }
    }
}
