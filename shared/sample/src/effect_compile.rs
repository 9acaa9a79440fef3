//! Defects, variants and anomalies, compiled: a defect names the rule that it breaks, and the contract says how.

use std::sync::Arc;

use fonderie_contract::{Check, Kind, ReaderRule, Record, Section};

use crate::effect::{Act, Class, Effect, Within};
use crate::plan::Scope;
use crate::spec::Overrides;
use crate::spec_compile::Names;

/// What effects are compiled against.
pub(crate) struct Against<'n, 'a> {
    pub(crate) names: &'n Names<'a>,
    pub(crate) scope: &'n Scope,
}

/// Compiles one entry of `defects`, `variants` or `anomalies`.
pub(crate) fn effect<'a>(section: &Section<'a>, class: Class, against: &Against<'_, 'a>) -> Option<Effect> {
    let name = section.required("name", section.text("name"), "a name, by which the truth calls such rows");
    let rate = section.required("rate", section.number("rate"), "a share of the rows, such as 0.002");
    if let Some(rate) = rate.filter(|rate| !(0.0..=1.0).contains(rate)) {
        section.mistake("rate", rate.to_string(), "a number from 0 to 1");
    }
    let act = match class {
        Class::Defect => defect(section, against),
        Class::Variant => variant(section, against),
        Class::Anomaly => Some(Act::Nothing),
    };
    let overrides = overrides(section, against);
    section.finish();
    Some(Effect { name: name?.to_owned(), rate: rate?, class, act: act?, overrides })
}

/// The draws that a source or an effect draws otherwise.
pub(crate) fn overrides<'a>(section: &Section<'a>, against: &Against<'_, 'a>) -> Overrides {
    let Some(with) = section.section("with") else { return Overrides::new() };
    let compile = |name: &'a str| {
        let draw = against.names.draw(&with, name, name)?;
        let base = against.scope.specs.get(draw).map(AsRef::as_ref);
        Some((draw, Arc::new(against.names.spec(&with, name, against.names.kind(name), base)?)))
    };
    with.entries().filter_map(|(name, _)| compile(name)).collect()
}

