//! Amounts, exactly as the contract declares them: no second guess, no rounding of text, no default.

use fonderie_contract::{NumberFormat, currency_codes, fold_space};

use crate::problem::Problem;
use crate::spreadsheet;
use crate::unit::without_unit;

/// Reads an amount into units of `10^-scale` (cents, for two decimals); surrounding white space must be off already.
///
/// Accepted, in any order around the number and each once: a sign before it or parentheses, a declared currency, a declared
/// unit; what else the format declares. The number has declared separators between groups of exactly three digits, and
/// the decimal mark with at most `scale` digits behind it.
///
/// # Errors
/// When it is anything else, or has more than `precision` digits.
pub(crate) fn amount(text: &str, format: &NumberFormat, precision: u8, scale: i8) -> Result<i128, Problem> {
    let field = Field { precision, scale: usize::try_from(scale).unwrap_or(0) };
    match plain(text.as_bytes(), format, field) {
        Some(units) => field.fitting(units),
        None if spreadsheet::is_wrapped(text) => Err(Problem::SpreadsheetText),
        None => dressed(text, format, field),
    }
}

/// Reads a measurement: written as an amount is, with any number of decimals, and perhaps an exponent behind them (`1,5E-7`). Its exact digits
/// are rounded once, to the nearest double.
///
/// # Errors
/// When it is anything else, or too large for a double.
pub(crate) fn measure(text: &str, format: &NumberFormat) -> Result<f64, Problem> {
    if let Some(Digits { negative, value, decimals }) = digits(text.as_bytes(), format)
        && value < 1 << 53
        && let Some(unit) = TENS.get(decimals)
    {
        // Both are doubles exactly, so that their quotient is rounded once.
        #[allow(clippy::cast_precision_loss)]
        let number = value as f64 / unit;
        return Ok(if negative && value > 0 { -number } else { number });
    }
    if spreadsheet::is_wrapped(text) {
        return Err(Problem::SpreadsheetText);
    }
    let (mut taken, rest) = undressed(text, format)?;
    let number = taken.measure(rest, format).map_err(|problem| match problem {
        Problem::Amount => otherwise_written(rest, format, Field { precision: 38, scale: 18 }).unwrap_or(problem),
        problem => problem,
    })?;
    match taken.needs {
        Some(problem) => Err(problem),
        // Zero has no sign: what is equal must look alike.
        None => Ok(if taken.sign == Some(Sign::Minus) && number > 0.0 { -number } else { number }),
    }
}

/// Reads a workbook's number into units of `10^-scale`, by its shortest decimal: what the spreadsheet's user typed. A
/// spreadsheet keeps fifteen significant digits; what a double has beyond them is noise of its arithmetic.
///
/// # Errors
/// When it has more than `scale` decimals (unless the format rounds, half away from zero), more than `precision` digits, or
/// more digits before its last decimal than a spreadsheet keeps.
pub(crate) fn number(number: f64, precision: u8, scale: i8, format: &NumberFormat) -> Result<i128, Problem> {
    let field = Field { precision, scale: usize::try_from(scale).unwrap_or(0) };
    if let Some(units) = exact(number, format, field) {
        return field.fitting(units);
    }
    let shortest = format!("{number:e}");
    let digits = shortest.bytes().take_while(|b| *b != b'e').filter(u8::is_ascii_digit).count();
    let noisy = digits > DIGITS_KEPT;
    let text = if noisy { format!("{number:.0$e}", DIGITS_KEPT - 1) } else { shortest };
    let (mantissa, exponent) = text.split_once('e').ok_or(Problem::Amount)?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().map_err(|_| Problem::Amount)?;
    let exponent: i32 = exponent.parse().map_err(|_| Problem::Amount)?;
    // The number is `digits × 10^(exponent - decimals)`; a field counts `10^-scale`, the file `10^-format.scale`.
    let decimals = i32::try_from(fraction.len()).unwrap_or(i32::MAX);
    let shift = exponent - decimals + i32::from(scale.max(0)) - i32::from(format.scale);
    if shift > 0 {
        let units = field.fitting(times_ten(digits, shift.unsigned_abs()).ok_or(Problem::AmountSize)?)?;
        return if noisy { Err(Problem::TooManyDigits) } else { Ok(units) };
    }
    // Fifteen digits and more places than an i128 has: nothing is left of them.
    let unit = times_ten(1, shift.unsigned_abs()).unwrap_or(i128::MAX);
    let (units, rest) = (digits / unit, digits % unit);
    match rest {
        0 => field.fitting(units),
        _ if !format.round_cells => Err(Problem::AmountDecimals { most: field.scale }),
        rest if rest.abs() >= unit - rest.abs() => field.fitting(units + rest.signum()),
        _ => field.fitting(units),
    }
}

/// Checks what a workbook's sheet shows around a number, of which `text` is an example: 1 in place of the number, or -1 of a
/// negative one. It is read as a text would be, and must give the sign that the number has; what the stored number leaves in
/// no doubt (a sign behind it, a dash for its decimals, a known currency if none is declared) needs no declaration.
///
/// # Errors
/// When it is a word that the contract does not declare, another currency, or another sign than the number's.
pub(crate) fn around(text: &str, number: f64, format: &NumberFormat) -> Result<(), Problem> {
    let mut taken = Taken { formatted: true, ..Taken::default() };
    let mut rest = text.trim();
    loop {
        match taken.piece(rest, format) {
            Ok(Some(inner)) => rest = inner.trim(),
            Ok(None) if rest == "1" => break,
            Ok(None) | Err(Problem::Amount) => return Err(unknown_around(rest)),
            Err(problem) => return Err(problem),
        }
    }
    if number != 0.0 && (taken.sign == Some(Sign::Minus)) != (number < 0.0) {
        return Err(Problem::AmountSign);
    }
    taken.needs.map_or(Ok(()), Err)
}

