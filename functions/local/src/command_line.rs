//! The command line of one call: the program's own commands, and what datasets declare for their queries.
//!
//! A query's parameters are options of `fonderie query NAME`, and of the command that the dataset declares for the query. So
//! the call is first looked through for its dataset and its query. Then clap reads it with those options added, and explains
//! and refuses them as it does the program's own.

use std::ffi::OsString;
use std::path::Path;

use chrono::{NaiveDate, Utc};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, CommandFactory, FromArgMatches};
use fonderie_contract::{Absent, Mistake, Parameter, ParameterType, Queries, Query};
use fonderie_core::{ErrorCode, Result, StageError};

use crate::cli::{AskArguments, Cli, DatasetArguments, EXIT_CODES};
use crate::dataset::{DatasetFolder, Origin};
use crate::print::escaped;

/// The command that takes a query by its name.
const QUERY: &str = "query";

/// What the program can be called with, so far as this call needs it.
pub(crate) struct CommandLine {
    /// The commands and their options.
    pub(crate) command: Command,
    /// The query that the call names.
    pub(crate) query: Option<NamedQuery>,
}

/// A query of a dataset, and what it is run with.
pub(crate) struct NamedQuery {
    pub(crate) query: Query,
    /// Whether the call names it by its alias.
    pub(crate) by_alias: bool,
    time_zone: &'static str,
    today: NaiveDate,
}

impl CommandLine {
    /// Reads what the datasets declare for a call; `words` begin with the program's name. A call of one of the program's own
    /// commands reads no dataset here, except `query` with the name of a query.
    ///
    /// # Errors
    /// `SettingsInvalid` or `ContractInvalid`: the query or its dataset is not there, or cannot be read.
    pub(crate) fn of(words: &[OsString]) -> Result<Self> {
        let own = Cli::command();
        let first = words.get(1).map(|word| word.to_string_lossy()).unwrap_or_default();
        let call = Call::of(&own, words.get(2..).unwrap_or_default());
        // clap refuses an option that lacks its value.
        let Some(datasets) = call.datasets() else { return Ok(Self { command: own, query: None }) };
        match first.as_ref() {
            QUERY => Self::of_query(own, &call, &datasets),
            "" | "-h" | "--help" | "help" => Ok(Self::with_aliases(own, &datasets, true)),
            "completions" => Ok(Self::with_aliases(own, &datasets, false)),
            first if first.starts_with('-') || own.find_subcommand(first).is_some() => {
                Ok(Self { command: own, query: None })
            }
            alias => Self::of_alias(own, alias, &datasets),
        }
    }

    fn of_query(own: Command, call: &Call, datasets: &DatasetArguments) -> Result<Self> {
        let Some(name) = call.query_name() else {
            let list =
                if call.help { DatasetFolder::read(datasets).and_then(|folder| folder.queries()).ok() } else { None };
            let list = list.map(|queries| after_help("Queries of the dataset", &queries.list, Query::usage));
            let command = own.mut_subcommand(QUERY, |query| match list {
                Some(list) => query.after_help(list),
                None => query,
            });
            return Ok(Self { command, query: None });
        };
        match query_of(datasets, name) {
            Ok(named) => {
                let heading = format!("Parameters of {}", named.query.name);
                let options = options(&named.query).into_iter().map(|option| option.help_heading(heading.clone()));
                let with_parameters = |query: Command| query.about(about(&named.query)).args(options);
                Ok(Self { command: own.mut_subcommand(QUERY, with_parameters), query: Some(named) })
            }
            // The command's own help needs no query.
            Err(_) if call.help => Ok(Self { command: own, query: None }),
            Err(error) => Err(error),
        }
    }

