//! `dataset.toml` and the SQL beside it, compiled.

use chrono_tz::Tz;
use toml::Table;

use crate::bundle::Bundle;
use crate::compiled::{
    Budget, Check, Dataset, Field, Keep, Kind, Migration, OnUnreadable, Record, Rule, Severity, Shown, Source,
    WarehouseSql,
};
use crate::mistakes::{self, Found, Section};
use crate::{model, source};

const FILE: &str = "dataset.toml";
const DEFAULT_BUDGET: Budget = Budget { percent: 10, rows: 20 };
const SEVERITIES: &[(&str, Severity)] =
    &[("warn", Severity::Warn), ("reject", Severity::Reject), ("halt", Severity::Halt)];

/// Compiles a bundle, noting every mistake; `None` where too little is there to go on.
pub(crate) fn compile(bundle: &Bundle, found: &Found) -> Option<Dataset> {
    let toml = document(bundle, FILE, found)?;
    let root = Section::new(FILE, "", &toml, found);
    let name = root.required("name", root.text("name"), "the dataset's name");
    if let Some(name) = name.filter(|name| !is_identifier(name)) {
        root.mistake("name", format!("\"{name}\""), "lower-case letters, digits and `_`, a letter first");
    }
    let time_zone = root.required("time_zone", root.text("time_zone"), "a time zone such as \"Europe/Paris\"");
    let time_zone = time_zone.and_then(|text| {
        let parsed = text.parse::<Tz>().ok();
        if parsed.is_none() {
            root.mistake(
                "time_zone",
                format!("\"{text}\""),
                "a time zone of the IANA database, such as \"Europe/Paris\"",
            );
        }
        parsed
    });
    let records = root.required("records", root.section("records"), "a table `records.<name>`");
    let record = records.and_then(|records| {
        let all: Vec<_> = records.entries().collect();
        match all.as_slice() {
            [(name, _)] => record(name, &records.section(name)?),
            others => {
                root.mistake("records", format!("{} records", others.len()), "one record");
                None
            }
        }
    });
    let models = model::models(&root, bundle, found);
    let marts = model::marts(&root, bundle, found);
    let queries: Vec<(String, String)> =
        bundle.folder("queries/", ".sql").map(|(_, stem, text)| (stem.to_owned(), text.to_owned())).collect();
    let shown = root.sections("summary").unwrap_or_default();
    let summary = shown.iter().filter_map(|entry| shown_query(entry, &queries)).collect();
    root.finish();

    let warehouse = warehouse(bundle, found);
    let record = record?;
    let sources: Vec<Source> = bundle
        .folder("sources/", ".toml")
        .filter_map(|(path, stem, _)| source::compile(path, stem, &document(bundle, path, found)?, &record, found))
        .collect();
    let (name, time_zone) = (name?.to_owned(), time_zone?);
    Some(Dataset { name, time_zone, record, sources, warehouse, models, marts, queries, summary })
}

fn shown_query(section: &Section<'_>, queries: &[(String, String)]) -> Option<Shown> {
    let query = section.required("query", section.text("query"), "the name of one of `queries/`");
    if let Some(query) = query.filter(|query| !queries.iter().any(|(name, _)| name == query)) {
        let known = queries.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        section.mistake("query", format!("\"{query}\", which is no query"), known);
    }
    let title = section.required("title", section.text("title"), "what stands above the rows");
    let rows = section.whole("rows").and_then(|rows| usize::try_from(rows).ok()).unwrap_or(10);
    let columns = section.texts("columns").unwrap_or_default().into_iter().map(str::to_owned).collect();
    section.finish();
    Some(Shown { query: query?.to_owned(), title: title?.to_owned(), rows, columns })
}

fn document(bundle: &Bundle, path: &str, found: &Found) -> Option<Table> {
    let Some(text) = bundle.file(path) else {
        found.add(path, "", "no such file", format!("a file `{path}` in the dataset's folder"));
        return None;
    };
    mistakes::document(path, text, found)
}

