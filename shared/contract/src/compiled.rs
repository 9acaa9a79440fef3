//! The compiled contract: everything checked, every name resolved to an index. Only this can read a file.

use std::fmt;
use std::sync::Arc;

use chrono_tz::Tz;
use fonderie_core::freshness::Expected;
use fonderie_tables::SqlType;

use crate::dates::{DatePattern, DateRange, Dates};
use crate::encoding::Encoding;
use crate::export::Export;
use crate::messages::Messages;
use crate::numbers::NumberFormat;
use crate::pattern::{NamePatterns, Patterns, Template, same_case};
use crate::query::Query;
use crate::text::fold_name;

/// A dataset: what is true of one business (a shop, freight) and of nothing else.
#[derive(Debug)]
pub struct Dataset {
    /// Its name: the folder's, the bundle's, the first part of a bronze key.
    pub name: String,
    /// What it is, in a few words; empty if it is not declared.
    pub description: String,
    /// The time zone of its dates.
    pub time_zone: Tz,
    /// The currency of its amounts, as a code of ISO 4217.
    pub currency: Option<String>,
    /// Its words for the senders of its files.
    pub messages: Arc<Messages>,
    /// What its files hold: each source is brought to one of these records.
    pub records: Vec<Record>,
    /// The sources, by id.
    pub sources: Vec<Source>,
    /// What it has in the database.
    pub layout: Layout,
    /// The models, in the order in which they score.
    pub models: Vec<Model>,
    /// What must hold of the loaded tables.
    pub checks: Vec<TableCheck>,
    /// The preparation views and the marts. PostgreSQL finds the order in which they are made and refreshed.
    pub marts: Vec<Mart>,
    /// Analyst queries, by name.
    pub queries: Vec<Query>,
    /// Files for people, by name.
    pub exports: Vec<Export>,
    /// What a run shows of the warehouse at its end.
    pub summary: Vec<Shown>,
}

/// A query of which a run shows the first rows at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its name among the dataset's queries.
    pub query: String,
    /// What stands above its rows.
    pub title: String,
    /// How many rows are shown.
    pub rows: usize,
    /// Which columns; all where empty.
    pub columns: Vec<String>,
}

impl Dataset {
    /// The record that a source holds.
    pub fn record(&self, source: &Source) -> &Record {
        &self.records[source.record]
    }

    /// The record that sample files are written of: the first.
    pub fn sampled(&self) -> &Record {
        &self.records[0]
    }

    /// A record by its name.
    pub fn record_named(&self, name: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.name == name)
    }
}

/// What a dataset has in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Its schemas.
    pub schemas: Schemas,
    /// Its declared tables.
    pub tables: fonderie_tables::Dataset,
    /// Migrations in ascending order of version: what a declaration cannot express.
    pub migrations: Vec<Migration>,
}

/// A dataset's schemas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schemas {
    /// Each file's newest rows as they were accepted.
    pub staging: String,
    /// Dimensions, facts, their history.
    pub warehouse: String,
    /// The views between the tables and the marts; `None` if the dataset has none.
    pub preparation: Option<String>,
    /// What readers are given.
    pub marts: String,
}

impl Schemas {
    /// Each with its use.
    pub fn uses(&self) -> Vec<(&str, &'static str)> {
        let preparation = self.preparation.as_deref().map(|schema| (schema, "preparation"));
        let tables = [(self.staging.as_str(), "staging"), (self.warehouse.as_str(), "warehouse")];
        tables.into_iter().chain(preparation).chain([(self.marts.as_str(), "marts")]).collect()
    }

    /// All of them.
    pub fn all(&self) -> Vec<&str> {
        self.uses().into_iter().map(|(schema, _)| schema).collect()
    }

    /// Those that analysts read.
    pub fn open(&self) -> Vec<&str> {
        self.all().into_iter().filter(|schema| *schema != self.staging).collect()
    }
}

/// One forward migration: `warehouse/V<version>__<name>.sql`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// From 1 upwards.
    pub version: u32,
    /// What it does, in snake case.
    pub name: String,
    /// The statements.
    pub sql: String,
}

