//! `[[checks]]`: what must hold of the loaded tables, across records and sources: a SELECT of violations in `checks/<id>.sql`, or one of a few kinds that
//! need no SQL.

use chrono::{NaiveDate, NaiveTime};
use fonderie_tables as sql;
use fonderie_tables::quote;
use toml::Value;

use crate::bundle::Bundle;
use crate::compiled::{CheckWhen, Mart, MartKind, Schemas, Severity, TableCheck};
use crate::mistakes::{Found, Section, describe};
use crate::model::{NAME, names_differ, statement};
use crate::text::is_identifier;

/// A check as it is declared, before the tables are known.
pub(crate) struct Declared {
    check: TableCheck,
    /// When it is asked, if that is declared.
    when: Option<CheckWhen>,
    table: Option<String>,
    kind: Kind,
}

enum Kind {
    /// `checks/<id>.sql`.
    Statement(String),
    NotNull(Vec<String>),
    AcceptedValues {
        field: String,
        values: Vec<String>,
    },
    Range {
        field: String,
        min: Option<String>,
        max: Option<String>,
    },
    Pattern {
        field: String,
        pattern: String,
    },
    SumOf {
        terms: Vec<String>,
        total: String,
        tolerance: String,
    },
    Unique(Vec<String>),
    /// The members to which a reference refers were shown by a file.
    Shown {
        reference: String,
    },
    Relationship {
        fields: Vec<String>,
        to: String,
        to_fields: Vec<String>,
    },
    EqualSums {
        left: String,
        right: String,
        by: Vec<String>,
        value: String,
        tolerance: String,
    },
}

/// Kinds by the name that `kind` gives them.
const KINDS: &[(&str, &str)] = &[
    ("not_null", "not_null"),
    ("accepted_values", "accepted_values"),
    ("range", "range"),
    ("pattern", "pattern"),
    ("sum_of", "sum_of"),
    ("unique", "unique"),
    ("relationships", "relationships"),
    ("equal_sums", "equal_sums"),
];

/// Reads `[[checks]]`, noting every mistake.
pub(crate) fn checks(root: &Section<'_>, bundle: &Bundle, marts: &[Mart], found: &Found) -> Vec<Declared> {
    let sections = root.sections("checks").into_iter().flatten();
    let checks: Vec<Declared> = sections.filter_map(|section| check(&section, bundle, marts, found)).collect();
    names_differ(root, "checks", checks.iter().map(|declared| declared.check.id.as_str()));
    let has_file = |declared: &&Declared| matches!(declared.kind, Kind::Statement(_));
    for (path, stem, _) in bundle.folder("checks/", ".sql") {
        let is_declared = checks.iter().filter(has_file).any(|declared| declared.check.id == stem);
        if root.is_whole("checks", checks.len()) && !is_declared {
            found.add(path, "", "no check of this name", "`<id>.sql` of a check in dataset.toml that has no `kind`");
        }
    }
    checks
}

fn check(section: &Section<'_>, bundle: &Bundle, marts: &[Mart], found: &Found) -> Option<Declared> {
    let id = section.required("id", section.text("id"), "the check's id");
    if let Some(id) = id.filter(|id| !is_identifier(id)) {
        section.mistake("id", format!("\"{id}\""), NAME);
    }
    let severities = [("warn", Severity::Warn), ("halt", Severity::Halt)];
    let severity = section.choice("severity", &severities).unwrap_or(Severity::Warn);
    let budget = section.whole("budget").unwrap_or(0);
    let message = section.required("message", section.text("message"), "what a violation means, in a sentence");
    let when = section.choice("when", &[("load", CheckWhen::Load), ("daily", CheckWhen::Daily)]);
    let blocks = blocks(section, severity, marts);
    let table = section.text("table").map(str::to_owned);
    let kind = match section.choice("kind", KINDS) {
        Some(kind) => declared_kind(kind, section, table.is_some()),
        None if section.value("kind").is_some() => None,
        None => id
            .and_then(|id| statement(bundle, &format!("checks/{id}.sql"), "a SELECT of violations", found))
            .map(Kind::Statement),
    };
    if let (Some(Kind::Statement(_) | Kind::EqualSums { .. }), Some(table)) = (&kind, &table) {
        section.mistake("table", format!("\"{table}\""), "no `table`: the SQL names the tables itself");
    }
    section.finish();
    let check = TableCheck {
        id: id?.to_owned(),
        severity,
        budget,
        message: message?.to_owned(),
        when: CheckWhen::Daily,
        blocks,
        query: String::new(),
        follows: Vec::new(),
        looks_up: None,
        looks_up_values: false,
        is_kind: !matches!(kind, Some(Kind::Statement(_))),
    };
    Some(Declared { check, when, table, kind: kind? })
}

