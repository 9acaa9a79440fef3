//! `[columns]`, `[constants]`, `[derived]` and `[values]` of a source: where each field comes from, and how it is read.

use toml::Value;

use crate::compiled::{Booleans, Check, ColumnRef, Kind, Origin, Reading, Record, Severity, SkippedRows};
use crate::dates::{Dates, dates};
use crate::mistakes::{Section, describe};
use crate::numbers::{NumberFormat, numbers};
use crate::pattern::Template;
use crate::text::is_control;

const A_COLUMN: &str = "the column's name, as the header writes it, or its position such as \"#8\"";

/// How a source's cells are read, unless a column says otherwise.
pub(crate) struct Defaults<'a> {
    pub(crate) dates: &'a Dates,
    pub(crate) numbers: &'a NumberFormat,
    pub(crate) empty: Vec<String>,
    pub(crate) booleans: Booleans,
}

impl Defaults<'_> {
    fn reading(&self) -> Reading {
        Reading {
            dates: self.dates.clone(),
            numbers: self.numbers.clone(),
            empty: self.empty.clone(),
            booleans: self.booleans.clone(),
            values: Vec::new(),
        }
    }
}

/// Where each field of the record comes from.
pub(crate) fn columns(
    root: &Section<'_>,
    record: &Record,
    defaults: &Defaults<'_>,
    ignored: &[ColumnRef],
) -> Vec<Origin> {
    let mut origins = vec![Origin::Absent; record.fields.len()];
    let section = root.required("columns", root.section("columns"), "a table from field to column name");
    for (name, value) in section.iter().flat_map(Section::entries) {
        let (Some(section), Some(index)) = (&section, record.field(name)) else {
            root.mistake(&format!("columns.{name}"), "a name that is no field", known(record));
            continue;
        };
        let Some((column, reading)) = column(section, name, value, defaults) else { continue };
        if ignored.contains(&column) {
            section.mistake(name, format!("\"{column}\", which `ignored_columns` leaves out"), "the one or the other");
        }
        if let Kind::Boolean = record.fields[index].kind
            && reading.booleans == Booleans::default()
        {
            section.mistake(name, "a field of truth values", "`booleans = { true = […], false = […] }`");
        }
        origins[index] = Origin::Column { column, reading };
    }
    constants(root, record, &mut origins);
    derived(root, record, defaults, &mut origins);
    timestamps_have_times(root, record, &origins);
    values(root, record, &mut origins);
    for &index in needed(record).iter().filter(|&&index| origins[index] == Origin::Absent) {
        let name = &record.fields[index].name;
        let accepted = "a column, a constant or a derived value: the dataset requires the field";
        root.mistake(&format!("columns.{name}"), "nothing", accepted);
    }
    origins
}

/// A column as a text of a contract names it: `"Name"` or `"#8"`.
pub(crate) fn column_ref(text: &str) -> Option<ColumnRef> {
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(digits) = folded.strip_prefix('#')
        && !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
    {
        let position = digits.parse::<usize>().ok().filter(|position| (1..=16_384).contains(position))?;
        return Some(ColumnRef::Position(position - 1));
    }
    (!folded.is_empty()).then_some(ColumnRef::Name(folded))
}

fn known(record: &Record) -> String {
    record.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// One entry of `[columns]`: a text, or a table with the keys in which the column differs from its source.
fn column<'a>(
    section: &Section<'a>,
    name: &'a str,
    value: &'a Value,
    defaults: &Defaults<'_>,
) -> Option<(ColumnRef, Reading)> {
    let mut reading = defaults.reading();
    let text = match value {
        Value::String(text) => text,
        Value::Table(_) => {
            let table = section.section(name)?;
            let text = table.required("column", table.text("column"), A_COLUMN);
            if let Some(section) = table.section("dates") {
                reading.dates = dates(&section, Some(defaults.dates), defaults.dates.zone)?;
            }
            if let Some(section) = table.section("numbers") {
                reading.numbers = numbers(&section, Some(defaults.numbers))?;
            }
            if let Some(words) = empty_words(&table) {
                reading.empty = words;
            }
            if let Some(words) = booleans(&table) {
                reading.booleans = words;
            }
            table.finish();
            return Some((column_or_mistake(&table, "column", text?)?, reading));
        }
        other => {
            section.mistake(name, describe(other), format!("{A_COLUMN}; or a table with `column`"));
            return None;
        }
    };
    Some((column_or_mistake(section, name, text)?, reading))
}

