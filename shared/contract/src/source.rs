//! `sources/<source>.toml`, compiled: one facility's way of writing the record.

use fonderie_core::freshness::{Every, Expected};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use toml::{Table, Value};

use crate::compiled::{Check, Csv, FileFormat, Format, Kind, NumberFormat, Origin, Record, Sheet, Source, Workbook};
use crate::date_format;
use crate::mistakes::{Found, Section, describe};

/// Compiles a source, noting every mistake.
pub(crate) fn compile(file: &str, id: &str, document: &Table, record: &Record, found: &Found) -> Option<Source> {
    let root = Section::new(file, "", document, found);
    let formats = formats(&root);
    let dates = root.required("dates", root.section("dates"), "a table with `format`");
    let date = dates.and_then(|section| {
        let format = section.required("format", section.text("format"), date_format::ACCEPTED);
        let parsed = format.and_then(|text| parse_date_format(&section, "format", text));
        section.finish();
        parsed
    });
    let number =
        root.required("numbers", root.section("numbers"), "a table with `decimal_mark`").and_then(|s| numbers(&s));
    let extraction_date =
        root.text("extraction_date").and_then(|text| parse_date_format(&root, "extraction_date", text));
    let expected = root.section("expected").and_then(|section| expected(&section));
    let ignored: Vec<String> =
        root.texts("ignored_columns").unwrap_or_default().into_iter().map(str::to_owned).collect();
    let columns = columns(&root, record, &ignored);
    root.finish();
    Some(Source {
        id: id.to_owned(),
        formats: formats?,
        columns,
        ignored,
        date: date?,
        number: number?,
        extraction_date,
        expected,
    })
}

/// `[expected]`: how often the source sends a file.
fn expected(section: &Section<'_>) -> Option<Expected> {
    let choices = [("day", Every::Day), ("week", Every::Week), ("month", Every::Month)];
    let every = section.required("every", section.choice("every", &choices), "\"day\", \"week\" or \"month\"");
    let grace_days = section.whole("grace_days").unwrap_or(0);
    let grace = u32::try_from(grace_days).ok().filter(|days| *days <= 366);
    if grace.is_none() {
        section.mistake("grace_days", grace_days.to_string(), "a number of days up to 366");
    }
    section.finish();
    Some(Expected { every: every?, grace_days: grace? })
}

/// `files` with one `[format]`, or a list `[[formats]]` each with its own `files`.
fn formats(root: &Section<'_>) -> Option<Vec<FileFormat>> {
    let Some(sections) = root.sections("formats") else {
        let files = files(root);
        let section = root.required("format", root.section("format"), "a table with `type`")?;
        return Some(vec![format(&section, files?)?]);
    };
    for key in ["files", "format"] {
        if root.value(key).is_some() {
            root.mistake(key, "this key beside `formats`", "`files` and `format`, or `formats` each with its `files`");
        }
    }
    if sections.is_empty() {
        root.mistake("formats", "an empty list", "a list of tables, each with `files` and `type`");
    }
    let compiled: Vec<_> = sections.iter().map(|section| format(section, files(section)?)).collect();
    compiled.into_iter().collect()
}

fn files(section: &Section<'_>) -> Option<GlobSet> {
    let accepted = "a list of file name patterns such as [\"etablissement_A*.csv\"]";
    let patterns = section.required("files", section.texts("files"), accepted)?;
    if patterns.is_empty() {
        section.mistake("files", "an empty list", accepted);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        // Facilities write names in any case; `*` must not reach into another folder.
        match GlobBuilder::new(pattern).case_insensitive(true).literal_separator(true).build() {
            Ok(glob) => {
                set.add(glob);
            }
            Err(error) => section.mistake("files", format!("\"{pattern}\": {}", error.kind()), accepted),
        }
    }
    set.build().ok()
}

fn parse_date_format(section: &Section<'_>, key: &str, text: &str) -> Option<crate::compiled::DateFormat> {
    let format = date_format::parse(text);
    if format.is_none() {
        section.mistake(key, format!("\"{text}\""), date_format::ACCEPTED);
    }
    format
}