pub(crate) fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 63
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn record(name: &str, section: &Section<'_>) -> Option<Record> {
    if !is_identifier(name) {
        section.mistake("", format!("a record named \"{name}\""), "lower-case letters, digits and `_`, a letter first");
    }
    let fields =
        section.required("fields", section.sections("fields"), "a list of fields, each with `name` and `type`");
    let fields: Vec<Field> = fields.into_iter().flatten().filter_map(|entry| field(&entry)).collect();
    for (index, duplicate) in fields.iter().enumerate() {
        if fields[..index].iter().any(|earlier| earlier.name == duplicate.name) {
            section.mistake("fields", format!("two fields named \"{}\"", duplicate.name), "names that differ");
        }
    }
    let budget = budget(section, DEFAULT_BUDGET);
    let mut record = Record { name: name.to_owned(), fields, key: Vec::new(), rules: Vec::new(), unreadable: budget };
    let key = section.required("key", section.texts("key"), "the natural key: a list of fields").unwrap_or_default();
    record.key = key.iter().filter_map(|name| index(section, &record, "key", name)).collect();
    let rules: Vec<Rule> =
        section.sections("rules").into_iter().flatten().filter_map(|entry| rule(&entry, &record, budget)).collect();
    for (index, duplicate) in rules.iter().enumerate() {
        if rules[..index].iter().any(|earlier| earlier.id == duplicate.id) {
            section.mistake("rules", format!("two rules with the id \"{}\"", duplicate.id), "ids that differ");
        }
    }
    record.rules = rules;
    section.finish();
    Some(record)
}

fn index(section: &Section<'_>, record: &Record, key: &str, name: &str) -> Option<usize> {
    let index = record.field(name);
    if index.is_none() {
        let known = record.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
        section.mistake(key, format!("\"{name}\", which is no field"), known);
    }
    index
}

fn budget(section: &Section<'_>, default: Budget) -> Budget {
    let Some(budget) = section.section("budget") else { return default };
    let percent = budget.whole("percent").unwrap_or(default.percent);
    let rows = budget.whole("rows").unwrap_or(default.rows);
    if percent > 100 {
        budget.mistake("percent", percent.to_string(), "a whole number from 0 to 100");
    }
    budget.finish();
    Budget { percent, rows }
}

fn field(section: &Section<'_>) -> Option<Field> {
    let name = section.required("name", section.text("name"), "the field's name");
    if let Some(name) = name.filter(|name| !is_identifier(name)) {
        section.mistake("name", format!("\"{name}\""), "lower-case letters, digits and `_`, a letter first");
    }
    #[derive(Clone, Copy)]
    enum Type {
        Text,
        Integer,
        Date,
        Decimal,
    }
    let types = [("text", Type::Text), ("integer", Type::Integer), ("date", Type::Date), ("decimal", Type::Decimal)];
    let accepted = "\"text\", \"integer\", \"date\" or \"decimal\"";
    let kind = section.required("type", section.choice("type", &types), accepted).map(|kind| match kind {
        Type::Text => {
            let most =
                section.required("max_length", section.whole("max_length"), "the greatest length, in characters");
            Kind::Text { max_length: most.and_then(|most| usize::try_from(most).ok()).unwrap_or(0) }
        }
        Type::Integer => Kind::Integer {
            min: section.integer("min").unwrap_or(i32::MIN),
            max: section.integer("max").unwrap_or(i32::MAX),
        },
        Type::Date => Kind::Date,
        Type::Decimal => {
            let precision = section.whole("precision").unwrap_or(10);
            let scale = section.whole("scale").unwrap_or(2);
            if !(1..=18).contains(&precision) || scale > precision {
                section.mistake("precision", format!("{precision} digits, {scale} of them decimals"), "1 to 18 digits");
            }
            Kind::Decimal { precision: u8::try_from(precision).unwrap_or(18), scale: i8::try_from(scale).unwrap_or(0) }
        }
    });
    let money = section.truth("money").unwrap_or(false);
    if money && !matches!(kind, Some(Kind::Decimal { scale: 2, .. }) | None) {
        section.mistake("money", "true", "true on a decimal with two places alone");
    }
    let personal = section.truth("personal").unwrap_or(false);
    let policies = [("reject", OnUnreadable::Reject), ("empty", OnUnreadable::Empty)];
    let unreadable = section.choice("unreadable", &policies).unwrap_or(OnUnreadable::Reject);
    if money && unreadable == OnUnreadable::Empty {
        section.mistake("unreadable", "\"empty\" on an amount", "\"reject\": no cent may be lost");
    }
    section.finish();
    Some(Field { name: name?.to_owned(), kind: kind?, money, personal, unreadable })
}

fn rule(section: &Section<'_>, record: &Record, default_budget: Budget) -> Option<Rule> {
    let id = section.required("id", section.text("id"), "the rule's id");
    if let Some(id) = id.filter(|id| !is_identifier(id)) {
        section.mistake("id", format!("\"{id}\""), "lower-case letters, digits and `_`, a letter first");
    }
    let message = section.required("message", section.text("message"), "a sentence for the facility");
    let severity = section.choice("severity", SEVERITIES).unwrap_or(Severity::Reject);
    let backed = section.text("constraint");
    if let (Some(constraint), Severity::Warn) = (backed, severity) {
        section.mistake(
            "severity",
            format!("\"warn\", while the warehouse's constraint \"{constraint}\" refuses such rows"),
            "\"reject\" or \"halt\"",
        );
    }
    let budget = budget(section, default_budget);
    let check = check(section, record);
    section.finish();
    Some(Rule { id: id?.to_owned(), check: check?, severity, budget, message: message?.to_owned() })
}