/// A record: its fields in their canonical order, its natural key, its rules.
#[derive(Debug)]
pub struct Record {
    /// Its name; the staging table's too.
    pub name: String,
    /// The fields.
    pub fields: Vec<Field>,
    /// The natural key, as indices of fields.
    pub key: Vec<usize>,
    /// The dataset's words, of which a refusal is made.
    pub messages: Arc<Messages>,
    /// The quality rules, in the order in which they are reported.
    pub rules: Vec<Rule>,
    /// Budget of what the reader itself refuses (unreadable cells, broken records), rule by rule.
    pub unreadable: Budget,
    /// Budget of all refused rows together, whatever the rule.
    pub total_budget: Budget,
    /// The field that says whose the row is: a source sends only rows of its own scope.
    pub owner: Option<usize>,
    /// Whether amounts may be negative: a credit note, of which the part is between the whole and zero.
    pub credit_notes: bool,
    /// Columns of files, by their names in any spelling, whose values must not get out of the file.
    pub refused_columns: Vec<String>,
    /// What a load may find of its rows that is no mistake.
    pub warnings: Vec<Warning>,
    /// What is plausible of a file that is complete, if the record's files are.
    pub complete: Option<Complete>,
}

/// What is plausible of a file that is the complete state of its scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Complete {
    /// Whether it may have no rows.
    pub allow_empty: bool,
    /// How many of a hundred keys that are known it may lack.
    pub closes_at_most_percent: u64,
}

/// What a load may find of a file's rows that is no mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Its id.
    pub id: String,
    /// The sentence for the sender.
    pub message: String,
}

impl Record {
    /// The index of a field.
    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// Whether a field identifies its row: part of the natural key, or a text without which no row is accepted.
    pub fn identifies(&self, index: usize) -> bool {
        let required = |rule: &Rule| match &rule.check {
            Check::Required(fields) => rule.severity != Severity::Warn && fields.contains(&index),
            _ => false,
        };
        let text = matches!(self.fields[index].kind, Kind::Text { .. });
        self.key.contains(&index) || text && self.rules.iter().any(required)
    }

    /// The names of the money columns, in order.
    pub fn money(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(|field| field.money).map(|field| field.name.as_str())
    }
}

/// A field of the canonical record.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name, in the warehouse too.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Its cents are conserved (decimals with two places only).
    pub money: bool,
    /// It tells of a person: masked wherever it is shown outside the buckets and the database.
    pub personal: bool,
    /// What becomes of a row whose value is present and cannot be read.
    pub unreadable: OnUnreadable,
    /// The days that a date may be, and those within which a timestamp is; of no concern to other types.
    pub range: DateRange,
}

/// What becomes of a row whose value in a field is present and cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnreadable {
    /// The row is rejected.
    Reject,
    /// The field is left empty; such rows are counted and reported.
    Empty,
}

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Text of at most so many characters; Arrow `Utf8`, PostgreSQL `varchar(n)`.
    Text {
        /// In characters.
        max_length: usize,
    },
    /// A whole number within bounds; Arrow `Int64`, PostgreSQL `bigint`, whatever the bounds.
    Integer {
        /// Smallest allowed.
        min: i64,
        /// Greatest allowed.
        max: i64,
    },
    /// A finite floating-point number within bounds, for measurements; Arrow `Float64`, PostgreSQL `double precision`. Money is a decimal.
    Number {
        /// Smallest allowed.
        min: f64,
        /// Greatest allowed.
        max: f64,
    },
    /// A day; Arrow `Date32`, PostgreSQL `date`.
    Date,
    /// An instant to the microsecond; Arrow `Timestamp(Microsecond)` in UTC, PostgreSQL `timestamptz`.
    Timestamp,
    /// A decimal; Arrow `Decimal128`, PostgreSQL `numeric`.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits after the mark.
        scale: i8,
    },
    /// True or false; Arrow `Boolean`, PostgreSQL `boolean`.
    Boolean,
}

impl Kind {
    /// Whether values are measurements, which are equal by chance only: they identify nothing.
    pub fn is_measured(self) -> bool {
        matches!(self, Self::Number { .. })
    }

