//! The command line.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand, ValueEnum};
use fonderie_core::day::parse as day;

pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  every file was accepted, with or without rejects
  1  anything else (the database went away, a disk is full, …)
  2  usage or configuration: an argument, a contract, a query
  3  a file was halted by its quality rules, failed, or is known to no contract";

const REBUILD: &str = "\
Make the warehouse's tables again from silver, else from bronze: after they were dropped or damaged.

Each run that was loaded is loaded again, in the same order, under the contract and the as-of date that it had: from the
records that it left in silver, else from its file in bronze. Facts, dimensions, history and staging come out as they
were; scores and marts are made once at the end. The runs are those of the ledger (schema audit), else those that silver
knows. What stands in the dataset's schemas is moved aside, not dropped.

A version of which neither silver nor bronze is there is listed, and nothing is changed (exit code 2) unless --partial
is given.";

const WITHDRAW: &str = "\
Take a file that was sent by mistake out of the warehouse; --undo restores it.

The version of the file observes nothing any more: what only it shows leaves the tables, and what another file shows too is
as if this one had never come. Scores and marts follow, and the ledger keeps the rows and the amounts. A withdrawn version
stays withdrawn when it is run again and when the warehouse is rebuilt. Another version of the file, such as a corrected
one, is loaded as usual.

Of several versions of a file, the newest that was loaded is withdrawn, and the newest that is withdrawn is restored;
--version names another one. A version that is withdrawn already is left alone.";

const WITHDRAW_EXAMPLES: &str = "\
Examples:
  fonderie withdraw inbox/store_B_2026-05-31.csv
  fonderie withdraw --undo store_B_2026-05-31.csv";

const UPLOAD_LINK: &str = "\
Print a form with which a sender uploads files of one source to a bucket of AWS, without an account of its own.

The form is signed with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment, and no call is
made. Whoever has it may upload, in the signer's name, files whose names begin as the source's patterns do, into the
source's folder of the bucket, until it expires. It cannot be taken back but with the signer's rights: treat it as a
password. Without --json it is printed as a curl command.";

/// Business files, in whatever shape they come, to a warehouse that people can trust.
#[derive(Parser)]
#[command(name = "fonderie", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// See it all on sample files: make them, run them, show what came out
    #[command(after_help = EXIT_CODES, mut_arg("state", |state| state.default_value(".fonderie/demo")))]
    Demo(DemoArguments),
    /// Run files through the pipeline: ingest, admit, transform, validate, load, score, publish, summarize
    #[command(after_help = EXIT_CODES)]
    Run(RunArguments),
    /// Make sample files of a dataset, with the truth about them beside them
    #[command(after_help = EXIT_CODES)]
    Generate(GenerateArguments),
    /// Ask the warehouse
    #[command(after_help = EXIT_CODES)]
    Query(QueryArguments),
    /// Show what the ledger has: files, runs, rows, amounts, open rejects, the model in force, late files; and the disk in use
    #[command(after_help = EXIT_CODES)]
    Status(StatusArguments),
    /// List the runs, newest first
    #[command(after_help = EXIT_CODES)]
    Runs(RunsArguments),
    /// Show one run: its stages, rules, amounts, notices, rejects, and the versions of its file
    #[command(after_help = EXIT_CODES)]
    Show(ShowArguments),
    /// List the datasets: what each is, where it comes from, its sources
    #[command(after_help = EXIT_CODES)]
    Datasets(DatasetsArguments),
    /// Print every statement that is made of a dataset's declaration: its tables, the load, the scores, the marts
    #[command(after_help = EXIT_CODES)]
    Sql(SqlArguments),
    /// Write one of a dataset's exports into a file; without a name, list them
    #[command(after_help = EXIT_CODES)]
    Export(ExportArguments),
    /// Copy a dataset that the program carries into a folder, to be edited; nothing is overwritten
    #[command(after_help = EXIT_CODES)]
    Init(InitArguments),
    /// Make the warehouse's tables again from silver, else from bronze: after they were dropped or damaged
    #[command(after_help = EXIT_CODES, long_about = REBUILD)]
    Rebuild(RebuildArguments),
    /// Score, check and publish what is loaded, as of today: what a schedule does in the cloud
    #[command(after_help = EXIT_CODES)]
    Daily(DailyArguments),
    /// Score what is loaded with the models in force, or train them again, and publish it, as of the date last published
    #[command(after_help = EXIT_CODES)]
    Score(ScoreArguments),
    /// Write the state folder into one file, while nothing else uses it
    #[command(after_help = EXIT_CODES)]
    Backup(BackupArguments),
    /// Make the state folder what a backup holds
    #[command(after_help = EXIT_CODES)]
    Restore(RestoreArguments),
    /// Run each file that arrives in a folder, once it is complete
    #[command(after_help = EXIT_CODES)]
    Watch(WatchArguments),
    /// Take a file that was sent by mistake out of the warehouse; --undo restores it
    #[command(after_help = format!("{WITHDRAW_EXAMPLES}\n\n{EXIT_CODES}"), long_about = WITHDRAW)]
    Withdraw(WithdrawArguments),
    /// Print a form with which a sender uploads files of one source to a bucket of AWS, without an account of its own
    #[command(after_help = EXIT_CODES, long_about = UPLOAD_LINK)]
    UploadLink(UploadLinkArguments),
    /// Print what a shell needs to complete commands and options, such as: fonderie completions bash > ~/.bash_completion
    Completions(CompletionsArguments),
    /// Keep buckets and database up, and say how other programs reach them
    #[command(after_help = EXIT_CODES)]
    Serve(ServeArguments),
}

