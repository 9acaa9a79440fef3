//! Reading a TOML document while collecting every mistake in it, instead of stopping at the first.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use toml::{Table, Value};

use crate::text;

/// One mistake in a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, relative to the dataset's folder.
    pub file: String,
    /// The key, dotted; empty for the file itself.
    pub key: String,
    /// What was found.
    pub found: String,
    /// What is accepted.
    pub accepted: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        write!(f, "found {}; accepted: {}", self.found, self.accepted)
    }
}

/// All mistakes of a dataset's contracts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "mistake" } else { "mistakes" };
        write!(f, "{} {plural} in the dataset's contracts", self.0.len())?;
        self.0.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

/// The mistakes found so far, shared by all who read a dataset's files.
#[derive(Clone, Debug, Default)]
pub struct Found(Rc<RefCell<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    mistakes: Vec<Mistake>,
    /// The sections of each file that know a key: a key in the wrong one is the commonest mistake in TOML.
    sections: BTreeMap<(String, String), BTreeSet<String>>,
}

/// What is found of a key that its section does not know.
const UNKNOWN: &str = "a key that is not known here";

impl Found {
    /// Adds one: the file, the dotted key, what was found, what is accepted.
    pub fn add(&self, file: &str, key: &str, found: impl Into<String>, accepted: impl Into<String>) {
        let (found, accepted) = (found.into(), accepted.into());
        self.0.borrow_mut().mistakes.push(Mistake { file: file.to_owned(), key: key.to_owned(), found, accepted });
    }

    /// Notes that a section of a file knows a key.
    fn knows(&self, file: &str, section: &str, key: &str) {
        let place = (file.to_owned(), key.to_owned());
        self.0.borrow_mut().sections.entry(place).or_default().insert(section.to_owned());
    }

    /// The value, if it is there and nothing was found.
    ///
    /// # Errors
    /// All mistakes.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Mistakes> {
        let mut mistakes = self.0.borrow().mistakes.clone();
        for mistake in mistakes.iter_mut().filter(|mistake| mistake.found == UNKNOWN) {
            mistake.accepted.push_str(&self.0.borrow().elsewhere(mistake));
        }
        match value {
            Some(value) if mistakes.is_empty() => Ok(value),
            _ => Err(Mistakes(mistakes)),
        }
    }
}

impl Notes {
    /// Where a key belongs that stands in the wrong section, as the end of a sentence.
    fn elsewhere(&self, mistake: &Mistake) -> String {
        let key = mistake.key.rsplit('.').next().unwrap_or_default();
        let Some(sections) = self.sections.get(&(mistake.file.clone(), key.to_owned())) else { return String::new() };
        let name = |section: &String| match section.as_str() {
            "" => "at the top of the file, above the first `[table]`".to_owned(),
            section => format!("in `[{section}]`"),
        };
        let places: Vec<String> = sections.iter().take(3).map(name).collect();
        format!("; `{key}` belongs {}", places.join(" or "))
    }
}

/// A table of a document: typed reads that note what is wrong, and at the end the keys that nobody asked for.
#[derive(Debug)]
pub struct Section<'a> {
    file: &'a str,
    path: String,
    table: &'a Table,
    asked: RefCell<BTreeSet<&'a str>>,
    found: Found,
}

impl<'a> Section<'a> {
    /// A section of a file: `path` is its dotted key, empty for the whole document.
    pub fn new(file: &'a str, path: impl Into<String>, table: &'a Table, found: &Found) -> Self {
        Self { file, path: path.into(), table, asked: RefCell::default(), found: found.clone() }
    }

    /// The dotted key of one of its keys.
    pub fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes a mistake at one of its keys.
    pub fn mistake(&self, key: &str, found: impl Into<String>, accepted: impl Into<String>) {
        self.found.add(self.file, &self.key(key), found, accepted);
    }