    /// The type of its column in PostgreSQL.
    pub fn sql_type(self) -> SqlType {
        match self {
            Self::Text { max_length } => SqlType::Text(u32::try_from(max_length).unwrap_or(u32::MAX)),
            Self::Integer { .. } => SqlType::Long,
            Self::Number { .. } => SqlType::Number,
            Self::Date => SqlType::Date,
            Self::Timestamp => SqlType::Timestamp,
            Self::Boolean => SqlType::Boolean,
            Self::Decimal { precision, scale } => SqlType::Decimal(precision, u8::try_from(scale).unwrap_or(0)),
        }
    }
}

/// A quality rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id, as users know it.
    pub id: String,
    /// What it asks.
    pub check: Check,
    /// What happens to a row that breaks it.
    pub severity: Severity,
    /// How many such rows a file may have.
    pub budget: Budget,
    /// The sentence for the sender.
    pub message: String,
}

/// What a rule asks; fields by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Each of the fields has a value.
    Required(Vec<usize>),
    /// None of the numbers is below zero. If the record allows credit notes: all of them have the first one's sign.
    NotNegative(Vec<usize>),
    /// None of the dates is after the run's as-of date, and none of the timestamps after its end in the dataset's time zone.
    NotAfterAsOf(Vec<usize>),
    /// The values of some fields are not repeated in the file: the first acceptable row is kept (or none).
    Unique {
        /// The fields; the natural key unless the rule names others.
        fields: Vec<usize>,
        /// What happens to the first of several.
        keep: Keep,
        /// Id and message for a repeated row whose content differs from the kept one's; without it, the rule's own.
        conflict: Option<(String, String)>,
    },
    /// `smaller` ≤ `greater`, of two fields of one type, if both are there. If the record allows credit notes, the reverse for
    /// negative decimals.
    AtMost {
        /// The field that must not be greater.
        smaller: usize,
        /// The field that it is held against.
        greater: usize,
    },
    /// The field has one of the values, where it has any.
    OneOf {
        /// The field.
        field: usize,
        /// What is allowed.
        values: Vec<String>,
    },
}

/// Which row of several with one key is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The first acceptable one.
    First,
    /// None of them.
    None,
}

/// What happens to a row that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It is counted, and goes on.
    Warn,
    /// It goes to quarantine; the file goes on while the budget lasts.
    Reject,
    /// It stops the file.
    Halt,
}

impl Severity {
    /// The name in contracts and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Warn => "warn",
            Severity::Reject => "reject",
            Severity::Halt => "halt",
        }
    }
}

/// How many rows may break a rule before the file is halted: the greater of a share of the file and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// In percent of the rows read.
    pub percent: u64,
    /// In rows.
    pub rows: u64,
}

impl Budget {
    /// The budget of a file with so many rows.
    pub fn of(self, rows_read: u64) -> u64 {
        self.rows.max(rows_read.saturating_mul(self.percent) / 100)
    }
}

/// A source: one sender's way of writing the record.
#[derive(Debug)]
pub struct Source {
    /// Its id: the file's name under `sources/`.
    pub id: String,
    /// Which of the dataset's records its files hold.
    pub record: usize,
    /// The formats of its files; the first whose patterns fit a file reads it.
    pub formats: Vec<FileFormat>,
    /// Where each field of the record comes from, in the record's order.
    pub columns: Vec<Origin>,
    /// Columns of the file that are left out on purpose.
    pub ignored: Vec<ColumnRef>,
    /// Columns whose values must not get out of the file: the record's, and the source's own.
    pub refused: Vec<ColumnRef>,
    /// Rows that are left out on purpose, and counted.
    pub skipped_rows: Vec<SkippedRows>,
    /// Whether header names are compared without case and accents.
    pub fold_header: bool,
    /// How dates are written, unless a column says otherwise.
    pub dates: Dates,
    /// How numbers are written, unless a column says otherwise.
    pub numbers: NumberFormat,
    /// The values of the record's owner field that the source may send.
    pub owns: Owns,
    /// The extraction date in the file's name: a date format to look for there.
    pub extraction_date: Option<DatePattern>,
    /// What orders a file whose name has no such date.
    pub extraction_date_missing: ExtractionMissing,
    /// When files are expected; without it, none is ever missing.
    pub expected: Option<Expected>,
}

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnRef {
    /// By the name in the header, white space folded.
    Name(String),
    /// By its position, from 0.
    Position(usize),
}

