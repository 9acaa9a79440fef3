//! Patterns of names and cells (`Total*`), and templates that take a part out of a name (`{}_orders_*.xlsx`).
//!
//! A pattern has `*`, `?`, `[…]` and `{a,b}`. Its characters are those that a person counts: letters with their accents composed,
//! on both sides. Case does not matter.

use globset::{ErrorKind, GlobBuilder};
use regex::{RegexSet, RegexSetBuilder};
use unicode_normalization::UnicodeNormalization;

use crate::mistakes::Section;
use crate::text;

/// Patterns of names, of files or of sheets.
#[derive(Clone, Debug)]
pub struct NamePatterns {
    set: RegexSet,
    texts: Vec<String>,
}

impl NamePatterns {
    /// Compiles patterns, noting those that are none; `separated` if `*` and `?` do not fit a `/`.
    pub(crate) fn compile(
        section: &Section<'_>,
        key: &str,
        texts: &[&str],
        separated: bool,
        accepted: &str,
    ) -> Option<Self> {
        let compiled = texts.iter().map(|text| {
            let compiled = expression(&same_case(text.trim()), separated);
            compiled.map_err(|kind| section.mistake(key, format!("\"{text}\": {kind}"), accepted)).ok()
        });
        let expressions: Vec<String> = compiled.collect::<Option<_>>()?;
        Some(Self { set: set(&expressions)?, texts: owned(texts) })
    }

    /// Whether one of them fits a name.
    pub fn fit(&self, name: &str) -> bool {
        self.set.is_match(&same_case(name))
    }

    /// The patterns as the contract writes them.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

impl PartialEq for NamePatterns {
    fn eq(&self, other: &Self) -> bool {
        self.set.patterns() == other.set.patterns()
    }
}

impl Eq for NamePatterns {}

/// Patterns of a cell's text, in which white space is folded too.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    set: Option<RegexSet>,
    texts: Vec<String>,
    /// What a text begins with that fits one: small letters without accents. `None` if a pattern begins with a wildcard.
    firsts: Option<Vec<char>>,
}