/// The marts that a check of severity `halt` keeps as they are; all of them if none is named.
fn blocks(section: &Section<'_>, severity: Severity, marts: &[Mart]) -> Vec<String> {
    let is_stored = |mart: &&Mart| matches!(mart.kind, MartKind::Materialized { .. });
    let known = || marts.iter().filter(is_stored).map(|mart| mart.name.as_str());
    let named = section.texts("blocks");
    for name in named.iter().flatten().filter(|name| !known().any(|mart| mart == **name)) {
        let is_view = marts.iter().any(|mart| mart.name == *name);
        let what = if is_view { "which is computed when it is read" } else { "which is no mart" };
        section.mistake("blocks", format!("\"{name}\", {what}"), known().collect::<Vec<_>>().join(", "));
    }
    if severity != Severity::Halt {
        if named.is_some() {
            section.mistake("blocks", "marts that a warning keeps", "`severity = \"halt\"` beside it");
        }
        return Vec::new();
    }
    named.map_or_else(|| known().map(str::to_owned).collect(), |named| named.into_iter().map(str::to_owned).collect())
}

fn declared_kind(kind: &str, section: &Section<'_>, has_table: bool) -> Option<Kind> {
    if kind != "equal_sums" && !has_table {
        section.required::<&str>("table", None, "the table whose rows are checked");
    }
    let text =
        |key: &'static str, accepted: &str| section.required(key, section.text(key), accepted).map(str::to_owned);
    let texts = |key: &'static str, accepted: &str| {
        let texts = section.required(key, section.texts(key), accepted);
        if texts.as_ref().is_some_and(Vec::is_empty) {
            section.mistake(key, "none", accepted);
        }
        texts.map(|texts| texts.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    Some(match kind {
        "not_null" => Kind::NotNull(texts("fields", "the fields that have a value")?),
        "unique" => Kind::Unique(texts("fields", "the fields that tell rows apart")?),
        "accepted_values" => {
            let field = text("field", "the field");
            let accepted = "a list of texts, numbers or truth values";
            let values = section.required("values", section.value("values"), accepted)?;
            let values = values.as_array().and_then(|values| values.iter().map(plain).collect::<Option<Vec<_>>>());
            if values.as_ref().is_none_or(Vec::is_empty) {
                section.mistake("values", section.value("values").map(describe).unwrap_or_default(), accepted);
            }
            Kind::AcceptedValues { field: field?, values: values? }
        }
        "range" => {
            let field = text("field", "the field");
            let (min, max) = (bound(section, "min"), bound(section, "max"));
            if min.is_none() && max.is_none() {
                section.mistake("min", "neither `min` nor `max`", "the least or the greatest value, or both");
            }
            Kind::Range { field: field?, min, max }
        }
        "pattern" => {
            let (field, pattern) = (text("field", "the field"), text("pattern", "a regular expression of PostgreSQL"));
            Kind::Pattern { field: field?, pattern: pattern? }
        }
        "sum_of" => {
            let (terms, total) = (texts("terms", "the fields that are added"), text("total", "the field of their sum"));
            Kind::SumOf { terms: terms?, total: total?, tolerance: tolerance(section) }
        }
        "relationships" => match section.text("reference") {
            Some(reference) => Kind::Shown { reference: reference.to_owned() },
            None => {
                let fields = texts("fields", "the fields that are looked up, or `reference`: a reference of the table");
                let (to, to_fields) = (text("to", "the table in which they are looked up"), section.texts("to_fields"));
                let fields = fields?;
                let to_fields =
                    to_fields.map_or_else(|| fields.clone(), |all| all.into_iter().map(str::to_owned).collect());
                if to_fields.len() != fields.len() {
                    section.mistake(
                        "to_fields",
                        format!("{} fields", to_fields.len()),
                        format!("{}, as `fields` has", fields.len()),
                    );
                }
                Kind::Relationship { fields, to: to?, to_fields }
            }
        },
        _ => {
            let select = "a SELECT that gives `value`, and the columns of `by`";
            let (left, right) = (text("left", select), text("right", select));
            let by = section.texts("by").unwrap_or_default().into_iter().map(str::to_owned).collect();
            let value = section.text("value").unwrap_or("value").to_owned();
            let one = |text: String| text.trim().trim_end_matches(';').to_owned();
            Kind::EqualSums { left: one(left?), right: one(right?), by, value, tolerance: tolerance(section) }
        }
    })
}

/// A value as SQL takes it in quotes.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Some(value.to_string()),
        _ => None,
    }
}