impl fmt::Display for ColumnRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Position(position) => write!(f, "#{}", position + 1),
        }
    }
}

/// A condition of rows that are left out: their cell in a column has one of some values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedRows {
    /// The column.
    pub column: ColumnRef,
    /// The values, as the file has them, without white space around them.
    pub values: Vec<String>,
    /// Conditions of one group are all fulfilled by a row that is left out.
    pub group: usize,
}

/// Whose rows a source may send: values of the record's owner field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owns {
    /// Any; also if the record has no owner field.
    Anything,
    /// These only.
    Only(Vec<String>),
}

/// Where a field's values come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// A column of the file.
    Column {
        /// Which one.
        column: ColumnRef,
        /// How its cells are read.
        reading: Reading,
    },
    /// A part of the name of the workbook's sheet.
    Sheet {
        /// What the name looks like.
        template: Template,
        /// How the part is read.
        reading: Reading,
    },
    /// A part of the file's name.
    FileName {
        /// What the name looks like.
        template: Template,
        /// How the part is read.
        reading: Reading,
    },
    /// A hash of other fields' values: 16 base32 characters.
    Hash(Vec<usize>),
    /// The same value in every row.
    Constant(String),
    /// Nothing: the field stays empty.
    Absent,
}

/// How the text of a field is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// How dates are written.
    pub dates: Dates,
    /// How numbers are written.
    pub numbers: NumberFormat,
    /// Words that mean "nothing", trimmed, inner white space folded.
    pub empty: Vec<String>,
    /// Words for true and false.
    pub booleans: Booleans,
    /// Raw to canonical value, for texts; without an entry a value stays as it is.
    pub values: Vec<(String, String)>,
}

/// Words for true and false.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Booleans {
    /// Words that mean true.
    pub yes: Vec<String>,
    /// Words that mean false.
    pub no: Vec<String>,
}

/// One format in which a source sends its files.
#[derive(Clone, Debug)]
pub struct FileFormat {
    /// How such files are recognised: the file's name for a pattern without `/`, else the key below the dataset's name.
    pub files: NamePatterns,
    /// Where the header is.
    pub header: Header,
    /// Whether the contract says where the header is, or that there is none.
    pub header_declared: bool,
    /// Which rows are totals, which are no records.
    pub totals: Totals,
    /// Which rows are a footer: the first filled cell fits.
    pub footer: Patterns,
    /// Whether a spreadsheet's wrappers of text (`="0010"`, `'0010`) are taken off.
    pub spreadsheet_text: bool,
    /// How they are written.
    pub format: Format,
}

/// Where a file's header is.
#[derive(Clone, Debug)]
pub enum Header {
    /// On a line of the file (row of the sheet), from 1.
    Line(u64),
    /// On the first line of which some cell fits each of the patterns.
    Pattern(Vec<Patterns>),
    /// Nowhere: columns are known by position.
    Absent,
}

/// Which rows are totals.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Patterns of the first filled cell.
    pub first: Patterns,
    /// Patterns of any cell.
    pub any: Patterns,
    /// Whether a row of which only amounts are filled is one.
    pub amounts_only: bool,
}

/// How files are written.
#[derive(Clone, Debug)]
pub enum Format {
    /// Delimited text.
    Csv(Csv),
    /// A workbook in Office Open XML (`.xlsx`).
    Workbook(Workbook),
}

/// Delimited text.
#[derive(Clone, Debug)]
pub struct Csv {
    /// The encoding; a byte order mark that says otherwise is an error.
    pub encoding: Encoding,
    /// The delimiter, one ASCII character.
    pub delimiter: u8,
    /// The quote, one ASCII character; `None` where quotes are ordinary characters.
    pub quote: Option<u8>,
    /// A record may end with one more delimiter than the header.
    pub trailing_delimiters: bool,
    /// Whether a record may have several lines; without it, the splitter's rules decide.
    pub multiline: Option<bool>,
}

