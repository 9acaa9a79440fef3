//! What the senders of files read: ids of the reader's rules, sentences, the CSV of what was refused. English is the default; a
//! dataset's `messages.toml` replaces any of it.

use std::collections::BTreeMap;

use fonderie_core::money::group_digits;

use crate::bundle::Bundle;
use crate::mistakes::{Found, Section, document};
use crate::reader_rule::ReaderRule;
use crate::text::is_identifier;

pub(crate) const FILE: &str = "messages.toml";

/// The most characters of a text.
const LONGEST: usize = 300;

/// The texts of one section of `messages.toml`: key and English default. What stands in braces is filled in.
type Texts = [(&'static str, &'static str)];

const RULES: &str = "rules";

/// The sections but `rules`, whose defaults are the rules' own ids.
const SECTIONS: [(&str, &Texts); 5] =
    [("sentences", SENTENCES), ("words", WORDS), ("dates", DATES), ("rejects", REJECTS), ("numbers", NUMBERS)];

/// Why a record or a cell was refused. A sentence names what was found and, if a key of the contract would settle it, that key.
const SENTENCES: &Texts = &[
    ("unclosed_quote", "A quote is opened and never closed."),
    (
        "reopened_quote",
        "The next quote after one that opens on this line stands at the start of a field of a later line.",
    ),
    ("text_after_quote", "Text follows a closing quote."),
    ("space_before_quote", "White space stands before an opening quote, which therefore does not count as one."),
    ("melted_lines", "Quotes bring {lines} lines together of which the first and the last are complete by themselves."),
    ("several_lines", "Quotes bring several lines together, which the contract excludes (`multiline = false`)."),
    ("long_record", "The line has more fields than the header: {found} instead of {expected}."),
    ("short_record", "The line has fewer fields than the header: {found} instead of {expected}."),
    ("beyond_header", "The row has values beyond the header's columns."),
    ("unnamed_column", "A value stands in a column without a name."),
    ("encoding", "The cell has bytes that the agreed encoding does not have, or U+FFFD, the sign of a lost character."),
    (
        "double_encoding",
        "The cell is written in UTF-8 while another encoding is agreed: its letters with accents would be wrong.",
    ),
    ("control_character", "The cell contains a control character ({character})."),
    ("null_character", "The cell contains a null byte ({character}): the file was written in part, or is damaged."),
    ("dos_end", "The cell contains DOS's mark of a file's end ({character})."),
    ("invisible_character", "The cell contains an invisible character ({character})."),
    ("text_too_long", "The text is longer than the field allows: {most} characters at most."),
    (
        "spreadsheet_text",
        "A spreadsheet wrapped the text (=\"…\" or an apostrophe); the contract can allow it by `spreadsheet_text = true`.",
    ),
    ("spreadsheet_formula", "The cell contains a spreadsheet's formula and not its value: export the values."),
    (
        "scientific_notation",
        "A spreadsheet turned this id into a number and lost digits of it: take the value from where it came from.",
    ),
    (
        "too_many_digits",
        "The number has more than fifteen digits: the spreadsheet lost some, take the original value as text.",
    ),
    (
        "undeclared_empty_word",
        "\"{word}\" stands where the row must be identified; if this word means nothing, the contract declares it by \
         `empty = [\"{word}\"]`.",
    ),
    ("date_format", "The date is not written in the agreed format ({expected})."),
    (
        "other_date_format",
        "The date is not written in the agreed format ({expected}); it looks like {found}, which the contract can allow by \
         `dates.format`.",
    ),
    (
        "other_date_format_with_pivot",
        "The date is not written in the agreed format ({expected}); it looks like {found}, which the contract can allow by \
         `dates.format` and `dates.pivot`.",
    ),
    (
        "serial_with_time",
        "The date is not written in the agreed format ({expected}); it looks like a spreadsheet's number of a day with a \
         time, which the contract can allow by `excel` and `{time}` in `dates.format`.",
    ),
    (
        "year_for_date",
        "The number is a year, not a day: counted as a spreadsheet's number of a day it would be one of 1905; send the whole \
         date.",
    ),
    (
        "placeholder_date",
        "\"{text}\" is no date; if it means that there is none, the contract declares it by `empty = [\"{text}\"]`.",
    ),
    ("undeclared_time", "The date has a time; the contract can allow it if its format has one (`{format}`)."),
    ("no_such_day", "No calendar has this day."),
    ("ambiguous_time", "This time was twice on that day (the clocks changed); the contract can choose by `fold`."),
    ("impossible_time", "This time was not on that day (the clocks changed); the contract can allow it by `fold`."),
    ("ambiguous_date", "Two agreed formats read this date: {first} or {second}."),
    ("implausible_date", "The date is not plausible: it must lie between {min} and {max}."),
    ("date_order", "Day and month are in another order than the agreed one ({expected})."),
    ("number_for_date", "The cell contains a number that is not formatted as a date."),
    ("amount", "The {kind} cannot be read in the agreed form."),
    ("amount_needs", "The {kind} is not written in the agreed form; the contract can allow it by `{key}`."),
    ("other_currency", "The {kind} has another currency than the agreed one ({expected})."),
    (
        "scaled_amount",
        "The cell's format shows another number than its own, in thousands or millions for example: give it a format that \
         shows the whole number.",
    ),
    ("hidden_amount", "The cell's format does not show the number in it: give it a format that does."),
    (
        "amount_word",
        "The {kind} has \"{word}\", which the contract does not declare; if this word changes nothing, the contract allows \
         it by `units = [\"{word}\"]`, or by `currency` if it is the currency.",
    ),
    (
        "amount_sign",
        "The cell's format shows the number with another sign than its own, or without it: give it an ordinary format, or \
         correct the number.",
    ),
    ("amount_whole", "The amount must be a whole number, without decimals."),
    ("amount_decimals", "The amount has too many decimals: {most} at most."),
    ("amount_size", "The {kind} is too large for the warehouse."),
    (
        "empty_word_for_amount",
        "\"{word}\" is no amount; if this word means nothing, the contract declares it by `empty = [\"{word}\"]`.",
    ),
    ("integer", "The whole number cannot be read."),
    (
        "empty_word_for_integer",
        "\"{word}\" is no number; if this word means nothing, the contract declares it by `empty = [\"{word}\"]`.",
    ),
    ("integer_bounds", "The number is out of bounds: from {min} to {max}."),
    ("number_least", "The number is out of bounds: {min} at least."),
    ("number_most", "The number is out of bounds: {max} at most."),
    ("boolean", "The value is none of the agreed words ({expected})."),
    ("cell_type", "The cell is not of the type that this column has."),
    ("cell_error", "The cell's formula is in error."),
    (
        "formula_without_value",
        "The cell contains a formula without a stored value: open the workbook, recalculate it and save it.",
    ),
    (
        "out_of_scope",
        "The row is not of this sender's scope: the contract does not give it this value of {field} (`owns`).",
    ),
    ("derived_key_collision", "Another row of the file has the same computed id, made of other values."),
    // Added to the sentence of a rule.
    ("first_occurrence", "First occurrence: line {line}."),
    ("first_occurrence_on_sheet", "First occurrence: line {line} of another sheet, number {sheet}."),
    ("on_sheet", "(sheet \"{sheet}\")"),
];

