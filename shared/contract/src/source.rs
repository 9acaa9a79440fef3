//! `sources/<source>.toml`, compiled: one sender's way of writing the record.

use chrono_tz::Tz;
use fonderie_core::freshness::{Every, Expected};
use toml::{Table, Value};

use crate::columns::{self, Defaults};
use crate::compiled::{ColumnRef, ExtractionMissing, FileFormat, Header, Origin, Owns, Record, SkippedRows, Source};
use crate::dates::{Dates, dates, in_file_name};
use crate::format;
use crate::mistakes::{Found, Section, describe};
use crate::numbers::{NumberFormat, numbers};

/// Compiles a source, noting every mistake.
pub(crate) fn compile(
    file: &str,
    id: &str,
    document: &Table,
    records: &[Record],
    zone: Tz,
    found: &Found,
) -> Option<Source> {
    let root = Section::new(file, "", document, found);
    let at = of_record(&root, records)?;
    let record = &records[at];
    let formats = format::formats(&root);
    let section = root.required("dates", root.section("dates"), "a table with `format`");
    let dates = section.and_then(|section| dates(&section, None, zone));
    let section = root.required("numbers", root.section("numbers"), "a table with `decimal_mark`");
    let number = section.and_then(|section| numbers(&section, None));
    let extraction_date = root.text("extraction_date").and_then(|text| in_file_name(&root, "extraction_date", text));
    let choices = [("refuse", ExtractionMissing::Refuse), ("upload_time", ExtractionMissing::UploadTime)];
    let missing = root.choice("extraction_date_missing", &choices).unwrap_or_default();
    if root.value("extraction_date_missing").is_some() && root.value("extraction_date").is_none() {
        root.mistake(
            "extraction_date_missing",
            "this key without `extraction_date`",
            "the key beside `extraction_date`",
        );
    }
    let expected = root.section("expected").and_then(|section| expected(&section));
    let ignored = refs(&root, "ignored_columns");
    let refused = refused(&root, record, formats.as_deref().unwrap_or_default());
    let skipped_rows = columns::skipped_rows(&root);
    let fold_header = root.truth("fold_header").unwrap_or(false);
    let empty = columns::empty_words(&root).unwrap_or_default();
    let booleans = columns::booleans(&root).unwrap_or_default();
    // Without the one or the other, the columns' own mistakes are noted all the same.
    let no_dates = Dates { formats: Vec::new(), fold: None, zone };
    let no_numbers = NumberFormat::plain('.');
    let defaults = Defaults {
        dates: dates.as_ref().unwrap_or(&no_dates),
        numbers: number.as_ref().unwrap_or(&no_numbers),
        empty,
        booleans,
    };
    for key in [
        "header_line",
        "header",
        "header_pattern",
        "totals",
        "footer",
        "spreadsheet_text",
        "encoding",
        "delimiter",
        "sheet",
        "sheets",
    ] {
        root.misplaced(key, "a key of a format above all tables", &format!("`{key}` under `[format]`"));
    }
    let columns = columns::columns(&root, record, &defaults, &ignored);
    positions_only(&root, formats.as_deref().unwrap_or_default(), &columns, &ignored, &skipped_rows);
    let owns = owns(&root, record, &columns);
    root.finish();
    let source = Source {
        id: id.to_owned(),
        record: at,
        formats: formats?,
        columns,
        ignored,
        refused,
        skipped_rows,
        fold_header,
        dates: dates?,
        numbers: number?,
        owns,
        extraction_date,
        extraction_date_missing: missing,
        expected,
    };
    for (origin, field) in source.columns.iter().zip(&record.fields) {
        let Origin::Column { column, .. } = origin else { continue };
        let is_refused = match column {
            ColumnRef::Name(name) => source.refuses(name, usize::MAX),
            ColumnRef::Position(position) => source.refuses("", *position),
        };
        if is_refused {
            let found = format!("\"{column}\", a column that must not be loaded (`refused_columns`)");
            root.mistake(&format!("columns.{}", field.name), found, "another column");
        }
    }
    Some(source)
}

