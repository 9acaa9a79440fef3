//! `dataset.toml` and the SQL beside it, compiled.

use std::sync::Arc;

use chrono_tz::Tz;
use fonderie_tables as sql;
use toml::Table;

use crate::bundle::Bundle;
use crate::compiled::{Dataset, Layout, Migration, Origin, Record, Schemas, Shown, Source};
use crate::currency::currency_codes;
use crate::mistakes::{self, Found, Mistakes, Section};
use crate::query::{self, Query};
use crate::text::is_identifier;
use crate::{check, export, messages, model, record, source, tables};

pub(crate) const FILE: &str = "dataset.toml";

impl Bundle {
    /// Checks everything and compiles it.
    ///
    /// # Errors
    /// All mistakes in all files.
    pub fn compile(&self) -> Result<Dataset, Mistakes> {
        let found = Found::default();
        let dataset = compile(self, &found);
        found.into_result(dataset)
    }
}

/// Compiles a bundle, noting every mistake; `None` where too little is there to go on.
fn compile(bundle: &Bundle, found: &Found) -> Option<Dataset> {
    let toml = document(bundle, FILE, found)?;
    let root = Section::new(FILE, "", &toml, found);
    let name = root.required("name", root.text("name"), "the dataset's name");
    if let Some(name) = name.filter(|name| !is_identifier(name)) {
        root.mistake("name", format!("\"{name}\""), "lower-case letters, digits and `_`, a letter first");
    }
    let time_zone = time_zone(&root);
    let description = root.text("description").unwrap_or_default().to_owned();
    root.truth("default"); // see `Bundle::is_default`
    let currency = root.text("currency").map(str::to_owned);
    if let Some(code) = currency.as_deref().filter(|code| currency_codes(code) != [*code]) {
        root.mistake("currency", format!("\"{code}\""), "a code of ISO 4217, such as \"EUR\"");
    }
    let models = model::models(&root, bundle, found);
    let mut marts = model::preparation(bundle, found);
    let is_prepared = !marts.is_empty();
    marts.extend(model::marts(&root, bundle, found));
    let checks = check::checks(&root, bundle, &marts, found);
    let queries = query::queries(&root, bundle);
    let exports = export::exports(bundle, &queries, found);
    let shown = root.sections("summary").unwrap_or_default();
    let summary = shown.iter().filter_map(|entry| shown_query(entry, &queries)).collect();
    let schemas = schemas(&root, name, is_prepared);
    schedule(&root);
    let publications = model::publications(&root, &schemas, name.unwrap_or_default(), &marts);
    marts.extend(publications);
    let validity = validity(&root);
    root.finish();

    let migrations = migrations(bundle, found);
    let time_zone = time_zone.unwrap_or(Tz::UTC);
    let messages = Arc::new(messages::messages(bundle, found));
    let (mut records, mut declared, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for (path, stem, _) in bundle.folder("records/", ".toml") {
        let Some(toml) = document(bundle, path, found) else { continue };
        let section = Section::new(path, "", &toml, found);
        if let Some(mut record) = record::record(stem, &section, &messages) {
            let tables = tables::declared(&section, &record);
            record.warnings = tables.warnings;
            record.complete = tables.complete;
            records.push(record);
            declared.push(tables.tables);
            files.push(path.to_owned());
        }
        section.finish();
    }
    if bundle.folder("records/", ".toml").next().is_none() {
        found.add("records/", "", "no record", "a file `records/<record>.toml`: what the files hold");
    }
    tables::link(&mut declared, &files, &models, &validity, found);
    tables::follow(&mut declared, &marts, found);
    let checks = check::link(checks, &mut declared, &schemas, found);
    let mut sources: Vec<Source> = bundle
        .folder("sources/", ".toml")
        .filter_map(|(path, stem, _)| {
            source::compile(path, stem, &document(bundle, path, found)?, &records, time_zone, found)
        })
        .collect();
    for origin in sources.iter_mut().flat_map(|source| &mut source.columns) {
        if let Origin::Column { reading, .. } = origin {
            reading.numbers.dataset_currency.clone_from(&currency);
        }
    }
    // A field that some source derives of a personal one tells of a person too.
    for source in &sources {
        let record: &mut Record = &mut records[source.record];
        for (index, origin) in source.columns.iter().enumerate() {
            if let Origin::Hash(inputs) = origin {
                record.fields[index].personal |= inputs.iter().any(|&input| record.fields[input].personal);
            }
        }
    }
    let name = name?.to_owned();
    if records.is_empty() {
        return None;
    }
    let layout = Layout {
        tables: sql::Dataset {
            name: name.clone(),
            staging: schemas.staging.clone(),
            warehouse: schemas.warehouse.clone(),
            time_zone: time_zone.name().to_owned(),
            validity,
            records: declared,
            holders: Vec::new(),
        },
        schemas,
        migrations,
    };
    Some(Dataset {
        name,
        description,
        time_zone,
        currency,
        messages,
        records,
        sources,
        layout,
        models,
        checks,
        marts,
        queries,
        exports,
        summary,
    })
}

/// `schedule`: when the scheduled run starts, in the dataset's time zone. Terraform reads it.
fn schedule(root: &Section<'_>) {
    let Some(text) = root.text("schedule") else { return };
    let accepted = "minute, hour, day of the month, month and day of the week (SUN to SAT), such as \"0 9 15 * *\"; one of the two days is `*`";
    let fields: Vec<&str> = text.split(' ').collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        root.mistake("schedule", format!("\"{text}\""), accepted);
        return;
    };
    // as EventBridge counts them: a range cannot go from one week into the next
    let weekdays = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    let number = |least: u32, most: u32| {
        move |text: &str| {
            let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|text| text.parse::<u32>().ok()).filter(|number| (least..=most).contains(number))
        }
    };
    let weekday_of = |text: &str| weekdays.iter().position(|day| *day == text).and_then(|at| u32::try_from(at).ok());
    let are_right = is_cron(minute, number(0, 59))
        && is_cron(hour, number(0, 23))
        && is_cron(day, number(1, 31))
        && is_cron(month, number(1, 12))
        && is_cron(weekday, weekday_of)
        && !weekday.contains('/')
        && (day == "*" || weekday == "*");
    if !are_right {
        root.mistake("schedule", format!("\"{text}\""), accepted);
    }
}

