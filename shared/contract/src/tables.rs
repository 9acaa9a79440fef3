//! The tables that records become, compiled.

use chrono::{Datelike, Months, NaiveDate};
use fonderie_tables::{
    Calendar, Column, Computed, Growing, Index, Kind, Newest, Output, Partitions, ROW_KEY, Range, Record as Tables,
    Reference, SqlType, Table,
};

use crate::compiled::{self, Check, Complete, Mart, MartKind, Model, Record, Severity, Warning};
use crate::mistakes::{Found, Section};
use crate::record;
use crate::text::is_identifier;

/// As many partitions as PostgreSQL plans a query over without taking long.
const MOST_PARTITIONS: usize = 200;
/// The longest name of a table: the engine's own tables add endings to it.
const LONGEST: usize = 48;
/// Columns that the engine's tables have beside those that are declared.
const TAKEN: &[&str] = &[
    "closing_version_key",
    "load_timestamp",
    "member_status",
    "object_version_key",
    "row_absent",
    "row_blind",
    "row_is_new",
    "row_is_told",
    "row_key",
    "row_newest",
    "row_opens",
    "row_rank",
    "row_status",
    "source_file",
    "source_line",
    "source_record",
    "valid_from",
    "valid_to",
];

/// What a table's declaration says beside the table.
#[derive(Default)]
struct Beside {
    warnings: Vec<Warning>,
    complete: Option<Complete>,
}

/// Whether the engine uses a column's name itself.
pub(crate) fn is_taken(column: &str) -> bool {
    TAKEN.contains(&column)
}

/// The tables of a record as its file declares them; references to other records' tables are not resolved.
pub(crate) struct Declared {
    pub(crate) tables: Tables,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) complete: Option<Complete>,
}

/// Compiles `[[dimensions]]`, `[dimension]` or `[fact]`, and `[[calendars]]` of a record, noting every mistake.
pub(crate) fn declared(root: &Section<'_>, record: &Record) -> Declared {
    let mut beside = Beside::default();
    for field in record.fields.iter().filter(|field| is_taken(&field.name)) {
        root.mistake(
            "fields",
            format!("a field named \"{}\"", field.name),
            "a name that the engine does not use itself",
        );
    }
    let calendars: Vec<Calendar> =
        root.sections("calendars").into_iter().flatten().filter_map(|entry| calendar(&entry, record)).collect();
    let embedded = root.sections("dimensions").into_iter().flatten();
    let mut tables: Vec<Table> =
        embedded.filter_map(|entry| table(&entry, Kind::Dimension, false, record, &[], &mut beside)).collect();
    let main = match (root.section("dimension"), root.section("fact")) {
        (Some(section), None) => table(&section, Kind::Dimension, true, record, &calendars, &mut beside),
        (None, Some(section)) => table(&section, Kind::Fact, true, record, &calendars, &mut beside),
        (None, None) => {
            root.mistake("", "no table", "a table `[fact]` or `[dimension]`: what a row of the file becomes");
            None
        }
        (Some(_), Some(_)) => {
            root.mistake(
                "dimension",
                "`[dimension]` beside `[fact]`",
                "one of the two: what a row of the file becomes",
            );
            None
        }
    };
    tables.extend(main);
    // a rule with a mistake of its own may be the one that is missed
    if root.is_whole("rules", record.rules.len()) {
        tables.iter().for_each(|table| holds_keys(root, record, table));
    }
    let fields = record.fields.iter().map(|field| Column::new(&field.name, field.kind.sql_type())).collect();
    Declared {
        tables: Tables { name: record.name.clone(), fields, tables, calendars },
        warnings: beside.warnings,
        complete: beside.complete,
    }
}

