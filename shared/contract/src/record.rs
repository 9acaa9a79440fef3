//! `records/<record>.toml`, compiled: fields, natural key, rules.

use std::sync::Arc;

use chrono::{Datelike, NaiveDate};

use crate::columns::column_ref;
use crate::compiled::{Budget, Check, ColumnRef, Field, Keep, Kind, OnUnreadable, Record, Rule, Severity};
use crate::dates::DateRange;
use crate::messages::Messages;
use crate::mistakes::Section;
use crate::text::is_identifier;

const DEFAULT_BUDGET: Budget = Budget { percent: 10, rows: 20 };
const DEFAULT_TOTAL_BUDGET: Budget = Budget { percent: 20, rows: 50 };
/// What a natural key is made of.
pub(crate) const KEY_KINDS: &str =
    "fields of other types: a measurement that is written with another precision would be another key";
const SEVERITIES: &[(&str, Severity)] =
    &[("warn", Severity::Warn), ("reject", Severity::Reject), ("halt", Severity::Halt)];

/// Compiles a record's fields, key and rules, noting every mistake; its tables are read elsewhere.
pub(crate) fn record(name: &str, section: &Section<'_>, messages: &Arc<Messages>) -> Option<Record> {
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
    let unreadable = budget(section, "budget", DEFAULT_BUDGET);
    let mut record = Record {
        name: name.to_owned(),
        fields,
        key: Vec::new(),
        messages: messages.clone(),
        rules: Vec::new(),
        unreadable,
        total_budget: budget(section, "total_budget", DEFAULT_TOTAL_BUDGET),
        owner: None,
        credit_notes: section.truth("credit_notes").unwrap_or(false),
        refused_columns: refused_columns(section),
        warnings: Vec::new(),
        complete: None,
    };
    let key = section.required("key", section.texts("key"), "the natural key: a list of fields");
    if key.as_ref().is_some_and(Vec::is_empty) {
        section.mistake("key", "an empty list", "the natural key: at least one field");
    }
    record.key = key.iter().flatten().filter_map(|name| index(section, &record, "key", name)).collect();
    for field in record.key.iter().map(|&field| &record.fields[field]).filter(|field| field.kind.is_measured()) {
        section.mistake("key", format!("\"{}\", a number", field.name), KEY_KINDS);
    }
    record.owner = section.text("owner").and_then(|name| index(section, &record, "owner", name));
    if let Some(owner) = record.owner.filter(|&owner| !matches!(record.fields[owner].kind, Kind::Text { .. })) {
        section.mistake("owner", format!("\"{}\"", record.fields[owner].name), "a text field");
    }
    let entries = section.sections("rules").into_iter().flatten();
    record.rules = entries.filter_map(|entry| rule(&entry, &record, unreadable)).collect();
    ids_differ(section, &record);
    Some(record)
}

/// `refused_columns`: names of columns that no source may load.
fn refused_columns(section: &Section<'_>) -> Vec<String> {
    let names = section.texts("refused_columns").unwrap_or_default();
    for name in names.iter().filter(|name| !matches!(column_ref(name), Some(ColumnRef::Name(_)))) {
        let accepted = "names of columns: a position such as \"#8\" stands in the source's own `refused_columns`";
        section.mistake("refused_columns", format!("\"{name}\""), accepted);
    }
    names.into_iter().map(str::to_owned).collect()
}

/// The ids of rules, and of the conflicts that some of them find.
pub(crate) fn ids(rules: &[Rule]) -> impl Iterator<Item = &str> {
    rules.iter().flat_map(|rule| {
        let conflict = match &rule.check {
            Check::Unique { conflict, .. } => conflict.as_ref().map(|(id, _)| id.as_str()),
            _ => None,
        };
        [Some(rule.id.as_str()), conflict].into_iter().flatten()
    })
}

/// Notes rules that have one id: with each other, with the id of a conflict, or with a rule of the reader.
fn ids_differ(section: &Section<'_>, record: &Record) {
    let mut earlier: Vec<&str> = Vec::new();
    for id in ids(&record.rules) {
        if record.messages.owns(id) {
            let message = format!("a rule with the id \"{id}\", which is one of the reader's");
            section.mistake("rules", message, "another id");
        } else if earlier.contains(&id) {
            section.mistake("rules", format!("two rules with the id \"{id}\""), "ids that differ");
        }
        earlier.push(id);
    }
}

pub(crate) fn index(section: &Section<'_>, record: &Record, key: &str, name: &str) -> Option<usize> {
    let index = record.field(name);
    if index.is_none() {
        let known = record.fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
        section.mistake(key, format!("\"{name}\", which is no field"), known);
    }
    index
}