/// What is wrong with a text around 1 of which nothing more can be taken off.
fn unknown_around(text: &str) -> Problem {
    let (before, after) = text.split_once('1').unwrap_or((text, ""));
    let says = |c: char| !c.is_whitespace() && !matches!(c, '(' | ')') && sign(c).is_none();
    match [after.trim(), before.trim()].into_iter().find(|word| word.contains(says)) {
        Some(word) if is_multiple(word) => Problem::ScaledAmount,
        Some(word) => Problem::AmountWord(fold_space(word).into_owned()),
        None => Problem::AmountSign,
    }
}

/// Whether a word is a multiple of a currency: `k€`, `kEUR`, `M$`.
fn is_multiple(word: &str) -> bool {
    let symbol = |rest: &&str| !rest.chars().any(char::is_alphabetic);
    let rest = word.strip_prefix('k').or_else(|| word.strip_prefix(['K', 'M']).filter(symbol));
    rest.is_some_and(|rest| !currency_codes(rest).is_empty())
}

/// A number times a hundred, as a percentage shows it: by its shortest decimal, not by an arithmetic that would turn 0.07 into
/// 7.000000000000001.
pub(crate) fn hundredfold(number: f64) -> f64 {
    // From there on, the fifteen digits that a spreadsheet keeps end before the decimal mark, and a loss is to be seen.
    let text = if number.abs() < 1e13 { format!("{number:.0$e}", DIGITS_KEPT - 1) } else { format!("{number:e}") };
    let shifted = text.split_once('e').and_then(|(mantissa, exponent)| {
        let exponent: i32 = exponent.parse().ok()?;
        format!("{mantissa}e{}", exponent + 2).parse().ok()
    });
    shifted.unwrap_or(f64::NAN)
}

/// The common case: a double that is the nearest one to a decimal of the field's scale with up to fifteen digits. No other
/// decimal of so few digits has the same double, so this one is the shortest.
fn exact(number: f64, format: &NumberFormat, field: Field) -> Option<i128> {
    let unit = 10_f64.powi(i32::try_from(field.scale).ok().filter(|scale| *scale <= 9 && format.scale == 0)?);
    let units = (number * unit).round();
    #[allow(clippy::cast_possible_truncation)] // below 10¹⁵
    (units.abs() < 1e15 && units / unit == number).then_some(units as i128)
}

/// Significant digits that a spreadsheet keeps.
const DIGITS_KEPT: usize = 15;

/// The size of a decimal field.
#[derive(Clone, Copy)]
struct Field {
    precision: u8,
    scale: usize,
}

impl Field {
    fn fitting(self, units: i128) -> Result<i128, Problem> {
        let end = 10_u128.checked_pow(u32::from(self.precision)).unwrap_or(u128::MAX);
        if units.unsigned_abs() < end { Ok(units) } else { Err(Problem::AmountSize) }
    }
}

const POWERS: [u64; 19] = {
    let mut powers = [1; 19];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Powers of ten that are doubles exactly.
const TENS: [f64; 19] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];

/// A number of digits only, a sign and a decimal mark aside.
struct Digits {
    negative: bool,
    /// All digits.
    value: u64,
    /// How many of them stand behind the mark.
    decimals: usize,
}

/// The common case: digits, perhaps `-` before them, perhaps the decimal mark and decimals.
#[inline]
fn plain(text: &[u8], format: &NumberFormat, field: Field) -> Option<i128> {
    let Digits { negative, value, decimals } = digits(text, format)?;
    if decimals > field.scale {
        return None;
    }
    // At most 18 digits times 10¹⁸: no overflow.
    let value = i128::from(value) * i128::from(*POWERS.get(field.scale - decimals)?);
    Some(if negative { -value } else { value })
}

/// The digits of a number that has nothing around it, at most 18.
#[inline]
fn digits(text: &[u8], format: &NumberFormat) -> Option<Digits> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > 18 || format.scale != 0 {
        return None;
    }
    let (mut value, mut whole, mut decimals, mut marked) = (0_u64, 0, 0, false);
    for &byte in digits {
        if byte.is_ascii_digit() {
            value = value * 10 + u64::from(byte - b'0');
            if marked { decimals += 1 } else { whole += 1 }
        } else if !marked && u32::from(byte) == u32::from(format.decimal_mark) {
            marked = true;
        } else {
            return None;
        }
    }
    let is_number = whole > 0 && (!marked || decimals > 0);
    is_number.then_some(Digits { negative, value, decimals })
}

/// What stands around a number, each piece taken off once, from either end; and the number.
fn undressed<'t>(text: &'t str, format: &NumberFormat) -> Result<(Taken, &'t str), Problem> {
    let mut taken = Taken::default();
    let mut rest = text.trim();
    while let Some(inner) = taken.piece(rest, format)? {
        rest = inner.trim();
    }
    Ok((taken, rest))
}

/// A number with what stands around it.
fn dressed(text: &str, format: &NumberFormat, field: Field) -> Result<i128, Problem> {
    let (mut taken, rest) = undressed(text, format)?;
    let units = taken.number(rest, format, field).map_err(|problem| match problem {
        Problem::Amount => otherwise_written(rest, format, field).unwrap_or(problem),
        problem => problem,
    })?;
    let needs = taken.needs;
    match needs {
        Some(problem) => Err(problem),
        None => field.fitting(if taken.sign == Some(Sign::Minus) { -units } else { units }),
    }
}