/// The table finds a row by its key, so that no accepted row lacks a part of it, and none repeats one.
fn holds_keys(root: &Section<'_>, record: &Record, table: &Table) {
    let refuses = |rule: &&compiled::Rule| rule.severity != Severity::Warn;
    let needed = table.key.iter().chain(table.newest_by.as_ref().map(|newest| &newest.field));
    for column in needed {
        let required = |rule: &compiled::Rule| match &rule.check {
            Check::Required(fields) => fields.iter().any(|field| record.fields[*field].name == column.name),
            _ => false,
        };
        if !record.rules.iter().filter(refuses).any(required) {
            root.mistake(
                "rules",
                format!("no rule that requires \"{}\", by which {} finds its rows", column.name, table.name),
                "a rule with `check = \"required\"` of this field",
            );
        }
    }
    let unique = |rule: &compiled::Rule| match &rule.check {
        Check::Unique { fields, .. } => fields.iter().all(|field| {
            let name = &record.fields[*field].name;
            table.key.iter().any(|column| column.name == *name)
        }),
        _ => false,
    };
    if table.newest_by.is_none() && !record.rules.iter().filter(refuses).any(unique) {
        root.mistake(
            "rules",
            format!("no rule that refuses a repeated key of {}", table.name),
            "a rule with `check = \"unique\"`, or `newest_by` in the table",
        );
    }
}

fn named<'a>(section: &Section<'a>, key: &'a str, accepted: &str) -> Option<&'a str> {
    let name = section.required(key, section.text(key), accepted)?;
    if !is_identifier(name) || name.len() > LONGEST {
        let accepted = format!("lower-case letters, digits and `_`, a letter first; at most {LONGEST} of them");
        section.mistake(key, format!("\"{name}\""), accepted);
    }
    Some(name)
}

/// Fields of the record, as columns.
fn columns(section: &Section<'_>, key: &str, names: &[&str], record: &Record) -> Vec<Column> {
    let found = names.iter().filter_map(|name| record::index(section, record, key, name));
    found.map(|index| &record.fields[index]).map(|field| Column::new(&field.name, field.kind.sql_type())).collect()
}