fn budget<'a>(section: &Section<'a>, key: &'a str, default: Budget) -> Budget {
    let Some(budget) = section.section(key) else { return default };
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
    let kind = kind(section);
    let has_range = matches!(kind, Some(Kind::Date | Kind::Timestamp));
    let range = if has_range { date_range(section) } else { DateRange::default() };
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
    Some(Field { name: name?.to_owned(), kind: kind?, money, personal, unreadable, range })
}

/// A type with what belongs to it.
pub(crate) fn kind(section: &Section<'_>) -> Option<Kind> {
    #[derive(Clone, Copy)]
    enum Type {
        Text,
        Integer,
        Decimal,
        Number,
        Date,
        Timestamp,
        Boolean,
    }
    let types = [
        ("text", Type::Text),
        ("integer", Type::Integer),
        ("decimal", Type::Decimal),
        ("number", Type::Number),
        ("date", Type::Date),
        ("timestamp", Type::Timestamp),
        ("boolean", Type::Boolean),
    ];
    let accepted = types.map(|(name, _)| format!("\"{name}\"")).join(", ");
    section.required("type", section.choice("type", &types), &accepted).map(|kind| match kind {
        Type::Text => {
            let accepted = "the greatest length, in characters: 1 to 1,000,000";
            let most = section.required("max_length", section.whole("max_length"), accepted);
            if let Some(most) = most.filter(|most| !(1..=1_000_000).contains(most)) {
                section.mistake("max_length", most.to_string(), accepted);
            }
            Kind::Text { max_length: most.and_then(|most| usize::try_from(most).ok()).unwrap_or(1) }
        }
        Type::Integer => {
            let (min, max) = (section.integer("min").unwrap_or(i64::MIN), section.integer("max").unwrap_or(i64::MAX));
            in_order(section, min, max);
            Kind::Integer { min, max }
        }
        Type::Number => {
            let (min, max) = (section.number("min").unwrap_or(f64::MIN), section.number("max").unwrap_or(f64::MAX));
            in_order(section, min, max);
            Kind::Number { min, max }
        }
        Type::Date => Kind::Date,
        Type::Timestamp => Kind::Timestamp,
        Type::Boolean => Kind::Boolean,
        Type::Decimal => {
            let precision = section.whole("precision").unwrap_or(10);
            let scale = section.whole("scale").unwrap_or(2);
            if !(1..=18).contains(&precision) || scale > precision {
                section.mistake("precision", format!("{precision} digits, {scale} of them decimals"), "1 to 18 digits");
            }
            Kind::Decimal { precision: u8::try_from(precision).unwrap_or(18), scale: i8::try_from(scale).unwrap_or(0) }
        }
    })
}

/// Notes bounds of which the lower one is above the upper one.
fn in_order<T: PartialOrd + std::fmt::Display>(section: &Section<'_>, min: T, max: T) {
    if min > max {
        section.mistake("max", max.to_string(), format!("a number not below `min`, {min}"));
    }
}

/// `min` and `max` of a date or a timestamp, as ISO dates.
fn date_range(section: &Section<'_>) -> DateRange {
    let accepted = "a day such as \"1900-01-01\"";
    let day = |key| {
        let text = section.text(key)?;
        let day = text.parse::<NaiveDate>().ok().filter(|day| text.len() == 10 && (1..=9999).contains(&day.year()));
        if day.is_none() {
            section.mistake(key, format!("\"{text}\""), accepted);
        }
        day
    };
    let (min, max) = (day("min"), day("max"));
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        section.mistake("max", format!("\"{max}\""), format!("a day not before `min`, {min}"));
    }
    let default = DateRange::default();
    DateRange {
        min: min.map_or(default.min, |day| day.to_epoch_days()),
        max: max.map_or(default.max, |day| day.to_epoch_days()),
        declared: min.is_some() || max.is_some(),
    }
}

fn rule(section: &Section<'_>, record: &Record, default_budget: Budget) -> Option<Rule> {
    let id = section.required("id", section.text("id"), "the rule's id");
    if let Some(id) = id.filter(|id| !is_identifier(id)) {
        section.mistake("id", format!("\"{id}\""), "lower-case letters, digits and `_`, a letter first");
    }
    let message = section.required("message", section.text("message"), "a sentence for the sender");
    let severity = section.choice("severity", SEVERITIES).unwrap_or(Severity::Reject);
    let backed = section.text("constraint");
    if let (Some(constraint), Severity::Warn) = (backed, severity) {
        section.mistake(
            "severity",
            format!("\"warn\", while the warehouse's constraint \"{constraint}\" refuses such rows"),
            "\"reject\" or \"halt\"",
        );
    }
    let budget = budget(section, "budget", default_budget);
    let check = check(section, record);
    section.finish();
    Some(Rule { id: id?.to_owned(), check: check?, severity, budget, message: message?.to_owned() })
}

