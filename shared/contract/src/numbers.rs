//! `[numbers]`, compiled: how a source, or one of its columns, writes numbers.

use crate::currency::{common_codes, currency_codes};
use crate::mistakes::Section;

/// How numbers are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    /// `.` or `,`.
    pub decimal_mark: char,
    /// What may separate thousands.
    pub thousands: Vec<char>,
    /// What may stand before or after an amount (`€`, `EUR`): words of one currency.
    pub currency: Vec<String>,
    /// The dataset's currency, a code of ISO 4217: the one that an amount may show if `currency` is empty.
    pub dataset_currency: Option<String>,
    /// A workbook's number with more decimals than its field is rounded, half away from zero; else its row is rejected.
    pub round_cells: bool,
    /// A sign may stand behind the number: `48,00-`.
    pub trailing_sign: bool,
    /// `CR` behind a number makes it negative, `DR` does not.
    pub credit_suffix: bool,
    /// A dash in place of a number is zero.
    pub dash_is_zero: bool,
    /// A dash may stand in place of the decimals: `100.-`.
    pub dash_cents: bool,
    /// The file's numbers count `10^-scale`: 2 for cents.
    pub scale: u8,
    /// What is taken off a number: `%`, `°F`.
    pub units: Vec<String>,
    /// An empty cell, or a word for "nothing", is zero.
    pub empty_is_zero: bool,
}

/// Signs and parentheses, which nothing else may look like.
const SIGNS: [char; 6] = ['-', '+', '\u{2212}', '\u{2013}', '(', ')'];

impl NumberFormat {
    /// Plain numbers: digits, and a decimal mark.
    pub fn plain(decimal_mark: char) -> Self {
        Self {
            decimal_mark,
            thousands: Vec::new(),
            currency: Vec::new(),
            dataset_currency: None,
            round_cells: false,
            trailing_sign: false,
            credit_suffix: false,
            dash_is_zero: false,
            dash_cents: false,
            scale: 0,
            units: Vec::new(),
            empty_is_zero: false,
        }
    }

    /// Whether a word stands for another currency than the declared words, or than the dataset's if there are none.
    pub fn is_other_currency(&self, word: &str) -> bool {
        let codes = currency_codes(word);
        if self.currency.is_empty() {
            return self.dataset_currency.as_ref().is_some_and(|expected| !codes.contains(&expected.as_str()));
        }
        let declared = common_codes(self.currency.iter().map(String::as_str)).unwrap_or_default();
        !codes.iter().any(|code| declared.contains(code))
    }

    /// The words of the currency that amounts may show.
    pub fn agreed_currency(&self) -> Vec<String> {
        match &self.dataset_currency {
            Some(expected) if self.currency.is_empty() => vec![expected.clone()],
            _ => self.currency.clone(),
        }
    }
}

/// Compiles `[numbers]`, noting every mistake; keys that are absent keep the base's values.
pub(crate) fn numbers(section: &Section<'_>, base: Option<&NumberFormat>) -> Option<NumberFormat> {
    let mark = section.choice("decimal_mark", &[(",", ','), (".", '.')]);
    let mark = match base {
        Some(base) => mark.or(Some(base.decimal_mark)),
        None => section.required("decimal_mark", mark, "\",\" or \".\""),
    };
    let mut format = base.cloned().unwrap_or_else(|| NumberFormat::plain('.'));
    if let Some(texts) = section.texts("thousands") {
        format.thousands = thousands(section, &texts);
    }
    if let Some(clash) = mark.filter(|mark| format.thousands.contains(mark)) {
        let found = format!("\"{clash}\", which is the decimal mark");
        section.mistake("thousands", found, "single characters other than the decimal mark");
    }
    if let Some(texts) = section.texts("currency") {
        format.currency = currency(section, &texts);
    }
    if let Some(texts) = section.texts("units") {
        format.units = units(section, &texts);
    }
    let rounding = section.choice("rounding", &[("none", false), ("half_up", true)]);
    format.round_cells = rounding.unwrap_or(format.round_cells);
    format.trailing_sign = section.truth("trailing_sign").unwrap_or(format.trailing_sign);
    format.credit_suffix = section.truth("credit_suffix").unwrap_or(format.credit_suffix);
    format.dash_is_zero = section.truth("dash_is_zero").unwrap_or(format.dash_is_zero);
    format.dash_cents = section.truth("dash_cents").unwrap_or(format.dash_cents);
    format.empty_is_zero = section.truth("empty_is_zero").unwrap_or(format.empty_is_zero);
    if let Some(scale) = section.whole("scale") {
        match u8::try_from(scale) {
            Ok(scale) if scale <= 9 => format.scale = scale,
            _ => section.mistake("scale", scale.to_string(), "a whole number from 0 to 9"),
        }
    }
    let format = NumberFormat { decimal_mark: mark?, ..format };
    no_two_meanings(section, &format);
    section.finish();
    Some(format)
}

/// Notes a currency or a unit that the format's other keys give another meaning.
fn no_two_meanings(section: &Section<'_>, format: &NumberFormat) {
    let other_meaning = |text: &str| match text {
        _ if format.credit_suffix && ["CR", "DR"].iter().any(|suffix| text.eq_ignore_ascii_case(suffix)) => {
            Some("`credit_suffix`")
        }
        _ if text.contains(format.decimal_mark) => Some("`decimal_mark`"),
        _ if text.contains(|c| format.thousands.contains(&c)) => Some("`thousands`"),
        _ => None,
    };
    for (key, texts) in [("currency", &format.currency), ("units", &format.units)] {
        for (text, meaning) in texts.iter().filter_map(|text| Some((text, other_meaning(text)?))) {
            section.mistake(key, format!("\"{text}\", which {meaning} reads as well"), "texts of one meaning");
        }
    }
    for text in format.units.iter().filter(|text| format.currency.contains(text)) {
        section.mistake("units", format!("\"{text}\", which is a currency as well"), "texts of one meaning");
    }
}