/// A workbook.
#[derive(Clone, Debug, Default)]
pub struct Workbook {
    /// Its sheets, read in the workbook's order as one file; without any, the only visible one.
    pub sheets: Vec<Sheet>,
    /// Whether each visible sheet is either read or ignored on purpose, so that none is left out in silence.
    pub all_visible: bool,
    /// Sheets that are left out on purpose.
    pub ignored_sheets: Vec<Sheet>,
    /// A workbook with formulas that asks for its recalculation is refused.
    pub strict_formulas: bool,
    /// A column of date cells and of texts that contradict each other halts the file, instead of being reported only.
    pub mixed_dates_halt: bool,
}

/// A sheet of a workbook, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sheet {
    /// By its name, whether it is visible or not. Case does not matter: no workbook has two names that differ only in it.
    Name(String),
    /// By its position, from 1, whether it is visible or not.
    Position(usize),
    /// Visible ones, by a pattern of their names, case aside.
    Pattern(NamePatterns),
}

impl Sheet {
    /// Whether a sheet is meant: its name, its position from 1, and whether it is visible.
    ///
    /// ```
    /// use fonderie_contract::Sheet;
    ///
    /// let mai = Sheet::Name("mai".to_owned());
    /// assert!(mai.fits(" Mai", 7, false));
    /// assert!(!mai.fits("Mai 2025", 7, true));
    /// ```
    pub fn fits(&self, name: &str, position: usize, visible: bool) -> bool {
        match self {
            Self::Name(wanted) => same_case(name.trim()) == same_case(wanted.trim()),
            Self::Position(wanted) => position == *wanted,
            Self::Pattern(pattern) => visible && pattern.fit(name.trim()),
        }
    }
}

impl fmt::Display for Sheet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "sheet \"{}\"", name.chars().take(40).collect::<String>()),
            Self::Position(position) => write!(f, "sheet number {position}"),
            Self::Pattern(pattern) => {
                let text = pattern.texts().first().map_or("", String::as_str);
                write!(f, "visible sheet like \"{}\"", text.chars().take(40).collect::<String>())
            }
        }
    }
}

/// What becomes of a file whose name lacks the extraction date that its source declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExtractionMissing {
    /// It is refused.
    #[default]
    Refuse,
    /// It is ordered by the time of its upload.
    UploadTime,
}

/// A model: it reads features of the dataset's rows, is trained on them, and scores them.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Its id.
    pub id: String,
    /// What kind it is, with its parameters.
    pub kind: ModelKind,
    /// What it looks at, in order.
    pub features: Vec<Feature>,
    /// The abnormal scores by how far they go, each beyond the one before.
    pub levels: Vec<Level>,
    /// With fewer rows, nothing is scored.
    pub min_rows: u64,
    /// When it is trained again.
    pub training: TrainingPolicy,
    /// `models/<id>.sql`, a SELECT: a row's `key`, the table's surrogate, and each feature under its name.
    pub select: String,
    /// The table whose rows it scores.
    pub table: String,
    /// The column of the score.
    pub score: String,
    /// The column of the reason.
    pub reason: String,
}

/// When a model is trained again, besides on request and when its declaration is another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingPolicy {
    /// When so many rows of a hundred that it was trained on have changed since; new rows count too.
    pub changed_percent: f64,
    /// In the first scheduled run so many days after its training; `None` if age is no reason.
    pub every_days: Option<u64>,
}

/// The kind of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelKind {
    /// Isolation forest, with scikit-learn's scores.
    IsolationForest {
        /// How many trees.
        trees: u16,
        /// Rows that each tree is grown on.
        sample: u16,
        /// How many rows of a hundred are taken to be abnormal.
        contamination_percent: u8,
        /// Where the random draws begin.
        seed: u64,
    },
    /// How many standard deviations the feature's value is from the mean of all.
    ZScore {
        /// Whether that is the standard deviation of a population; otherwise it is that of a sample.
        of_population: bool,
    },
}