fn check(section: &Section<'_>, record: &Record) -> Option<Check> {
    const CHECKS: &[(&str, u8)] =
        &[("required", 0), ("not_negative", 1), ("not_after_as_of", 2), ("unique", 3), ("at_most", 4), ("one_of", 5)];
    let accepted = CHECKS.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let check = section.required("check", section.choice("check", CHECKS), &accepted)?;
    let fields = |kinds: &str, fits: fn(Kind) -> bool| -> Option<Vec<usize>> {
        let names = section.required("fields", section.texts("fields"), "a list of fields")?;
        let found = names.into_iter().filter_map(|name| index(section, record, "fields", name)).collect::<Vec<_>>();
        for &index in found.iter().filter(|&&index| !fits(record.fields[index].kind)) {
            section.mistake("fields", format!("\"{}\"", record.fields[index].name), kinds.to_owned());
        }
        Some(found)
    };
    let one = |key: &'static str| section.required(key, section.value(key), "a field").and_then(|value| value.as_str());
    match check {
        0 => Some(Check::Required(fields("any field", |_| true)?)),
        1 => Some(Check::NotNegative(fields("a decimal field", |kind| matches!(kind, Kind::Decimal { .. }))?)),
        2 => Some(Check::NotAfterAsOf(fields("a date field", |kind| kind == Kind::Date)?)),
        3 => {
            let keep = section.choice("keep", &[("first", Keep::First), ("none", Keep::None)]).unwrap_or(Keep::First);
            let conflict = match (section.text("conflict_id"), section.text("conflict_message")) {
                (Some(id), Some(message)) => Some((id.to_owned(), message.to_owned())),
                (None, None) => None,
                _ => {
                    section.mistake("conflict_id", "one of `conflict_id` and `conflict_message`", "both or none");
                    None
                }
            };
            Some(Check::Unique { keep, conflict })
        }
        4 => {
            let smaller = index(section, record, "smaller", one("smaller")?)?;
            let greater = index(section, record, "greater", one("greater")?)?;
            let kinds = (record.fields[smaller].kind, record.fields[greater].kind);
            if !matches!(kinds, (Kind::Date, Kind::Date) | (Kind::Decimal { .. }, Kind::Decimal { .. })) {
                section.mistake("greater", "fields of different types", "two dates or two decimals");
            }
            Some(Check::AtMost { smaller, greater })
        }
        _ => {
            let field = index(section, record, "field", one("field")?)?;
            if !matches!(record.fields[field].kind, Kind::Text { .. }) {
                section.mistake("field", format!("\"{}\"", record.fields[field].name), "a text field");
            }
            let values = section.required("values", section.texts("values"), "a list of texts")?;
            Some(Check::OneOf { field, values: values.into_iter().map(str::to_owned).collect() })
        }
    }
}

fn warehouse(bundle: &Bundle, found: &Found) -> WarehouseSql {
    let mut sql = WarehouseSql::default();
    for (path, stem, text) in bundle.folder("warehouse/", ".sql") {
        if stem == "load" {
            text.clone_into(&mut sql.load);
            continue;
        }
        if stem == "owed" {
            sql.owed = Some(text.to_owned());
            continue;
        }
        let parts = stem.strip_prefix('V').and_then(|rest| rest.split_once("__"));
        match parts.and_then(|(version, name)| Some((version.parse::<u32>().ok().filter(|v| *v > 0)?, name))) {
            Some((version, name)) if is_identifier(name) => {
                sql.migrations.push(Migration { version, name: name.to_owned(), sql: text.to_owned() });
            }
            _ => found.add(
                path,
                "",
                "this name",
                "`load.sql`, `owed.sql`, or a migration `V<number>__<name>.sql` numbered from 1",
            ),
        }
    }
    if sql.load.is_empty() {
        found.add("warehouse/load.sql", "", "no such file", "the script that merges a run's rows into the warehouse");
    }
    sql.migrations.sort_by_key(|migration| migration.version);
    for (expected, migration) in (1..).zip(&sql.migrations) {
        if migration.version != expected {
            let name = format!("warehouse/V{}__{}.sql", migration.version, migration.name);
            found.add(
                &name,
                "",
                format!("version {}", migration.version),
                format!("version {expected}, the next in line"),
            );
            break;
        }
    }
    sql
}
