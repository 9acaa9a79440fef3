//! `exports/<name>.toml`: files for people that are made of a query.

use crate::bundle::Bundle;
use crate::dataset::document;
use crate::mistakes::{Found, Section};
use crate::query::{Absent, Query, plain};
use crate::text::is_identifier;

const FORMATS: &[(&str, ExportFormat)] =
    &[("csv", ExportFormat::Csv), ("xlsx", ExportFormat::Xlsx), ("parquet", ExportFormat::Parquet)];

/// A file that is made of a query's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Its name: the stem of its file.
    pub name: String,
    /// The query: one of the dataset's, or `exports/<name>.sql`. It has no required parameter.
    pub query: Query,
    /// How the file is written.
    pub format: ExportFormat,
    /// The title: the name of a workbook's sheet.
    pub title: String,
    /// The file's name.
    pub file: String,
    /// When it is made.
    pub when: ExportTime,
}

/// How an export's file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Delimited text for spreadsheets: byte order mark, `;`, decimal comma.
    Csv,
    /// A workbook with typed cells.
    Xlsx,
    /// Parquet with typed columns.
    Parquet,
}

impl ExportFormat {
    /// What a file's name ends in, without its dot.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Parquet => "parquet",
        }
    }

    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

/// When an export is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportTime {
    /// Each time the marts are published, and on request.
    Publish,
    /// On request only.
    Request,
}

/// Compiles `exports/*.toml`, noting every mistake.
pub(crate) fn exports(bundle: &Bundle, queries: &[Query], found: &Found) -> Vec<Export> {
    let mut exports: Vec<Export> = Vec::new();
    let mut names = Vec::new();
    for (path, name, _) in bundle.folder("exports/", ".toml") {
        names.push(name);
        let Some(toml) = document(bundle, path, found) else { continue };
        let section = Section::new(path, "", &toml, found);
        if let Some(export) = export(&section, path, name, bundle, queries, found) {
            if let Some(other) = exports.iter().find(|other| other.file == export.file) {
                let accepted = format!("another name: `exports/{}.toml` has this one", other.name);
                section.mistake("file", format!("\"{}\"", export.file), accepted);
            }
            exports.push(export);
        }
    }
    for (path, name, _) in bundle.folder("exports/", ".sql") {
        if !names.contains(&name) {
            found.add(path, "", "no export of this name", format!("a file `exports/{name}.toml` that declares it"));
        }
    }
    exports
}

fn export(
    section: &Section<'_>,
    path: &str,
    name: &str,
    bundle: &Bundle,
    queries: &[Query],
    found: &Found,
) -> Option<Export> {
    if !is_identifier(name) {
        found.add(path, "", "this name", "a file `<name>.toml`, the name of lower-case letters, digits and `_`");
    }
    let own = bundle.folder("exports/", ".sql").find(|(_, stem, _)| *stem == name);
    let query = match (section.text("query"), own) {
        (Some(_), Some((own, ..))) => {
            section.mistake("query", format!("a query beside {own}"), "one of the two");
            None
        }
        (None, Some(own)) => Some(plain(own)),
        (named, None) => {
            let known = queries.iter().map(|query| format!("\"{}\"", query.name)).collect::<Vec<_>>().join(", ");
            let accepted = format!("one of the dataset's queries ({known}), or a file `exports/{name}.sql`");
            let named = section.required("query", named, &accepted);
            let query = queries.iter().find(|query| Some(query.name.as_str()) == named);
            if let (Some(named), None) = (named, query) {
                section.mistake("query", format!("\"{named}\", which is no query"), accepted);
            }
            query.cloned()
        }
    };
    let required = |query: &Query| query.parameters.iter().any(|parameter| parameter.absent == Absent::Refused);
    if let Some(query) = query.as_ref().filter(|query| required(query)) {
        let found = format!("\"{}\", which has a required parameter", query.name);
        section.mistake("query", found, "a query that can be run without parameters");
    }
    let accepted = "\"csv\", \"xlsx\" or \"parquet\"";
    let format = section.required("format", section.choice("format", FORMATS), accepted);
    let title = section.text("title").unwrap_or(name);
    // what Excel takes as the name of a sheet
    let is_bad = |c: char| c.is_control() || matches!(c, '[' | ']' | ':' | '*' | '?' | '/' | '\\');
    if title.trim().is_empty()
        || title.encode_utf16().count() > 31
        || title.contains(is_bad)
        || title.starts_with('\'')
        || title.ends_with('\'')
        || title.eq_ignore_ascii_case("history")
    {
        let accepted = "the name of a sheet: 1 to 31 characters, without [ ] : * ? / \\, and no ' at its ends";
        section.mistake("title", format!("\"{title}\""), accepted);
    }
    let times = [("publish", ExportTime::Publish), ("request", ExportTime::Request)];
    let when = section.choice("when", &times).unwrap_or(ExportTime::Publish);
    let file = section.text("file");
    section.finish();
    let ending = format!(".{}", format?.ending());
    let is_file = |file: &&str| {
        let stem = file.strip_suffix(&ending).unwrap_or_default();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
        !stem.is_empty() && stem.len() <= 100 && !stem.starts_with(['.', ' ']) && stem.chars().all(fits)
    };
    if let Some(file) = file.filter(|file| !is_file(file)) {
        let accepted = format!("letters, digits, `_`, `-`, `.` and spaces, `{ending}` at the end");
        section.mistake("file", format!("\"{file}\""), accepted);
    }
    let file = file.map_or_else(|| format!("{name}{ending}"), str::to_owned);
    Some(Export { name: name.to_owned(), query: query?, format: format?, title: title.to_owned(), file, when })
}