    /// The program's commands and all aliases of the datasets that can be read. For its help, the aliases are a list of their own.
    fn with_aliases(own: Command, datasets: &DatasetArguments, help: bool) -> Self {
        let declared = declared(datasets).unwrap_or_default();
        let queries = declared.into_iter().filter_map(|(_, queries)| queries.ok()).flat_map(|queries| queries.list);
        let aliases: Vec<Query> = queries.filter(|query| query.alias.is_some()).collect();
        let command = aliases.iter().fold(own, |command, query| match alias_command(query) {
            Some(alias) if command.find_subcommand(alias.get_name()).is_none() => command.subcommand(alias.hide(help)),
            _ => command,
        });
        let command = if help && !aliases.is_empty() {
            let name = |query: &Query| query.alias.clone().unwrap_or_default();
            command.after_help(after_help("Commands of the datasets", &aliases, name))
        } else {
            command
        };
        Self { command, query: None }
    }

    fn of_alias(own: Command, alias: &str, datasets: &DatasetArguments) -> Result<Self> {
        let unreadable = |error: StageError| {
            let message = format!(
                "`{}` is no command of the program, and the commands of the datasets are not known: {}",
                escaped(alias),
                error.message
            );
            StageError { message, ..error }
        };
        let (mut found, mut failed) = (Vec::new(), None);
        for (dataset, queries) in declared(datasets).map_err(unreadable)? {
            match queries {
                Ok(queries) => {
                    let named = NamedQuery::of(&queries, true, |query| query.alias.as_deref() == Some(alias));
                    found.extend(named.map(|named| (dataset, named)));
                }
                Err(error) => failed = Some(error),
            }
        }
        if found.len() > 1 {
            let names = found.iter().map(|(dataset, _)| dataset.as_str()).collect::<Vec<_>>().join(", ");
            let message =
                format!("several datasets have a command `{}`, choose one with --dataset: {names}", escaped(alias));
            return Err(StageError::new(ErrorCode::SettingsInvalid, message));
        }
        match (found.pop(), failed) {
            (Some((_, named)), _) => {
                let command = alias_command(&named.query).into_iter().fold(own, Command::subcommand);
                Ok(Self { command, query: Some(named) })
            }
            (None, Some(error)) => Err(unreadable(error)),
            // clap refuses the command, with those that resemble it.
            (None, None) => Ok(Self::with_aliases(own, datasets, false)),
        }
    }
}

impl NamedQuery {
    fn of(queries: &Queries, by_alias: bool, is_it: impl Fn(&Query) -> bool) -> Option<Self> {
        let query = queries.list.iter().find(|query| is_it(query))?.clone();
        let today = Utc::now().with_timezone(&queries.time_zone).date_naive();
        Some(Self { query, by_alias, time_zone: queries.time_zone.name(), today })
    }

    /// The parameters that the call gives, with their values.
    pub(crate) fn given<'a>(&'a self, matches: &'a ArgMatches) -> Vec<(&'a Parameter, &'a str)> {
        let value = |parameter: &'a Parameter| {
            let setting = parameter.setting();
            let given = matches.value_source(&setting) == Some(ValueSource::CommandLine);
            let value = matches.get_one::<String>(&setting).filter(|_| given)?;
            Some((parameter, value.as_str()))
        };
        self.query.parameters.iter().filter_map(value).collect()
    }

    /// The settings that the SQL reads: each parameter, empty if it is NULL, and the time zone.
    pub(crate) fn settings(&self, given: &[(&Parameter, &str)]) -> Vec<(String, String)> {
        self.query.settings(given, self.time_zone, self.today)
    }
}