#[derive(Args)]
pub(crate) struct DemoArguments {
    #[command(flatten)]
    pub(crate) sample: SampleArguments,
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Args)]
pub(crate) struct SampleArguments {
    /// Rows of each file; the dataset's own number if not given
    #[arg(long, value_name = "N")]
    pub(crate) rows: Option<u64>,
    /// The same seed gives the same files; the dataset's own if not given
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
}

#[derive(Args)]
pub(crate) struct ServeArguments {
    /// The port of S3 on this machine; 0 for any that is free; 9000 if not given, or the next that is free
    #[arg(long, value_name = "PORT")]
    pub(crate) s3_port: Option<u16>,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Args)]
pub(crate) struct RebuildArguments {
    /// Go on without the versions that can be loaded neither from silver nor from bronze
    #[arg(long)]
    pub(crate) partial: bool,
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Args)]
pub(crate) struct ScoreArguments {
    /// Train the models again, whatever their policy is
    #[arg(long)]
    pub(crate) retrain: bool,
    #[command(flatten)]
    pub(crate) daily: DailyArguments,
}

#[derive(Args)]
pub(crate) struct DailyArguments {
    /// What "today" is for rules, models and marts (yyyy-mm-dd); without it, today, or for `score` the date last published
    #[arg(long, value_name = "DATE")]
    pub(crate) as_of: Option<NaiveDate>,
    /// Take an --as-of that is earlier than the date last published
    #[arg(long, requires = "as_of")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Args)]
pub(crate) struct WithdrawArguments {
    /// The file: its path as it was run, its key in bronze, or a name that no other file has; or the id of a version or of a run
    #[arg(value_name = "FILE|VERSION|RUN")]
    pub(crate) what: String,
    /// Undo a withdrawal: the version is loaded again as it was
    #[arg(long)]
    pub(crate) undo: bool,
    /// The version of the file, as `fonderie show RUN` lists them
    #[arg(long, value_name = "ID")]
    pub(crate) version: Option<String>,
    /// Print one JSON document, and nothing else on standard output; docs/one-machine.md has its shape
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Args)]
pub(crate) struct BackupArguments {
    /// The file to be made: a tar archive, compressed with zstd
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Args)]
pub(crate) struct RestoreArguments {
    /// What `fonderie backup` made
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Replace a state folder that holds something
    #[arg(long)]
    pub(crate) force: bool,
    /// The state folder
    #[arg(long, value_name = "DIR", default_value = ".fonderie")]
    pub(crate) state: PathBuf,
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
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) as_of: Option<NaiveDate>,
    /// Take an --as-of that is earlier than the date last published: rows dated after it are removed from the files run
    #[arg(long)]
    pub(crate) force: bool,
    /// Halt a file at the first row that breaks a rule of severity `reject` or more
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Args)]
pub(crate) struct OutputArguments {
    /// Print one JSON object per file, each on a line, and nothing else on standard output; docs/one-machine.md has its shape
    #[arg(long)]
    pub(crate) json: bool,
    /// Print only what went wrong
    #[arg(long, conflicts_with = "json")]
    pub(crate) quiet: bool,
}

#[derive(Args)]
pub(crate) struct WatchArguments {
    /// The inbox: a folder in which files arrive
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// For how long a file must have kept its size and time of modification to be complete
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    pub(crate) settle: u64,
    /// Run what is there and end
    #[arg(long)]
    pub(crate) once: bool,
    /// Halt a file at the first row that breaks a rule of severity `reject` or more
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args)]
pub(crate) struct GenerateArguments {
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
    /// Where the files go (DIR/files) and the truth about them (DIR/ground-truth)
    #[arg(long, value_name = "DIR", default_value = ".fonderie/sample")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) sample: SampleArguments,
    /// The day that the files are as of (yyyy-mm-dd); the dataset's own if not given
    #[arg(long, value_name = "DATE", value_parser = day)]
    pub(crate) as_of: Option<NaiveDate>,
    /// Write into a folder that holds something else; what has other names stays
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Args)]
pub(crate) struct QueryArguments {
    /// A file of SQL, or the name of one of the dataset's queries; `query NAME --help` shows the query's parameters
    #[arg(value_name = "FILE.sql|NAME", required_unless_present = "command")]
    pub(crate) query: Option<String>,
    /// SQL
    #[arg(short = 'c', long = "command", value_name = "SQL", conflicts_with = "query")]
    pub(crate) command: Option<String>,
    /// Let the SQL write, as the database's owner: several statements in one transaction, which is committed at the end
    #[arg(long)]
    pub(crate) write: bool,
    #[command(flatten)]
    pub(crate) ask: AskArguments,
}

