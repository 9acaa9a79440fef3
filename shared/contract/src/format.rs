//! `[format]` and `[[formats]]` of a source: how its files are recognised and written.

use toml::Value;

use crate::compiled::{Csv, FileFormat, Format, Header, Sheet, Totals, Workbook};
use crate::encoding::Encoding;
use crate::mistakes::{Section, describe};
use crate::pattern::{NamePatterns, Patterns};

/// `files` with one `[format]`, or a list `[[formats]]` each with its own `files`.
pub(crate) fn formats(root: &Section<'_>) -> Option<Vec<FileFormat>> {
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

fn files(section: &Section<'_>) -> Option<NamePatterns> {
    let accepted = "a list of file name patterns such as [\"store_A*.csv\"]";
    let patterns = section.required("files", section.texts("files"), accepted)?;
    if patterns.is_empty() {
        section.mistake("files", "an empty list", accepted);
    }
    // `*` must not reach into another folder.
    NamePatterns::compile(section, "files", &patterns, true, accepted)
}

type Compile = fn(&Section<'_>) -> Option<Format>;

fn format(section: &Section<'_>, files: NamePatterns) -> Option<FileFormat> {
    let types = [("csv", csv as Compile), ("xlsx", workbook)];
    let compile = section.required("type", section.choice("type", &types), "\"csv\" or \"xlsx\"")?;
    let (header, header_declared) = header(section);
    let totals = totals(section);
    let footer = Patterns::compile(section, "footer", &section.texts("footer").unwrap_or_default());
    let spreadsheet_text = section.truth("spreadsheet_text").unwrap_or(false);
    let format = compile(section);
    section.finish();
    Some(FileFormat { files, header, header_declared, totals, footer, spreadsheet_text, format: format? })
}

/// `header_line`, `header_pattern` or `header = false`; the first line if nothing is said.
fn header(section: &Section<'_>) -> (Header, bool) {
    let line = section.whole("header_line");
    if line == Some(0) {
        section.mistake("header_line", "0", "a line number from 1 upwards; `header = false` if there is no header");
    }
    let patterns = section.texts("header_pattern");
    let present = section.truth("header");
    let said = [line.is_some(), patterns.is_some(), present == Some(false)];
    if said.iter().filter(|said| **said).count() > 1 {
        let accepted = "one of `header_line`, `header_pattern` and `header = false`";
        section.mistake("header", "several of its keys", accepted);
    }
    if let Some(patterns) = patterns {
        if patterns.is_empty() {
            section.mistake("header_pattern", "an empty list", "patterns of cells of the header");
        }
        let patterns = patterns.iter().map(|pattern| Patterns::compile(section, "header_pattern", &[pattern]));
        return (Header::Pattern(patterns.collect()), true);
    }
    let header = if present == Some(false) { Header::Absent } else { Header::Line(line.unwrap_or(1).max(1)) };
    (header, line.is_some() || present.is_some())
}

/// `totals`: a pattern or a list of patterns of the first filled cell, or a table.
fn totals(section: &Section<'_>) -> Totals {
    let accepted =
        "a pattern of the first filled cell, a list of them, or a table with `cells`, `any_cell`, `amounts_only`";
    match section.value("totals") {
        None => Totals::default(),
        Some(Value::String(text)) => {
            Totals { first: Patterns::compile(section, "totals", &[text]), ..Totals::default() }
        }
        Some(Value::Array(_)) => {
            let texts = section.texts("totals").unwrap_or_default();
            Totals { first: Patterns::compile(section, "totals", &texts), ..Totals::default() }
        }
        Some(Value::Table(_)) => {
            let Some(table) = section.section("totals") else { return Totals::default() };
            let cells = Patterns::compile(&table, "cells", &table.texts("cells").unwrap_or_default());
            let any_cell = table.truth("any_cell").unwrap_or(false);
            let amounts_only = table.truth("amounts_only").unwrap_or(false);
            if cells.is_empty() && !amounts_only {
                table.mistake("cells", "nothing", "patterns in `cells`, or `amounts_only = true`");
            }
            table.finish();
            let (first, any) = if any_cell { (Patterns::default(), cells) } else { (cells, Patterns::default()) };
            Totals { first, any, amounts_only }
        }
        Some(other) => {
            section.mistake("totals", describe(other), accepted);
            Totals::default()
        }
    }
}

fn workbook(section: &Section<'_>) -> Option<Format> {
    let mut sheets: Vec<Sheet> = Vec::new();
    if let Some(value) = section.value("sheet") {
        let accepted = "a sheet's name, or its position from 1";
        match value {
            Value::String(name) if !name.trim().is_empty() => sheets.push(Sheet::Name(name.clone())),
            other => sheets.extend(sheet_position(section, "sheet", other, accepted)),
        }
    }
    let all_visible = section.value("sheets").is_some();
    if all_visible {
        if section.value("sheet").is_some() {
            section.mistake("sheets", "this key beside `sheet`", "the one or the other");
        }
        sheets.extend(sheet_list(section, "sheets"));
    }
    let ignored_sheets = sheet_list(section, "ignored_sheets");
    if !all_visible && !ignored_sheets.is_empty() {
        section.mistake("ignored_sheets", "this key without `sheets`", "the key beside `sheets`");
    }
    let strict_formulas = section.choice("formulas", &[("strict", true)]).unwrap_or(false);
    let mixed_dates_halt = section.choice("mixed_dates", &[("halt", true)]).unwrap_or(false);
    Some(Format::Workbook(Workbook { sheets, all_visible, ignored_sheets, strict_formulas, mixed_dates_halt }))
}

/// A list of sheets: names, patterns of names, positions.
fn sheet_list<'a>(section: &Section<'a>, key: &'a str) -> Vec<Sheet> {
    let accepted = "a list of sheets, each a name, a pattern of names such as \"Juin*\" or a position from 1";
    let Some(value) = section.value(key) else { return Vec::new() };
    match value.as_array().map(Vec::as_slice) {
        None | Some([]) => {
            section.mistake(key, describe(value), accepted);
            Vec::new()
        }
        Some(items) => items.iter().filter_map(|item| sheet_of_list(section, key, item, accepted)).collect(),
    }
}

fn sheet_of_list(section: &Section<'_>, key: &str, item: &Value, accepted: &str) -> Option<Sheet> {
    match item.as_str() {
        None => sheet_position(section, key, item, accepted),
        // No sheet's name has one of these characters: a spreadsheet allows none of them there.
        Some(pattern) if pattern.contains(['*', '?', '[']) => {
            NamePatterns::compile(section, key, &[pattern], false, accepted).map(Sheet::Pattern)
        }
        Some(name) if !name.trim().is_empty() => Some(Sheet::Name(name.to_owned())),
        Some(_) => {
            section.mistake(key, "an empty text", accepted);
            None
        }
    }
}

fn sheet_position(section: &Section<'_>, key: &str, value: &Value, accepted: &str) -> Option<Sheet> {
    let position = value.as_integer().and_then(|position| usize::try_from(position).ok()).filter(|at| *at > 0);
    if position.is_none() {
        section.mistake(key, describe(value), accepted);
    }
    position.map(Sheet::Position)
}

fn csv(section: &Section<'_>) -> Option<Format> {
    let accepted = "an encoding such as \"utf-8\", \"windows-1252\", \"iso-8859-15\", \"cp850\" or \"utf-16le\"";
    let encoding = section.required("encoding", section.text("encoding"), accepted).and_then(|label| {
        let encoding = Encoding::of_label(label);
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
    let separates = |byte: u8| !byte.is_ascii_alphanumeric() && !matches!(byte, 0 | b'\r' | b'\n');
    if let Some(delimiter) = delimiter.filter(|byte| Some(*byte) == quote || !separates(*byte)) {
        let found = format!("{:?}", char::from(delimiter));
        let accepted =
            "a tab, a space or a sign such as `;`, other than the quote; neither a letter, a digit nor a line end";
        section.mistake("delimiter", found, accepted);
    }
    if let Some(quote) = quote.filter(|byte| !byte.is_ascii_graphic() || byte.is_ascii_alphanumeric()) {
        section.mistake("quote", format!("{:?}", char::from(quote)), "a sign such as `\"` or `'`, or false");
    }
    let trailing_delimiters = section.truth("trailing_delimiters").unwrap_or(false);
    let multiline = section.truth("multiline");
    Some(Format::Csv(Csv { encoding: encoding?, delimiter: delimiter?, quote, trailing_delimiters, multiline }))
}
