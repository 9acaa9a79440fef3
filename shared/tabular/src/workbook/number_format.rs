//! What a number format makes of a number: a date, a text with leading zeros, an amount of a currency, a percentage, or
//! another appearance.

use crate::appearance::{Around, DIGIT, around};

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
    let mut shows_texts = false;
    let mut characters = code.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            ';' => {
                sections.push(&code[start..at]);
                (start, shows_texts) = (at + 1, false);
            }
            '"' => drop(characters.by_ref().find(|(_, c)| *c == '"')),
            '[' => drop(characters.by_ref().find(|(_, c)| *c == ']')),
            '\\' | '_' | '*' => drop(characters.next()),
            '@' => shows_texts = true,
            _ => {}
        }
    }
    // `dd/mm/yyyy;@`: the last one may be for texts.
    if !shows_texts || sections.is_empty() {
        sections.push(&code[start..]);
    }
    sections.truncate(3);
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

/// What is shown of a number that an amount depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The number, rounded or with separators, and its sign.
    Number,
    /// The number with something around it: how 1 or -1 would be shown.
    Around(String),
    /// The number times a hundred with `%`, and perhaps more around it: how 1 or -1 would be shown.
    Percent(String),
    /// Another number: in thousands, in millions, with digits or a decimal mark of the format's own.
    Scaled,
    /// No number.
    Hidden,
}

/// What the sections of a code show.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Looks(Vec<Section>);

/// What one section shows, and of which numbers.
#[derive(Clone, Debug, PartialEq)]
struct Section {
    condition: Option<Condition>,
    positive: Look,
    negative: Look,
    zero: Look,
}

impl Looks {
    /// `None` if they show each number itself.
    fn of(sections: &[&str]) -> Option<Self> {
        let parts: Vec<Part> = sections.iter().map(|section| Part::parse(section)).collect();
        let conditional = parts.iter().any(|part| part.condition.is_some());
        // A section for negative numbers only is given them without their sign.
        let at_zero = |condition: Option<Condition>, signs: [&str; 2]| {
            condition.is_some_and(|condition| condition.bound == 0.0 && signs.contains(&condition.sign))
        };
        let unsigned = |at: usize| match parts.get(at).and_then(|part| part.condition) {
            None if at == 1 && (!conditional || parts.len() == 3) => true,
            None => at == 1 && at_zero(parts.first().and_then(|part| part.condition), [">", ">="]),
            condition => at_zero(condition, ["<", "<="]),
        };
        // Red is no sign beside positive numbers in red.
        let shows_positive = |at: usize| if conditional { !unsigned(at) } else { at == 0 };
        let red_is_sign = !parts.iter().enumerate().any(|(at, part)| part.red && shows_positive(at));
        let section = |(at, part): (usize, &Part)| part.section(unsigned(at), red_is_sign);
        let looks = Self(parts.iter().enumerate().map(section).collect());
        let plain = |section: &Section| {
            [&section.positive, &section.negative, &section.zero].iter().all(|look| **look == Look::Number)
        };
        let all_plain = match conditional {
            true => looks.0.iter().all(plain),
            false => [1.0, -1.0, 0.0].iter().all(|number| *looks.look(*number) == Look::Number),
        };
        (!all_plain).then_some(looks)
    }

    /// What is shown of a number.
    pub(super) fn look(&self, number: f64) -> &Look {
        let sections = self.0.len();
        let holds = |(at, section): &(usize, &Section)| match section.condition {
            Some(condition) => condition.holds(number),
            None if at + 1 == sections => true,
            None if *at == 0 => number > 0.0 || sections == 2 && number == 0.0,
            None => number < 0.0,
        };
        let shown = self.0.iter().enumerate().find(holds).map(|(_, section)| section);
        shown.or(self.0.last()).map_or(&Look::Number, |section| match number {
            _ if number > 0.0 => &section.positive,
            _ if number < 0.0 => &section.negative,
            _ => &section.zero,
        })
    }
}

const DASHES: [char; 4] = ['-', '\u{2212}', '\u{2013}', '\u{2014}'];

/// A section, taken apart.
struct Part {
    condition: Option<Condition>,
    /// What is shown as it is, a [`DIGIT`] for each digit before the decimal mark, a space for all else.
    pattern: String,
    scaled: bool,
    percent: bool,
    /// It is shown in red, as spreadsheets show negative numbers.
    red: bool,
}

