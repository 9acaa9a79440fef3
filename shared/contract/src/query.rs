//! `[[queries]]`: what `dataset.toml` declares of the SELECTs in `queries/`: their parameters, and a command of their own.

use chrono::NaiveDate;
use chrono_tz::Tz;
use fonderie_core::day;
use toml::Value;

use crate::bundle::Bundle;
use crate::dataset;
use crate::mistakes::{Found, Mistakes, Section, describe};
use crate::text::is_identifier;

/// The parameter that every query finds without declaring it: the dataset's time zone.
pub const TIME_ZONE: &str = "time_zone";

/// What stands in `no_rows` for the parameters that were given.
const GIVEN: &str = "{given}";

const TYPES: &[(&str, ParameterType)] = &[
    ("text", ParameterType::Text),
    ("integer", ParameterType::Integer),
    ("decimal", ParameterType::Decimal),
    ("date", ParameterType::Date),
    ("boolean", ParameterType::Boolean),
];

/// A query of the dataset: `queries/<name>.sql`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Its name: the stem of its file.
    pub name: String,
    /// One SELECT.
    pub sql: String,
    /// What it answers; empty if the dataset does not declare it.
    pub about: String,
    /// The command of its own: `fonderie <alias>` is `fonderie query <name>`.
    pub alias: Option<String>,
    /// Its parameters, in the order in which they are shown.
    pub parameters: Vec<Parameter>,
    /// The sentence with which an answer without rows is refused.
    pub no_rows: Option<String>,
}

/// A parameter of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name, an identifier.
    pub name: String,
    /// The type of its value.
    pub kind: ParameterType,
    /// What it means.
    pub about: String,
    /// What happens if it is not given.
    pub absent: Absent,
}

/// The type of a parameter's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterType {
    /// Any text but an empty one.
    Text,
    /// A whole number of up to 64 bits.
    Integer,
    /// A number with a decimal point, without an exponent.
    Decimal,
    /// A day, `yyyy-mm-dd`.
    Date,
    /// `true` or `false`.
    Boolean,
}

/// What happens if a parameter is not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// The query is not run.
    Refused,
    /// The query finds an empty text, which it reads as NULL.
    Null,
    /// The query finds this value.
    Default(String),
    /// The query finds the current day in the dataset's time zone.
    Today,
}

/// The queries of a dataset, and the time zone that they are run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queries {
    /// The dataset's time zone.
    pub time_zone: Tz,
    /// The queries, by name.
    pub list: Vec<Query>,
}

impl Bundle {
    /// Checks and compiles the queries only, so that they can be run while another part of the dataset has mistakes.
    ///
    /// # Errors
    /// The mistakes in the declarations of queries and in the time zone.
    pub fn queries(&self) -> Result<Queries, Mistakes> {
        let found = Found::default();
        let queries = dataset::document(self, dataset::FILE, &found).and_then(|toml| {
            let root = Section::new(dataset::FILE, "", &toml, &found);
            let (time_zone, list) = (dataset::time_zone(&root), queries(&root, self));
            Some(Queries { time_zone: time_zone?, list })
        });
        found.into_result(queries)
    }
}

impl Query {
    /// How it is called: its name, and the options without which it is refused.
    ///
    /// ```
    /// # let toml = r#"
    /// # time_zone = "Europe/Paris"
    /// # [[queries]]
    /// # name = "sales"
    /// # about = "The sales of a day"
    /// # parameters = [{ name = "sold_on", type = "date", about = "The day", required = true }]
    /// # "#;
    /// # let files = [("dataset.toml", toml), ("queries/sales.sql", "SELECT 1")];
    /// # let bundle = fonderie_contract::Bundle::from_files(files.map(|(path, text)| (path.into(), text.into())));
    /// # let sales = &bundle.queries().unwrap().list[0];
    /// assert_eq!(sales.usage(), "sales --sold-on DATE");
    /// ```
    pub fn usage(&self) -> String {
        let required = self.parameters.iter().filter(|parameter| parameter.absent == Absent::Refused);
        required.fold(self.name.clone(), |usage, parameter| {
            format!("{usage} --{} {}", parameter.option(), parameter.kind.placeholder())
        })
    }

    /// The settings that the SQL reads: each parameter, empty if it is NULL, and the time zone. `given` are the parameters that the caller
    /// gave, with their values.
    pub fn settings(&self, given: &[(&Parameter, &str)], time_zone: &str, today: NaiveDate) -> Vec<(String, String)> {
        let value = |parameter: &Parameter| {
            let given = given.iter().find(|(other, _)| other.name == parameter.name);
            match (given, &parameter.absent) {
                (Some((_, value)), _) => (*value).to_owned(),
                (None, Absent::Default(value)) => value.clone(),
                (None, Absent::Today) => today.to_string(),
                (None, Absent::Null | Absent::Refused) => String::new(),
            }
        };
        let zone = (setting(TIME_ZONE), time_zone.to_owned());
        let parameters = self.parameters.iter();
        parameters.map(|parameter| (parameter.setting(), value(parameter))).chain([zone]).collect()
    }