/// Words within sentences.
const WORDS: &Texts = &[("amount", "amount"), ("number", "number"), ("or", "or"), ("quoted", "\"{word}\"")];

/// A date format's letters and names, as a sentence shows them.
const DATES: &Texts = &[
    ("day", "d"),
    ("month", "m"),
    ("month_name", "month"),
    ("year", "y"),
    ("excel", "a spreadsheet's number of a day"),
    ("excel1904", "a spreadsheet's number of a day, counted from 1904"),
];

/// The CSV of what was refused: its file's name and its columns.
const REJECTS: &Texts = &[
    ("file", "rejects.csv"),
    ("line", "line"),
    ("rule", "rule"),
    ("column", "column"),
    ("value", "value"),
    ("explanation", "explanation"),
    ("record", "record"),
];

/// How a sentence writes numbers.
const NUMBERS: &Texts = &[("decimal_mark", "."), ("thousands", ",")];

/// A dataset's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    rules: BTreeMap<ReaderRule, String>,
    emptied: String,
    texts: BTreeMap<(&'static str, &'static str), String>,
}

impl Default for Messages {
    /// The English ones.
    fn default() -> Self {
        let texts = SECTIONS
            .iter()
            .flat_map(|(section, texts)| texts.iter().map(move |(key, text)| ((*section, *key), (*text).to_owned())));
        Self {
            rules: ReaderRule::ALL.into_iter().map(|rule| (rule, rule.id().to_owned())).collect(),
            emptied: "{rule}_emptied".to_owned(),
            texts: texts.collect(),
        }
    }
}