impl Part {
    fn parse(section: &str) -> Self {
        let (mut condition, mut pattern, mut red) = (None, String::new(), false);
        let (mut digits, mut decimals, mut comma, mut scaled, mut percents) = (false, false, false, false, 0);
        let mut characters = section.chars();
        while let Some(c) = characters.next() {
            match c {
                '"' => {
                    let rest = characters.as_str();
                    let (quoted, rest) = rest.split_once('"').unwrap_or((rest, ""));
                    pattern.push_str(quoted);
                    characters = rest.chars();
                }
                '\\' => pattern.extend(characters.next()),
                '_' | '*' => {
                    characters.next();
                    pattern.push(' ');
                }
                '[' => {
                    let (inner, rest) = characters.as_str().split_once(']').unwrap_or_default();
                    characters = rest.chars();
                    // `[$€-40C]`: what is shown, and a locale.
                    if let Some(inner) = inner.strip_prefix('$') {
                        let word = inner.split_once('-').map_or(inner, |(word, _)| word);
                        pattern.extend([" ", word, " "]);
                    }
                    condition = condition.or(Condition::parse(inner));
                    red |= inner.eq_ignore_ascii_case("red");
                }
                '0' | '#' | '?' | '@' => {
                    (digits, comma) = (true, false);
                    // Those behind the decimal mark group nothing.
                    if !decimals || !pattern.ends_with(DIGIT) {
                        pattern.push(DIGIT);
                    }
                }
                'G' | 'g' if characters.as_str().get(..6).is_some_and(|rest| rest.eq_ignore_ascii_case("eneral")) => {
                    characters.nth(5);
                    digits = true;
                    pattern.push(DIGIT);
                }
                // The exponent's sign.
                'E' | 'e' if digits && characters.as_str().starts_with(['+', '-']) => drop(characters.next()),
                // Between digits it separates them; behind the last one it takes three of them off.
                ',' => comma |= digits,
                '.' => {
                    scaled |= std::mem::take(&mut comma);
                    decimals = true;
                    // A dash for the decimals is no sign.
                    if characters.as_str().trim_start_matches(['"', '\\']).starts_with(DASHES) {
                        pattern.push('.');
                    }
                }
                '%' => {
                    percents += 1;
                    pattern.push('%');
                }
                c => pattern.push(c),
            }
        }
        Self { condition, pattern, scaled: scaled || comma || percents > 1, percent: percents == 1, red }
    }