    /// The sentence with which an answer without rows is refused; `None` if it is an answer like any other. `given` are the
    /// parameters that the caller gave, with their values.
    pub fn refusal(&self, given: &[(&Parameter, &str)]) -> Option<String> {
        let sentence = self.no_rows.as_ref()?;
        // A required parameter is always there, so that it does not explain why nothing was found.
        let optional = given.iter().filter(|(parameter, _)| parameter.absent != Absent::Refused);
        let words: Vec<_> = optional.map(|(parameter, value)| format!("{} {value}", parameter.name)).collect();
        let words = if words.is_empty() { "what was asked for".to_owned() } else { words.join(", ") };
        Some(sentence.replace(GIVEN, &words))
    }
}

impl Parameter {
    /// The option of the command line, without its dashes: the name, with `-` for `_`.
    pub fn option(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The setting from which the SQL reads the value.
    pub fn setting(&self) -> String {
        setting(&self.name)
    }
}

/// The setting from which a query's SQL reads a parameter: `current_setting('fonderie.<name>')`.
pub fn setting(name: &str) -> String {
    format!("fonderie.{name}")
}

impl ParameterType {
    /// The word for a value of this type in a line of usage.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Text => "TEXT",
            Self::Integer => "INTEGER",
            Self::Decimal => "DECIMAL",
            Self::Date => "DATE",
            Self::Boolean => "true|false",
        }
    }

    /// Reads a typed value; the result is a text that PostgreSQL casts to the type.
    ///
    /// ```
    /// use fonderie_contract::ParameterType;
    /// assert_eq!(ParameterType::Integer.read("+42").as_deref(), Ok("42"));
    /// assert!(ParameterType::Decimal.read("12,50").unwrap_err().contains("such as 1234.56"));
    /// ```
    ///
    /// # Errors
    /// A sentence with the value and an example of what is accepted.
    pub fn read(self, text: &str) -> Result<String, String> {
        let shown: String = text.chars().take(40).collect();
        let read = |value: Option<String>, what: &str| value.ok_or_else(|| format!("`{shown}` is no {what}"));
        match self {
            Self::Text if text.is_empty() => {
                Err("an empty value: leave the option out, or give a text such as A-1".to_owned())
            }
            Self::Text => Ok(text.to_owned()),
            Self::Integer => read(
                text.parse::<i64>().ok().map(|number| number.to_string()),
                "whole number of up to 64 bits: write it as digits, such as 42 or -42",
            ),
            Self::Decimal => read(
                is_decimal(text).then(|| text.to_owned()),
                "decimal: write it as digits with a decimal point, such as 1234.56 or -0.5",
            ),
            Self::Date => day::parse(text).map(|day| day.to_string()),
            Self::Boolean => {
                read(["true", "false"].contains(&text).then(|| text.to_owned()), "boolean: write true or false")
            }
        }
    }
}

/// A sign or none, digits, and a point with digits behind it or none.
fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned),
    }
}

/// A file of SQL as a query that nothing is declared of.
pub(crate) fn plain((_, stem, text): (&str, &str, &str)) -> Query {
    Query {
        name: stem.to_owned(),
        sql: text.to_owned(),
        about: String::new(),
        alias: None,
        parameters: Vec::new(),
        no_rows: None,
    }
}

/// Compiles the files of `queries/` with their declarations, noting every mistake.
pub(crate) fn queries(root: &Section<'_>, bundle: &Bundle) -> Vec<Query> {
    let mut queries: Vec<Query> = bundle.folder("queries/", ".sql").map(plain).collect();
    let mut declared: Vec<&str> = Vec::new();
    for section in root.sections("queries").into_iter().flatten() {
        let name = section.required("name", section.text("name"), "the name of one of `queries/`");
        if let Some(name) = name.filter(|name| declared.contains(name)) {
            section.mistake("name", format!("a second declaration of \"{name}\""), "one declaration per query");
        }
        let entry = name.and_then(|name| queries.iter().position(|query| query.name == name));
        if let (Some(name), None) = (name, entry) {
            let known = queries.iter().map(|query| query.name.as_str()).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { format!("a file `queries/{name}.sql`") } else { known };
            section.mistake("name", format!("\"{name}\", which is no query"), known);
        }
        let about = section.required("about", section.text("about"), "what the query answers, in a few words");
        let alias = alias(&section, &queries);
        let parameters = parameters(&section);
        let no_rows = section.text("no_rows").map(str::to_owned);
        section.finish();
        declared.extend(name);
        if let Some(query) = entry.and_then(|index| queries.get_mut(index)) {
            about.unwrap_or_default().clone_into(&mut query.about);
            (query.alias, query.parameters, query.no_rows) = (alias, parameters, no_rows);
        }
    }
    queries
}