/// `record`: which record the source's files hold, if the dataset has several.
fn of_record(root: &Section<'_>, records: &[Record]) -> Option<usize> {
    let names = || records.iter().map(|record| format!("\"{}\"", record.name)).collect::<Vec<_>>().join(", ");
    match (root.text("record"), records) {
        // none could be read, which is noted where they are
        (_, []) => None,
        (None, [_]) => Some(0),
        (None, _) => {
            root.required("record", None::<()>, &format!("the record that the files hold: {}", names()));
            None
        }
        (Some(name), _) => {
            let at = records.iter().position(|record| record.name == name);
            if at.is_none() {
                root.mistake("record", format!("\"{name}\", which is no record"), names());
            }
            at
        }
    }
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

/// A list of columns, by name or position.
fn refs<'a>(root: &Section<'a>, key: &'a str) -> Vec<ColumnRef> {
    let mut refs = Vec::new();
    for text in root.texts(key).unwrap_or_default() {
        match columns::column_ref(text) {
            Some(column) => refs.push(column),
            None => root.mistake(key, format!("\"{text}\""), "names of columns, or positions such as \"#8\""),
        }
    }
    refs
}

/// `refused_columns`: the source's own, and the record's by their names.
fn refused(root: &Section<'_>, record: &Record, formats: &[FileFormat]) -> Vec<ColumnRef> {
    let mut refused = refs(root, "refused_columns");
    let has_no_names = formats.iter().any(|format| matches!(format.header, Header::Absent));
    if has_no_names && !record.refused_columns.is_empty() && root.value("refused_columns").is_none() {
        let found = format!("nothing, while the record refuses {}", record.refused_columns.join(", "));
        let accepted =
            "their positions such as \"#3\", or an empty list if the files lack them: a format has no header";
        root.mistake("refused_columns", found, accepted);
    }
    for column in refused.iter().filter(|column| has_no_names && matches!(column, ColumnRef::Name(_))) {
        let accepted = "positions such as \"#1\", since a format has no header";
        root.mistake("refused_columns", format!("the column \"{column}\" by its name"), accepted);
    }
    refused.extend(record.refused_columns.iter().filter_map(|name| columns::column_ref(name)));
    refused
}

/// `owns`: the values of the owner field that the source may send. A constant owns itself.
fn owns(root: &Section<'_>, record: &Record, columns: &[Origin]) -> Owns {
    let accepted = "a list of the values that the sender may send, or \"*\" for any";
    let declared = match root.value("owns") {
        None => None,
        Some(Value::String(text)) if text == "*" => Some(Owns::Anything),
        Some(Value::Array(_)) => root.texts("owns").map(|values| {
            if values.is_empty() {
                root.mistake("owns", "an empty list", accepted);
            }
            Owns::Only(values.into_iter().map(|value| value.trim().to_owned()).collect())
        }),
        Some(other) => {
            root.mistake("owns", describe(other), accepted);
            Some(Owns::Anything)
        }
    };
    let Some(owner) = record.owner else {
        if declared.is_some() {
            root.mistake(
                "owns",
                "this key, while the record has no `owner`",
                "no such key, or an `owner` in the record's file",
            );
        }
        return Owns::Anything;
    };
    let name = &record.fields[owner].name;
    match (&columns[owner], declared) {
        (Origin::Constant(own), Some(Owns::Only(values))) if !values.contains(own) => {
            root.mistake(
                "owns",
                format!("a list without the constant \"{own}\" of `{name}`"),
                "no such key: a constant owns itself",
            );
            Owns::Anything
        }
        (Origin::Constant(own), _) => Owns::Only(vec![own.clone()]),
        (Origin::Absent, _) => Owns::Anything,
        (_, Some(owns)) => owns,
        (_, None) => {
            let found = format!("nothing, while `{name}`, which says whose a row is, comes from the file");
            root.mistake("owns", found, accepted);
            Owns::Anything
        }
    }
}

/// Notes columns by name while a format has no header, and columns by position while it is not said whether there is one.
fn positions_only(
    root: &Section<'_>,
    formats: &[FileFormat],
    columns: &[Origin],
    ignored: &[ColumnRef],
    skipped: &[SkippedRows],
) {
    let used: Vec<&ColumnRef> = columns
        .iter()
        .filter_map(|origin| match origin {
            Origin::Column { column, .. } => Some(column),
            _ => None,
        })
        .collect();
    let by_name = |column: &&ColumnRef| matches!(column, ColumnRef::Name(_));
    if !used.is_empty() && !used.iter().any(by_name) && formats.iter().any(|format| !format.header_declared) {
        let accepted =
            "`header = false` if the files have no header, or `header = true`, `header_line` or `header_pattern`";
        root.mistake("format.header", "nothing, while all columns are named by position", accepted);
    }
    if !formats.iter().any(|format| matches!(format.header, Header::Absent)) {
        return;
    }
    for column in used.into_iter().chain(ignored).chain(skipped.iter().map(|skipped| &skipped.column)) {
        if let ColumnRef::Name(name) = column {
            let accepted = "positions such as \"#1\", since a format has no header";
            root.mistake("columns", format!("the column \"{name}\" by its name"), accepted);
        }
    }
}