    /// What it shows of a positive number, a negative one and zero; `unsigned` if negative ones come without their sign,
    /// `red_is_sign` if positive ones are not red.
    fn section(&self, unsigned: bool, red_is_sign: bool) -> Section {
        let look = |pattern: &str, plain: &[&str]| match around(pattern) {
            _ if self.scaled => Look::Scaled,
            Around::Number(text) if self.percent => Look::Percent(text),
            Around::Number(text) if plain.contains(&text.as_str()) => Look::Number,
            Around::Number(text) => Look::Around(text),
            Around::OtherNumber => Look::Scaled,
            Around::Nothing => Look::Hidden,
        };
        // Excel's choice "negative numbers in red" shows no other sign.
        let by_colour = red_is_sign && self.red && !self.pattern.contains(DASHES) && !self.pattern.contains('(');
        let signed = if unsigned && !by_colour { self.pattern.clone() } else { format!("-{}", self.pattern) };
        // Zero has no sign; a dash, nothing, and a fixed zero are what it looks like too.
        let mut zero = self.pattern.replace(DASHES, " ").replace(['(', ')'], " ");
        if !zero.contains(DIGIT) {
            zero = zero.replace(['0', '.', ','], " ");
            zero.push(DIGIT);
        }
        Section {
            condition: self.condition,
            positive: look(&self.pattern, &["1"]),
            negative: look(&signed, &["-1", "(1)"]),
            zero: look(&zero, &["1"]),
        }
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
    fn what_stands_around_a_number_is_seen() {
        const ACCOUNTS: &str = "_-* #,##0.00\\ \"€\"_-;\\-* #,##0.00\\ \"€\"_-;_-* \"-\"??\\ \"€\"_-;_-@_-";
        let show = |code: &str, number| match NumberFormat::of_code(code) {
            NumberFormat::Looks(looks) | NumberFormat::Zeros(_, Some(looks)) => match looks.look(number) {
                Look::Number => "number".to_owned(),
                Look::Around(text) => text.clone(),
                Look::Percent(text) => format!("{text} times 100"),
                Look::Scaled => "scaled".to_owned(),
                Look::Hidden => "hidden".to_owned(),
            },
            NumberFormat::Other | NumberFormat::Zeros(_, None) => "number".to_owned(),
            other => format!("{other:?}"),
        };
        for (code, number, shown) in [
            ("$#,##0.00", 1.0, "$1"),
            ("#,##0.00 \"CHF\"", 1.0, "1 CHF"),
            ("[$£-809]#,##0", 1.0, "£ 1"),
            ("[$DH] #,##0", -1.0, "-DH  1"),
            ("[$R$-416] #,##0.00", 1.0, "R$  1"),
            ("[$kr.-406]#,##0", 1.0, "kr. 1"),
            ("#,##0.00\\ [$€-40C];[Red]\\-#,##0.00\\ [$€-40C]", -1.0, "-1  €"),
            ("#,##0.00\u{a0}€", 1.0, "1\u{a0}€"),
            ("\\€0.0", 1.0, "€1"),
            ("-€#", 1.0, "-€1"),
            ("-€#", -1.0, "--€1"),
            ("\"$ CAD\" 0.0", 1.0, "$ CAD 1"),
            (ACCOUNTS, 1.0, "1 €"),
            (ACCOUNTS, -1.0, "-1 €"),
            (ACCOUNTS, 0.0, "1 €"),
            ("0.00\" points\"", 1.0, "1 points"),
            ("0.00 [$-40C]", 1.0, "number"),
            ("[$-fr-FR]#,##0.00", 1.0, "number"),
            ("[$€-fr-FR] #,##0.00", 1.0, "€  1"),
            ("0%", 0.2, "1% times 100"),
            ("0.00 %;-0.00 %", -0.2, "-1 % times 100"),
            ("0%;-0%;\"-\"", 0.0, "number"),
            ("0%;-0%;\"-\"", -0.1, "-1% times 100"),
            ("[<=1]0%;0", 0.2, "1% times 100"),
            ("[<=1]0%;0", 20.0, "number"),
            ("[>1]0;0%", 0.2, "1% times 100"),
            ("0;0%", 0.0, "number"),
            ("0.00\"%\"", 20.0, "1%"),
            ("#\\%", 20.0, "1%"),
            ("0%%", 0.2, "scaled"),
            ("#,##0,", 1.0, "scaled"),
            ("#,##0.0,,", 1.0, "scaled"),
            ("#,##0,.0", 1.0, "scaled"),
            ("#,##0,\" k€\"", 1.0, "scaled"),
            ("[>=1000]#,##0,;0", 1000.0, "scaled"),
            ("[>=1000]#,##0,;0", 999.0, "number"),
            // A decimal mark that is a text, and one that groups.
            ("0\\.00", 1.0, "scaled"),
            ("0\",\"00", 1.0, "scaled"),
            ("#\\.##0.00", 1.0, "number"),
            ("#\\.###\\.##0", 1.0, "number"),
            ("#\"€\"00", 1.0, "1€1"),
            ("0\"000\"", 1.0, "1000"),
            ("#,##0", 1.0, "number"),
            ("# ##0,00", 1.0, "number"),
            ("#'##0.00", 1.0, "number"),
            ("#,##0.00_);(#,##0.00)", -1.0, "number"),
            ("#,##0.00_);[Red](#,##0.00)", -1.0, "number"),
            ("(0.00)", 1.0, "(1)"),
            ("0.00;0.00", -1.0, "1"),
            ("0.00;0.00", 1.0, "number"),
            // Red is a sign only of numbers whose positive ones are not red.
            ("0.00;[Red]0.00", -1.0, "number"),
            ("[Blue]0.00;[Red]0.00", -1.0, "number"),
            ("0.00;[Red]0.00;[Red]0.00", -1.0, "number"),
            ("[Red]0.00", -1.0, "number"),
            ("[Red]0.00;[Red]0.00", -1.0, "1"),
            ("[Red]0.00;[Red]0.00", 1.0, "number"),
            ("[RED]#,##0.00\\ \"€\";[Red]#,##0.00\\ \"€\";0", -1.0, "1 €"),
            ("[Red]0.00\" DR\";[Red]0.00", -1.0, "1"),
            ("[Red]0000;[Red]0000", -10.0, "1"),
            ("[Red]0.00;[Red]-0.00", -1.0, "number"),
            ("[Red]0.00;[Red](0.00)", -1.0, "number"),
            ("[Red][<0]0.00;[Red]0.00", -1.0, "1"),
            ("[Red][<0]0.00;0.00", -1.0, "number"),
            ("[>100]0.00;[Red][<0]0.00;[Red]0.00", -1.0, "1"),
            ("0.00-;0.00-", 1.0, "1-"),
            ("\"CR \"0.00", 1.0, "CR 1"),
            ("0.00\" DR\";0.00\" CR\"", -1.0, "1 CR"),
            // Conditions: a section for negative numbers only is given them without their sign.
            ("[>=0]0.00;-0.00", -1.0, "number"),
            ("[<0]-0.00;0.00", -1.0, "number"),
            ("[<0]0.00;0.00", -1.0, "1"),
            ("[>0]0.00;[<0]0.00;0", -1.0, "1"),
            ("[>=100]0.0;0.00", -1.0, "number"),
            ("[>=100]0.0;-0.00", 1.0, "-1"),
            // Nothing, or something else in the number's place.
            (";;;", 1.0, "hidden"),
            ("0.00;;", -1.0, "hidden"),
            ("0.00;;", 0.0, "number"),
            ("0.00;-0.00;", 0.0, "number"),
            ("0.00;-0.00;\"néant\"", 0.0, "néant1"),
            ("\"oui\";\"non\"", 1.0, "hidden"),
            ("0,\"", 1.0, "scaled"),
            ("[<=1", 1.0, "hidden"),
            ("0.00E+00", 1.0, "number"),
            ("0.00E+00\" F\"", 1.0, "1 F"),
            ("# ?/?", 0.5, "number"),
            ("\"numéro \"General", 1.0, "numéro 1"),
            ("#,##0.00;-#,##0.00;_-@_-", 0.0, "number"),
            ("#,##0\".–\"", 1.0, "1.–"),
            ("#,##0.-", 1.0, "1.-"),
            ("#,##0.\"--\"", 1.0, "1.--"),
            ("0.", 1.0, "number"),
            ("0.00;-0.00;\"0,00 €\"", 0.0, "€1"),
            ("#,##0 €;-#,##0 €;\"0\"", 0.0, "number"),
        ] {
            assert_eq!(show(code, number), shown, "{number} under {code}");
        }
        assert_eq!(NumberFormat::built_in(10), NumberFormat::of_code("0%"));
        assert_eq!(NumberFormat::built_in(44), NumberFormat::Other);
    }

    /// What spreadsheets write for their currencies and accounts, in French, English, German, Dutch and Danish: whatever
    /// the number, it is shown as itself with its sign and the currency.
    #[test]
    fn the_usual_formats_of_amounts_are_read() {
        const CODES: [(&str, &str); 26] = [
            ("€", "_-* #,##0.00\\ \"€\"_-;\\-* #,##0.00\\ \"€\"_-;_-* \"-\"??\\ \"€\"_-;_-@_-"),
            ("€", "_-* #,##0.00\\ [$€-40C]_-;\\-* #,##0.00\\ [$€-40C]_-;_-* \"-\"??\\ [$€-40C]_-;_-@_-"),
            ("€", "_-* #,##0\\ _€_-;\\-* #,##0\\ _€_-;_-* \"-\"\\ _€_-;_-@_-"),
            ("€", "#,##0.00\\ \"€\";[Red]\\-#,##0.00\\ \"€\""),
            ("€", "#,##0.00 \"€\";-#,##0.00 \"€\""),
            ("€", "#,##0.00\\ \"€\";[Red]#,##0.00\\ \"€\""),
            ("€", "0.00;[RED]0.00"),
            ("€", "#,##0.00\\ [$€-40C];[RED]\\-#,##0.00\\ [$€-40C]"),
            ("€", "[$€-2]\\ #,##0.00;[Red]\\-[$€-2]\\ #,##0.00"),
            ("€", "_ [$€-413]\\ * #,##0.00_ ;_ [$€-413]\\ * \\-#,##0.00_ ;_ [$€-413]\\ * \"-\"??_ ;_ @_ "),
            ("€", "#,##0.00_);(#,##0.00)"),
            ("€", "#,##0_);[Red](#,##0)"),
            ("€", "_(* #,##0.00_);_(* (#,##0.00);_(* \"-\"??_);_(@_)"),
            ("€", "# ##0.00 [$EUR];[Red]-# ##0.00 [$EUR]"),
            ("$", "_($* #,##0.00_);_($* (#,##0.00);_($* \"-\"??_);_(@_)"),
            ("$", "_(\"$\"* #,##0_);_(\"$\"* \\(#,##0\\);_(\"$\"* \"-\"_);_(@_)"),
            ("$", "\"$\"#,##0.00_);[Red]\\(\"$\"#,##0.00\\)"),
            ("$", "[$$-409]#,##0.00;[RED]-[$$-409]#,##0.00"),
            ("£", "_-\"£\"* #,##0.00_-;\\-\"£\"* #,##0.00_-;_-\"£\"* \"-\"??_-;_-@_-"),
            ("£", "\"£\"#,##0.00;[Red]\\-\"£\"#,##0.00"),
            ("CHF", "_ \"CHF\"\\ * #,##0.00_ ;_ \"CHF\"\\ * \\-#,##0.00_ ;_ \"CHF\"\\ * \"-\"??_ ;_ @_ "),
            ("CHF", "\"CHF\"\\ #,##0.00;[Red]\"CHF\"\\ \\-#,##0.00"),
            ("CHF", "\"Fr.\"\\ #,##0.00;\"Fr.\"\\ \\-#,##0.00"),
            ("CHF", "_-* #,##0.00\\ [$CHF-100C]_-;\\-* #,##0.00\\ [$CHF-100C]_-;_-* \"-\"??\\ [$CHF-100C]_-;_-@_-"),
            ("DKK", "_-* #,##0.00\\ \"kr.\"_-;\\-* #,##0.00\\ \"kr.\"_-;_-* \"-\"??\\ \"kr.\"_-;_-@_-"),
            ("BRL", "_-\"R$\"\\ * #,##0.00_-;\\-\"R$\"\\ * #,##0.00_-;_-\"R$\"\\ * \"-\"??_-;_-@_-"),
        ];
        for (currency, code) in CODES {
            for (number, declared) in
                [48.5, -48.5, 0.0].into_iter().flat_map(|number| [(number, true), (number, false)])
            {
                let mut format = fonderie_contract::NumberFormat::plain(',');
                format.currency = if declared { vec![currency.to_owned()] } else { Vec::new() };
                let read = match NumberFormat::of_code(code) {
                    NumberFormat::Other => Ok(()),
                    NumberFormat::Looks(looks) => match looks.look(number) {
                        Look::Number => Ok(()),
                        Look::Around(text) => crate::amount::around(text, number, &format),
                        look => panic!("{look:?} of {number} under {code}"),
                    },
                    other => panic!("{other:?} for {code}"),
                };
                assert_eq!(read, Ok(()), "{number} under {code} with {:?}", format.currency);
            }
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
            ("\"jour_\"d", NumberFormat::Date),
            ("#,##0.00_d", NumberFormat::Other),
            ("[Red]0.00", NumberFormat::Other),
            ("0.00", NumberFormat::Other),
            ("0,0", NumberFormat::Other),
            ("0E+0", NumberFormat::Other),
            ("0000;(0000)", NumberFormat::Other),
            ("[<100]0000", NumberFormat::Other),
            ("[<100]0000;[<200]0000", NumberFormat::Other),
            ("[$-D07041E]0000", NumberFormat::Other),
            ("[DBNum1]0000", NumberFormat::Other),
            ("# ?/?", NumberFormat::Other),
        ] {
            assert_eq!(NumberFormat::of_code(code), expected, "{code}");
        }
        for code in ["#\" jours\"", "#\\d", "0.00\"%\"", "0.00;dd", "0000;000", "0000;;0000", "\"abc", "[h", "---"] {
            assert!(matches!(NumberFormat::of_code(code), NumberFormat::Looks(_)), "{code}");
        }
        assert_eq!(NumberFormat::built_in(14), NumberFormat::Date);
        assert_eq!(NumberFormat::built_in(49), NumberFormat::Plain);
        assert_eq!(NumberFormat::built_in(4), NumberFormat::Other);
        assert_eq!(NumberFormat::of_code(&"0".repeat(256)), NumberFormat::Other);
    }
}