fn bound<'a>(section: &Section<'a>, key: &'a str) -> Option<String> {
    let value = section.value(key)?;
    let bound = plain(value).filter(|_| !value.is_bool());
    if bound.is_none() {
        section.mistake(key, describe(value), "a number, or a date or an instant as a text");
    }
    bound
}

/// `tolerance`: by how much two sums may differ.
fn tolerance(section: &Section<'_>) -> String {
    let value = section.value("tolerance");
    let number =
        value.map_or(Some("0".to_owned()), |value| plain(value).filter(|_| value.is_integer() || value.is_float()));
    if number.as_ref().is_none_or(|number| number.starts_with('-')) {
        section.mistake("tolerance", value.map(describe).unwrap_or_default(), "a number from 0 upwards");
    }
    number.unwrap_or_default()
}

/// Makes the queries of the checks, now that the tables are known, and notes on the tables which of them must keep what changed.
pub(crate) fn link(
    declared: Vec<Declared>,
    records: &mut [sql::Record],
    schemas: &Schemas,
    found: &Found,
) -> Vec<TableCheck> {
    let tables: Vec<&sql::Table> = records.iter().flat_map(|record| &record.tables).collect();
    let checks: Vec<TableCheck> = declared
        .into_iter()
        .filter_map(|declared| Linking { tables: &tables, schemas, found }.check(declared))
        .collect();
    for table in records.iter_mut().flat_map(|record| &mut record.tables) {
        let looks_at =
            |check: &TableCheck| check.follows.contains(&table.name) || check.looks_up.as_ref() == Some(&table.name);
        if checks.iter().any(looks_at) {
            table.follow(sql::ROW_KEY);
        }
    }
    checks
}

struct Linking<'a> {
    tables: &'a [&'a sql::Table],
    schemas: &'a Schemas,
    found: &'a Found,
}