fn table(
    section: &Section<'_>,
    kind: Kind,
    main: bool,
    record: &Record,
    calendars: &[Calendar],
    beside: &mut Beside,
) -> Option<Table> {
    let name = named(section, "name", "the table's name");
    let surrogate = named(section, "surrogate", "the name of the table's own key");
    let all: Vec<&str> = record.key.iter().map(|index| record.fields[*index].name.as_str()).collect();
    let key = match section.texts("key") {
        Some(_) if main => {
            section.mistake("key", "a key of its own", "the record's key, which is declared above all tables");
            all
        }
        Some(names) => names,
        None if main => all,
        None => section.required("key", None, "the natural key: a list of fields").unwrap_or_default(),
    };
    if !main && key.is_empty() && section.texts("key").is_some() {
        section.mistake("key", "an empty list", "the natural key: at least one field");
    }
    let key = columns(section, "key", &key, record);
    for column in key.iter().filter(|column| !main && column.sql_type == SqlType::Number) {
        section.mistake("key", format!("\"{}\", a number", column.name), record::KEY_KINDS);
    }
    let state = match kind {
        Kind::Dimension => "attributes",
        Kind::Fact => "measures",
    };
    let state = columns(section, state, &section.texts(state).unwrap_or_default(), record);
    let references = section.sections("references").into_iter().flatten().filter_map(|entry| reference(&entry, record));
    let references: Vec<Reference> = references.collect();
    for day in references.iter().filter_map(|reference| reference.as_of.as_ref()) {
        let is_day = |column: &Column| column.name == *day && column.sql_type == SqlType::Date;
        if record.field(day).is_none() {
            section.mistake(
                "references",
                format!("as_of = \"{day}\", which is no field"),
                "a date of the table's key or measures",
            );
        } else if !key.iter().chain(&state).any(is_day) {
            let accepted =
                "a date of the table's key or measures: a timestamp is in two days until a time zone is chosen";
            section.mistake("references", format!("as_of = \"{day}\""), accepted);
        }
    }
    let of_key: Vec<&Column> = key.iter().collect();
    fits_index(section, "key", &of_key);
    let computed = section.sections("computed").into_iter().flatten().filter_map(|entry| computed(&entry, &key));
    let mut computed: Vec<Computed> = computed.collect();
    let dated = calendars.iter().filter(|calendar| state.iter().any(|column| column.name == calendar.field));
    computed.splice(0..0, dated.map(|calendar| Calendar::number(&calendar.key, &calendar.field)));
    let known = key.iter().chain(&state).map(|column| column.name.as_str());
    let known = references.iter().map(|reference| reference.name.as_str()).chain(known);
    let known: Vec<&str> = known.chain(computed.iter().map(|computed| computed.column.name.as_str())).collect();
    let indexes: Vec<Index> =
        section.sections("indexes").into_iter().flatten().filter_map(|entry| index(&entry, &known)).collect();
    let all: Vec<&Column> = key.iter().chain(&state).chain(computed.iter().map(|computed| &computed.column)).collect();
    for index in &indexes {
        let columns = all.iter().copied().filter(|column| index.columns.contains(&column.name));
        fits_index(section, "indexes", &columns.collect::<Vec<_>>());
    }
    let newest_by = section.section("newest_by").and_then(|entry| newest(&entry, record));
    let snapshot = section.section("snapshot").map(|entry| {
        let (scope, complete) = snapshot(&entry, &key, record);
        beside.complete = Some(complete);
        scope
    });
    if snapshot.is_some() && !main {
        section.mistake("snapshot", "a dimension within another record", "`snapshot` in `[dimension]` or `[fact]`");
    }
    if newest_by.is_some() && snapshot.is_some() {
        section.mistake("snapshot", "`snapshot` beside `newest_by`", "one of the two");
    }
    let partitions = section.section("partitions").and_then(|entry| match kind {
        Kind::Fact => partitions(&entry, &key),
        Kind::Dimension => {
            let accepted = "no `partitions`: rows of other tables refer to the members of a dimension";
            section.mistake("partitions", "a partitioned dimension", accepted);
            None
        }
    });
    let history = section.text("history").and_then(|_| named(section, "history", "the name of the earlier states"));
    let mut growing = Vec::new();
    for entry in section.sections("growing").into_iter().flatten() {
        if let Some((measure, warning)) = grows(&entry, record, &state) {
            let of_growing = beside.warnings.iter().any(|other| other.id == warning.id);
            if of_growing || record.messages.owns(&warning.id) || record::ids(&record.rules).any(|id| id == warning.id)
            {
                let message = format!("\"{}\", which is the id of a rule", warning.id);
                entry.mistake("id", message, "an id that no rule of this record or of the reader has");
            }
            growing.push(measure);
            beside.warnings.push(warning);
        }
    }
    let checks = section.texts("checks").unwrap_or_default();
    checks.iter().for_each(|check| is_of_the_state(section, "checks", check, &key));
    let checks = checks.into_iter().map(str::to_owned).collect();
    let in_force: Vec<&str> =
        references.iter().filter(|one| one.as_of.is_some()).map(|one| one.table.as_str()).collect();
    for (at, dimension) in in_force.iter().enumerate() {
        if in_force[..at].contains(dimension) {
            let found = format!("two references to {dimension} with `as_of`");
            section.mistake("references", found, "one: the view of its values in force has the names of both tables");
        }
    }
    section.finish();
    Some(Table {
        name: name?.to_owned(),
        kind,
        surrogate: surrogate?.to_owned(),
        key,
        state,
        references,
        computed,
        checks,
        indexes,
        newest_by,
        snapshot,
        partitions,
        history: history.map(str::to_owned),
        growing,
        outputs: Vec::new(),
        followed: Vec::new(),
        later: Vec::new(),
    })
}

/// A reference to a dimension; its columns are found when all tables are known.
fn reference(section: &Section<'_>, record: &Record) -> Option<Reference> {
    let name = named(section, "name", "the column of the reference");
    let table = section.required("to", section.text("to"), "the name of a dimension");
    let fields = section.texts("fields").unwrap_or_default();
    let fields = columns(section, "fields", &fields, record).into_iter().map(|column| column.name).collect();
    let as_of = section.text("as_of").map(str::to_owned);
    section.finish();
    Some(Reference { name: name?.to_owned(), table: table?.to_owned(), columns: Vec::new(), fields, as_of })
}