/// What the declarations of queries take that is the program's: its commands, and the options of `query`.
pub(crate) fn collisions(queries: &[Query]) -> Vec<Mistake> {
    let own = Cli::command();
    let is_command = |name: &str| name == "help" || own.find_subcommand(name).is_some();
    let options: Vec<&str> =
        own.find_subcommand(QUERY).into_iter().flat_map(Command::get_arguments).filter_map(Arg::get_long).collect();
    let mistake = |query: &Query, found: String, accepted: &str| Mistake {
        file: "dataset.toml".to_owned(),
        key: "queries".to_owned(),
        found: format!("in the query \"{}\" {found}", query.name),
        accepted: accepted.to_owned(),
    };
    let mut mistakes = Vec::new();
    for query in queries {
        if let Some(alias) = query.alias.as_deref().filter(|alias| is_command(alias)) {
            let found = format!("the alias \"{alias}\", which is a command of the program");
            mistakes.push(mistake(query, found, "another alias"));
        }
        for parameter in &query.parameters {
            let option = parameter.option();
            if option == "help" || options.contains(&option.as_str()) {
                let found = format!("the parameter \"{}\", which is an option of `fonderie query`", parameter.name);
                mistakes.push(mistake(query, found, "another name"));
            }
        }
    }
    mistakes
}

/// What a call names, found before its options are known. An option that the program does not know is a parameter, and each
/// parameter has a value.
#[derive(Default)]
struct Call {
    /// The options that name the dataset, with their values.
    datasets: Vec<OsString>,
    /// The first word that is neither an option nor an option's value.
    name: Option<String>,
    /// Whether SQL is given.
    sql: bool,
    help: bool,
}

impl Call {
    /// Looks the words behind the command through.
    fn of(own: &Command, words: &[OsString]) -> Self {
        let known: Vec<&Arg> = own.find_subcommand(QUERY).into_iter().flat_map(Command::get_arguments).collect();
        let is_flag = |name: &str| {
            name == "help" || known.iter().any(|arg| arg.get_long() == Some(name) && !arg.get_action().takes_values())
        };
        let mut call = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let text = word.to_string_lossy();
            if text == "--" {
                call.name = call.name.or_else(|| words.next().map(|word| word.to_string_lossy().into_owned()));
                break;
            } else if let Some(option) = text.strip_prefix("--") {
                let (name, attached) = option.split_once('=').map_or((option, false), |(name, _)| (name, true));
                call.help |= name == "help";
                call.sql |= name == "command";
                let value = if attached || is_flag(name) { None } else { words.next() };
                if ["dataset", "datasets"].contains(&name) {
                    call.datasets.push(word.clone());
                    call.datasets.extend(value.cloned());
                }
            } else if text.starts_with('-') && text.len() > 1 {
                call.help |= text == "-h";
                call.sql |= text.starts_with("-c");
                if text == "-c" {
                    words.next();
                }
            } else {
                call.name.get_or_insert_with(|| text.into_owned());
            }
        }
        call
    }

    /// The dataset that is named, on the command line or by the environment; `None` if an option lacks its value.
    fn datasets(&self) -> Option<DatasetArguments> {
        let command = DatasetArguments::augment_args(Command::new("fonderie").no_binary_name(true));
        DatasetArguments::from_arg_matches(&command.try_get_matches_from(&self.datasets).ok()?).ok()
    }

    /// The name of a query, if the call asks neither for SQL nor for a file of it.
    fn query_name(&self) -> Option<&str> {
        self.name.as_deref().filter(|name| !self.sql && !is_file(name))
    }
}

/// Whether a query's word is the path of a file of SQL.
pub(crate) fn is_file(word: &str) -> bool {
    Path::new(word).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql"))
}

/// One of the dataset's queries by its name.
fn query_of(datasets: &DatasetArguments, name: &str) -> Result<NamedQuery> {
    let folder = DatasetFolder::read(datasets)?;
    let queries = folder.queries()?;
    NamedQuery::of(&queries, false, |query| query.name == name).ok_or_else(|| {
        let known = queries.list.iter().map(|query| query.name.as_str()).collect::<Vec<_>>().join(", ");
        let there = if known.is_empty() { "it has none".to_owned() } else { format!("it has {known}") };
        let message = format!(
            "dataset `{}` has no query `{name}`: {there}{}; -c takes SQL, and a file's name ends in .sql",
            folder.name,
            elsewhere(&folder, name)
        );
        StageError::new(ErrorCode::SettingsInvalid, message)
    })
}