impl Linking<'_> {
    fn check(&self, Declared { mut check, when, table, kind }: Declared) -> Option<TableCheck> {
        let id = check.id.clone();
        (check.query, check.follows) = match kind {
            Kind::Statement(text) => {
                let follows = self.tables.iter().map(|table| &table.name);
                let lower = text.to_lowercase();
                let follows = follows.filter(|name| has_word(&lower, &sql::changed(name))).cloned().collect();
                (text, follows)
            }
            Kind::EqualSums { left, right, by, value, tolerance } => {
                (equal_sums(&left, &right, &by, &value, &tolerance), Vec::new())
            }
            kind => {
                let table = self.table(&id, "table", &table?)?;
                check.looks_up = match &kind {
                    Kind::Shown { reference } => {
                        table.references.iter().find(|one| one.name == *reference).map(|one| one.table.clone())
                    }
                    Kind::Relationship { to, .. } => Some(to.clone()),
                    _ => None,
                };
                if let Kind::Relationship { to, to_fields, .. } = &kind {
                    let target = self.tables.iter().find(|table| table.name == *to);
                    let is_key = |field: &String| {
                        target.is_some_and(|table| table.key.iter().any(|column| column.name == *field))
                    };
                    check.looks_up_values = !to_fields.iter().all(is_key);
                }
                (self.of_rows(&id, table, &kind)?, vec![table.name.clone()])
            }
        };
        let lower = check.query.to_lowercase().replace('"', "");
        let read = |mart: &&String| has_word(&lower, &format!("{}.{mart}", self.schemas.marts));
        if let Some(mart) = check.blocks.iter().find(read) {
            let found = format!("\"{mart}\", which the check reads: once violated, it would never let the mart go");
            self.mistake(&id, "blocks", found, "marts that it does not read".to_owned());
        }
        // what sees the changes is asked after each load, what reads whole tables waits for the daily run
        check.when = when.unwrap_or(if check.follows.is_empty() { CheckWhen::Daily } else { CheckWhen::Load });
        Some(check)
    }

    fn mistake(&self, check: &str, key: &str, found: String, accepted: String) {
        self.found.add(crate::dataset::FILE, &format!("checks.{check}.{key}"), found, accepted);
    }

    fn table(&self, check: &str, key: &str, name: &str) -> Option<&sql::Table> {
        let table = self.tables.iter().find(|table| table.name == name).copied();
        if table.is_none() {
            let known = self.tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>().join(", ");
            self.mistake(check, key, format!("\"{name}\", which is no table"), known);
        }
        table
    }

    /// Sees that a table's view has these columns.
    fn columns<'n>(&self, check: &str, key: &str, table: &sql::Table, names: impl IntoIterator<Item = &'n String>) {
        for name in names {
            self.column(check, key, table, name);
        }
    }

    /// The type of a column of a table's view; one that is not there is noted.
    fn column(&self, check: &str, key: &str, table: &sql::Table, name: &str) -> Option<sql::SqlType> {
        let known = table.readable();
        let column = known.iter().find(|column| column.name == name);
        if column.is_none() {
            let names = known.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
            self.mistake(check, key, format!("\"{name}\", which is no column of {}", table.name), names);
        }
        column.map(|column| column.sql_type)
    }

    /// Sees that values can be compared with a column.
    fn fit<'n>(
        &self,
        check: &str,
        (field, key): (&String, &str),
        table: &sql::Table,
        values: impl IntoIterator<Item = &'n String>,
    ) {
        let Some(sql_type) = self.column(check, "field", table, field) else { return };
        for value in values {
            let accepted = match sql_type {
                sql::SqlType::Text(_) => continue,
                sql::SqlType::Integer | sql::SqlType::Long if value.parse::<i64>().is_ok() => continue,
                sql::SqlType::Integer | sql::SqlType::Long => "a whole number",
                sql::SqlType::Decimal(..) | sql::SqlType::Number if value.parse::<f64>().is_ok() => continue,
                sql::SqlType::Decimal(..) | sql::SqlType::Number => "a number",
                sql::SqlType::Date if value.parse::<NaiveDate>().is_ok() => continue,
                sql::SqlType::Date => "a day such as \"2026-06-30\"",
                sql::SqlType::Timestamp if is_instant(value) => continue,
                sql::SqlType::Timestamp => "an instant such as \"2026-06-30 09:00:00+02\", or a day",
                sql::SqlType::Boolean if ["true", "false"].contains(&value.as_str()) => continue,
                sql::SqlType::Boolean => "true or false",
            };
            self.mistake(check, key, format!("\"{value}\" for {field}"), accepted.to_owned());
        }
    }

    /// Sees that a column is one of these types.
    fn are<'n>(
        &self,
        check: &str,
        key: &str,
        table: &sql::Table,
        names: impl IntoIterator<Item = &'n String>,
        (accepted, fits): (&str, fn(sql::SqlType) -> bool),
    ) {
        for name in names {
            if self.column(check, key, table, name).is_some_and(|sql_type| !fits(sql_type)) {
                self.mistake(check, key, format!("\"{name}\", a column of another type"), accepted.to_owned());
            }
        }
    }

    /// The query of a kind that looks at the rows of a table: those that changed.
    fn of_rows(&self, check: &str, table: &sql::Table, kind: &Kind) -> Option<String> {
        let rows = format!(
            "{} t JOIN {} c ON c.{surrogate} = t.{surrogate}",
            sql::name(&self.schemas.warehouse, &table.name, ""),
            quote(&sql::changed(&table.name)),
            surrogate = quote(&table.surrogate)
        );
        let keys: Vec<String> = table.key.iter().map(|column| format!("c.{}", quote(&column.name))).collect();
        let keys = keys.join(", ");
        let of = |field: &String| format!("t.{}", quote(field));
        let condition = match kind {
            Kind::NotNull(fields) => {
                self.columns(check, "fields", table, fields);
                fields.iter().map(|field| format!("{} IS NULL", of(field))).collect::<Vec<_>>().join(" OR ")
            }
            Kind::AcceptedValues { field, values } => {
                self.fit(check, (field, "values"), table, values);
                let values: Vec<String> = values.iter().map(|value| text(value)).collect();
                format!("{} NOT IN ({})", of(field), values.join(", "))
            }
            Kind::Range { field, min, max } => {
                self.fit(check, (field, "min"), table, min);
                self.fit(check, (field, "max"), table, max);
                let below = min.iter().map(|min| format!("{} < {}", of(field), text(min)));
                let above = max.iter().map(|max| format!("{} > {}", of(field), text(max)));
                below.chain(above).collect::<Vec<_>>().join(" OR ")
            }
            Kind::Pattern { field, pattern } => {
                let is_text = |sql_type| matches!(sql_type, sql::SqlType::Text(_));
                self.are(check, "field", table, [field], ("a text", is_text));
                format!("{} !~ {}", of(field), text(pattern))
            }
            Kind::SumOf { terms, total, tolerance } => {
                let numbers: (&str, fn(sql::SqlType) -> bool) = ("numbers", |sql_type| {
                    use sql::SqlType::{Decimal, Integer, Long, Number};
                    matches!(sql_type, Integer | Long | Decimal(..) | Number)
                });
                self.are(check, "terms", table, terms, numbers);
                self.are(check, "total", table, [total], numbers);
                // a sum may be larger than its terms' type holds
                let of = |field: &String| format!("{}::numeric", of(field));
                let sum = terms.iter().map(of).collect::<Vec<_>>().join(" + ");
                let total = of(total);
                format!("NOT coalesce(abs({sum} - {total}) <= {tolerance}, ({sum}) IS NULL AND {total} IS NULL)")
            }
            Kind::Shown { reference } => {
                let known = || table.references.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
                let Some(declared) = table.references.iter().find(|one| one.name == *reference) else {
                    let found = format!("\"{reference}\", which is no reference of {}", table.name);
                    self.mistake(check, "reference", found, known());
                    return None;
                };
                let members = sql::name(&self.schemas.warehouse, &declared.table, "_rows");
                format!(
                    "EXISTS (SELECT FROM {members} m WHERE m.row_key = {} AND m.row_status = 'open')",
                    of(reference)
                )
            }
            Kind::Relationship { fields, to, to_fields } => {
                let target = self.table(check, "to", to)?;
                self.columns(check, "fields", table, fields);
                self.columns(check, "to_fields", target, to_fields);
                let known = fields.iter().map(|field| format!("{} IS NOT NULL", of(field))).collect::<Vec<_>>();
                let same =
                    fields.iter().zip(to_fields).map(|(field, column)| format!("o.{} = {}", quote(column), of(field)));
                format!(
                    "{} AND NOT EXISTS (SELECT FROM {} o WHERE {})",
                    known.join(" AND "),
                    sql::name(&self.schemas.warehouse, to, ""),
                    same.collect::<Vec<_>>().join(" AND ")
                )
            }
            Kind::Unique(fields) => {
                self.columns(check, "fields", table, fields);
                let names = fields.iter().map(|field| quote(field)).collect::<Vec<_>>().join(", ");
                let listed = fields.iter().map(of).collect::<Vec<_>>().join(", ");
                let of_key = table.key.iter().map(|column| format!("m.{}", quote(&column.name))).collect::<Vec<_>>();
                return Some(format!(
                    "SELECT {} FROM (\n  SELECT {surrogate}, count(*) OVER (PARTITION BY {names}) AS times FROM {view}\n  WHERE ({names}) IN (SELECT {listed} FROM {rows})\n) \
                     AS same JOIN {members} m ON m.row_key = same.{surrogate} WHERE times > 1",
                    of_key.join(", "),
                    surrogate = quote(&table.surrogate),
                    view = sql::name(&self.schemas.warehouse, &table.name, ""),
                    members = sql::name(&self.schemas.warehouse, &table.name, "_rows"),
                ));
            }
            Kind::Statement(_) | Kind::EqualSums { .. } => return None,
        };
        Some(format!("SELECT {keys} FROM {rows}\nWHERE {condition}"))
    }
}