/// Notes an expression that is not one: it stands between parentheses, which it must not leave.
fn is_one(section: &Section<'_>, at: &str, sql: &str) {
    // every second part is within quotes
    let mut depth = 0_i32;
    let outside: Vec<&str> = sql.split('\'').step_by(2).collect();
    let leaves = outside.iter().flat_map(|part| part.chars()).any(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth < 0 || c == ';'
    });
    let has_comment = outside.iter().any(|part| part.contains("--") || part.contains("/*"));
    if leaves || depth != 0 || has_comment || sql.matches('\'').count() % 2 == 1 || sql.trim().is_empty() {
        section.mistake(
            at,
            format!("\"{sql}\""),
            "one expression of SQL, with its parentheses and quotes closed, without `;` and comments",
        );
    }
}

/// Notes each column of the key that an expression names: a table's earlier states are kept without their key.
fn is_of_the_state(section: &Section<'_>, at: &str, sql: &str, key: &[Column]) {
    is_one(section, at, sql);
    let names = columns_named(sql);
    for column in key.iter().filter(|column| names.contains(&column.name)) {
        let found = format!("\"{sql}\" with `{}`, a field of the key", column.name);
        section.mistake(at, found, "an expression over references, attributes or measures");
    }
}

/// The columns that an SQL expression names, in small letters. Texts, functions, types (`DATE '…'`, `::date`, `AS date`) and the field that
/// `extract` takes are none.
fn columns_named(sql: &str) -> Vec<String> {
    // every second part is within quotes
    let outside = sql.split('\'').step_by(2).collect::<Vec<_>>().join("'");
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let (mut names, mut rest, mut last) = (Vec::new(), outside.as_str(), String::new());
    while let Some(start) = rest.find(is_part) {
        let (before, name) = rest.split_at(start);
        let (name, after) = name.split_at(name.find(|c| !is_part(c)).unwrap_or(name.len()));
        let (name, next) = (name.to_lowercase(), after.trim_start());
        let is_taken = next.get(..5).is_some_and(|next| next.eq_ignore_ascii_case("from "));
        if !next.starts_with(['(', '\'']) && !before.trim_end().ends_with("::") && last != "as" && !is_taken {
            names.push(name.clone());
        }
        (rest, last) = (after, name);
    }
    names
}

/// A computed column's type, as a field's is written; `key` has the columns that its expression may not name.
fn computed(section: &Section<'_>, key: &[Column]) -> Option<Computed> {
    let name = named(section, "name", "the column's name");
    let kind = record::kind(section);
    for bound in ["min", "max"].into_iter().filter(|bound| section.value(bound).is_some()) {
        section.mistake(bound, "a bound of a computed column", "no such key; a condition in `checks`");
    }
    let expression = section.required("sql", section.text("sql"), "an expression over columns of the row");
    if let Some(expression) = expression {
        is_of_the_state(section, "sql", expression, key);
    }
    section.finish();
    // a number that is computed is no field of a file, whose bounds it would have
    let kind = match kind? {
        compiled::Kind::Integer { .. } => SqlType::Integer,
        kind => kind.sql_type(),
    };
    Some(Computed { column: Column::new(name?, kind), expression: expression?.to_owned() })
}

/// An index of a table that has these columns.
/// PostgreSQL's index holds entries of 2,704 bytes at most, and a character has up to four.
const MOST_INDEXED: u32 = 650;

/// Notes columns whose texts may be too long for an index.
fn fits_index(section: &Section<'_>, key: &str, columns: &[&Column]) {
    let length = |column: &&Column| match column.sql_type {
        SqlType::Text(length) => length,
        _ => 0,
    };
    let all: u32 = columns.iter().map(length).fold(0, u32::saturating_add);
    if all > MOST_INDEXED {
        let names = columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        let accepted = format!("texts of at most {MOST_INDEXED} characters together: an index holds no longer ones");
        section.mistake(key, format!("{names}: texts of up to {all} characters"), accepted);
    }
}

fn index(section: &Section<'_>, known: &[&str]) -> Option<Index> {
    let columns = section.required("columns", section.texts("columns"), "a list of the table's columns");
    if columns.as_ref().is_some_and(Vec::is_empty) {
        section.mistake("columns", "an empty list", known.join(", "));
    }
    for column in columns.iter().flatten().filter(|column| !known.contains(column)) {
        section.mistake("columns", format!("\"{column}\", which is no column of the table"), known.join(", "));
    }
    let condition = section.text("where").map(str::to_owned);
    condition.iter().for_each(|condition| is_one(section, "where", condition));
    section.finish();
    Some(Index { columns: columns?.into_iter().map(str::to_owned).collect(), condition })
}