fn column_or_mistake(section: &Section<'_>, key: &str, text: &str) -> Option<ColumnRef> {
    let column = column_ref(text);
    if column.is_none() {
        section.mistake(key, format!("\"{text}\""), A_COLUMN);
    }
    column
}

/// `empty`: words that mean "nothing".
pub(crate) fn empty_words(section: &Section<'_>) -> Option<Vec<String>> {
    let words = section.texts("empty")?;
    Some(words.into_iter().map(|word| word.split_whitespace().collect::<Vec<_>>().join(" ")).collect())
}

/// `booleans`: words for true and false.
pub(crate) fn booleans(section: &Section<'_>) -> Option<Booleans> {
    let table = section.section("booleans")?;
    let accepted = "a list of words such as [\"oui\", \"1\"]";
    let words = |key| -> Vec<String> {
        let words = table.required(key, table.texts(key), accepted).unwrap_or_default();
        words.into_iter().map(|word| word.trim().to_owned()).collect()
    };
    let found = Booleans { yes: words("true"), no: words("false") };
    for word in found.yes.iter().filter(|word| found.no.contains(word)) {
        table.mistake("false", format!("\"{word}\", which means true as well"), "words that differ");
    }
    table.finish();
    Some(found)
}

/// `skip_rows`: rows that are left out on purpose, by column and value: a table of which one entry is enough, or a list of tables of which all entries
/// of one must fit.
pub(crate) fn skipped_rows(root: &Section<'_>) -> Vec<SkippedRows> {
    let mut skipped = Vec::new();
    if root.value("skip_rows").is_some_and(Value::is_array) {
        for section in root.sections("skip_rows").into_iter().flatten() {
            let group = skipped.len();
            skip(&section, &mut skipped, |_| group);
        }
    } else if let Some(section) = root.section("skip_rows") {
        skip(&section, &mut skipped, |at| at);
    }
    skipped
}

/// Adds the conditions of a table, each to a group that depends on how many there are.
fn skip(section: &Section<'_>, skipped: &mut Vec<SkippedRows>, group: impl Fn(usize) -> usize) {
    for (name, _) in section.entries() {
        let values = section.texts(name).unwrap_or_default();
        if values.is_empty() {
            section.mistake(name, "no value", "a list of the values of the rows to leave out");
        }
        if let Some(column) = column_or_mistake(section, name, name) {
            let values = values.into_iter().map(|value| value.trim().to_owned()).collect();
            skipped.push(SkippedRows { column, values, group: group(skipped.len()) });
        }
    }
}

/// Notes a field that has a value already.
fn is_free(root: &Section<'_>, key: &str, origin: &Origin) -> bool {
    let taken = match origin {
        Origin::Absent => return true,
        Origin::Column { column, .. } => format!("this beside the column \"{column}\""),
        Origin::Constant(_) => "this beside a constant".to_owned(),
        Origin::Sheet { .. } | Origin::FileName { .. } | Origin::Hash(_) => "this beside a derived value".to_owned(),
    };
    root.mistake(key, taken, "the one or the other");
    false
}

const NO_CONTROLS: &str = "a text without control characters, line breaks or marks that turn the direction of text";

/// The first character that no value of a contract may have.
fn control(text: &str) -> Option<char> {
    text.chars().find(|c| c.is_control() || is_control(*c))
}