/// Sums by the same columns, NULL being one more value of them, that differ; what one side lacks counts as zero.
fn equal_sums(left: &str, right: &str, by: &[String], value: &str, tolerance: &str) -> String {
    let (by, value) = (by.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", "), quote(value));
    let (shown, grouped) = match by.as_str() {
        "" => (String::new(), String::new()),
        by => (format!("{by}, "), format!("GROUP BY {by}\n")),
    };
    format!(
        "SELECT {shown}sum(left_value) AS left_value, sum(right_value) AS right_value FROM (\n  SELECT {shown}{value} AS left_value, NULL::numeric AS right_value FROM (\n{left}\n  ) AS l\n  \
         UNION ALL\n  SELECT {shown}NULL::numeric, {value} FROM (\n{right}\n  ) AS r\n) AS both_sides\n{grouped}\
         HAVING abs(coalesce(sum(left_value), 0) - coalesce(sum(right_value), 0)) > {tolerance}"
    )
}

/// Whether PostgreSQL reads a text as an instant, as far as one can be sure of it.
fn is_instant(text: &str) -> bool {
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let clock = time.split(['+', '-', 'Z']).next().unwrap_or_default().trim();
    let is_time = ["%H:%M", "%H:%M:%S%.f"].iter().any(|format| NaiveTime::parse_from_str(clock, format).is_ok());
    day.parse::<NaiveDate>().is_ok() && is_time
}

/// A literal, whose type PostgreSQL takes from what it is compared with.
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Whether a name stands in a statement, and not as a part of a longer one.
fn has_word(statement: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    statement.match_indices(word).any(|(at, _)| {
        let (before, after) = (&statement[..at], &statement[at + word.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}
