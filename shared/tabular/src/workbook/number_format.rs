//! What a number format makes of a number: a date, a text with leading zeros, an amount of a currency, a percentage, or
//! another appearance.

use crate::appearance;
use crate::cell::Appearance;

/// A longer format code than Excel allows is not looked at.
const LONGEST: usize = 255;

/// How a number format shows a number.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NumberFormat {
    /// As it is.
    Plain,
    /// As a date, a time of day, or both.
    Date,
    /// As a span of time.
    Span,
    /// As a text of a fixed number of digits; what else there is to know of numbers that are not shown so.
    Zeros(Zeros, Option<Looks>),
    /// With a currency, as a percentage, or in thousands, at least some numbers.
    Looks(Looks),
    /// In any other way: rounded, with thousands separators, …
    Other,
}

impl NumberFormat {
    /// A format that the standard numbers.
    pub(super) fn built_in(id: u32) -> Self {
        match id {
            // 49 is `@`, under which a number is shown as it is.
            0 | 49 => Self::Plain,
            1 => Self::of_code("0"),
            9 | 10 => Self::of_code("0%"),
            // 5 to 8, 42 and 44 show the currency of whoever opens the workbook: it says nothing of the amount.
            14..=22 | 27..=36 | 45 | 47 | 50..=58 => Self::Date,
            46 => Self::Span,
            _ => Self::Other,
        }
    }

    /// A format by its code.
    pub(super) fn of_code(code: &str) -> Self {
        if code.len() > LONGEST && code.chars().count() > LONGEST {
            return Self::Other;
        }
        if code.eq_ignore_ascii_case("General") || code == "@" || code.is_empty() {
            return Self::Plain;
        }
        let sections = number_sections(code);
        if let Some(zeros) = Zeros::of(&sections) {
            return Self::Zeros(zeros, Looks::of(&sections));
        }
        match time(code) {
            Self::Other => Looks::of(&sections).map_or(Self::Other, Self::Looks),
            time => time,
        }
    }
}

/// The parts of a code for numbers: one for all, or for positive numbers, negative ones and zeros, or by conditions. What
/// shows texts is left out.
fn number_sections(code: &str) -> Vec<&str> {
    let (mut sections, mut start) = (Vec::new(), 0);
    let mut characters = code.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            ';' => {
                sections.push(&code[start..at]);
                start = at + 1;
            }
            '"' => drop(characters.by_ref().find(|(_, c)| *c == '"')),
            '[' => drop(characters.by_ref().find(|(_, c)| *c == ']')),
            '\\' | '_' | '*' => drop(characters.next()),
            _ => {}
        }
    }
    sections.push(&code[start..]);
    sections.truncate(3);
    // `dd/mm/yyyy;@`: the last one may be for texts.
    if sections.len() > 1 && sections.last().is_some_and(|last| last.trim().ends_with('@')) {
        sections.pop();
    }
    sections
}

/// A condition on the numbers that a section shows: `[<100]`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Condition {
    sign: &'static str,
    bound: f64,
}

impl Condition {
    /// The condition that stands in brackets.
    fn parse(inner: &str) -> Option<Self> {
        let sign = ["<=", ">=", "<>", "<", ">", "="].into_iter().find(|sign| inner.starts_with(sign))?;
        inner[sign.len()..].trim().parse().ok().map(|bound| Self { sign, bound })
    }

    fn holds(self, number: f64) -> bool {
        match self.sign {
            "<=" => number <= self.bound,
            ">=" => number >= self.bound,
            "<>" => number != self.bound,
            "<" => number < self.bound,
            ">" => number > self.bound,
            _ => number == self.bound,
        }
    }
}

/// What a section shows that an amount depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The number.
    Number,
    /// The number with a known currency, by the word or symbol that is shown.
    Currency(String),
    /// The number times a hundred, with `%`.
    Percent,
    /// Another number: in thousands, in millions.
    Scaled,
}

/// What the sections of a code show.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Looks(Vec<(Option<Condition>, Look)>);