/// The keys of the contract by which a number would be read: its separator of thousands, the other decimal mark, or both; or the
/// word that stands beside it.
fn otherwise_written(number: &str, format: &NumberFormat, field: Field) -> Option<Problem> {
    const SEPARATORS: [(char, &str); 8] = [
        (' ', " "),
        ('\u{a0}', "\\u00A0"),
        ('\u{202f}', "\\u202F"),
        ('\u{2009}', "\\u2009"),
        ('\'', "'"),
        ('\u{2019}', "\u{2019}"),
        ('.', "."),
        (',', ","),
    ];
    let other_mark = if format.decimal_mark == ',' { '.' } else { ',' };
    let reads = |decimal_mark, thousands| {
        let format = NumberFormat { thousands, ..NumberFormat::plain(decimal_mark) };
        Taken::default().number(number, &format, field).is_ok()
    };
    // One group of three after a mark may be thousands or decimals: the key that is named is a question, not an answer.
    let separator = |mark: char| {
        let separated = SEPARATORS.iter().filter(|(separator, _)| *separator != mark && number.contains(*separator));
        let mut separated = separated.filter(|(separator, _)| reads(mark, vec![*separator]));
        separated.next().map(|(_, shown)| format!("thousands = [\"{shown}\"]"))
    };
    let mark_key = format!("decimal_mark = \"{other_mark}\"");
    let key = separator(format.decimal_mark)
        .or_else(|| reads(other_mark, format.thousands.clone()).then(|| mark_key.clone()))
        .or_else(|| separator(other_mark).map(|thousands| format!("{mark_key}` et `{thousands}")));
    key.map(|key| Problem::AmountNeeds { key: key.into() }).or_else(|| beside_word(number, format, field))
}

/// The problem of an amount with one unknown word behind it or before it: `12,50 € TTC`.
fn beside_word(text: &str, format: &NumberFormat, field: Field) -> Option<Problem> {
    const LONGEST: usize = 20;
    let of_word = |c: char| c.is_alphabetic();
    let behind = text.trim_end_matches(of_word);
    let before = text.trim_start_matches(of_word);
    let (rest, word) = if behind.len() < text.len() {
        (behind, &text[behind.len()..])
    } else {
        (before, &text[..text.len() - before.len()])
    };
    // Without the units, which the word is none of, a second word is one too many.
    let others = NumberFormat { units: Vec::new(), ..format.clone() };
    let reads = || {
        let mut taken = Taken::default();
        let mut rest = rest.trim();
        while let Some(inner) = taken.piece(rest, &others).ok()? {
            rest = inner.trim();
        }
        taken.number(rest, &others, field).ok()
    };
    // `CR` before a number has a meaning that no unit has.
    let known = word.is_empty()
        || word.chars().count() > LONGEST
        || !currency_codes(word).is_empty()
        || credit_suffix(word).is_some();
    (!known && reads().is_some()).then(|| Problem::AmountWord(word.to_owned()))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plus,
    Minus,
}

/// What was taken off a number.
#[derive(Default)]
struct Taken {
    sign: Option<Sign>,
    /// The sign is a dash before everything else that was left, so that it stands for zero if nothing is left.
    dash: bool,
    currency: bool,
    unit: bool,
    /// The decimals are a dash.
    dash_cents: bool,
    /// The pieces are a number format's, and the number is known without them.
    formatted: bool,
    /// What the undeclared currencies of a number format may stand for.
    codes: &'static [&'static str],
    /// Why the amount is refused although it can be read: the first undeclared piece.
    needs: Option<Problem>,
}