fn newest(section: &Section<'_>, record: &Record) -> Option<Newest> {
    let field = section.required("field", section.text("field"), "the field by which a key's newest row is found");
    let name = named(section, "as", "the name under which readers see it");
    section.finish();
    let field = columns(section, "field", &[field?], record).pop()?;
    if field.sql_type == SqlType::Boolean {
        section.mistake(
            "field",
            format!("\"{}\", which is true or false", field.name),
            "a field whose values have an order",
        );
        return None;
    }
    Some(Newest { field, name: name?.to_owned() })
}

/// The fields of the key that a file is complete of, and what is plausible of such a file.
fn snapshot(section: &Section<'_>, key: &[Column], record: &Record) -> (Vec<String>, Complete) {
    let of_key = |name: &str| key.iter().any(|column| column.name == name);
    let owner = record.owner.map(|owner| record.fields[owner].name.as_str()).filter(|owner| of_key(owner));
    let scope = section.texts("scope").unwrap_or_else(|| owner.into_iter().collect());
    for name in scope.iter().filter(|name| !of_key(name)) {
        section.mistake("scope", format!("\"{name}\", which is not in the key"), "fields of the key");
    }
    let allow_empty = section.truth("allow_empty").unwrap_or(false);
    let closes = section.whole("closes_at_most_percent").unwrap_or(20);
    if closes > 100 {
        section.mistake("closes_at_most_percent", closes.to_string(), "a whole number from 0 to 100");
    }
    section.finish();
    (scope.into_iter().map(str::to_owned).collect(), Complete { allow_empty, closes_at_most_percent: closes })
}

/// `partitions`: the day of the key by which rows are spread, and the days from which and until before which they have partitions of their own.
fn partitions(section: &Section<'_>, key: &[Column]) -> Option<Partitions> {
    let every = [("year", Every::Year), ("quarter", Every::Quarter), ("month", Every::Month)];
    let by = section.required("by", section.text("by"), "a date of the key");
    let every = section.required("every", section.choice("every", &every), "\"year\", \"quarter\" or \"month\"");
    if let Some(by) = by.filter(|by| !key.contains(&Column::new(by, SqlType::Date))) {
        let accepted = "a date of the record's key: PostgreSQL keeps keys unique within a partition, and a row whose day changes would move to another one";
        section.mistake("by", format!("\"{by}\""), accepted);
    }
    let day = |key: &'static str| {
        let accepted = "the first day of a year, a quarter or a month, as `every` says, such as \"2025-01-01\"";
        let text = section.required(key, section.text(key), accepted)?;
        let day = text.parse::<NaiveDate>().ok().filter(|day| text.len() == 10 && (1..=9999).contains(&day.year()));
        if day.is_none() || every.zip(day).is_some_and(|(every, day)| !every.begins(day)) {
            section.mistake(key, format!("\"{text}\""), accepted);
        }
        day
    };
    let (from, until) = (day("from"), day("until"));
    section.finish();
    let (every, from, until) = (every?, from?, until?);
    let ranges: Vec<Range> = std::iter::successors(Some(from), |day| day.checked_add_months(every.months()))
        .take_while(|day| *day < until)
        .take(MOST_PARTITIONS + 1)
        .filter_map(|day| Some((day, day.checked_add_months(every.months())?)))
        .map(|(from, until)| Range { name: every.name(from), from: from.to_string(), until: until.to_string() })
        .collect();
    if ranges.is_empty() {
        section.mistake("until", format!("\"{until}\""), format!("a day after `from`, {from}"));
    } else if ranges.len() > MOST_PARTITIONS {
        let found = format!("more than {MOST_PARTITIONS} partitions from {from} until {until}");
        section.mistake(
            "until",
            found,
            format!("at most {MOST_PARTITIONS} of them: an earlier day, or a longer `every`"),
        );
    }
    Some(Partitions { by: by?.to_owned(), ranges })
}