fn thousands(section: &Section<'_>, texts: &[&str]) -> Vec<char> {
    let mut thousands = Vec::new();
    for text in texts {
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(c), None) if !c.is_alphanumeric() && !SIGNS.contains(&c) => thousands.push(c),
            _ => section.mistake("thousands", format!("{text:?}"), "single characters other than the decimal mark"),
        }
    }
    thousands
}

fn currency(section: &Section<'_>, texts: &[&str]) -> Vec<String> {
    let unfit = |c: char| c.is_ascii_digit() || SIGNS.contains(&c);
    for text in texts {
        if text.trim().is_empty() || text.trim() != *text || text.contains(unfit) {
            let accepted = "words or symbols of one currency, without digits and signs, such as [\"€\", \"EUR\"]";
            section.mistake("currency", format!("{text:?}"), accepted);
        }
    }
    if common_codes(texts.iter().copied()).is_some_and(|codes| codes.is_empty()) {
        let words = texts.iter().map(|text| format!("\"{text}\"")).collect::<Vec<_>>().join(", ");
        section.mistake("currency", format!("{words}, which are several currencies"), "words of one currency");
    }
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn units(section: &Section<'_>, texts: &[&str]) -> Vec<String> {
    let accepted = "texts that begin with no digit, sign or mark, such as [\"%\"]";
    if texts.is_empty() {
        section.mistake("units", "an empty list", accepted);
    }
    let unfit = |c: char| c.is_ascii_digit() || SIGNS.contains(&c) || matches!(c, ',' | '.');
    for text in texts {
        if text.trim().is_empty() || text.trim() != *text || text.starts_with(unfit) {
            section.mistake("units", format!("{text:?}"), accepted);
        }
    }
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mistakes::{Found, Mistakes};

    /// `[numbers]` as TOML, over a base or none: what was compiled, or the mistakes.
    fn compile(toml: &str, base: Option<&NumberFormat>) -> Result<NumberFormat, Vec<String>> {
        let table = toml.parse().unwrap();
        let found = Found::default();
        let compiled = numbers(&Section::new("s.toml", "numbers", &table, &found), base);
        found.into_result(compiled).map_err(|Mistakes(all)| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_column_keeps_what_it_does_not_replace() {
        let base =
            compile("decimal_mark = ','\nthousands = [' ']\ncurrency = ['€', 'EUR']\ntrailing_sign = true", None);
        let base = base.unwrap();
        assert_eq!(compile("", Some(&base)), Ok(base.clone()));
        let expected = NumberFormat { scale: 2, trailing_sign: false, ..base.clone() };
        assert_eq!(compile("scale = 2\ntrailing_sign = false", Some(&base)), Ok(expected));
        let dotted = compile("decimal_mark = ','\nthousands = ['.']", None).unwrap();
        let mistakes = compile("decimal_mark = '.'", Some(&dotted)).unwrap_err();
        assert!(mistakes[0].starts_with("s.toml: `numbers.thousands`: found \".\", which is"), "{mistakes:?}");
    }

    #[test]
    fn mistakes_name_the_key() {
        for (toml, key, found) in [
            ("", "decimal_mark", "nothing"),
            ("decimal_mark = ';'", "decimal_mark", "\";\""),
            ("decimal_mark = ','\nthousands = [',']", "thousands", "\",\", which is the decimal mark"),
            ("decimal_mark = ','\nthousands = ['--']", "thousands", "\"--\""),
            ("decimal_mark = ','\nthousands = ['(']", "thousands", "\"(\""),
            ("decimal_mark = ','\ncurrency = ['€', 'USD']", "currency", "\"€\", \"USD\", which are several currencies"),
            ("decimal_mark = ','\ncurrency = ['']", "currency", "\"\""),
            ("decimal_mark = ','\nscale = 10", "scale", "10"),
            ("decimal_mark = ','\nunits = []", "units", "an empty list"),
            ("decimal_mark = ','\nunits = ['5']", "units", "\"5\""),
            (
                "decimal_mark = ','\ncredit_suffix = true\ncurrency = ['CR']",
                "currency",
                "\"CR\", which `credit_suffix` reads as well",
            ),
            ("decimal_mark = '.'\ncurrency = ['Fr.']", "currency", "\"Fr.\", which `decimal_mark` reads as well"),
            (
                "decimal_mark = ','\nthousands = [' ']\nunits = ['n s']",
                "units",
                "\"n s\", which `thousands` reads as well",
            ),
            ("decimal_mark = ','\ncurrency = ['$']\nunits = ['$']", "units", "\"$\", which is a currency as well"),
            ("decimal_mark = ','\ndash_cents = 1", "dash_cents", "1"),
        ] {
            let mistakes = compile(toml, None).unwrap_err();
            let expected = format!("s.toml: `numbers.{key}`: found {found}; accepted: ");
            assert!(mistakes.iter().any(|mistake| mistake.starts_with(&expected)), "{toml}: {mistakes:?}");
        }
        assert!(compile("decimal_mark = '.'\ncurrency = ['$', 'CAD']", None).is_ok());
    }
}
