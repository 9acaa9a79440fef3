//! The compiled contract: everything checked, every name resolved to an index. Only this can read a file.

use chrono_tz::Tz;
use fonderie_core::freshness::Expected;
use globset::GlobSet;

use crate::model::{Mart, Model};

/// A dataset: what is true of billing (or of a shop, of freight) and of nothing else.
#[derive(Debug)]
pub struct Dataset {
    /// Its name: the folder's, the bundle's, the first part of a bronze key.
    pub name: String,
    /// The time zone of its dates.
    pub time_zone: Tz,
    /// The canonical record that every source is brought to.
    pub record: Record,
    /// The sources, by id.
    pub sources: Vec<Source>,
    /// The warehouse's SQL.
    pub warehouse: WarehouseSql,
    /// The models, in the order in which they score.
    pub models: Vec<Model>,
    /// The marts, in the order in which they are refreshed.
    pub marts: Vec<Mart>,
    /// Analyst queries: name and SQL, by name.
    pub queries: Vec<(String, String)>,
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

/// The SQL of a dataset's warehouse.
#[derive(Clone, Debug, Default)]
pub struct WarehouseSql {
    /// Migrations in ascending order of version.
    pub migrations: Vec<Migration>,
    /// The load script: the run's own table to dimensions, facts and history.
    pub load: String,
    /// What was owed on a day, from the history: reads its questions from settings named `fonderie.…`.
    pub owed: Option<String>,
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
    /// The quality rules, in the order in which they are reported.
    pub rules: Vec<Rule>,
    /// Budget of what the reader itself refuses (unreadable cells, broken records), rule by rule.
    pub unreadable: Budget,
}

impl Record {
    /// The index of a field.
    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    /// The names of the money columns, in order.
    pub fn money(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(|field| field.money).map(|field| field.name.as_str())
    }
}

/// A field of the canonical record.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text of at most so many characters; Arrow `Utf8`, PostgreSQL `varchar(n)`.
    Text {
        /// In characters.
        max_length: usize,
    },
    /// A whole number within bounds; Arrow `Int32`, PostgreSQL `integer`.
    Integer {
        /// Smallest allowed.
        min: i32,
        /// Greatest allowed.
        max: i32,
    },
    /// A day; Arrow `Date32`, PostgreSQL `date`.
    Date,
    /// A decimal; Arrow `Decimal128`, PostgreSQL `numeric`.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits after the mark.
        scale: i8,
    },
}

/// A quality rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id, as users know it (`montants_negatifs`).
    pub id: String,
    /// What it asks.
    pub check: Check,
    /// What happens to a row that breaks it.
    pub severity: Severity,
    /// How many such rows a file may have.
    pub budget: Budget,
    /// The sentence for the facility, in French.
    pub message: String,
}

/// What a rule asks; fields by index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// Each of the fields has a value.
    Required(Vec<usize>),
    /// None of the amounts is below zero.
    NotNegative(Vec<usize>),
    /// None of the dates is after the run's as-of date.
    NotAfterAsOf(Vec<usize>),
    /// The key is not repeated in the file: the first acceptable row is kept (or none).
    Unique {
        /// What happens to the first of several.
        keep: Keep,
        /// Id and message for a repeated row whose content differs from the kept one's; without it, the rule's own.
        conflict: Option<(String, String)>,
    },
    /// `smaller` ≤ `greater`, of amounts or dates, where both are there.
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

/// A source: one facility's way of writing the record.
#[derive(Debug)]
pub struct Source {
    /// Its id: the file's name under `sources/`.
    pub id: String,
    /// The formats of its files; the first whose patterns fit a file reads it.
    pub formats: Vec<FileFormat>,
    /// Where each field of the record comes from, in the record's order.
    pub columns: Vec<Origin>,
    /// Columns of the file that are left out on purpose.
    pub ignored: Vec<String>,
    /// How dates are written.
    pub date: DateFormat,
    /// How numbers are written.
    pub number: NumberFormat,
    /// Where the extraction date stands in the file's name: a date format to look for there.
    pub extraction_date: Option<DateFormat>,
    /// When files are expected; where it says nothing, none is ever missing.
    pub expected: Option<Expected>,
}

/// Where a field's values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A column of the file.
    Column {
        /// As the header names it.
        header: String,
        /// Raw to canonical value; empty where values stay as they are.
        values: Vec<(String, String)>,
    },
    /// The same value in every row.
    Constant(String),
    /// Nothing: the field stays empty.
    Absent,
}

/// One format in which a source sends its files.
#[derive(Clone, Debug)]
pub struct FileFormat {
    /// How such files are recognised: the file's name for a pattern without `/`, else the key below the dataset's name.
    pub files: GlobSet,
    /// Which line of the file (row of the sheet) has the header, from 1.
    pub header_line: u64,
    /// The word in the first filled cell of a line of totals, which is no record.
    pub totals: Option<String>,
    /// How they are written.
    pub format: Format,
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
    pub encoding: &'static encoding_rs::Encoding,
    /// The delimiter, one ASCII character.
    pub delimiter: u8,
    /// The quote, one ASCII character; `None` where quotes are ordinary characters.
    pub quote: Option<u8>,
    /// A record may end with one more delimiter than the header.
    pub trailing_delimiters: bool,
}

/// A workbook.
#[derive(Clone, Debug)]
pub struct Workbook {
    /// The sheet; without it, the only visible one.
    pub sheet: Option<Sheet>,
}

/// A sheet of a workbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sheet {
    /// By its name.
    Name(String),
    /// By its position, from 1.
    Position(usize),
}

/// A date format such as `dd/mm/yyyy`: the parts and what separates them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateFormat {
    /// The parts in order.
    pub parts: [DatePart; 3],
    /// What stands between them.
    pub separator: String,
    /// As the contract writes it.
    pub text: String,
}

/// A part of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatePart {
    /// Four digits.
    Year,
    /// One or two digits.
    Month,
    /// One or two digits.
    Day,
}

/// How numbers are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    /// `.` or `,`.
    pub decimal_mark: char,
    /// What may separate thousands.
    pub thousands: Vec<char>,
    /// What may stand before or after an amount (`€`, `EUR`).
    pub currency: Vec<String>,
    /// A workbook's number with more decimals than its field is rounded, half away from zero; else its row is rejected.
    pub round_cells: bool,
}