fn alias(section: &Section<'_>, queries: &[Query]) -> Option<String> {
    let alias = section.text("alias")?;
    if !is_identifier(&alias.replace('-', "_")) {
        section.mistake("alias", format!("\"{alias}\""), "lower-case letters, digits, `-` and `_`, a letter first");
    }
    if queries.iter().any(|query| query.alias.as_deref() == Some(alias)) {
        section.mistake("alias", format!("\"{alias}\", which another query has"), "aliases that differ");
    }
    Some(alias.to_owned())
}

fn parameters(section: &Section<'_>) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = Vec::new();
    for entry in section.sections("parameters").into_iter().flatten() {
        let parameter = parameter(&entry);
        entry.finish();
        let Some(parameter) = parameter else { continue };
        if parameters.iter().any(|other| other.name == parameter.name) {
            entry.mistake("name", format!("a second parameter \"{}\"", parameter.name), "names that differ");
        }
        parameters.push(parameter);
    }
    parameters
}

fn parameter(section: &Section<'_>) -> Option<Parameter> {
    let name = section.required("name", section.text("name"), "the parameter's name");
    if let Some(name) = name.filter(|name| !is_identifier(name)) {
        section.mistake("name", format!("\"{name}\""), "lower-case letters, digits and `_`, a letter first");
    }
    if let Some(name) = name.filter(|name| *name == TIME_ZONE) {
        section.mistake("name", format!("\"{name}\", which every query finds without it"), "another name");
    }
    let accepted = TYPES.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let kind = section.required("type", section.choice("type", TYPES), &accepted);
    let about = section.required("about", section.text("about"), "what the parameter means, in a few words");
    let required = section.truth("required").unwrap_or(false);
    let default = section.value("default");
    if required && default.is_some() {
        section.mistake("default", "a default of a required parameter", "one of `required` and `default`");
    }
    let kind = kind?;
    let absent = match default {
        None if required => Absent::Refused,
        None => Absent::Null,
        Some(Value::String(text)) if kind == ParameterType::Date && text == "today" => Absent::Today,
        Some(value) => Absent::Default(default_value(section, kind, value)?),
    };
    Some(Parameter { name: name?.to_owned(), kind, about: about?.to_owned(), absent })
}

/// A default as it would be typed: a text, a number, a truth or a day of TOML.
fn default_value(section: &Section<'_>, kind: ParameterType, value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Table(_) => describe(value),
        other => other.to_string(),
    };
    let read = kind.read(&text);
    if read.is_err() {
        let example = match kind {
            ParameterType::Text => "a text such as \"A-1\"",
            ParameterType::Integer => "a whole number such as 42",
            ParameterType::Decimal => "a decimal such as \"1234.56\"",
            ParameterType::Date => "a day such as \"2026-06-30\", or \"today\"",
            ParameterType::Boolean => "true or false",
        };
        section.mistake("default", describe(value), example);
    }
    read.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: ParameterType, accepted: &[(&str, &str)], refused: &[&str]) {
        for (text, value) in accepted {
            assert_eq!(kind.read(text).as_deref(), Ok(*value), "{text}");
        }
        for text in refused {
            let sentence = kind.read(text).unwrap_err();
            assert!(sentence.contains(text) && sentence.contains("write"), "{sentence}");
        }
    }

    #[test]
    fn a_value_is_read_by_its_type() {
        check(ParameterType::Text, &[("P 1", "P 1"), ("-", "-")], &[]);
        assert!(ParameterType::Text.read("").unwrap_err().contains("leave the option out"));
        let integers = [("0", "0"), ("-7", "-7"), ("9223372036854775807", "9223372036854775807")];
        check(ParameterType::Integer, &integers, &["9223372036854775808", "1.0", "1e3", " 1", ""]);
        let decimals = [("12", "12"), ("-0.50", "-0.50"), ("123456789012345678901.23", "123456789012345678901.23")];
        check(ParameterType::Decimal, &decimals, &["12,50", ".5", "5.", "1e3", "NaN", "1 000", "--1", ""]);
        check(ParameterType::Date, &[("2024-02-29", "2024-02-29")], &["2026-02-29", "30/06/2026", "today"]);
        check(ParameterType::Boolean, &[("true", "true"), ("false", "false")], &["TRUE", "yes", "1"]);
    }
}