/// A level of a model's scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Its name.
    pub name: String,
    /// The scores that are of this level, unless a later one takes them.
    pub bound: Bound,
}

/// The scores beyond a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Those below it.
    Below(f64),
    /// Those above it.
    Above(f64),
}

impl Bound {
    fn takes(self, score: f64) -> bool {
        match self {
            Self::Below(bound) => score < bound,
            Self::Above(bound) => score > bound,
        }
    }
}

impl Source {
    /// Whether a column, by its name in the header and its position from 0, is one whose values must not get out of the file.
    pub fn refuses(&self, name: &str, position: usize) -> bool {
        self.refused.iter().any(|column| match column {
            ColumnRef::Name(refused) => fold_name(refused) == fold_name(name),
            ColumnRef::Position(refused) => *refused == position,
        })
    }
}

impl Level {
    /// The place of a score's level among the levels, each beyond the one before; `None` of a normal score.
    pub fn of(levels: &[Self], score: f64) -> Option<usize> {
        levels.iter().rposition(|level| level.bound.takes(score))
    }
}

/// What a model looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// The column in the model's SELECT.
    pub name: String,
    /// The reason for an abnormal row that this feature isolated; `{value}` stands for its value.
    pub words: String,
}

/// What must hold of the loaded tables, across records and sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableCheck {
    /// Its id.
    pub id: String,
    /// `Warn`, or `Halt`, which keeps marts as they were.
    pub severity: Severity,
    /// How many violations are taken.
    pub budget: u64,
    /// What a violation means.
    pub message: String,
    /// When it is asked.
    pub when: CheckWhen,
    /// The marts that stay as they were while it is violated.
    pub blocks: Vec<String>,
    /// A SELECT of violations.
    pub query: String,
    /// The tables of which it looks at what changed.
    pub follows: Vec<String>,
    /// The table in which it looks rows up: if that loses some, it looks at all of its own.
    pub looks_up: Option<String>,
    /// Whether it looks for values that a row may change, and not for rows by their key alone.
    pub looks_up_values: bool,
    /// Whether the engine made the query.
    pub is_kind: bool,
}

/// When a check is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckWhen {
    /// After each load, of what it changed; and by the daily run, of all.
    Load,
    /// By the daily run.
    Daily,
}

/// A mart, or a view below the marts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mart {
    /// Its name in its schema.
    pub name: String,
    /// What it is made as.
    pub kind: MartKind,
    /// Whether it is kept what each publication showed.
    pub publications: bool,
    /// A SELECT: the file at [`Self::path`], unless the engine made it.
    pub definition: String,
}

/// What a mart is made as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MartKind {
    /// A view in the schema of preparation.
    Preparation,
    /// A view in the schema of marts.
    View,
    /// The view of what each publication of another mart showed, which has no file of its own.
    Publications,
    /// Stored rows in the schema of marts.
    Materialized {
        /// The columns that tell its rows apart: without them it could not be refreshed under its readers.
        key: Vec<String>,
        /// The surrogate by which it follows the tables: a publication looks at the rows of the keys that loads touched. `None`: all rows are
        /// computed again, in a materialized view.
        by: Option<String>,
    },
}

impl Mart {
    /// The path of its definition, or of what it is made of, in the dataset's folder.
    pub fn path(&self) -> String {
        let folder = match self.kind {
            MartKind::Preparation => "preparation",
            MartKind::View | MartKind::Materialized { .. } => "marts",
            MartKind::Publications => return "dataset.toml".to_owned(),
        };
        format!("{folder}/{}.sql", self.name)
    }

    /// Its schema, which is one of the dataset's.
    pub fn schema<'s>(&self, schemas: &'s Schemas) -> &'s str {
        match self.kind {
            MartKind::Preparation => schemas.preparation.as_deref().unwrap_or_default(),
            MartKind::View | MartKind::Publications | MartKind::Materialized { .. } => &schemas.marts,
        }
    }
}