impl Taken {
    /// Takes one piece off; `None` if there is none.
    fn piece<'t>(&mut self, text: &'t str, format: &NumberFormat) -> Result<Option<&'t str>, Problem> {
        let digit = |c: char| c.is_ascii_digit();
        let bare = text.starts_with(digit) && text.ends_with(digit);
        if bare && format.units.is_empty() {
            return Ok(None);
        }
        if let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            return self.signed(Sign::Minus, inner);
        }
        if let Some((sign, inner)) = leading_sign(text) {
            self.dash = sign == Sign::Minus;
            return self.signed(sign, inner);
        }
        if let Some(inner) = declared_currency(text, format) {
            let again = std::mem::replace(&mut self.currency, true) && !self.formatted;
            return if again { Err(Problem::Amount) } else { Ok(Some(inner)) };
        }
        if let Some(inner) = without_unit(text, format) {
            return if std::mem::replace(&mut self.unit, true) { Err(Problem::Amount) } else { Ok(Some(inner)) };
        }
        if bare {
            return Ok(None);
        }
        let undashed = text.trim_end_matches(['-', '\u{2013}', '\u{2014}']);
        let is_mark = |c: char| c == format.decimal_mark || self.formatted && matches!(c, '.' | ',');
        let whole = undashed.strip_suffix(is_mark).filter(|whole| whole.ends_with(digit));
        if let Some(whole) = whole.filter(|_| undashed.len() < text.len()) {
            // Of `100,--`, the second dash could be a sign.
            let most = if format.trailing_sign && !self.formatted { 1 } else { 2 };
            if text[undashed.len()..].chars().count() > most {
                return Err(Problem::Amount);
            }
            self.dash_cents = true;
            self.need(format.dash_cents || self.formatted, "dash_cents = true");
            return Ok(Some(whole));
        }
        if let Some((sign, inner)) = trailing_sign(text) {
            self.need(format.trailing_sign || self.formatted, "trailing_sign = true");
            return self.signed(sign, inner);
        }
        if let Some((sign, inner)) = credit_suffix(text) {
            self.need(format.credit_suffix, "credit_suffix = true");
            return self.signed(sign, inner);
        }
        if let Some((word, inner)) = other_currency(text) {
            let other = format.is_other_currency(word);
            if self.formatted && !other {
                let (codes, before) = (currency_codes(word), std::mem::take(&mut self.codes));
                let fits = before.is_empty() || codes.iter().any(|code| before.contains(code));
                // Of `$ CAD`, the word that says more.
                self.codes = if before.is_empty() || codes.len() < before.len() { codes } else { before };
                return if fits { Ok(Some(inner)) } else { Err(Problem::Amount) };
            }
            let problem = if other {
                Problem::OtherCurrency { expected: format.agreed_currency() }
            } else {
                Problem::AmountNeeds { key: "currency".into() }
            };
            if std::mem::replace(&mut self.currency, true) {
                return Err(if other { problem } else { Problem::Amount });
            }
            self.needs.get_or_insert(problem);
            return Ok(Some(inner));
        }
        if let Some(inner) = text.strip_suffix('%') {
            self.need(false, "units = [\"%\"]");
            return if std::mem::replace(&mut self.unit, true) { Err(Problem::Amount) } else { Ok(Some(inner)) };
        }
        Ok(None)
    }

    fn signed<'t>(&mut self, sign: Sign, inner: &'t str) -> Result<Option<&'t str>, Problem> {
        if self.sign.replace(sign).is_some() { Err(Problem::Amount) } else { Ok(Some(inner)) }
    }

    /// Notes an undeclared piece, with the key that would declare it.
    fn need(&mut self, declared: bool, key: &'static str) {
        if !declared && self.needs.is_none() {
            self.needs = Some(Problem::AmountNeeds { key: key.into() });
        }
    }

    /// What stands before the decimal mark, and the digits behind it; a dash is zero.
    fn parts<'t>(&mut self, text: &'t str, format: &NumberFormat) -> Result<(&'t str, &'t str), Problem> {
        if (text.is_empty() && self.dash) || (text == "\u{2014}" && self.sign.is_none()) {
            self.need(format.dash_is_zero, "dash_is_zero = true");
            return Ok(("0", ""));
        }
        match text.split_once(format.decimal_mark) {
            Some((_, fraction)) if fraction.is_empty() || self.dash_cents => Err(Problem::Amount),
            Some((_, fraction)) if !fraction.bytes().all(|b| b.is_ascii_digit()) => Err(Problem::Amount),
            Some(parts) => Ok(parts),
            None => Ok((text, "")),
        }
    }

    /// The number itself, as the nearest double.
    fn measure(&mut self, text: &str, format: &NumberFormat) -> Result<f64, Problem> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some(("", _)) => return Err(Problem::Amount),
            Some(parts) => parts,
            None => (text, "0"),
        };
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if !(1..=4).contains(&unsigned.len()) || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Problem::Amount);
        }
        let exponent: i32 = exponent.parse().map_err(|_| Problem::Amount)?;
        let (whole, fraction) = self.parts(mantissa, format)?;
        let whole = whole_part(whole, format)?;
        let exact = format!("{whole}.{fraction}e{}", exponent - i32::from(format.scale));
        exact.parse().ok().filter(|number: &f64| number.is_finite()).ok_or(Problem::AmountSize)
    }

    /// The number itself, in the field's units.
    fn number(&mut self, text: &str, format: &NumberFormat, field: Field) -> Result<i128, Problem> {
        let (whole, fraction) = self.parts(text, format)?;
        let grouped = whole.len() > 3;
        let whole = whole_part(whole, format)?;
        // `48.0000` is exact; the mark of `1.500` may separate thousands.
        let surplus = fraction.len().saturating_sub(field.scale);
        let exact =
            fraction.len() - fraction.trim_end_matches('0').len() >= surplus && (grouped || fraction.len() != 3);
        let fraction = if surplus > 0 && exact { &fraction[..field.scale] } else { fraction };
        // A file that counts in cents has no decimals; `4800.0` is what some programs make of a whole number.
        let fraction = if format.scale == 0 { fraction } else { fraction.trim_end_matches('0') };
        let digits = append_digits(whole, fraction).ok_or(Problem::AmountSize)?;
        let (decimals, most) = (fraction.len() + usize::from(format.scale), field.scale);
        let places = u32::try_from(decimals.abs_diff(most)).unwrap_or(u32::MAX);
        if decimals <= most {
            return times_ten(digits, places).ok_or(Problem::AmountSize);
        }
        let unit = times_ten(1, places).filter(|unit| format.scale != 0 && digits % unit == 0);
        let most = most.saturating_sub(usize::from(format.scale));
        unit.map(|unit| digits / unit).ok_or(Problem::AmountDecimals { most })
    }
}

/// The digits before the decimal mark: separators between groups of three, all alike, the first group not beginning with zero:
/// the point of `0.500` separates decimals.
fn whole_part(text: &str, format: &NumberFormat) -> Result<i128, Problem> {
    let mut value: i128 = 0;
    let mut digits = 0_u32;
    let mut group: Option<(char, u32)> = None;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            value = value.checked_mul(10).and_then(|v| v.checked_add(i128::from(digit))).ok_or(Problem::AmountSize)?;
            digits = digits.saturating_add(1);
            if let Some((_, in_group)) = &mut group {
                *in_group += 1;
            }
        } else {
            let complete = match group {
                None => (1..=3).contains(&digits) && !text.starts_with('0'),
                Some((separator, in_group)) => separator == c && in_group == 3,
            };
            if !complete || !format.thousands.contains(&c) {
                return Err(Problem::Amount);
            }
            group = Some((c, 0));
        }
    }
    if digits == 0 || group.is_some_and(|(_, in_group)| in_group != 3) { Err(Problem::Amount) } else { Ok(value) }
}

fn append_digits(value: i128, digits: &str) -> Option<i128> {
    digits.bytes().try_fold(value, |value, b| value.checked_mul(10)?.checked_add(i128::from(b - b'0')))
}

fn times_ten(value: i128, places: u32) -> Option<i128> {
    if value == 0 { Some(0) } else { value.checked_mul(10_i128.checked_pow(places)?) }
}

/// The sign that a character is: `-`, U+2212 and the en dash, or `+`.
fn sign(c: char) -> Option<Sign> {
    match c {
        '-' | '\u{2212}' | '\u{2013}' => Some(Sign::Minus),
        '+' => Some(Sign::Plus),
        _ => None,
    }
}