impl Messages {
    /// The id of a rule of the reader, as reports, the ledger and the CSV of what was refused show it.
    pub fn rule(&self, rule: ReaderRule) -> &str {
        self.rules.get(&rule).map_or(rule.id(), String::as_str)
    }

    /// The id of a rule's count of values that a dataset lets the reader leave out (`unreadable = "empty"`).
    pub fn emptied_rule(&self, rule: ReaderRule) -> String {
        fill(&self.emptied, &[("rule", self.rule(rule))])
    }

    /// The rule of the reader with this id.
    pub fn rule_of(&self, id: &str) -> Option<ReaderRule> {
        ReaderRule::ALL.into_iter().find(|rule| self.rule(*rule) == id)
    }

    /// Whether an id is one of the reader's own, so that no rule of a dataset may have it.
    pub fn owns(&self, id: &str) -> bool {
        ReaderRule::ALL.into_iter().any(|rule| self.rule(rule) == id || self.emptied_rule(rule) == id)
    }

    /// A sentence with its values. A key that no sentence has is returned as it is.
    pub fn sentence(&self, key: &'static str, values: &[(&str, &str)]) -> String {
        fill(self.text("sentences", key), values)
    }

    /// What a number of a sentence is about: an amount, or another number.
    pub fn number_word(&self, amount: bool) -> &str {
        self.text("words", if amount { "amount" } else { "number" })
    }

    /// Any of several: `a or b`.
    pub fn any_of<T: AsRef<str>>(&self, all: &[T]) -> String {
        all.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(&format!(" {} ", self.text("words", "or")))
    }

    /// A word of a contract or a file within a sentence.
    pub fn quoted(&self, word: &str) -> String {
        fill(self.text("words", "quoted"), &[("word", word)])
    }

    /// A date format that a contract writes (`dd/mm/yyyy`, `excel`), in the letters of the sender's language (`jj/mm/aaaa`).
    pub fn date_format(&self, format: &str) -> String {
        let text = |key| self.text("dates", key);
        match format {
            "excel" => text("excel").to_owned(),
            "excel1904" => text("excel1904").to_owned(),
            _ => {
                let (date, time) = format.find('h').map_or((format, ""), |at| format.split_at(at));
                let date = date.replace("mmmm", "\0");
                let letter = |c: char| match c {
                    'd' => text("day").to_owned(),
                    'm' => text("month").to_owned(),
                    'y' => text("year").to_owned(),
                    '\0' => text("month_name").to_owned(),
                    c => c.to_string(),
                };
                date.chars().map(letter).collect::<String>() + time
            }
        }
    }

    /// The name of the CSV of what was refused.
    pub fn rejects_file(&self) -> &str {
        self.text("rejects", "file")
    }

    /// The columns of that CSV: the line, the rule, the column, its value, the sentence, the record as it came.
    pub fn rejects_header(&self) -> [&str; 6] {
        ["line", "rule", "column", "value", "explanation", "record"].map(|key| self.text("rejects", key))
    }

    /// A number as PostgreSQL writes it, as a sentence shows it: `1234.50` may be `1 234,50`. Another text stays as it is.
    pub fn number(&self, number: &str) -> String {
        let digits = number.strip_prefix('-').unwrap_or(number);
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() || !whole.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit()) {
            return number.to_owned();
        }
        let mark = |c: char| match c {
            ' ' => self.text("numbers", "thousands").to_owned(),
            '.' => self.text("numbers", "decimal_mark").to_owned(),
            c => c.to_string(),
        };
        group_digits(number).chars().map(mark).collect()
    }

    fn text(&self, section: &'static str, key: &'static str) -> &str {
        self.texts.get(&(section, key)).map_or(key, String::as_str)
    }
}