type Compile = fn(&Section<'_>) -> Option<Format>;

fn format(section: &Section<'_>, files: GlobSet) -> Option<FileFormat> {
    let types = [("csv", csv as Compile), ("xlsx", workbook)];
    let compile = section.required("type", section.choice("type", &types), "\"csv\" or \"xlsx\"")?;
    let header_line = section.whole("header_line").unwrap_or(1);
    if header_line == 0 {
        section.mistake("header_line", "0", "a line number from 1 upwards");
    }
    let totals = section.text("totals").map(|word| word.trim().to_owned());
    if totals.as_deref() == Some("") {
        section.mistake("totals", "an empty text", "the word in the first filled cell of a line of totals");
    }
    let format = compile(section);
    section.finish();
    Some(FileFormat { files, header_line, totals, format: format? })
}

fn workbook(section: &Section<'_>) -> Option<Format> {
    let accepted = "a sheet's name, or its position from 1";
    let sheet = match section.value("sheet") {
        None => None,
        Some(Value::String(name)) if !name.is_empty() => Some(Sheet::Name(name.clone())),
        Some(Value::Integer(position)) if *position > 0 => usize::try_from(*position).ok().map(Sheet::Position),
        Some(other) => {
            section.mistake("sheet", describe(other), accepted);
            None
        }
    };
    Some(Format::Workbook(Workbook { sheet }))
}

fn csv(section: &Section<'_>) -> Option<Format> {
    let accepted = "an encoding such as \"utf-8\", \"windows-1252\", \"iso-8859-15\" or \"utf-16le\"";
    let encoding = section.required("encoding", section.text("encoding"), accepted).and_then(|label| {
        let encoding = encoding_rs::Encoding::for_label_no_replacement(label.as_bytes());
        if encoding.is_none() {
            section.mistake("encoding", format!("\"{label}\""), accepted);
        }
        encoding
    });
    let delimiter = section.required("delimiter", section.ascii("delimiter"), "one ASCII character");
    let quote = match section.value("quote") {
        None => Some(b'"'),
        Some(Value::Boolean(false)) => None,
        Some(_) => section.ascii("quote"),
    };
    if let Some(delimiter) = delimiter.filter(|d| Some(*d) == quote || matches!(d, b'\r' | b'\n')) {
        let found = format!("{:?}", char::from(delimiter));
        section.mistake("delimiter", found, "a character that is neither the quote nor a line end");
    }
    let trailing_delimiters = section.truth("trailing_delimiters").unwrap_or(false);
    Some(Format::Csv(Csv { encoding: encoding?, delimiter: delimiter?, quote, trailing_delimiters }))
}

fn numbers(section: &Section<'_>) -> Option<NumberFormat> {
    let accepted = "\",\" or \".\"";
    let decimal_mark = section.choice("decimal_mark", &[(",", ','), (".", '.')]);
    let decimal_mark = section.required("decimal_mark", decimal_mark, accepted);
    let mut thousands = Vec::new();
    for text in section.texts("thousands").unwrap_or_default() {
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(c), None) if Some(c) != decimal_mark && !c.is_ascii_digit() && c != '-' => thousands.push(c),
            _ => section.mistake("thousands", format!("{text:?}"), "single characters other than the decimal mark"),
        }
    }
    let currency = section.texts("currency").unwrap_or_default().into_iter().map(str::to_owned).collect();
    let round_cells = section.choice("rounding", &[("none", false), ("half_up", true)]).unwrap_or(false);
    section.finish();
    Some(NumberFormat { decimal_mark: decimal_mark?, thousands, currency, round_cells })
}

fn columns(root: &Section<'_>, record: &Record, ignored: &[String]) -> Vec<Origin> {
    let mut origins = vec![Origin::Absent; record.fields.len()];
    let known = || record.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
    let section = root.required("columns", root.section("columns"), "a table from field to column name");
    for (name, value) in section.iter().flat_map(Section::entries) {
        let (Some(section), Some(index)) = (&section, record.field(name)) else {
            root.mistake(&format!("columns.{name}"), "a name that is no field", known());
            continue;
        };
        let Some(header) = value.as_str().map(str::trim).filter(|header| !header.is_empty()) else {
            section.mistake(name, describe(value), "the column's name, as the header writes it");
            continue;
        };
        let taken = |origin: &Origin| matches!(origin, Origin::Column { header: other, .. } if other == header);
        if origins.iter().any(taken) {
            section.mistake(name, format!("\"{header}\", which another field has already"), "one field for a column");
        }
        if ignored.iter().any(|other| other == header) {
            section.mistake(name, format!("\"{header}\", which `ignored_columns` leaves out"), "the one or the other");
        }
        origins[index] = Origin::Column { header: header.to_owned(), values: Vec::new() };
    }
    let section = root.section("constants");
    for (name, value) in section.iter().flat_map(Section::entries) {
        let key = format!("constants.{name}");
        let Some(index) = record.field(name) else {
            root.mistake(&key, "a name that is no field", known());
            continue;
        };
        match (record.fields[index].kind, value.as_str(), &origins[index]) {
            (_, _, Origin::Column { header, .. }) => {
                root.mistake(&key, format!("a constant beside the column \"{header}\""), "the one or the other");
            }
            (Kind::Text { max_length }, Some(text), _) if (1..=max_length).contains(&text.chars().count()) => {
                origins[index] = Origin::Constant(text.to_owned());
            }
            _ => root.mistake(&key, describe(value), "a text that fits a text field"),
        }
    }
    values(root, record, &mut origins);
    for &index in needed(record).iter().filter(|&&index| origins[index] == Origin::Absent) {
        let name = &record.fields[index].name;
        root.mistake(&format!("columns.{name}"), "nothing", "a column or a constant: the dataset requires the field");
    }
    origins
}

fn values(root: &Section<'_>, record: &Record, origins: &mut [Origin]) {
    let section = root.section("values");
    for (name, table) in section.iter().flat_map(Section::entries) {
        let key = format!("values.{name}");
        let field = record.field(name).filter(|&index| matches!(record.fields[index].kind, Kind::Text { .. }));
        let (Some(Origin::Column { values, .. }), Some(table)) =
            (field.map(|index| &mut origins[index]), table.as_table())
        else {
            root.mistake(&key, describe(table), "a table from raw to canonical value, for a text field with a column");
            continue;
        };
        for (raw, canonical) in table {
            match canonical.as_str() {
                Some(canonical) => values.push((raw.clone(), canonical.to_owned())),
                None => root.mistake(&format!("{key}.{raw}"), describe(canonical), "a text"),
            }
        }
    }
}

/// Fields without which no row can be accepted: the natural key, and what a rule of severity `reject` or more requires.
fn needed(record: &Record) -> Vec<usize> {
    let required = record.rules.iter().filter(|rule| rule.severity != crate::compiled::Severity::Warn);
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