/// How long the days of a partition are.
#[derive(Clone, Copy)]
enum Every {
    Year,
    Quarter,
    Month,
}

impl Every {
    fn months(self) -> Months {
        Months::new(match self {
            Self::Year => 12,
            Self::Quarter => 3,
            Self::Month => 1,
        })
    }

    /// Whether a partition may begin with a day.
    fn begins(self, day: NaiveDate) -> bool {
        day.day() == 1 && day.month0().is_multiple_of(self.months().as_u32())
    }

    /// The ending of the name of the partition that begins with a day.
    fn name(self, day: NaiveDate) -> String {
        match self {
            Self::Year => format!("{:04}", day.year()),
            Self::Quarter => format!("{:04}_q{}", day.year(), day.quarter()),
            Self::Month => format!("{:04}_{:02}", day.year(), day.month()),
        }
    }
}

fn grows(section: &Section<'_>, record: &Record, state: &[Column]) -> Option<(Growing, Warning)> {
    let field = section.required("field", section.text("field"), "a measure");
    let rule = named(section, "id", "the warning's id");
    let message = section.required("message", section.text("message"), "a sentence for the sender");
    section.finish();
    let column = columns(section, "field", &[field?], record).pop()?;
    let is_number = matches!(column.sql_type, SqlType::Decimal(..) | SqlType::Long | SqlType::Number);
    if !is_number || !state.contains(&column) {
        section.mistake("field", format!("\"{}\"", column.name), "a number among the table's measures");
    }
    let rule = rule?.to_owned();
    Some((Growing { field: column.name, rule: rule.clone() }, Warning { id: rule, message: message?.to_owned() }))
}

fn calendar(section: &Section<'_>, record: &Record) -> Option<Calendar> {
    let name = named(section, "name", "the calendar's name");
    let key = named(section, "surrogate", "the column of a day's number, yyyymmdd");
    let day = named(section, "day", "the column of the day");
    let field = section.required("field", section.text("field"), "a date field, each value of which has a row");
    let entries = section.sections("columns").into_iter().flatten();
    let columns = entries.filter_map(|entry| computed(&entry, &[])).collect();
    section.finish();
    let field = record::index(section, record, "field", field?)?;
    if record.fields[field].kind != compiled::Kind::Date {
        section.mistake("field", format!("\"{}\"", record.fields[field].name), "a date field");
    }
    Some(Calendar {
        name: name?.to_owned(),
        key: key?.to_owned(),
        day: day?.to_owned(),
        field: record.fields[field].name.clone(),
        columns,
    })
}

/// Resolves what tables say of each other, and notes columns and tables of one name. `files` names each record's file, `validity` the columns
/// of the interval of a state.
pub(crate) fn link(records: &mut [Tables], files: &[String], models: &[Model], validity: &[String; 2], found: &Found) {
    let known: Vec<(String, Kind, Vec<Column>)> = records
        .iter()
        .flat_map(|record| &record.tables)
        .map(|table| (table.name.clone(), table.kind, table.key.clone()))
        .collect();
    for (record, file) in records.iter_mut().zip(files) {
        let places: Vec<String> = (0..record.tables.len()).map(|at| place(record, at)).collect();
        for (table, place) in record.tables.iter_mut().zip(places) {
            for reference in &mut table.references {
                let place = format!("{place}.references.{}", reference.name);
                resolve(reference, &record.fields, &known, |found_there, accepted| {
                    found.add(file, &place, found_there, accepted);
                });
            }
        }
    }
    for model in models {
        let tables = records.iter_mut().flat_map(|record| &mut record.tables);
        match tables.into_iter().find(|table| table.name == model.table) {
            Some(table) => table.outputs.push(output(model)),
            None => {
                let accepted = known.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>().join(", ");
                let message = format!("\"{}\", which is no table", model.table);
                found.add("dataset.toml", &format!("models.{}.table", model.id), message, accepted);
            }
        }
    }
    // a model's SELECT may read any of them
    if !models.is_empty() {
        records.iter_mut().flat_map(|record| &mut record.tables).for_each(|table| table.follow(ROW_KEY));
    }
    for (record, file) in records.iter().zip(files) {
        for (at, table) in record.tables.iter().enumerate() {
            columns_differ(table, validity, |found_there, accepted| {
                found.add(file, &place(record, at), found_there, accepted);
            });
        }
        for calendar in &record.calendars {
            let days = [&calendar.key, &calendar.day].into_iter();
            let names = days.chain(calendar.columns.iter().map(|computed| &computed.column.name));
            for name in repeated(names) {
                let place = format!("calendars.{}", calendar.name);
                found.add(file, &place, format!("two columns named \"{name}\""), "names that differ");
            }
        }
    }
    names_differ(records, files, models, found);
}