impl Patterns {
    /// Compiles patterns, noting those that are none.
    pub(crate) fn compile(section: &Section<'_>, key: &str, texts: &[&str]) -> Self {
        let accepted = "patterns of a cell's text such as \"Total*\"";
        let mut expressions = Vec::new();
        for text in texts {
            if text.trim().is_empty() {
                section.mistake(key, "an empty text", accepted);
                continue;
            }
            match expression(&folded(text), false) {
                Ok(compiled) => expressions.push(compiled),
                Err(kind) => section.mistake(key, format!("\"{text}\": {kind}"), accepted),
            }
        }
        let set = if texts.is_empty() { None } else { set(&expressions) };
        let first = |text: &&str| folded(text).nfd().next().filter(|c| !"*?[{\\".contains(*c));
        Self { set, texts: owned(texts), firsts: texts.iter().map(first).collect() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.set.is_none()
    }

    /// Whether one of them fits a cell's text.
    pub fn fit(&self, text: &str) -> bool {
        // Most texts are told apart by their first letter, unfolded.
        let may_fit = match (&self.firsts, text.trim_start().chars().next()) {
            (Some(firsts), Some(first)) if first.is_ascii() => firsts.contains(&first.to_ascii_lowercase()),
            _ => true,
        };
        may_fit && self.set.as_ref().is_some_and(|set| set.is_match(&folded(text)))
    }

    /// The patterns as the contract writes them.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn set(expressions: &[String]) -> Option<RegexSet> {
    RegexSetBuilder::new(expressions).dot_matches_new_line(true).build().ok()
}

/// A pattern as a regular expression over characters.
fn expression(pattern: &str, separated: bool) -> Result<String, ErrorKind> {
    let glob = GlobBuilder::new(pattern).literal_separator(separated).backslash_escape(true).build();
    let glob = glob.map_err(|error| error.kind().clone())?;
    // It is one over bytes (`(?-u)`), in which a character beyond ASCII is written as its bytes, such as `\xc3\xa9`.
    let mut rest = glob.regex().trim_start_matches("(?-u)").as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    loop {
        rest = match rest {
            [b'\\', b'x', high, low, rest @ ..] => {
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                bytes.extend(digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low));
                rest
            }
            [b'\\', escaped, rest @ ..] => {
                bytes.extend([b'\\', *escaped]);
                rest
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
            [] => break,
        };
    }
    String::from_utf8(bytes).map_err(|error| ErrorKind::Regex(error.to_string()))
}

/// A text as names are compared: small letters, accents composed.
pub(crate) fn same_case(text: &str) -> String {
    let lower = text.to_lowercase();
    text::composed(&lower).unwrap_or(lower)
}

/// A text as patterns of cells compare it: the same, white space folded.
fn folded(text: &str) -> String {
    same_case(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name with one part to take out: `{}` stands for the part, `*` for anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    before: Vec<String>,
    after: Vec<String>,
    text: String,
}

impl Template {
    /// Reads a template; `None` unless `{}` stands in it exactly once, not beside a `*`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (before, after) = text.split_once("{}")?;
        if after.contains("{}") || before.ends_with('*') || after.starts_with('*') {
            return None;
        }
        let pieces = |text: &str| text.split('*').map(same_case).collect();
        Some(Self { before: pieces(before), after: pieces(after), text: text.to_owned() })
    }

    /// The part of a name, its accents composed; `None` if the name does not fit, or fits in several ways that give different
    /// parts. Case does not matter.
    pub fn part(&self, name: &str) -> Option<String> {
        let composed = text::composed(name);
        let name = composed.as_deref().unwrap_or(name);
        // Lower case changes the length of few characters; a name with one of those is compared as it is.
        let lower = Some(name.to_lowercase()).filter(|lower| lower.len() == name.len());
        let lower = lower.as_deref().unwrap_or(name);
        let starts = ends(lower, &self.before);
        // The same from behind: what may follow the part, mirrored.
        let mirrored: String = lower.chars().rev().collect();
        let after: Vec<String> = self.after.iter().rev().map(|piece| piece.chars().rev().collect()).collect();
        let stops: Vec<usize> = ends(&mirrored, &after).into_iter().map(|end| name.len() - end).collect();
        let parts = starts.iter().flat_map(|start| stops.iter().filter_map(|stop| name.get(*start..*stop)));
        let mut parts = parts.filter(|part| !part.is_empty());
        let part = parts.next()?;
        parts.all(|other| other == part).then(|| part.to_owned())
    }

    /// The template as the contract writes it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Where pieces with anything between them may end in a text that begins with the first of them.
fn ends(text: &str, pieces: &[String]) -> Vec<usize> {
    let Some((first, rest)) = pieces.split_first() else { return Vec::new() };
    if !text.starts_with(first.as_str()) {
        return Vec::new();
    }
    let Some((last, middle)) = rest.split_last() else { return vec![first.len()] };
    let mut from = first.len();
    for piece in middle {
        let Some(found) = text[from..].find(piece.as_str()) else { return Vec::new() };
        from += found + piece.len();
    }
    let mut ends = Vec::new();
    while let Some(found) = text.get(from..).and_then(|rest| rest.find(last.as_str())) {
        ends.push(from + found + last.len());
        from += found + text[from + found..].chars().next().map_or(1, char::len_utf8);
    }
    ends
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_fit_whatever_the_case_and_the_composition_of_accents() {
        let (table, found) = (toml::Table::new(), crate::mistakes::Found::default());
        let section = Section::new("s.toml", "", &table, &found);
        let patterns = Patterns::compile(&section, "totals", &["Total général*", "Édité  le*"]);
        for text in ["TOTAL GÉNÉRAL", "total ge\u{301}ne\u{301}ral :", "édité le 4 mai", "ÉDITÉ\u{a0}LE"] {
            assert!(patterns.fit(text), "{text}");
        }
        assert!(!patterns.fit("Totaux"));
    }

    fn fit(pattern: &str, separated: bool, name: &str) -> bool {
        let (table, found) = (toml::Table::new(), crate::mistakes::Found::default());
        let section = Section::new("s.toml", "", &table, &found);
        NamePatterns::compile(&section, "files", &[pattern], separated, "patterns").unwrap().fit(name)
    }

    #[test]
    fn a_pattern_counts_characters_not_bytes() {
        for (pattern, name, fits) in [
            ("?t?.csv", "été.csv", true),
            ("?t?.csv", "e\u{301}te\u{301}.csv", true),
            ("??t?.csv", "été.csv", false),
            ("ét[éè].csv", "ÉTÉ.CSV", true),
            ("e\u{301}t[e\u{301}e\u{300}].csv", "été.csv", true),
            ("ét[éè].csv", "éte.csv", false),
            ("ét[!éè].csv", "étê.csv", true),
            ("ét[!éè].csv", "été.csv", false),
            ("[à-é]*", "ç.csv", true),
            ("[à-é]*", "î.csv", false),
            ("{été,hiver}_?.csv", "Hiver_€.csv", true),
            ("\\x?", "xé", true),
            ("a\\\\x41", "a\\x41", true),
            ("🙂?", "🙂🙂", true),
            ("Œuvre*", "œuvres", true),
            ("*.csv", "a/b.csv", false),
            ("**/?.csv", "a/é.csv", true),
        ] {
            assert_eq!(fit(pattern, true, name), fits, "{pattern} {name}");
        }
        assert!(fit("a*é", false, "a/É"));
    }

    proptest! {
        /// Each character of a name may be replaced by `?`, by a class of it, or by itself in another case and composition.
        #[test]
        fn a_name_fits_what_is_made_of_it(
            name in "[a-zA-Zéèçœñ€🙂 _0-9]{1,8}", ways in prop::collection::vec(0..5_u8, 8), decomposed in any::<bool>()
        ) {
            let piece = |(c, way): (char, &u8)| match way {
                0 => "?".to_owned(),
                1 => format!("[{c}]"),
                2 => format!("[!{}]", if c == 'é' { 'è' } else { 'é' }),
                3 => c.to_uppercase().collect(),
                _ => c.to_string(),
            };
            let pattern: String = name.chars().zip(&ways).map(piece).collect();
            let sent: String = if decomposed { name.nfd().collect() } else { name.clone() };
            // A name is compared without the white space around a pattern.
            prop_assume!(pattern.trim() == pattern);
            prop_assert!(fit(&pattern, true, &sent), "{} {}", pattern, sent);
            prop_assert!(!fit(&format!("{pattern}?"), true, &sent), "{}? {}", pattern, sent);
        }
    }

    #[test]
    fn a_template_takes_one_part_out_of_a_name() {
        let part = |template: &str, name: &str| Template::parse(template).unwrap().part(name);
        for (template, name, expected) in [
            ("{}", "Mai 2026", Some("Mai 2026")),
            ("{}_*.csv", "ETAB001_2026-06.csv", Some("ETAB001")),
            ("export_{}.csv", "export_A_B.csv", Some("A_B")),
            ("*_{}_*.csv", "x_A_B.csv", Some("A")),
            ("*-{}.xlsx", "a-c.xlsx", Some("c")),
            ("*é-{}.xlsx", "aé-c.xlsx", Some("c")),
            ("*é-{}.xlsx", "AE\u{301}-e\u{301}.xlsx", Some("é")),
            ("*e\u{301}-{}.xlsx", "aé-c.xlsx", Some("c")),
            ("{}_*_*.csv", "A_B_C.csv", Some("A")),
            // Two ways to fit, with two parts.
            ("*-{}.xlsx", "a-b-c.xlsx", None),
            ("{}_*.csv", "A_B_C.csv", None),
            ("*_{}_*.csv", "x_A_B_C.csv", None),
            ("*_{}_*.csv", "x_A_A_A_y.csv", None),
            ("EXPORT_{}.CSV", "export_é.csv", Some("é")),
            ("export_{}.csv", "export_.csv", None),
            ("export_{}.csv", "autre_A.csv", None),
            ("export_{}.csv", "export_A.txt", None),
        ] {
            assert_eq!(part(template, name).as_deref(), expected, "{template} {name}");
        }
        for bad in ["", "abc", "{}{}", "*{}", "{}*"] {
            assert_eq!(Template::parse(bad), None, "{bad}");
        }
    }
}
