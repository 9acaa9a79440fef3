//! Patterns of cells (`Total*`), and templates that take a part out of a name (`{}_factures_*.xlsx`).

use std::borrow::Cow;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use unicode_normalization::UnicodeNormalization;

use crate::mistakes::Section;
use crate::text;

/// Patterns of a cell's text: `*`, `?`, `[…]`, `{a,b}`; case does not matter, white space is folded.
#[derive(Clone, Debug, Default)]
pub struct Patterns {
    set: Option<GlobSet>,
    texts: Vec<String>,
    /// What a text begins with that fits one: small letters without accents. `None` if a pattern begins with a wildcard.
    firsts: Option<Vec<char>>,
}

impl Patterns {
    /// Compiles patterns, noting those that are none.
    pub(crate) fn compile(section: &Section<'_>, key: &str, texts: &[&str]) -> Self {
        let accepted = "patterns of a cell's text such as \"Total*\"";
        let mut builder = GlobSetBuilder::new();
        for text in texts {
            if text.trim().is_empty() {
                section.mistake(key, "an empty text", accepted);
                continue;
            }
            match GlobBuilder::new(&folded(text)).case_insensitive(true).backslash_escape(true).build() {
                Ok(glob) => {
                    builder.add(glob);
                }
                Err(error) => section.mistake(key, format!("\"{text}\": {}", error.kind()), accepted),
            }
        }
        let set = (!texts.is_empty()).then(|| builder.build().ok()).flatten();
        let first = |text: &&str| folded(text).nfd().next().filter(|c| !"*?[{\\".contains(*c));
        Self {
            set,
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
            firsts: texts.iter().map(first).collect(),
        }
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
        may_fit && self.set.as_ref().is_some_and(|set| set.is_match(folded(text)))
    }

    /// The patterns as the contract writes them.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

/// A text as patterns compare it: small letters, accents composed, white space folded.
fn folded(text: &str) -> String {
    let text = text::composed(text).map_or(Cow::Borrowed(text), Cow::Owned).to_lowercase();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
        let pieces = |text: &str| text.split('*').map(|piece| piece.to_lowercase()).collect();
        Some(Self { before: pieces(before), after: pieces(after), text: text.to_owned() })
    }

    /// The part of a name; `None` if the name does not fit, or fits in several ways that give different parts. Case does not
    /// matter.
    pub fn part<'n>(&self, name: &'n str) -> Option<&'n str> {
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
        parts.all(|other| other == part).then_some(part)
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

    #[test]
    fn a_template_takes_one_part_out_of_a_name() {
        let part = |template: &str, name: &str| Template::parse(template).unwrap().part(name).map(str::to_owned);
        for (template, name, expected) in [
            ("{}", "Mai 2026", Some("Mai 2026")),
            ("{}_*.csv", "ETAB001_2026-06.csv", Some("ETAB001")),
            ("export_{}.csv", "export_A_B.csv", Some("A_B")),
            ("*_{}_*.csv", "x_A_B.csv", Some("A")),
            ("*-{}.xlsx", "a-c.xlsx", Some("c")),
            ("*é-{}.xlsx", "aé-c.xlsx", Some("c")),
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