/// Makes the tables keep what changed in them, for the marts that follow.
pub(crate) fn follow(records: &mut [Tables], marts: &[Mart], found: &Found) {
    let tables = || records.iter().flat_map(|record| &record.tables);
    let surrogates: Vec<String> = tables().map(|table| table.surrogate.clone()).collect();
    let followed = marts.iter().filter_map(|mart| match &mart.kind {
        MartKind::Materialized { by: Some(by), .. } => Some((mart, by)),
        _ => None,
    });
    for (mart, by) in followed {
        if !surrogates.contains(by) {
            let place = format!("marts.{}.incremental_by", mart.name);
            found.add(
                "dataset.toml",
                &place,
                format!("\"{by}\""),
                format!("the surrogate of a table: {}", surrogates.join(", ")),
            );
        }
        for table in records.iter_mut().flat_map(|record| &mut record.tables) {
            table.follow(ROW_KEY);
            if table.references.iter().any(|reference| reference.name == *by) {
                table.follow(by);
            }
        }
    }
}

/// Where a table is declared. The last one of a record is its main table.
fn place(record: &Tables, at: usize) -> String {
    let table = &record.tables[at];
    match table.kind {
        Kind::Fact => "fact".to_owned(),
        Kind::Dimension if at + 1 == record.tables.len() => "dimension".to_owned(),
        Kind::Dimension => format!("dimensions.{}", table.name),
    }
}

/// Finds the dimension of a reference, and the fields of the record that hold its key.
fn resolve(
    reference: &mut Reference,
    fields: &[Column],
    known: &[(String, Kind, Vec<Column>)],
    mistake: impl Fn(String, String),
) {
    let target = known.iter().find(|(name, kind, _)| *name == reference.table && *kind == Kind::Dimension);
    let Some((_, _, key)) = target else {
        let dimensions = known.iter().filter(|(_, kind, _)| *kind == Kind::Dimension);
        let accepted = dimensions.map(|(name, ..)| name.as_str()).collect::<Vec<_>>().join(", ");
        mistake(format!("\"{}\", which is no dimension", reference.table), accepted);
        return;
    };
    reference.columns = key.iter().map(|column| column.name.clone()).collect();
    if reference.fields.is_empty() {
        reference.fields.clone_from(&reference.columns);
    }
    let kind = |name: &String| fields.iter().find(|field| field.name == *name).map(|field| field.sql_type);
    // a longer text would fail as the key of a member that the load opens
    let fits = |(field, column): (&String, &Column)| match (kind(field), column.sql_type) {
        (Some(SqlType::Text(length)), SqlType::Text(most)) => length <= most,
        (field, column) => field == Some(column),
    };
    if reference.fields.len() != key.len() || !reference.fields.iter().zip(key).all(fits) {
        let names = key.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        let accepted = format!("fields of this record for {names}, in this order: of the same types, texts not longer");
        mistake(format!("fields that do not fit the key of {}", reference.table), accepted);
    }
}