fn constants(root: &Section<'_>, record: &Record, origins: &mut [Origin]) {
    let section = root.section("constants");
    for (name, value) in section.iter().flat_map(Section::entries) {
        let key = format!("constants.{name}");
        let Some(index) = record.field(name) else {
            root.mistake(&key, "a name that is no field", known(record));
            continue;
        };
        if !is_free(root, &key, &origins[index]) {
            continue;
        }
        if let Some(c) = value.as_str().and_then(control) {
            root.mistake(&key, format!("the character U+{:04X}", u32::from(c)), NO_CONTROLS);
            continue;
        }
        match (record.fields[index].kind, value.as_str().map(str::trim)) {
            (Kind::Text { max_length }, Some(text)) if (1..=max_length).contains(&text.chars().count()) => {
                origins[index] = Origin::Constant(text.to_owned());
            }
            (Kind::Text { max_length }, _) => {
                root.mistake(&key, describe(value), format!("a text of 1 to {max_length} characters"));
            }
            _ => root.mistake(&key, describe(value), "a constant for a text field; other fields need a column"),
        }
    }
}

/// `[derived]`: a hash of other fields, or a part of the sheet's or the file's name.
fn derived(root: &Section<'_>, record: &Record, defaults: &Defaults<'_>, origins: &mut [Origin]) {
    let accepted = "{ hash = [fields] }, { sheet = \"{}\" } or { file_name = \"{}_*.csv\" }";
    let section = root.section("derived");
    for (name, value) in section.iter().flat_map(Section::entries) {
        let key = format!("derived.{name}");
        let (Some(section), Some(index)) = (&section, record.field(name)) else {
            root.mistake(&key, "a name that is no field", known(record));
            continue;
        };
        if !is_free(root, &key, &origins[index]) {
            continue;
        }
        let Some(table) = value.as_table().and_then(|_| section.section(name)) else {
            root.mistake(&key, describe(value), accepted);
            continue;
        };
        let (hash, sheet, file_name) = (table.texts("hash"), table.text("sheet"), table.text("file_name"));
        let template = |key: &str, text: &str| {
            let template = Template::parse(text);
            if template.is_none() {
                table.mistake(
                    key,
                    format!("\"{text}\""),
                    "a name in which `{}` stands once for the part, and `*`, not beside it, for anything else",
                );
            }
            template
        };
        origins[index] = match (hash, sheet, file_name) {
            (Some(fields), None, None) => self::hash(&table, record, index, &fields),
            (None, Some(text), None) => template("sheet", text)
                .map_or(Origin::Absent, |template| Origin::Sheet { template, reading: defaults.reading() }),
            (None, None, Some(text)) => template("file_name", text)
                .map_or(Origin::Absent, |template| Origin::FileName { template, reading: defaults.reading() }),
            _ => {
                root.mistake(&key, "none or several of its keys", accepted);
                Origin::Absent
            }
        };
        table.finish();
    }
    // A hash of a hash would depend on the order of the fields.
    for (index, origin) in origins.iter().enumerate() {
        let Origin::Hash(inputs) = origin else { continue };
        for &input in inputs {
            let key = format!("derived.{}.hash", record.fields[index].name);
            let found = format!("\"{}\"", record.fields[input].name);
            match &origins[input] {
                Origin::Hash(_) => {
                    root.mistake(&key, format!("{found}, a hash itself"), "fields that are read from the file")
                }
                Origin::Absent => root.mistake(&key, format!("{found}, which has no value"), "fields with a value"),
                _ => {}
            }
        }
    }
}