/// Whether a field of a schedule is `*`, `*/step`, or a list of values and ranges.
fn is_cron(field: &str, value: impl Fn(&str) -> Option<u32>) -> bool {
    let is_step = |step: &str| step != "0" && value(step).is_some();
    let is_item = |item: &str| match item.split_once('-') {
        Some((from, to)) => value(from).zip(value(to)).is_some_and(|(from, to)| from < to),
        None => value(item).is_some(),
    };
    field == "*" || field.strip_prefix("*/").is_some_and(is_step) || field.split(',').all(is_item)
}

/// The dataset's time zone; a missing or wrong one is noted.
pub(crate) fn time_zone(root: &Section<'_>) -> Option<Tz> {
    let text = root.required("time_zone", root.text("time_zone"), "a time zone such as \"Europe/Paris\"")?;
    let parsed = text.parse::<Tz>().ok();
    if parsed.is_none() {
        root.mistake("time_zone", format!("\"{text}\""), "a time zone of the IANA database, such as \"Europe/Paris\"");
    }
    parsed
}

fn shown_query(section: &Section<'_>, queries: &[Query]) -> Option<Shown> {
    let name = section.required("query", section.text("query"), "the name of one of `queries/`");
    let query = name.and_then(|name| queries.iter().find(|query| query.name == name));
    if let (Some(name), None) = (name, query) {
        let known = queries.iter().map(|query| query.name.as_str()).collect::<Vec<_>>().join(", ");
        section.mistake("query", format!("\"{name}\", which is no query"), known);
    }
    if let Some(query) = query.filter(|query| !query.parameters.is_empty()) {
        section.mistake("query", format!("\"{}\", which has parameters", query.name), "a query without parameters");
    }
    let title = section.required("title", section.text("title"), "what stands above the rows");
    let rows = section.whole("rows").and_then(|rows| usize::try_from(rows).ok()).unwrap_or(10);
    let columns = section.texts("columns").unwrap_or_default().into_iter().map(str::to_owned).collect();
    section.finish();
    Some(Shown { query: name?.to_owned(), title: title?.to_owned(), rows, columns })
}