    /// The raw value of a key; absent is no mistake.
    pub fn value(&self, key: &'a str) -> Option<&'a Value> {
        self.asked.borrow_mut().insert(key);
        self.table.get(key)
    }

    /// Notes a key that belongs somewhere else, if it is there.
    pub(crate) fn misplaced(&self, key: &'a str, found: &str, accepted: &str) {
        if self.table.contains_key(key) {
            self.asked.borrow_mut().insert(key);
            self.mistake(key, found, accepted);
        }
    }

    fn typed<T>(&self, key: &'a str, accepted: &str, read: impl Fn(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.value(key)?;
        let typed = read(value);
        if typed.is_none() {
            self.mistake(key, describe(value), accepted);
        }
        typed
    }

    /// Notes a missing key, unless something was there (which then was noted when it was read).
    pub fn required<T>(&self, key: &str, value: Option<T>, accepted: &str) -> Option<T> {
        if value.is_none() && !self.table.contains_key(key) {
            self.mistake(key, "nothing", accepted);
        }
        value
    }

    /// A text.
    pub fn text(&self, key: &'a str) -> Option<&'a str> {
        self.typed(key, "a text", Value::as_str)
    }

    /// A whole number from 0 upwards.
    pub fn whole(&self, key: &'a str) -> Option<u64> {
        self.typed(key, "a whole number from 0 upwards", |value| value.as_integer().and_then(|n| u64::try_from(n).ok()))
    }

    /// A number, with or without a fraction.
    pub fn number(&self, key: &'a str) -> Option<f64> {
        self.typed(key, "a number", as_number)
    }

    /// A list of numbers.
    pub fn numbers(&self, key: &'a str) -> Option<Vec<f64>> {
        self.typed(key, "a list of numbers", |value| value.as_array()?.iter().map(as_number).collect())
    }

    /// A whole number.
    pub fn integer(&self, key: &'a str) -> Option<i64> {
        self.typed(key, "a whole number", Value::as_integer)
    }

    /// True or false.
    pub fn truth(&self, key: &'a str) -> Option<bool> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// A list of texts.
    pub fn texts(&self, key: &'a str) -> Option<Vec<&'a str>> {
        self.typed(key, "a list of texts", |value| value.as_array()?.iter().map(Value::as_str).collect())
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, key: &'a str, choices: &[(&str, T)]) -> Option<T> {
        let accepted = || choices.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let word = self.typed(key, &accepted(), Value::as_str)?;
        let chosen = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if chosen.is_none() {
            self.mistake(key, format!("\"{word}\""), accepted());
        }
        chosen
    }

    /// A single ASCII character.
    pub fn ascii(&self, key: &'a str) -> Option<u8> {
        let accepted = "one ASCII character";
        self.typed(key, accepted, |value| match value.as_str()?.as_bytes() {
            [byte] if byte.is_ascii() => Some(*byte),
            _ => None,
        })
    }

    /// A table.
    pub fn section(&self, key: &'a str) -> Option<Section<'a>> {
        let table = self.typed(key, "a table", Value::as_table)?;
        Some(Section::new(self.file, self.key(key), table, &self.found))
    }

    /// The tables of a list, each with its place in its path.
    pub fn sections(&self, key: &'a str) -> Option<Vec<Section<'a>>> {
        let tables: Vec<&Table> =
            self.typed(key, "a list of tables", |value| value.as_array()?.iter().map(Value::as_table).collect())?;
        let path = self.key(key);
        let section = |(index, table)| Section::new(self.file, format!("{path}[{index}]"), table, &self.found);
        Some(tables.into_iter().enumerate().map(section).collect())
    }

    /// Whether all entries of a list could be read: `read` of them were.
    pub(crate) fn is_whole(&self, key: &str, read: usize) -> bool {
        self.table.get(key).map_or(0, |value| value.as_array().map_or(usize::MAX, Vec::len)) == read
    }

    /// All keys and values by key, for tables whose keys are names of the user's.
    pub fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.asked.borrow_mut().extend(self.table.keys().map(String::as_str));
        // Another crate may ask `toml` to keep the file's order: what is made of a table must not depend on that.
        let mut entries: Vec<_> = self.table.iter().map(|(key, value)| (key.as_str(), value)).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries.into_iter()
    }

    /// Notes each key that nothing asked for: the last call on a section.
    pub fn finish(&self) {
        let asked = self.asked.borrow();
        let known = asked.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let unknown: BTreeSet<&str> =
            self.table.keys().map(String::as_str).filter(|key| !asked.contains(key)).collect();
        for key in asked.iter() {
            self.found.knows(self.file, &self.path, key);
        }
        for key in unknown {
            self.mistake(key, UNKNOWN, known.clone());
        }
    }
}

/// A TOML document, its keys and texts composed as the texts of files are (NFC, no invisible characters); where it is none,
/// the mistake names the line.
pub fn document(file: &str, text: &str, found: &Found) -> Option<Table> {
    text.parse::<Table>()
        .map(|table| composed_table(file, "", table, found))
        .map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            found.add(file, "", format!("line {line}: {}", error.message()), "TOML");
        })
        .ok()
}

fn composed_table(file: &str, path: &str, table: Table, found: &Found) -> Table {
    let mut composed = Table::new();
    for (key, value) in table {
        let key = text::composed(&key).unwrap_or(key);
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if composed.contains_key(&key) {
            found.add(file, &path, "two keys that look the same", "keys that differ");
        }
        composed.insert(key, composed_value(file, &path, value, found));
    }
    composed
}

fn composed_value(file: &str, path: &str, value: Value, found: &Found) -> Value {
    match value {
        Value::String(text) => Value::String(text::composed(&text).unwrap_or(text)),
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| composed_value(file, path, item, found)).collect())
        }
        Value::Table(table) => Value::Table(composed_table(file, path, table, found)),
        other => other,
    }
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Float(number) if number.is_finite() => Some(*number),
        // Whole numbers of a contract are far below 2⁵³.
        Value::Integer(number) => i32::try_from(*number).ok().map(f64::from),
        _ => None,
    }
}

/// A value as a mistake shows it.
pub fn describe(value: &Value) -> String {
    match value {
        Value::Table(_) => "a table".to_owned(),
        Value::Array(items) => format!("a list of {}", items.len()),
        other => other.to_string(),
    }
}
