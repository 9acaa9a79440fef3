//! `sources/<source>.toml`, compiled: one facility's way of writing the record.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use toml::{Table, Value};

use crate::compiled::{Check, Csv, Format, Kind, NumberFormat, Origin, Record, Source};
use crate::date_format;
use crate::mistakes::{Found, Section, describe};

/// Compiles a source, noting every mistake.
pub(crate) fn compile(file: &str, id: &str, document: &Table, record: &Record, found: &Found) -> Option<Source> {
    let root = Section::new(file, "", document, found);
    let files = files(&root);
    let format =
        root.required("format", root.section("format"), "a table with `type`").and_then(|section| format(&section));
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
    let ignored: Vec<String> =
        root.texts("ignored_columns").unwrap_or_default().into_iter().map(str::to_owned).collect();
    let columns = columns(&root, record, &ignored);
    root.finish();
    Some(Source {
        id: id.to_owned(),
        files: files?,
        format: format?,
        columns,
        ignored,
        date: date?,
        number: number?,
        extraction_date,
    })
}

fn files(root: &Section<'_>) -> Option<GlobSet> {
    let accepted = "a list of file name patterns such as [\"etablissement_A*.csv\"]";
    let patterns = root.required("files", root.texts("files"), accepted)?;
    if patterns.is_empty() {
        root.mistake("files", "an empty list", accepted);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        // Facilities write names in any case; `*` must not reach into another folder.
        match GlobBuilder::new(pattern).case_insensitive(true).literal_separator(true).build() {
            Ok(glob) => {
                set.add(glob);
            }
            Err(error) => root.mistake("files", format!("\"{pattern}\": {}", error.kind()), accepted),
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

fn format(section: &Section<'_>) -> Option<Format> {
    section.required("type", section.choice("type", &[("csv", ())]), "\"csv\"")?;
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
    let header_line = section.whole("header_line").unwrap_or(1);
    if header_line == 0 {
        section.mistake("header_line", "0", "a line number from 1 upwards");
    }
    section.finish();
    Some(Format::Csv(Csv { encoding: encoding?, delimiter: delimiter?, quote, header_line }))
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
    section.finish();
    Some(NumberFormat { decimal_mark: decimal_mark?, thousands, currency })
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