pub(crate) fn document(bundle: &Bundle, path: &str, found: &Found) -> Option<Table> {
    let Some(text) = bundle.file(path) else {
        found.add(path, "", "no such file", format!("a file `{path}` in the dataset's folder"));
        return None;
    };
    mistakes::document(path, text, found)
}

/// `[schemas]`: where the dataset's tables and views are. Without views of preparation it has no schema for them.
fn schemas(root: &Section<'_>, dataset: Option<&str>, is_prepared: bool) -> Schemas {
    let section = root.section("schemas");
    let declared = |key: &'static str| section.as_ref().and_then(|section| section.text(key)).map(str::to_owned);
    let of = |key: &'static str, ending: &str| {
        let name = declared(key).or_else(|| dataset.map(|dataset| format!("{dataset}{ending}")));
        let reserved =
            |name: &str| ["audit", "public", "information_schema"].contains(&name) || name.starts_with("pg_");
        if let Some(name) = name.as_ref().filter(|name| !is_identifier(name) || reserved(name)) {
            let accepted = "lower-case letters, digits and `_`, a letter first, at most 63 of them; no schema of PostgreSQL or of the ledger";
            root.mistake(&format!("schemas.{key}"), format!("\"{name}\""), accepted);
        }
        name.unwrap_or_default()
    };
    let preparation = (declared("preparation").is_some() || is_prepared).then(|| of("preparation", "_prep"));
    let mut schemas = Schemas {
        staging: of("staging", "_staging"),
        warehouse: of("warehouse", "_dw"),
        preparation,
        marts: of("marts", ""),
    };
    let names = schemas.all();
    for (at, name) in names.iter().enumerate() {
        if !name.is_empty() && names[..at].contains(name) {
            root.mistake("schemas", format!("two schemas named \"{name}\""), "names that differ");
        }
    }
    if let Some(section) = section {
        section.finish();
    }
    schemas.preparation = schemas.preparation.filter(|_| is_prepared);
    schemas
}

/// `validity`: the names of the columns from when and until when a state is valid.
fn validity(root: &Section<'_>) -> [String; 2] {
    let default = ["valid_from", "valid_to"].map(str::to_owned);
    let is_end =
        |name: &&str| is_identifier(name) && (default.iter().any(|own| own == name) || !tables::is_taken(name));
    let Some(names) = root.texts("validity") else { return default };
    match names.as_slice() {
        [from, to] if is_end(from) && is_end(to) && from != to => [from, to].map(|name| (*name).to_owned()),
        _ => {
            root.mistake("validity", format!("{names:?}"), "two names of columns that the engine does not use itself");
            default
        }
    }
}

/// `warehouse/V*.sql`: what a declaration cannot express.
fn migrations(bundle: &Bundle, found: &Found) -> Vec<Migration> {
    let mut migrations = Vec::new();
    for (path, stem, text) in bundle.folder("warehouse/", ".sql") {
        let parts = stem.strip_prefix('V').and_then(|rest| rest.split_once("__"));
        match parts.and_then(|(version, name)| Some((version.parse::<u32>().ok().filter(|v| *v > 0)?, name))) {
            Some((version, name)) if is_identifier(name) => {
                migrations.push(Migration { version, name: name.to_owned(), sql: text.to_owned() });
            }
            _ => found.add(path, "", "this name", "a migration `V<number>__<name>.sql` numbered from 1"),
        }
    }
    migrations.sort_by_key(|migration| migration.version);
    for (expected, migration) in (1..).zip(&migrations) {
        if migration.version != expected {
            let name = format!("warehouse/V{}__{}.sql", migration.version, migration.name);
            let accepted = format!("version {expected}, the next in line");
            found.add(&name, "", format!("version {}", migration.version), accepted);
            break;
        }
    }
    migrations
}