/// Compiles `messages.toml`; what it does not replace, and all if there is none, is English.
pub(crate) fn messages(bundle: &Bundle, found: &Found) -> Messages {
    let mut messages = Messages::default();
    let Some(toml) = bundle.file(FILE).and_then(|text| document(FILE, text, found)) else { return messages };
    let root = Section::new(FILE, "", &toml, found);
    if let Some(section) = root.section(RULES) {
        rules(&section, &mut messages);
        section.finish();
    }
    for (name, texts) in SECTIONS {
        let Some(section) = root.section(name) else { continue };
        for (key, default) in texts {
            if let Some(text) = section.text(key).filter(|text| is_text(&section, name, key, text, default)) {
                messages.texts.insert((name, key), text.to_owned());
            }
        }
        section.finish();
    }
    root.finish();
    messages
}

/// `[rules]`: the ids, and `emptied`, in which `{rule}` stands for one.
fn rules(section: &Section<'_>, messages: &mut Messages) {
    let accepted = "lower-case letters, digits and `_`, a letter first";
    for rule in ReaderRule::ALL {
        let Some(id) = section.text(rule.id()) else { continue };
        if is_identifier(id) {
            messages.rules.insert(rule, id.to_owned());
        } else {
            section.mistake(rule.id(), format!("\"{id}\""), accepted);
        }
    }
    if let Some(text) = section.text("emptied") {
        let parts = text.matches("{rule}").count() == 1 && is_identifier(&text.replace("{rule}", "rule"));
        if parts && text != "{rule}" {
            messages.emptied = text.to_owned();
        } else {
            section.mistake("emptied", format!("\"{text}\""), "an id with `{rule}` in it, such as \"{rule}_emptied\"");
        }
    }
    for rule in ReaderRule::ALL {
        if let Some(other) = messages.rule_of(messages.rule(rule)).filter(|other| *other != rule) {
            let found = format!("\"{}\", which `{}` has too", messages.rule(rule), other.id());
            section.mistake(rule.id(), found, "ids that differ");
        }
    }
}

/// Whether a text can take a default's place; what is wrong with it is noted.
fn is_text(section: &Section<'_>, name: &str, key: &str, text: &str, default: &str) -> bool {
    let unknown = placeholders(text).find(|placeholder| !placeholders(default).any(|known| known == *placeholder));
    let accepted = match (name, key) {
        _ if text.chars().any(char::is_control) => "a text of one line",
        _ if text.chars().count() > LONGEST => "a text of 300 characters at most",
        ("numbers", "decimal_mark") if !matches!(text, "." | ",") => "\",\" or \".\"",
        ("numbers", "thousands") if text.chars().count() > 1 || text.contains(char::is_alphanumeric) => {
            "one character that is neither a letter nor a digit, or none"
        }
        ("numbers", "thousands") => return true,
        ("rejects", "file") if !is_csv_name(text) => "a file name such as \"rejects.csv\"",
        _ if text.trim().is_empty() => "a text",
        _ => {
            let Some(unknown) = unknown else { return true };
            let known: Vec<String> = placeholders(default).map(|known| format!("`{{{known}}}`")).collect();
            let known = if known.is_empty() { "a text without braces".to_owned() } else { known.join(", ") };
            section.mistake(key, format!("\"{text}\" with `{{{unknown}}}`"), known);
            return false;
        }
    };
    section.mistake(key, format!("\"{text}\""), accepted);
    false
}

fn is_csv_name(text: &str) -> bool {
    let stem = text.strip_suffix(".csv").unwrap_or_default();
    !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// What a text is filled in with: the names in braces.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).map(|rest| rest.split_once('}').map_or(rest, |(name, _)| name))
}