/// Notes columns of a table that have one name, or one of the engine's own.
fn columns_differ(table: &Table, validity: &[String; 2], mistake: impl Fn(String, &str)) {
    let references = table.references.iter().map(|reference| &reference.name);
    let computed = table.computed.iter().map(|computed| &computed.column.name);
    let outputs = table.outputs.iter().flat_map(|output| [&output.score, &output.reason]);
    let made: Vec<&String> = [&table.surrogate].into_iter().chain(references).chain(computed).chain(outputs).collect();
    // fields of the record are compared with the engine's names where they are declared
    for name in made.iter().filter(|name| is_taken(name)) {
        mistake(format!("a column named \"{name}\""), "a name that the engine does not use itself");
    }
    let shown = table.newest_by.as_ref().map(|newest| &newest.name);
    let validity = validity.iter().filter(|_| table.newest_by.is_none() || table.history.is_some());
    let fields = table.key.iter().chain(&table.state).map(|column| &column.name);
    for name in repeated(fields.chain(made.iter().copied()).chain(shown).chain(validity)) {
        mistake(format!("two columns named \"{name}\""), "names that differ");
    }
}

/// The names that come a second time.
fn repeated<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let names: Vec<&str> = names.map(String::as_str).collect();
    let second = |(at, name): (usize, &&'a str)| names[..at].contains(name).then_some(*name);
    names.iter().enumerate().filter_map(second).collect()
}

/// What PostgreSQL keeps of a name.
const NAME_BYTES: usize = 63;

/// Notes tables, views, calendars and outputs of models that have one name, or that of one of the engine's base tables.
fn names_differ(records: &[Tables], files: &[String], models: &[Model], found: &Found) {
    let (mut public, mut bases) = (Vec::new(), Vec::new());
    for (record, file) in records.iter().zip(files) {
        for (at, table) in record.tables.iter().enumerate() {
            let place = place(record, at);
            public.push((file.as_str(), format!("{place}.name"), table.name.clone()));
            public.extend(table.history.iter().map(|name| (file.as_str(), format!("{place}.history"), name.clone())));
            for reference in table.references.iter().filter(|reference| reference.as_of.is_some()) {
                let (view, place) = (
                    fonderie_tables::in_force_name(table, reference),
                    format!("{place}.references.{}", reference.name),
                );
                if view.len() > NAME_BYTES {
                    let found_there = format!("the view {view}, a name of {} bytes", view.len());
                    found.add(
                        file,
                        &place,
                        found_there,
                        format!("names of the two tables that are shorter: {NAME_BYTES} bytes in all, with `_with_`"),
                    );
                }
                public.push((file.as_str(), place, view));
            }
            for ending in ["_rows", "_history", "_presence", "_snapshots", "_refused", "_changes", "_row_key_seq"] {
                bases.push((format!("{}{ending}", table.name), table.name.as_str()));
            }
            if let Some(partitions) = &table.partitions {
                let names = partitions.ranges.iter().map(|range| range.name.as_str()).chain(["default"]);
                bases.extend(names.map(|name| (format!("{}_rows_{name}", table.name), table.name.as_str())));
            }
        }
        for calendar in &record.calendars {
            public.push((file.as_str(), format!("calendars.{}.name", calendar.name), calendar.name.clone()));
        }
    }
    for model in models {
        let place = format!("models.{}.id", model.id);
        public.extend(output(model).tables().map(|name| ("dataset.toml", place.clone(), name)));
    }
    for (at, (file, place, name)) in public.iter().enumerate() {
        if public[..at].iter().any(|(_, _, other)| other == name) {
            found.add(file, place, format!("two tables named \"{name}\""), "names that differ");
        }
        if let Some((_, table)) = bases.iter().find(|(base, _)| base == name) {
            let message = format!("\"{name}\", which is a table of the engine's own for {table}");
            found.add(file, place, message, "another name");
        }
    }
}

fn output(model: &Model) -> Output {
    Output { model: model.id.clone(), score: model.score.clone(), reason: model.reason.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_expression_names_is_found_outside_of_texts_and_functions() {
        for (sql, expected) in [
            ("amount - paid", &["amount", "paid"][..]),
            ("left(Code, 2) = 'code''s day' AND \"day\" > DATE '2020-01-01'", &["code", "2", "and", "day"]),
            ("date_part ('year', sold_on)::numeric(12,2)", &["sold_on", "12", "2"]),
            ("CAST(a AS date) - b::date + extract(year FROM c)", &["a", "as", "b", "from", "c"]),
            ("", &[]),
        ] {
            assert_eq!(columns_named(sql), expected, "{sql}");
        }
    }
}