fn leading_sign(text: &str) -> Option<(Sign, &str)> {
    let mut characters = text.chars();
    Some((sign(characters.next()?)?, characters.as_str()))
}

fn trailing_sign(text: &str) -> Option<(Sign, &str)> {
    let mut characters = text.chars();
    Some((sign(characters.next_back()?)?, characters.as_str()))
}

/// `CR` or `DR` behind the number, and what stands before it.
fn credit_suffix(text: &str) -> Option<(Sign, &str)> {
    let (inner, suffix) = text.split_at_checked(text.len().checked_sub(2)?)?;
    let sign = match suffix.to_ascii_uppercase().as_str() {
        "CR" => Sign::Minus,
        "DR" => Sign::Plus,
        _ => return None,
    };
    (!inner.ends_with(char::is_alphabetic)).then_some((sign, inner))
}

/// The text without the longest declared currency that it begins or ends with; a letter beside it makes another word of it.
fn declared_currency<'t>(text: &'t str, format: &NumberFormat) -> Option<&'t str> {
    let off = |name: &String| {
        let before = text.strip_suffix(name.as_str()).filter(|rest| !rest.ends_with(char::is_alphabetic));
        before.or_else(|| text.strip_prefix(name.as_str()).filter(|rest| !rest.starts_with(char::is_alphabetic)))
    };
    format.currency.iter().filter_map(off).min_by_key(|rest| rest.len())
}

