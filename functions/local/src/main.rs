//! `fonderie`: the pipeline's stages on one machine, no account and no server needed.
//!
//! Buckets are a folder behind an embedded S3, the database is given by its URL or started here; the stages are the
//! functions' own, called in the state machine's order.
#![allow(clippy::print_stderr)]

mod archive;
mod backup;
mod carried;
mod cli;
mod command_line;
mod daily;
mod dataset;
mod datasets;
mod demo;
mod ends;
mod export;
mod files;
mod generate;
mod init;
mod ledger;
mod out;
mod outcome;
mod pipeline;
mod postgres;
mod print;
mod private;
mod progress;
mod query;
mod rebuild;
mod restore;
mod rows;
mod run;
mod run_id;
mod serve;
mod signals;
mod sql;
mod state;
mod state_folder;
mod terminal;
mod two_databases;
mod upload_link;
mod watch;
mod withdraw;

use std::process::ExitCode;

use clap::{ArgMatches, FromArgMatches};
use fonderie_core::{Disposition, StageError};

use crate::cli::{AskArguments, Cli, Command, CompletionsArguments};
use crate::command_line::{CommandLine, NamedQuery};
use crate::print::remark;

/// How the program ends; `--help` documents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// All files were accepted, with or without rejects.
    Good,
    /// A file was halted or failed.
    FileFailed,
    /// Nothing that was named can be run, as was reported.
    Usage,
}

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let code = CommandLine::of(&words).map_or_else(
        |error| failed(&error),
        |line| match line.command.clone().try_get_matches_from(words) {
            Ok(arguments) => called(line, &arguments),
            Err(refused) if refused.use_stderr() => refused.exit(),
            Err(help) => {
                out::printed(help.print());
                ExitCode::SUCCESS
            }
        },
    );
    match out::end() {
        Ok(()) => code,
        Err(error) => {
            remark!("error: what was printed could not be written, and is not whole: {error}");
            ExitCode::from(1)
        }
    }
}

fn called(line: CommandLine, arguments: &ArgMatches) -> ExitCode {
    fonderie_core::failpoint::from_environment();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "off".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            remark!("error: the program cannot start its threads: {error}");
            return ExitCode::from(1);
        }
    };
    let result = runtime.block_on(async {
        two_databases::check(arguments)?;
        let matches = arguments.subcommand().map_or(arguments, |(_, matches)| matches);
        if let Some(named) = line.query.as_ref().filter(|named| named.by_alias) {
            return aliased(named, matches).await;
        }
        match Cli::from_arg_matches(arguments).unwrap_or_else(|error| error.exit()).command {
            Command::Demo(arguments) => demo::run(arguments).await,
            Command::Run(arguments) => run::run(arguments).await,
            Command::Generate(arguments) => generate::run(&arguments),
            Command::Query(arguments) => query::run(arguments, line.query.as_ref(), matches).await,
            Command::Status(arguments) => ledger::status(arguments).await,
            Command::Runs(arguments) => ledger::runs(arguments).await,
            Command::Show(arguments) => ledger::show(arguments).await,
            Command::Datasets(arguments) => datasets::run(&arguments),
            Command::Sql(arguments) => sql::run(&arguments),
            Command::Export(arguments) => export::run(arguments).await,
            Command::Init(arguments) => init::run(&arguments),
            Command::Rebuild(arguments) => rebuild::run(arguments).await,
            Command::Daily(arguments) => daily::run(arguments).await,
            Command::Score(arguments) => daily::score(arguments).await,
            Command::Backup(arguments) => backup::run(arguments).await,
            Command::Restore(arguments) => restore::run(arguments).await,
            Command::Watch(arguments) => watch::run(arguments).await,
            Command::Withdraw(arguments) => withdraw::run(arguments).await,
            Command::UploadLink(arguments) => upload_link::run(&arguments),
            Command::Completions(arguments) => Ok(completions(&arguments, line.command)),
            Command::Serve(arguments) => serve::run(arguments).await,
        }
    });
    match result {
        Ok(Ending::Good) => ExitCode::SUCCESS,
        Ok(Ending::FileFailed) => ExitCode::from(3),
        Ok(Ending::Usage) => ExitCode::from(2),
        Err(error) => failed(&error),
    }
}

fn failed(error: &StageError) -> ExitCode {
    remark!("error: {}", print::escaped_lines(&error.to_string()));
    let chain = error.chain();
    if !chain.is_empty() {
        remark!("  because: {}", print::escaped_lines(&chain));
    }
    ExitCode::from(exit_code(error))
}

/// A command that a dataset declares for one of its queries.
async fn aliased(named: &NamedQuery, matches: &ArgMatches) -> Result<Ending, StageError> {
    let how = AskArguments::from_arg_matches(matches).unwrap_or_else(|error| error.exit());
    query::answer_named(named, matches, how, false).await
}

fn completions(arguments: &CompletionsArguments, mut command: clap::Command) -> Ending {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "fonderie", &mut script);
    let _ = out::write(&script);
    Ending::Good
}

/// 2 for what the person who called must put right, 1 for anything else.
fn exit_code(error: &StageError) -> u8 {
    match error.disposition() {
        Disposition::Configuration | Disposition::Data => 2,
        _ => 1,
    }
}