impl Looks {
    /// `None` if each shows the number itself.
    fn of(sections: &[&str]) -> Option<Self> {
        let mut looks: Vec<_> = sections.iter().map(|section| look(section)).collect();
        if let [(_, first), others @ ..] = looks.as_slice()
            && others.iter().all(|(_, look)| look == first)
        {
            looks = vec![(None, first.clone())];
        }
        looks.iter().any(|(_, look)| *look != Look::Number).then_some(Self(looks))
    }

    /// What is shown of a number.
    pub(super) fn look(&self, number: f64) -> &Look {
        let sections = self.0.len();
        let holds = |(at, (condition, _)): &(usize, &(Option<Condition>, Look))| match condition {
            Some(condition) => condition.holds(number),
            None if at + 1 == sections => true,
            None if *at == 0 => number > 0.0 || sections == 2 && number == 0.0,
            None => number < 0.0,
        };
        let shown = self.0.iter().enumerate().find(holds).map(|(_, section)| section);
        shown.or(self.0.last()).map_or(&Look::Number, |(_, look)| look)
    }
}

/// What a section shows, and of which numbers.
fn look(section: &str) -> (Option<Condition>, Look) {
    let mut condition = None;
    // What is shown as it is; a space for all else.
    let mut fixed = String::new();
    let (mut digits, mut comma, mut scaled, mut percents) = (false, false, false, 0);
    let mut characters = section.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => {
                let rest = characters.as_str();
                let (quoted, rest) = rest.split_once('"').unwrap_or((rest, ""));
                fixed.push_str(quoted);
                characters = rest.chars();
            }
            '\\' => fixed.extend(characters.next()),
            '_' | '*' => {
                characters.next();
                fixed.push(' ');
            }
            '[' => {
                let (inner, rest) = characters.as_str().split_once(']').unwrap_or_default();
                characters = rest.chars();
                // `[$€-40C]`: what is shown, and a locale.
                if let Some(inner) = inner.strip_prefix('$') {
                    let word = inner.split_once('-').map_or(inner, |(word, _)| word);
                    fixed.extend([" ", word, " "]);
                }
                condition = condition.or(Condition::parse(inner));
            }
            '0' | '#' | '?' => {
                (digits, comma) = (true, false);
                fixed.push(' ');
            }
            // Between digits it separates them; behind the last one it takes three of them off.
            ',' => comma |= digits,
            '.' => {
                scaled |= std::mem::take(&mut comma);
                fixed.push(' ');
            }
            '%' => {
                percents += 1;
                fixed.push(' ');
            }
            c => fixed.push(c),
        }
    }
    let look = match appearance::around(&fixed) {
        _ if scaled || comma || percents > 1 => Look::Scaled,
        _ if percents == 1 => Look::Percent,
        Appearance::Scaled => Look::Scaled,
        Appearance::Currency(word) => Look::Currency(word.to_owned()),
        Appearance::Percent | Appearance::Other => Look::Number,
    };
    (condition, look)
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
pub(super) struct Zeros {
    pieces: Vec<Piece>,
    /// Whether a negative number is shown like a positive one, with a sign before it.
    signed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Digit,
    Fixed(char),
}

impl Zeros {
    /// The format of sections that are all alike, but for the sign of negative numbers.
    fn of(sections: &[&str]) -> Option<Self> {
        let parts: Vec<_> = sections.iter().map(|section| Self::unadorned(section)).collect::<Option<_>>()?;
        let (first, others) = parts.split_first()?;
        // A number that no condition fits is shown in another way.
        if parts.last()?.1 {
            return None;
        }
        let pieces = Self::parse(first.0)?;
        let mut signed = true;
        for (at, (section, _)) in others.iter().enumerate() {
            let other = Self::parse(section)?;
            let minus = other.strip_prefix(&[Piece::Fixed('-')]).is_some_and(|rest| rest == pieces);
            if at == 0 {
                signed = minus && !first.1;
            }
            if other != pieces && !(minus && signed && at == 0) {
                return None;
            }
        }
        Some(Self { pieces, signed })
    }