/// A text with its values; what looks like a placeholder within a value stays.
fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut parts = text.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        filled.push_str(values.iter().find(|(known, _)| *known == name).map_or(name, |(_, value)| value));
        filled.push_str(rest);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mistakes::Mistakes;

    fn compile(toml: &str) -> Result<Messages, Vec<String>> {
        let bundle = Bundle::from_files([(FILE.to_owned(), toml.to_owned())]);
        let found = Found::default();
        let compiled = messages(&bundle, &found);
        found.into_result(Some(compiled)).map_err(|Mistakes(all)| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_not_replaced_is_english() {
        let messages = compile(
            "[rules]\nencoding = 'encodage'\nemptied = '{rule}_videe'\n[sentences]\nshort_record = '{expected} ! {found}'",
        )
        .unwrap();
        assert_eq!(messages.rule(ReaderRule::Encoding), "encodage");
        assert_eq!(messages.emptied_rule(ReaderRule::Encoding), "encodage_videe");
        assert_eq!(messages.emptied_rule(ReaderRule::CellType), "cell_type_videe");
        assert_eq!(messages.rule_of("encodage"), Some(ReaderRule::Encoding));
        assert_eq!(messages.rule_of("encoding"), None);
        assert!(messages.owns("encodage") && messages.owns("cell_type_videe") && !messages.owns("encoding"));
        let values = [("found", "{expected}"), ("expected", "9")];
        assert_eq!(messages.sentence("short_record", &values), "9 ! {expected}");
        assert_eq!(
            messages.sentence("long_record", &values),
            "The line has more fields than the header: {expected} instead of 9."
        );
    }

    #[test]
    fn the_document_has_each_text() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/contracts.md");
        let document = std::fs::read_to_string(path).unwrap();
        let toml = document.split("<!-- messages -->\n```toml\n").nth(1).unwrap().split("```").next().unwrap();
        assert_eq!(compile(toml), Ok(Messages::default()));
        let table: toml::Table = toml.parse().unwrap();
        for (section, texts) in SECTIONS {
            assert!(texts.iter().all(|(key, _)| table[section].get(key).is_some()), "{section}");
        }
        assert!(ReaderRule::ALL.iter().all(|rule| table[RULES].get(rule.id()).is_some()));
        assert!(table[RULES].get("emptied").is_some());
    }

    #[test]
    fn date_formats_and_numbers_are_the_senders() {
        let messages = compile(
            "[dates]\nday = 'j'\nyear = 'a'\nmonth_name = 'mois'\nexcel = 'numéro'\n[words]\nor = 'ou'\n\
             [numbers]\ndecimal_mark = ','\nthousands = '\u{202f}'",
        )
        .unwrap();
        let formats =
            ["dd/mm/yyyy hh:mm", "dd mmmm yy", "yyyy-mm-ddThh:mm:ss", "excel"].map(|text| messages.date_format(text));
        assert_eq!(messages.any_of(&formats), "jj/mm/aaaa hh:mm ou jj mois aa ou aaaa-mm-jjThh:mm:ss ou numéro");
        for (number, shown) in [
            ("0.00", "0,00"),
            ("99999999.99", "99\u{202f}999\u{202f}999,99"),
            ("-123456", "-123\u{202f}456"),
            ("-120", "-120"),
            ("NaN", "NaN"),
            ("1e9", "1e9"),
        ] {
            assert_eq!(messages.number(number), shown);
        }
        assert_eq!(Messages::default().number("1234567.5"), "1,234,567.5");
    }

    #[test]
    fn mistakes_name_the_key() {
        for (toml, key, found) in [
            ("[sentences]\nno_such = 'a'", "sentences.no_such", "a key that is not known here"),
            ("[sentences]\ninteger = ' '", "sentences.integer", "\" \""),
            ("[sentences]\nlong_record = '{fund}'", "sentences.long_record", "\"{fund}\" with `{fund}`"),
            ("[sentences]\ninteger = 'a {b'", "sentences.integer", "\"a {b\" with `{b}`"),
            ("[rules]\nencoding = 'Encodage'", "rules.encoding", "\"Encodage\""),
            ("[rules]\nencoding = 'cell_type'", "rules.cell_type", "\"cell_type\", which `encoding` has too"),
            ("[rules]\nemptied = '{rule}'", "rules.emptied", "\"{rule}\""),
            ("[rejects]\nfile = '../rejects.csv'", "rejects.file", "\"../rejects.csv\""),
            ("[rejects]\nfile = '.csv'", "rejects.file", "\".csv\""),
            ("[numbers]\ndecimal_mark = ';'", "numbers.decimal_mark", "\";\""),
            ("[rejects]\nline = \"a\\nb\"", "rejects.line", "\"a\nb\""),
            ("sentence = 1", "sentence", "a key that is not known here"),
        ] {
            let all = compile(toml).unwrap_err();
            let expected = format!("messages.toml: `{key}`: found {found}; accepted: ");
            assert!(all.len() == 1 && all[0].starts_with(&expected), "{toml}: {all:?}");
        }
    }
}