/// Which other datasets have a query, as a clause of a sentence.
fn elsewhere(folder: &DatasetFolder, name: &str) -> String {
    let has = |other: &String| {
        let queries = folder.origin.read(other).and_then(|folder| folder.queries());
        *other != folder.name && queries.is_ok_and(|queries| queries.list.iter().any(|query| query.name == name))
    };
    let others: Vec<String> = folder.origin.names().unwrap_or_default().into_iter().filter(has).collect();
    match others.as_slice() {
        [] => String::new(),
        others => format!(" (add --dataset {} for that of another dataset)", others.join(" or ")),
    }
}

/// The queries of the dataset that is named, else of all that are there, with the datasets' names.
fn declared(datasets: &DatasetArguments) -> Result<Vec<(String, Result<Queries>)>> {
    if datasets.dataset.is_some() {
        let folder = DatasetFolder::read(datasets)?;
        return Ok(vec![(folder.name.clone(), folder.queries())]);
    }
    let origin = Origin::of(&datasets.folder);
    let queries = |name: String| {
        let queries = origin.read(&name).and_then(|folder| folder.queries());
        (name, queries)
    };
    Ok(origin.names()?.into_iter().map(queries).collect())
}

/// The command of a query's own.
fn alias_command(query: &Query) -> Option<Command> {
    let parameters = Command::new(query.alias.clone()?).args(options(query));
    Some(AskArguments::augment_args(parameters).about(about(query)).after_help(EXIT_CODES))
}

fn about(query: &Query) -> String {
    if query.about.is_empty() { format!("Ask the query {}", query.name) } else { escaped(&query.about).into_owned() }
}

/// The parameters of a query, as options.
fn options(query: &Query) -> Vec<Arg> {
    let option = |parameter: &Parameter| {
        let kind = parameter.kind;
        let about = escaped(&parameter.about);
        let help = match &parameter.absent {
            Absent::Default(value) => format!("{about} [default: {}]", escaped(value)),
            Absent::Today => format!("{about} [default: today]"),
            Absent::Refused | Absent::Null => about.into_owned(),
        };
        Arg::new(parameter.setting())
            .long(parameter.option())
            .value_name(kind.placeholder())
            .help(help)
            .required(parameter.absent == Absent::Refused)
            .allow_negative_numbers(matches!(kind, ParameterType::Integer | ParameterType::Decimal))
            .value_parser(move |text: &str| kind.read(text))
    };
    query.parameters.iter().map(option).collect()
}

/// A list of queries, and the exit codes, at the end of a help.
fn after_help(title: &str, queries: &[Query], name: impl Fn(&Query) -> String) -> String {
    let names: Vec<String> = queries.iter().map(name).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    let line =
        |(name, query): (&String, &Query)| format!("  {name:width$}  {}", escaped(&query.about)).trim_end().to_owned();
    let lines: Vec<String> = names.iter().zip(queries).map(line).collect();
    format!("{title}:\n{}\n\n{EXIT_CODES}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(words: &str, name: Option<&str>, datasets: &[&str]) {
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        let call = Call::of(&Cli::command(), &words);
        assert_eq!(call.query_name(), name, "{words:?}");
        assert_eq!(call.datasets, datasets, "{words:?}");
    }

    #[test]
    fn a_query_is_found_among_options_that_are_not_known_yet() {
        check("sales --on 2026-03-31", Some("sales"), &[]);
        check("--on 2026-03-31 --store=S1 sales", Some("sales"), &[]);
        check("--format csv --write --spreadsheet sales other", Some("sales"), &[]);
        check("--dataset shop --datasets=d sales", Some("sales"), &["--dataset", "shop", "--datasets=d"]);
        check("--on --dataset sales", Some("sales"), &[]);
        check("-- sales", Some("sales"), &[]);
        check("sales.SQL", None, &[]);
        check("-c sales", None, &[]);
        check("--command=x sales", None, &[]);
        check("--dataset", None, &["--dataset"]);
    }
}