    /// A section without the brackets before it that change no digit (a colour, a locale, a condition), and whether one is a
    /// condition.
    fn unadorned(section: &str) -> Option<(&str, bool)> {
        let (mut rest, mut conditional) = (section, false);
        while let Some((inner, behind)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            match inner.strip_prefix("$-") {
                // Above these bits, 0 and 1 stand for our digits, others for other scripts.
                Some(locale) if u32::from_str_radix(locale, 16).is_ok_and(|locale| locale < 2 << 24) => {}
                None if Condition::parse(inner).is_some() => conditional = true,
                None if is_colour(inner) => {}
                _ => return None,
            }
            rest = behind;
        }
        Some((rest, conditional))
    }

    fn parse(code: &str) -> Option<Vec<Piece>> {
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
        pieces.contains(&Piece::Digit).then_some(pieces)
    }

    /// The text that a sheet shows for a number; `None` for one that is not whole, or not exact to its last digit.
    ///
    /// Digits fill the zeros from the right; those that are left over stand before the first one.
    pub(super) fn show(&self, number: f64) -> Option<String> {
        if number.fract() != 0.0 || number.abs() >= 1e15 || number < 0.0 && !self.signed {
            return None;
        }
        let digits = number.abs().to_string();
        let places = self.pieces.iter().filter(|piece| **piece == Piece::Digit).count();
        let padded = format!("{digits:0>places$}");
        let (surplus, mut rest) = padded.split_at(padded.len() - places);
        let mut shown = String::from(if number < 0.0 { "-" } else { "" });
        let mut surplus = Some(surplus);
        for piece in &self.pieces {
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

/// Whether brackets hold a colour, such as `Red` or `Color12`.
fn is_colour(inner: &str) -> bool {
    const NAMES: [&str; 8] = ["black", "blue", "cyan", "green", "magenta", "red", "white", "yellow"];
    let name = inner.to_ascii_lowercase();
    let number = |rest: &str| !rest.trim().is_empty() && rest.trim().bytes().all(|b| b.is_ascii_digit());
    NAMES.contains(&name.as_str()) || name.strip_prefix("color").is_some_and(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_show_a_number_as_a_text() {
        let show = |code: &str, number| match NumberFormat::of_code(code) {
            NumberFormat::Zeros(zeros, _) => zeros.show(number),
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
            ("0000;-0000", 10.0, Some("0010")),
            ("0000;-0000", -10.0, Some("-0010")),
            ("0000;\\-0000;0000;@", 0.0, Some("0000")),
            ("0000;@", -10.0, Some("-0010")),
            // Without a sign, which a text may not lose.
            ("0000;0000", 10.0, Some("0010")),
            ("0000;0000", -10.0, None),
            ("[$-40C]0000", 10.0, Some("0010")),
            ("[$-40C]0000;[Red]-0000", -10.0, Some("-0010")),
            ("[Color 3][$-10C0000]\"F-\"0000", 10.0, Some("F-0010")),
            ("[<100]0000;0000", 10.0, Some("0010")),
            ("[<100]0000;0000", 1000.0, Some("1000")),
            ("[<100]0000;0000", -10.0, None),
        ] {
            assert_eq!(show(code, number).as_deref(), shown, "{number} under {code}");
        }
    }

    #[test]
    fn currencies_percentages_and_thousands_are_seen() {
        let show = |code: &str, number| match NumberFormat::of_code(code) {
            NumberFormat::Looks(looks) => match looks.look(number) {
                Look::Number => "number".to_owned(),
                Look::Currency(word) => word.clone(),
                Look::Percent => "percent".to_owned(),
                Look::Scaled => "scaled".to_owned(),
            },
            NumberFormat::Other => "number".to_owned(),
            other => format!("{other:?}"),
        };
        let accounts = "_-* #,##0.00\\ \"€\"_-;\\-* #,##0.00\\ \"€\"_-;_-* \"-\"??\\ \"€\"_-;_-@_-";
        for (code, number, shown) in [
            ("$#,##0.00", 1.0, "$"),
            ("#,##0.00 \"CHF\"", 1.0, "CHF"),
            ("[$£-809]#,##0", 1.0, "£"),
            ("[$DH] #,##0", 1.0, "DH"),
            ("[$MAD]\\ #,##0", 1.0, "MAD"),
            ("[$$-409]#,##0.00", 1.0, "$"),
            ("[$R$-416] #,##0.00", 1.0, "R$"),
            ("[$kr.-406]#,##0", 1.0, "kr"),
            ("#,##0.00\\ [$€-40C];[Red]\\-#,##0.00\\ [$€-40C]", -1.0, "€"),
            ("#,##0.00\u{a0}€", 1.0, "€"),
            ("\\€0.0", 1.0, "€"),
            ("-€#", 1.0, "€"),
            ("\"$ CAD\" 0.0", 1.0, "CAD"),
            ("#\" €/mois\"", 1.0, "€"),
            (accounts, 1.0, "€"),
            (accounts, -1.0, "€"),
            (accounts, 0.0, "€"),
            ("0.00\" points\"", 1.0, "number"),
            ("0.00 [$-40C]", 1.0, "number"),
            ("[$-fr-FR]#,##0.00", 1.0, "number"),
            ("[$€-fr-FR] #,##0.00", 1.0, "€"),
            ("\"KR\"#", 1.0, "KR"),
            ("0%", 0.2, "percent"),
            ("0.00 %;-0.00 %", -0.2, "percent"),
            ("0%;-0%;\"-\"", 0.0, "number"),
            ("0%;-0%;\"-\"", -0.1, "percent"),
            ("[<=1]0%;0", 0.2, "percent"),
            ("[<=1]0%;0", 20.0, "number"),
            ("[>1]0;0%", 0.2, "percent"),
            ("0;0%", 0.0, "number"),
            ("0.00\"%\"", 20.0, "number"),
            ("#\\%", 20.0, "number"),
            ("0%%", 0.2, "scaled"),
            ("#,##0,", 1.0, "scaled"),
            ("#,##0.0,,", 1.0, "scaled"),
            ("#,##0,.0", 1.0, "scaled"),
            ("#,##0,\" k€\"", 1.0, "scaled"),
            ("#,##0\" k€\"", 1.0, "scaled"),
            ("#,##0\" kEUR\"", 1.0, "scaled"),
            ("[>=1000]#,##0,;0", 1000.0, "scaled"),
            ("[>=1000]#,##0,;0", 999.0, "number"),
            ("#,##0", 1.0, "number"),
            ("# ##0,00", 1.0, "number"),
            ("#,##0.00_);(#,##0.00)", -1.0, "number"),
            ("0,\"", 1.0, "scaled"),
            ("[<=1", 1.0, "number"),
            ("0.00E+00", 1.0, "number"),
        ] {
            assert_eq!(show(code, number), shown, "{number} under {code}");
        }
        assert_eq!(NumberFormat::built_in(10), NumberFormat::of_code("0%"));
        assert_eq!(NumberFormat::built_in(44), NumberFormat::Other);
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
            ("0.00\"%\"", NumberFormat::Other),
            ("#,##0.00_d", NumberFormat::Other),
            ("[Red]0.00", NumberFormat::Other),
            ("0.00;dd", NumberFormat::Other),
            ("0.00", NumberFormat::Other),
            ("0,0", NumberFormat::Other),
            ("0E+0", NumberFormat::Other),
            ("0000;(0000)", NumberFormat::Other),
            ("0000;000", NumberFormat::Other),
            ("0000;;0000", NumberFormat::Other),
            ("[<100]0000", NumberFormat::Other),
            ("[<100]0000;[<200]0000", NumberFormat::Other),
            ("[$-D07041E]0000", NumberFormat::Other),
            ("[DBNum1]0000", NumberFormat::Other),
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