fn defect<'a>(section: &Section<'a>, against: &Against<'_, 'a>) -> Option<Act> {
    let record = against.names.dataset.sampled();
    let of_reader = [
        ReaderRule::UnreadableDate,
        ReaderRule::UnreadableAmount,
        ReaderRule::UnreadableNumber,
        ReaderRule::TextTooLong,
        ReaderRule::ShortRecord,
        ReaderRule::LongRecord,
    ];
    let conflict = |check: &Check| match check {
        Check::Unique { conflict, .. } => conflict.as_ref().map(|(id, _)| id.clone()),
        _ => None,
    };
    let accepted = || {
        let declared = record.rules.iter().flat_map(|rule| [Some(rule.id.clone()), conflict(&rule.check)]).flatten();
        of_reader
            .iter()
            .map(|rule| record.messages.rule(*rule).to_owned())
            .chain(declared)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let rule = section.required("breaks", section.text("breaks"), &accepted())?;
    let declared = record.rules.iter().find(|declared| declared.id == rule);
    if let Some(declared) = declared {
        return match &declared.check {
            Check::Required(fields) => one_of(section, record, fields).map(Act::Empty),
            Check::NotNegative(fields) => one_of(section, record, fields).map(Act::Negative),
            Check::NotAfterAsOf(fields) => one_of(section, record, fields).map(Act::Future),
            Check::Unique { .. } => Some(Act::Repeat),
            Check::AtMost { smaller, greater } => {
                let field = one_of(section, record, &[*smaller, *greater])?;
                let above = field == *smaller;
                Some(Act::Pass { field, other: if above { *greater } else { *smaller }, above })
            }
            Check::OneOf { field, .. } => one_of(section, record, &[*field]).map(Act::Foreign),
        };
    }
    if record.rules.iter().any(|declared| conflict(&declared.check).as_deref() == Some(rule)) {
        let free: Vec<usize> = (0..record.fields.len()).filter(|field| !record.key.contains(field)).collect();
        return one_of(section, record, &free).map(Act::RepeatChanged);
    }
    let unreadable = |fits: fn(Kind) -> bool| {
        let field = one_of(section, record, &of_kind(record, fits))?;
        let texts = against.names.texts(section, "texts", None);
        // The calendar has days enough that do not exist.
        if !matches!(record.fields[field].kind, Kind::Date) {
            section.required("texts", texts.as_ref(), "a list of texts that cannot be read")?;
        }
        Some(Act::Unreadable { field, texts: texts.map(|texts| texts.to_vec()).unwrap_or_default() })
    };
    match record.messages.rule_of(rule) {
        Some(ReaderRule::UnreadableDate) => unreadable(|kind| kind == Kind::Date),
        Some(ReaderRule::UnreadableAmount) => unreadable(|kind| matches!(kind, Kind::Decimal { .. })),
        Some(ReaderRule::UnreadableNumber) => {
            unreadable(|kind| matches!(kind, Kind::Integer { .. } | Kind::Number { .. }))
        }
        Some(ReaderRule::TextTooLong) => one_of(section, record, &of_kind(record, is_text)).map(Act::TooLong),
        Some(ReaderRule::ShortRecord) => Some(Act::Short),
        Some(ReaderRule::LongRecord) => Some(Act::Long),
        _ => {
            // Whether these are right cannot be told without the rule.
            let _ = (section.value("field"), section.value("texts"));
            section.mistake("breaks", format!("\"{rule}\", which is no rule"), accepted());
            None
        }
    }
}

fn variant<'a>(section: &Section<'a>, against: &Against<'_, 'a>) -> Option<Act> {
    const WORDS: [(&str, u8); 8] = [
        ("padding", 0),
        ("thousands", 1),
        ("currency", 2),
        ("delimiter", 3),
        ("newline", 4),
        ("quote", 5),
        ("blank_line", 6),
        ("repeated_header", 7),
    ];
    let record = against.names.dataset.sampled();
    let accepted = WORDS.map(|(word, _)| format!("\"{word}\"")).join(", ");
    if section.value("empty").is_some() {
        let required = |field: &usize| {
            record.key.contains(field)
                || record
                    .rules
                    .iter()
                    .any(|rule| matches!(&rule.check, Check::Required(fields) if fields.contains(field)))
        };
        let free: Vec<usize> = (0..record.fields.len()).filter(|field| !required(field)).collect();
        return field(section, "empty", record, section.text("empty")?, &free).map(Act::Empty);
    }
    let word = section.required("write", section.choice("write", &WORDS), &accepted)?;
    let fields = |fits: fn(Kind) -> bool| {
        let names = section.required("fields", section.texts("fields"), "a list of fields")?;
        let fitting = of_kind(record, fits);
        names.into_iter().map(|name| field(section, "fields", record, name, &fitting)).collect::<Option<Vec<_>>>()
    };
    let quoted = |within| {
        let field = one_of(section, record, &of_kind(record, is_text));
        let ending = section.required("ending", section.text("ending"), "a text to put behind the field's value")?;
        against.names.check_text(section, "ending", ending, None);
        Some(Act::Quoted { field: field?, within, ending: ending.to_owned() })
    };
    let is_decimal = |kind| matches!(kind, Kind::Decimal { .. });
    match word {
        0 => fields(|_| true).map(Act::Padding),
        1 => fields(is_decimal).map(Act::Thousands),
        2 => fields(is_decimal).map(Act::Currency),
        3 => quoted(Within::Delimiter),
        4 => quoted(Within::Newline),
        5 => quoted(Within::Quote),
        6 => Some(Act::BlankLine),
        _ => Some(Act::RepeatedHeader),
    }
}

fn is_text(kind: Kind) -> bool {
    matches!(kind, Kind::Text { .. })
}

fn of_kind(record: &Record, fits: fn(Kind) -> bool) -> Vec<usize> {
    (0..record.fields.len()).filter(|field| fits(record.fields[*field].kind)).collect()
}

/// The field that `field` names, which must be one of a few.
fn one_of(section: &Section<'_>, record: &Record, fitting: &[usize]) -> Option<usize> {
    let names = || fitting.iter().map(|field| record.fields[*field].name.as_str()).collect::<Vec<_>>().join(", ");
    let name = section.required("field", section.text("field"), &names())?;
    field(section, "field", record, name, fitting)
}

fn field(section: &Section<'_>, key: &str, record: &Record, name: &str, fitting: &[usize]) -> Option<usize> {
    let field = record.field(name).filter(|field| fitting.contains(field));
    if field.is_none() {
        let names: Vec<&str> = fitting.iter().map(|field| record.fields[*field].name.as_str()).collect();
        section.mistake(key, format!("\"{name}\""), names.join(", "));
    }
    field
}