/// The kinds of checks that a rule may name.
#[derive(Clone, Copy)]
enum CheckKind {
    Required,
    NotNegative,
    NotAfterAsOf,
    Unique,
    AtMost,
    OneOf,
}

const CHECKS: &[(&str, CheckKind)] = &[
    ("required", CheckKind::Required),
    ("not_negative", CheckKind::NotNegative),
    ("not_after_as_of", CheckKind::NotAfterAsOf),
    ("unique", CheckKind::Unique),
    ("at_most", CheckKind::AtMost),
    ("one_of", CheckKind::OneOf),
];

fn check(section: &Section<'_>, record: &Record) -> Option<Check> {
    let accepted = CHECKS.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let check = section.required("check", section.choice("check", CHECKS), &accepted)?;
    let resolve = |names: Vec<&str>, kinds: &str, fits: fn(Kind) -> bool| -> Vec<usize> {
        if names.is_empty() {
            section.mistake("fields", "an empty list", "at least one field");
        }
        let found = names.into_iter().filter_map(|name| index(section, record, "fields", name)).collect::<Vec<_>>();
        for &index in found.iter().filter(|&&index| !fits(record.fields[index].kind)) {
            section.mistake("fields", format!("\"{}\"", record.fields[index].name), kinds.to_owned());
        }
        found
    };
    let fields = |kinds: &str, fits: fn(Kind) -> bool| -> Option<Vec<usize>> {
        let names = section.required("fields", section.texts("fields"), "a list of fields")?;
        Some(resolve(names, kinds, fits))
    };
    let one = |key: &'static str| section.required(key, section.value(key), "a field").and_then(|value| value.as_str());
    match check {
        CheckKind::Required => Some(Check::Required(fields("any field", |_| true)?)),
        CheckKind::NotNegative => {
            let fits = |kind| matches!(kind, Kind::Decimal { .. } | Kind::Integer { .. } | Kind::Number { .. });
            Some(Check::NotNegative(fields("a field for numbers: a decimal, an integer or a number", fits)?))
        }
        CheckKind::NotAfterAsOf => {
            let fits = |kind| matches!(kind, Kind::Date | Kind::Timestamp);
            Some(Check::NotAfterAsOf(fields("a date or a timestamp", fits)?))
        }
        CheckKind::Unique => {
            let fields = match section.texts("fields") {
                Some(names) => resolve(names, "any field", |_| true),
                None => record.key.clone(),
            };
            let keep = section.choice("keep", &[("first", Keep::First), ("none", Keep::None)]).unwrap_or(Keep::First);
            let conflict = match (section.text("conflict_id"), section.text("conflict_message")) {
                (Some(id), Some(message)) => Some((id.to_owned(), message.to_owned())),
                (None, None) => None,
                _ => {
                    section.mistake("conflict_id", "one of `conflict_id` and `conflict_message`", "both or none");
                    None
                }
            };
            Some(Check::Unique { fields, keep, conflict })
        }
        CheckKind::AtMost => {
            let smaller = index(section, record, "smaller", one("smaller")?)?;
            let greater = index(section, record, "greater", one("greater")?)?;
            let kinds = (record.fields[smaller].kind, record.fields[greater].kind);
            let comparable = match kinds {
                (Kind::Date, Kind::Date)
                | (Kind::Timestamp, Kind::Timestamp)
                | (Kind::Integer { .. }, Kind::Integer { .. })
                | (Kind::Number { .. }, Kind::Number { .. }) => true,
                (Kind::Decimal { scale, .. }, Kind::Decimal { scale: other, .. }) => scale == other,
                _ => false,
            };
            if !comparable {
                let accepted = "two dates, two timestamps, two integers, two numbers, or two decimals of one scale";
                section.mistake("greater", "fields that cannot be compared", accepted);
            }
            Some(Check::AtMost { smaller, greater })
        }
        CheckKind::OneOf => {
            let field = index(section, record, "field", one("field")?)?;
            if !matches!(record.fields[field].kind, Kind::Text { .. }) {
                section.mistake("field", format!("\"{}\"", record.fields[field].name), "a text field");
            }
            let values = section.required("values", section.texts("values"), "a list of texts")?;
            if values.is_empty() {
                section.mistake("values", "none", "a list of texts");
            }
            Some(Check::OneOf { field, values: values.into_iter().map(str::to_owned).collect() })
        }
    }
}
