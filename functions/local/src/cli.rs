//! The command line.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand, ValueEnum};

const EXIT_CODES: &str = "\
Exit codes:
  0  every file was accepted, with or without rejects
  1  anything else (the database went away, a disk is full, …)
  2  usage or configuration: an argument, a contract, a query
  3  a file was halted by its quality rules, failed, or is known to no contract";

/// Billing files, in whatever shape they come, to a warehouse that people can trust.
#[derive(Parser)]
#[command(name = "fonderie", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run files through the pipeline: ingest, admit, transform, validate, load, score, publish, summarize
    #[command(after_help = EXIT_CODES)]
    Run(RunArguments),
    /// Ask the warehouse
    #[command(after_help = EXIT_CODES)]
    Query(QueryArguments),
}

#[derive(Args)]
pub(crate) struct RunArguments {
    /// Files, or folders of files
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
    /// What "today" is for the quality rules (yyyy-mm-dd); the dataset's own today if not given
    #[arg(long, value_name = "DATE")]
    pub(crate) as_of: Option<NaiveDate>,
}

#[derive(Args)]
pub(crate) struct QueryArguments {
    /// A file of SQL, or the name of one of the dataset's queries
    #[arg(value_name = "FILE.sql|NAME", required_unless_present = "command")]
    pub(crate) query: Option<String>,
    /// SQL
    #[arg(short = 'c', long = "command", value_name = "SQL", conflicts_with = "query")]
    pub(crate) command: Option<String>,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a terminal
    Table,
    /// Comma-separated, with a header
    Csv,
    /// An array of objects; every value is a text or null, so that no decimal becomes a float
    Json,
}

#[derive(Args)]
pub(crate) struct DatasetArguments {
    /// The dataset; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
    /// The folder of datasets
    #[arg(long, value_name = "DIR", default_value = "datasets", env = "FONDERIE_DATASETS")]
    pub(crate) datasets: PathBuf,
}

#[derive(Args)]
pub(crate) struct StateArguments {
    /// Where buckets (and the database, if it is started here) are kept between runs
    #[arg(long, value_name = "DIR", default_value = ".fonderie")]
    pub(crate) state: PathBuf,
    /// The warehouse's database; without it, PostgreSQL is started in the state folder
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
}