/// How a query is asked, by `query` or by the command that its dataset declares for it.
#[derive(Args)]
pub(crate) struct AskArguments {
    #[command(flatten)]
    pub(crate) limit: LimitArguments,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// With `--format csv`: nothing that a spreadsheet would run as a formula, and no control characters; without it values stand as
    /// they are
    #[arg(long)]
    pub(crate) spreadsheet: bool,
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Args)]
pub(crate) struct LimitArguments {
    /// The most time for the query, until its last row is printed; 0 for any
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) timeout: u64,
}

#[derive(Args)]
pub(crate) struct DatasetsArguments {
    /// How the list is printed
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    pub(crate) format: Shape,
    #[command(flatten)]
    pub(crate) folder: FolderArguments,
}

#[derive(Args)]
pub(crate) struct StatusArguments {
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    pub(crate) format: Shape,
    #[command(flatten)]
    pub(crate) time: LimitArguments,
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Args)]
pub(crate) struct RunsArguments {
    /// The most runs that are listed; 0 for all
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) time: LimitArguments,
    /// How rows are printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Args)]
pub(crate) struct ShowArguments {
    /// The run's id, or a part that no other run's id has
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Shape::Text)]
    pub(crate) format: Shape,
    #[command(flatten)]
    pub(crate) time: LimitArguments,
    #[command(flatten)]
    pub(crate) datasets: FolderArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Args)]
pub(crate) struct SqlArguments {
    /// The dataset
    #[arg(value_name = "DATASET")]
    pub(crate) name: String,
    /// The load of this record alone
    #[arg(value_name = "RECORD")]
    pub(crate) record: Option<String>,
    #[command(flatten)]
    pub(crate) folder: FolderArguments,
}

#[derive(Args)]
pub(crate) struct UploadLinkArguments {
    /// The source: the name of its contract, without its ending
    #[arg(long, value_name = "SOURCE")]
    pub(crate) source: String,
    /// The bucket of the files as they come (bronze)
    #[arg(long, value_name = "BUCKET")]
    pub(crate) bucket: String,
    /// The bucket's region
    #[arg(long, value_name = "REGION", env = "AWS_REGION")]
    pub(crate) region: String,
    /// The address of another S3 than AWS's
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Hours for which it is good: a week at most
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=168))]
    pub(crate) hours: u32,
    /// The largest file in megabytes of 1,048,576 bytes; S3 takes 5 GB from a form
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=5120))]
    pub(crate) largest_mb: u32,
    /// Print the address and the fields as one JSON document
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
}

#[derive(Args)]
pub(crate) struct ExportArguments {
    /// The export; the dataset's are listed if none is given
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The file to be written, or the folder; a file that is there is replaced
    #[arg(long, value_name = "FILE|DIR", default_value = ".")]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) dataset: DatasetArguments,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

#[derive(Args)]
pub(crate) struct InitArguments {
    /// The dataset; `fonderie datasets` lists those that the program carries where no folder `datasets` is
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The folder from which commands will be given: the copy is DIR/datasets/NAME
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) to: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// For a terminal
    Text,
    /// One JSON document; docs/one-machine.md has its shape
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For a terminal; of a long answer the first 5000 rows, of a long value the first 300 characters
    Table,
    /// Comma-separated, with a header; for programs: a value such as `=1+1` stays as it is, see --spreadsheet
    Csv,
    /// An array of objects; every value is a text or null, so that no decimal becomes a float
    Json,
}

#[derive(Args)]
pub(crate) struct DatasetArguments {
    /// The dataset; may be left out where there is only one
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
    #[command(flatten)]
    pub(crate) folder: FolderArguments,
}

#[derive(Args)]
pub(crate) struct FolderArguments {
    /// The folder of datasets; if not given, `datasets` if it is there, else those that the program carries
    #[arg(long, value_name = "DIR", env = "FONDERIE_DATASETS")]
    pub(crate) datasets: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct StateArguments {
    /// Where buckets (and the database, if it is started here) are kept between runs
    #[arg(long, value_name = "DIR", default_value = ".fonderie")]
    pub(crate) state: PathBuf,
    /// The warehouse's database; without it, PostgreSQL is started in the state folder
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// Which PostgreSQL is started; if not given, the one whose database the state folder holds, else this machine's own
    /// programs where there are any, else the embedded one
    #[arg(long, value_name = "KIND", value_enum, conflicts_with = "database_url")]
    pub(crate) postgres: Option<PostgresKind>,
    /// Which database is used is not printed
    #[arg(skip)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PostgresKind {
    /// This machine's own programs: PG_BIN, pg_config, or Debian's directory
    Native,
    /// The one inside this program
    Embedded,
}