/// A word that is a known currency, at either end, and the text without it.
fn other_currency(text: &str) -> Option<(&str, &str)> {
    let edge = |c: char| c.is_ascii_digit() || c.is_whitespace() || matches!(c, '(' | ')') || sign(c).is_some();
    let start = text.rfind(edge).map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
    let end = text.find(edge).unwrap_or(text.len());
    let known = |word: &str| (1..=8).contains(&word.len()) && !currency_codes(word).is_empty();
    let (suffix, prefix) = (&text[start..], &text[..end]);
    let behind = known(suffix).then(|| (suffix, &text[..start]));
    behind.or_else(|| known(prefix).then(|| (prefix, &text[end..])))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn french() -> NumberFormat {
        NumberFormat {
            thousands: vec![' ', '\u{a0}', '\u{202f}'],
            currency: vec!["€".into(), "EUR".into()],
            ..NumberFormat::plain(',')
        }
    }

    fn read(text: &str, format: &NumberFormat) -> Result<i128, Problem> {
        amount(text, format, 10, 2)
    }

    const DECIMALS: Problem = Problem::AmountDecimals { most: 2 };

    fn needs(key: &'static str) -> Problem {
        Problem::AmountNeeds { key: key.into() }
    }

    #[test]
    fn fifty_spellings_of_one_amount() {
        for (text, expected) in [
            ("48,00", Ok(4_800)),
            ("48", Ok(4_800)),
            ("48,5", Ok(4_850)),
            ("48,505", Err(DECIMALS)),
            ("0,1", Ok(10)),
            ("1260,50", Ok(126_050)),
            ("1 260,50", Ok(126_050)),
            ("1\u{a0}260,50", Ok(126_050)),
            ("1\u{202f}260,50", Ok(126_050)),
            ("1.260,50", Err(needs("thousands = [\".\"]"))),
            ("1.260.500", Err(needs("thousands = [\".\"]"))),
            ("48.50", Err(needs("decimal_mark = \".\""))),
            ("1 260.5", Err(needs("decimal_mark = \".\""))),
            ("0 500", Err(Problem::Amount)),
            ("-0 500,00", Err(Problem::Amount)),
            ("12 60,50", Err(Problem::Amount)),
            ("€48,00", Ok(4_800)),
            ("€ 48,00", Ok(4_800)),
            ("48,00€", Ok(4_800)),
            ("48,00\u{a0}€", Ok(4_800)),
            ("EUR 48,00", Ok(4_800)),
            ("48,00EUR", Ok(4_800)),
            ("€ 48,00 €", Err(Problem::Amount)),
            ("-48,00", Ok(-4_800)),
            ("- 48,00", Ok(-4_800)),
            ("\u{2212}48,00", Ok(-4_800)),
            ("\u{2013}48,00", Ok(-4_800)),
            ("(48,00)", Ok(-4_800)),
            ("( 48,00 )", Ok(-4_800)),
            ("48,00-", Err(needs("trailing_sign = true"))),
            ("48,00 -", Err(needs("trailing_sign = true"))),
            ("-€48,00", Ok(-4_800)),
            ("€-48,00", Ok(-4_800)),
            ("€ -48,00", Ok(-4_800)),
            ("(€48,00)", Ok(-4_800)),
            ("€(48,00)", Ok(-4_800)),
            ("(48,00 €)", Ok(-4_800)),
            ("(48,00) €", Ok(-4_800)),
            ("-48,00 €", Ok(-4_800)),
            ("48,00- €", Err(needs("trailing_sign = true"))),
            ("+48,00", Ok(4_800)),
            ("48,00 CR", Err(needs("credit_suffix = true"))),
            ("1,2E+3", Err(Problem::Amount)),
            ("5 %", Err(needs("units = [\"%\"]"))),
            ("48,00,00", Err(Problem::Amount)),
            (".50", Err(Problem::Amount)),
            (",50", Err(Problem::Amount)),
            ("48,", Err(Problem::Amount)),
            ("1’260,50", Err(needs("thousands = [\"’\"]"))),
            ("1\u{2009}260,50", Err(needs("thousands = [\"\\u2009\"]"))),
            ("1,260.50", Err(needs("decimal_mark = \".\"` et `thousands = [\",\"]"))),
            ("1'260.50", Err(needs("decimal_mark = \".\"` et `thousands = [\"'\"]"))),
            ("12,50 € TTC", Err(Problem::AmountWord("TTC".into()))),
            ("12,50HT", Err(Problem::AmountWord("HT".into()))),
            ("TTC 12,50", Err(Problem::AmountWord("TTC".into()))),
            ("CR 12,50", Err(Problem::Amount)),
            ("dr 12,50", Err(Problem::Amount)),
            ("48,00 EURx", Err(Problem::AmountWord("EURx".into()))),
            ("12,50 TTC TTC", Err(Problem::Amount)),
            ("12,50 k€", Err(Problem::Amount)),
            ("douze", Err(Problem::Amount)),
            (" 48,00 ", Ok(4_800)),
            ("99999999,99", Ok(9_999_999_999)),
            ("100000000,00", Err(Problem::AmountSize)),
            ("-0,00", Ok(0)),
            ("", Err(Problem::Amount)),
            ("\"48,00\"", Err(Problem::Amount)),
        ] {
            assert_eq!(read(text, &french()), expected, "{text}");
        }
    }

    #[test]
    fn amounts_that_could_be_read_in_two_ways_or_in_none() {
        for text in [
            "abc",
            "12,34,56",
            "#REF!",
            "--",
            "O,OO",
            "?",
            "1234 567,00",
            "1 23",
            " ",
            "(12,00",
            "1\u{a0}234 567,00",
            "1e3",
            "0x1F",
            "€",
            "12 € €",
            "-(48,00)",
            "(-48,00)",
            "((48,00))",
            "--48,00",
            "+-48,00",
            "-48,00-",
            "(48,00)-",
            "- (48,00) CR",
            "()",
            "(-)",
            "€ EUR 48,00",
            "١٢,٠٠",
        ] {
            assert_eq!(read(text, &french()), Err(Problem::Amount), "{text}");
        }
        for text in ["99999999999999999999999999999999999999999999", "-100000000", "(100 000 000,00 €)"] {
            assert_eq!(read(text, &french()), Err(Problem::AmountSize), "{text}");
        }
        for text in ["=\"22,00\"", "'22,00"] {
            assert_eq!(read(text, &french()), Err(Problem::SpreadsheetText), "{text}");
        }
    }

    #[test]
    fn what_is_declared_is_read_and_what_is_not_is_named() {
        let declared = NumberFormat {
            trailing_sign: true,
            credit_suffix: true,
            dash_is_zero: true,
            dash_cents: true,
            thousands: vec!['.'],
            units: vec!["%".into(), "°F".into()],
            ..french()
        };
        let undeclared = NumberFormat { thousands: vec!['.'], ..french() };
        for (text, units, key) in [
            ("1.234,56-", -123_456, "trailing_sign = true"),
            ("0,00-", 0, "trailing_sign = true"),
            ("22,00+", 2_200, "trailing_sign = true"),
            ("22,00 \u{2013} €", -2_200, "trailing_sign = true"),
            ("48,00 CR", -4_800, "credit_suffix = true"),
            ("48,00cr €", -4_800, "credit_suffix = true"),
            ("48,00 € DR", 4_800, "credit_suffix = true"),
            ("-", 0, "dash_is_zero = true"),
            ("€ -", 0, "dash_is_zero = true"),
            ("-\u{a0}\u{a0}€", 0, "dash_is_zero = true"),
            ("\u{2014}", 0, "dash_is_zero = true"),
            ("100,-", 10_000, "dash_cents = true"),
            ("-1.000,\u{2013} €", -100_000, "dash_cents = true"),
            ("5 %", 500, "units = [\"%\"]"),
        ] {
            assert_eq!(read(text, &declared), Ok(units), "{text}");
            assert_eq!(read(text, &undeclared), Err(needs(key)), "{text}");
        }
        assert_eq!(read("98,6 °F", &declared), Ok(9_860));
        let dashes = NumberFormat { dash_cents: true, ..french() };
        assert_eq!((read("€ 100,--", &dashes), read("100,---", &dashes)), (Ok(10_000), Err(Problem::Amount)));
        for text in ["-48,00 CR", "48,00- CR", "1,5,-", ",-", "100,--", "5 % %", "+", "CR", "%", "(-)", "--"] {
            assert_eq!(read(text, &declared), Err(Problem::Amount), "{text}");
        }
    }

    #[test]
    fn currencies() {
        let other = Err(Problem::OtherCurrency { expected: vec!["€".to_owned(), "EUR".to_owned()] });
        for text in ["48,00 USD", "$48,00", "-US$ 48,00", "(48,00 CHF)", "48,00 Fr.", "€ 48,00 USD"] {
            assert_eq!(read(text, &french()), other, "{text}");
        }
        assert_eq!(read("48,00 €", &NumberFormat::plain(',')), Err(needs("currency")));
        let dollars =
            NumberFormat { currency: vec!["$".into(), "USD".into()], thousands: vec![','], ..NumberFormat::plain('.') };
        for (text, cents) in [
            ("$48.00", 4_800),
            ("$1,260.50", 126_050),
            ("USD 75.00", 7_500),
            ("($310.20)", -31_020),
            ("$(22.00)", -2_200),
            ("-$12.00", -1_200),
        ] {
            assert_eq!(read(text, &dollars), Ok(cents), "{text}");
        }
        assert_eq!(read("$ -", &dollars), Err(needs("dash_is_zero = true")));
        assert_eq!(read("US$48.00", &dollars), Err(needs("currency")));
        assert_eq!(
            read("C$48.00", &dollars),
            Err(Problem::OtherCurrency { expected: vec!["$".to_owned(), "USD".to_owned()] })
        );
        let both = NumberFormat { currency: vec!["$".into(), "US$".into()], ..dollars };
        assert_eq!(read("48.00 US$", &both), Ok(4_800));
    }

    #[test]
    fn swiss_amounts() {
        let swiss = NumberFormat {
            thousands: vec!['\'', '’', ','],
            currency: vec!["CHF".into()],
            dash_cents: true,
            ..NumberFormat::plain('.')
        };
        for (text, expected) in [
            ("1'260.50", Ok(126_050)),
            ("1’075.00", Ok(107_500)),
            ("CHF 310.20", Ok(31_020)),
            ("22.00 CHF", Ok(2_200)),
            ("100.-", Ok(10_000)),
            ("CHF 1'100.\u{2013}", Ok(110_000)),
            ("1'2345.00", Err(Problem::Amount)),
            ("1,23,456.00", Err(Problem::Amount)),
            ("1 260.50", Err(needs("thousands = [\" \"]"))),
        ] {
            assert_eq!(read(text, &swiss), expected, "{text}");
        }
    }

    #[test]
    fn zeros_behind_the_last_decimal_are_exact_unless_the_mark_may_separate_thousands() {
        for (text, expected) in [
            ("48,0000", Ok(4_800)),
            ("14171,550", Ok(1_417_155)),
            ("1 234,500", Ok(123_450)),
            ("0,50000", Ok(50)),
            ("1,500", Err(DECIMALS)),
            ("123,000", Err(DECIMALS)),
            ("48,0001", Err(DECIMALS)),
            ("14171,555", Err(DECIMALS)),
        ] {
            assert_eq!(read(text, &french()), expected, "{text}");
        }
    }

    #[test]
    fn cents_in_the_file() {
        let cents = NumberFormat { scale: 2, ..french() };
        for (text, expected) in [
            ("4800", Ok(4_800)),
            ("-5", Ok(-5)),
            ("4 800 €", Ok(4_800)),
            ("4800,0", Ok(4_800)),
            ("4800,5", Err(Problem::AmountDecimals { most: 0 })),
            ("99999999999", Err(Problem::AmountSize)),
        ] {
            assert_eq!(read(text, &cents), expected, "{text}");
        }
        let mills = NumberFormat { scale: 3, ..french() };
        assert_eq!(
            (read("48000", &mills), read("48005", &mills)),
            (Ok(4_800), Err(Problem::AmountDecimals { most: 0 }))
        );
        let workbook = |value, scale| number(value, 10, 2, &NumberFormat { scale, ..french() });
        assert_eq!(workbook(4_800.0, 2), Ok(4_800));
        assert_eq!(workbook(4_800.5, 2), Err(DECIMALS));
        assert_eq!((workbook(48_000.0, 3), workbook(48_005.0, 3)), (Ok(4_800), Err(DECIMALS)));
    }

    #[test]
    fn a_number_format_shows_the_datasets_currency_unless_another_is_declared() {
        let of = |dataset: Option<&str>, declared: &[&str]| NumberFormat {
            dataset_currency: dataset.map(str::to_owned),
            currency: declared.iter().map(|&word| word.to_owned()).collect(),
            ..NumberFormat::plain(',')
        };
        let other = |expected: &str| Err(Problem::OtherCurrency { expected: vec![expected.to_owned()] });
        for (text, dataset, declared, expected) in [
            ("1 €", Some("EUR"), &[][..], Ok(())),
            ("1 EUR", Some("EUR"), &[], Ok(())),
            ("$1", Some("EUR"), &[], other("EUR")),
            ("1 CHF", Some("EUR"), &[], other("EUR")),
            ("1 CHF", None, &[], Ok(())),
            ("1 CHF", Some("EUR"), &["CHF"], Ok(())),
            ("1 €", Some("EUR"), &["CHF"], other("CHF")),
        ] {
            assert_eq!(around(text, 48.0, &of(dataset, declared)), expected, "{text} {dataset:?} {declared:?}");
        }
    }

    #[test]
    fn numbers_of_workbooks_become_their_shortest_decimal_of_fifteen_digits() {
        let exact = |value| number(value, 10, 2, &french());
        for (value, cents) in [
            (1234.5, 123_450),
            (0.1, 10),
            (-12.0, -1_200),
            (99_999_999.99, 9_999_999_999),
            (0.0, 0),
            (-0.0, 0),
            (0.1 + 0.2, 30),
            (57.699_999_999_999_996, 5_770),
            (-57.699_999_999_999_996, -5_770),
        ] {
            assert_eq!(exact(value), Ok(cents), "{value}");
        }
        for value in [1234.565, 3_333_333.333_333_333, 5e-324, 1.0 / 3.0] {
            assert_eq!(exact(value), Err(DECIMALS), "{value}");
        }
        let rounded = |value| number(value, 10, 2, &NumberFormat { round_cells: true, ..french() });
        for (value, cents) in
            [(1.005, 101), (-1.005, -101), (2.674_999, 267), (7.0, 700), (1234.565, 123_457), (5e-324, 0), (0.005, 1)]
        {
            assert_eq!(rounded(value), Ok(cents), "{value}");
        }
        for value in [1e8, 1e300, 99_999_999.999, f64::MAX] {
            assert_eq!(rounded(value), Err(Problem::AmountSize), "{value}");
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(exact(value), Err(Problem::Amount), "{value}");
        }
        // Fifteen digits do not reach these fields' last place: what lies beyond is no noise.
        for value in [123_456_789_012_345.67, 1_234_567_890_123_456.0] {
            assert_eq!(number(value, 18, 2, &french()), Err(Problem::TooManyDigits), "{value}");
        }
        assert_eq!(number(123_456_789_012_345.0, 18, 2, &french()), Ok(12_345_678_901_234_500));
    }

    /// A spelling of an amount in a format that declares everything.
    fn spelling() -> impl Strategy<Value = (i128, String)> {
        let separators = prop::sample::select(vec!["", " ", "\u{a0}", "\u{202f}"]);
        let currency = prop::sample::select(vec!["", "€", "EUR"]);
        let gap = prop::sample::select(vec!["", " ", "\u{a0}"]);
        (0_i128..10_000_000_000, any::<bool>(), 0..9_u8, separators, currency, gap).prop_map(
            |(units, before, style, separator, currency, gap)| {
                let mut whole = String::new();
                let digits = (units / 100).to_string();
                for (at, digit) in digits.chars().enumerate() {
                    if at > 0 && (digits.len() - at).is_multiple_of(3) {
                        whole.push_str(separator);
                    }
                    whole.push(digit);
                }
                let number = match units % 100 {
                    0 if style == 8 => format!("{whole},-"),
                    cents => format!("{whole},{cents:02}"),
                };
                let dress = |number: &str| match (currency, before) {
                    ("", _) => number.to_owned(),
                    (currency, true) => format!("{currency}{gap}{number}"),
                    (currency, false) => format!("{number}{gap}{currency}"),
                };
                match style {
                    0 => (-units, format!("-{gap}{}", dress(&number))),
                    1 => (-units, format!("({gap}{}{gap})", dress(&number))),
                    2 => (-units, dress(&format!("\u{2212}{number}"))),
                    3 => (-units, dress(&format!("({number})"))),
                    4 => (-units, format!("{}{gap}-", dress(&number))),
                    5 => (-units, format!("{} CR", dress(&number))),
                    6 => (units, format!("{} DR", dress(&number))),
                    _ => (units, dress(&number)),
                }
            },
        )
    }

    #[test]
    fn measurements_have_any_number_of_decimals_and_an_exponent() {
        let point = NumberFormat::plain('.');
        let comma = NumberFormat { thousands: vec![' '], units: vec!["kg".into()], ..NumberFormat::plain(',') };
        for (text, format, number) in [
            ("0", &point, 0.0_f64),
            ("-0", &point, 0.0),
            ("-0.0e0", &point, 0.0),
            ("1.500", &point, 1.5),
            ("0.1", &point, 0.1),
            ("0.30000000000000004", &point, 0.1 + 0.2),
            ("9007199254740993", &point, 9_007_199_254_740_992.0),
            ("0.1000000000000000055511151231257827021181583404541015625", &point, 0.1),
            ("1e-05", &point, 0.00001),
            ("6.02214076E+23", &point, 6.022_140_76e23),
            ("1,5E-7 kg", &comma, 1.5e-7),
            ("-1 234,5678 kg", &comma, -1_234.567_8),
            ("(2,5)", &comma, -2.5),
        ] {
            let read = measure(text, format).unwrap();
            assert_eq!(read.to_bits(), number.to_bits(), "{text}: {read}");
        }
        for text in [
            "NaN",
            "inf",
            "-Infinity",
            "1e",
            "e5",
            "-e5",
            "1e5.5",
            "1e+",
            "0x10",
            "1_000",
            "1.",
            ".5",
            "1e12345",
            "1e 5",
        ] {
            assert!(measure(text, &point).is_err(), "{text}");
        }
        assert_eq!(measure("NaN", &point), Err(Problem::Amount));
        assert_eq!(measure("1e400", &point), Err(Problem::AmountSize));
        assert_eq!(measure("1e-400", &point), Ok(0.0));
        assert_eq!(measure("1,5", &point), Err(needs("decimal_mark = \",\"")));
        assert_eq!(measure("1 500.25", &point), Err(needs("thousands = [\" \"]")));
        // A file that counts thousandths.
        assert_eq!(measure("1500", &NumberFormat { scale: 3, ..NumberFormat::plain('.') }), Ok(1.5));
    }

    proptest! {
        #[test]
        fn any_finite_double_reads_back(number in any::<f64>().prop_filter("finite", |number| number.is_finite())) {
            for (format, mark) in [(NumberFormat::plain('.'), "."), (NumberFormat::plain(','), ",")] {
                // In its shortest form, and to more digits than a double has.
                for text in [format!("{number:?}"), format!("{number:e}"), format!("{number:.20e}")] {
                    prop_assert_eq!(measure(&text.replace('.', mark), &format), Ok(number), "{}", &text);
                }
            }
        }

        #[test]
        fn a_decimal_of_any_length_is_the_nearest_double(whole in 0..u64::MAX, fraction in "[0-9]{1,30}") {
            let text = format!("{whole}.{fraction}");
            prop_assert_eq!(measure(&text, &NumberFormat::plain('.')), Ok(text.parse::<f64>().unwrap()));
        }

        #[test]
        fn an_amount_in_any_declared_style_reads_back((units, text) in spelling()) {
            let format = NumberFormat {
                trailing_sign: true, credit_suffix: true, dash_is_zero: true, dash_cents: true, ..french()
            };
            prop_assert_eq!(read(&text, &format), Ok(units), "{}", text);
        }

        #[test]
        fn a_workbook_holds_what_was_typed(cents in -9_999_999_999_i64..=9_999_999_999) {
            prop_assert_eq!(number(cents as f64 / 100.0, 10, 2, &french()), Ok(i128::from(cents)));
        }

        #[test]
        fn no_text_and_no_number_panics(
            text in "[-+()−–—0-9,. '’€$%A-Zéa-c\u{a0}]{0,12}|.{0,40}", value in any::<f64>(), scale in 0..=9_u8,
        ) {
            let format = NumberFormat {
                trailing_sign: true, credit_suffix: true, dash_is_zero: true, dash_cents: true, scale,
                units: vec!["%".into(), "a2".into()], ..french()
            };
            for format in [&format, &french()] {
                let _ = (amount(&text, format, 38, 9), amount(&text, format, 1, 0), number(value, 38, 9, format));
                let _ = crate::integer::integer(&text, 0, 9, format);
            }
        }
    }
}