/// A timestamp is read by the formats that have a time of day: at least one of them.
fn timestamps_have_times(root: &Section<'_>, record: &Record, origins: &[Origin]) {
    for (field, origin) in record.fields.iter().zip(origins).filter(|(field, _)| field.kind == Kind::Timestamp) {
        let (table, reading) = match origin {
            Origin::Column { reading, .. } => ("columns", reading),
            Origin::Sheet { reading, .. } | Origin::FileName { reading, .. } => ("derived", reading),
            Origin::Hash(_) | Origin::Constant(_) | Origin::Absent => continue,
        };
        if !reading.dates.reads_timestamps() {
            let accepted = "`dates = { format = … }` with a time of day, such as \"dd/mm/yyyy hh:mm\", or \"excel\"";
            let found = "a timestamp, while no date format has the time of day";
            root.mistake(&format!("{table}.{}", field.name), found, accepted);
        }
    }
}

/// Length of a derived id: 16 characters of base32, 80 bits.
const DERIVED_LENGTH: usize = 16;

fn hash(table: &Section<'_>, record: &Record, index: usize, fields: &[&str]) -> Origin {
    let mut inputs = Vec::with_capacity(fields.len());
    for name in fields {
        match record.field(name) {
            Some(input) if input == index || inputs.contains(&input) => {
                table.mistake("hash", format!("\"{name}\""), "other fields, each once");
            }
            Some(input) => inputs.push(input),
            None => table.mistake("hash", format!("\"{name}\", which is no field"), known(record)),
        }
    }
    if inputs.is_empty() {
        table.mistake("hash", "no field", "a list of fields");
    }
    if !matches!(record.fields[index].kind, Kind::Text { max_length } if max_length >= DERIVED_LENGTH) {
        table.mistake(
            "hash",
            "a field of another type",
            format!("a text field of at least {DERIVED_LENGTH} characters"),
        );
    }
    Origin::Hash(inputs)
}

fn values(root: &Section<'_>, record: &Record, origins: &mut [Origin]) {
    let section = root.section("values");
    for (name, table) in section.iter().flat_map(Section::entries) {
        let key = format!("values.{name}");
        let index = record.field(name);
        let most = index.and_then(|index| match record.fields[index].kind {
            Kind::Text { max_length } => Some(max_length),
            _ => None,
        });
        let reading = index.and_then(|index| match &mut origins[index] {
            Origin::Column { reading, .. } | Origin::Sheet { reading, .. } | Origin::FileName { reading, .. } => {
                Some(reading)
            }
            Origin::Hash(_) | Origin::Constant(_) | Origin::Absent => None,
        });
        let (Some(most), Some(reading), Some(table)) = (most, reading, table.as_table()) else {
            let found = if most.is_none() { "values of a field that is no text".to_owned() } else { describe(table) };
            root.mistake(&key, found, "a table from raw to canonical value, for a text field with a column");
            continue;
        };
        for (raw, canonical) in table {
            if let Some(c) = canonical.as_str().and_then(control) {
                root.mistake(&format!("{key}.{raw}"), format!("the character U+{:04X}", u32::from(c)), NO_CONTROLS);
                continue;
            }
            if reading.values.iter().any(|(known, _)| known == raw.trim()) {
                root.mistake(&format!("{key}.{raw}"), "a value that stands there twice", "each raw value once");
            }
            match canonical.as_str().map(str::trim) {
                Some(canonical) if canonical.chars().count() <= most => {
                    reading.values.push((raw.trim().to_owned(), canonical.to_owned()));
                }
                Some(_) => root.mistake(
                    &format!("{key}.{raw}"),
                    describe(&table[raw]),
                    format!("a text of at most {most} characters, as many as the field has"),
                ),
                None => root.mistake(&format!("{key}.{raw}"), describe(canonical), "a text"),
            }
        }
    }
}

/// Fields without which no row can be accepted: the natural key, and what a rule of severity `reject` or more requires.
fn needed(record: &Record) -> Vec<usize> {
    let required = record.rules.iter().filter(|rule| rule.severity != Severity::Warn);
    let mut needed = record.key.clone();
    for rule in required {
        if let Check::Required(fields) = &rule.check {
            needed.extend(fields);
        }
    }
    needed.sort_unstable();
    needed.dedup();
    needed
}
