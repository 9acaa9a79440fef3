//! What a dataset declares of its tables, as the SQL is made from it.

use std::fmt;

use crate::names::{list, quote};

/// A column's type in PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlType {
    /// Text, compared by its bytes, of so many characters at most.
    Text(u32),
    /// A whole number of 32 bits, which the engine computes.
    Integer,
    /// A whole number of 64 bits.
    Long,
    /// A decimal number of so many digits, so many of them behind the mark.
    Decimal(u8, u8),
    /// A floating-point number of 64 bits.
    Number,
    /// A day.
    Date,
    /// An instant.
    Timestamp,
    /// True or false.
    Boolean,
}

/// The collation of texts: by their bytes, the same on every server.
const BYTES: &str = " COLLATE \"C\"";

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(length) => write!(f, "varchar({length}){BYTES}"),
            Self::Integer => f.write_str("integer"),
            Self::Long => f.write_str("bigint"),
            Self::Decimal(precision, scale) => write!(f, "numeric({precision},{scale})"),
            Self::Number => f.write_str("double precision"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamptz"),
            Self::Boolean => f.write_str("boolean"),
        }
    }
}

impl SqlType {
    /// The type of a column as the catalogue names it (`format_type`); `None` for one that no declaration gives.
    pub fn of_catalogue(text: &str) -> Option<Self> {
        let (name, numbers) = match text.split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')')?),
            None => (text, ""),
        };
        match (name, numbers.split_once(',')) {
            ("character varying", None) => Some(Self::Text(numbers.parse().ok()?)),
            ("numeric", Some((digits, scale))) => Some(Self::Decimal(digits.parse().ok()?, scale.trim().parse().ok()?)),
            ("integer", None) => Some(Self::Integer),
            ("bigint", None) => Some(Self::Long),
            ("double precision", None) => Some(Self::Number),
            ("date", None) => Some(Self::Date),
            ("timestamp with time zone", None) => Some(Self::Timestamp),
            ("boolean", None) => Some(Self::Boolean),
            _ => None,
        }
    }

    /// The type without its collation, as a cast and a function's result take it.
    pub(crate) fn bare(self) -> String {
        self.to_string().replace(BYTES, "")
    }

    /// The type of a list of such values.
    pub(crate) fn list(self) -> String {
        format!("{}[]{}", self.bare(), if matches!(self, Self::Text(_)) { BYTES } else { "" })
    }
}

/// A column of a record, and of the tables that it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub sql_type: SqlType,
}

impl Column {
    /// A column.
    pub fn new(name: &str, sql_type: SqlType) -> Self {
        Self { name: name.to_owned(), sql_type }
    }
}

/// A column that PostgreSQL computes from others of its row and stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computed {
    /// Its name and type.
    pub column: Column,
    /// An expression of SQL without volatile functions.
    pub expression: String,
}

/// The days that a record's dates name, each with what is said of it: month, quarter, day of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// The table's name.
    pub name: String,
    /// The column of the day's number, yyyymmdd.
    pub key: String,
    /// The column of the day.
    pub day: String,
    /// The record's field of which each value has a row.
    pub field: String,
    /// What is said of a day: expressions over the column of the day.
    pub columns: Vec<Computed>,
}

impl Calendar {
    /// The number of a day, yyyymmdd, under a name: of the calendar's own day, or of a table's column of days.
    pub fn number(name: &str, day: &str) -> Computed {
        let part = |part: &str| format!("date_part('{part}', {})::integer", quote(day));
        let expression = format!("({} * 100 + {}) * 100 + {}", part("year"), part("month"), part("day"));
        Computed { column: Column::new(name, SqlType::Integer), expression }
    }
}

/// An index of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its columns.
    pub columns: Vec<String>,
    /// Of which rows; none is of all.
    pub condition: Option<String>,
}

/// The scores that a model gives a table's rows. They stand in tables of their own, which a training makes anew and exchanges as a whole:
/// `<model>_scores` (raw scores), `<model>_reasons`, and `<model>_scale`, one row with what makes a score of a raw one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The model's id.
    pub model: String,
    /// The column of the score in the table's view.
    pub score: String,
    /// The column of the reason.
    pub reason: String,
}

impl Output {
    /// The columns that readers see.
    pub fn columns(&self) -> [Column; 2] {
        [Column::new(&self.score, SqlType::Number), Column::new(&self.reason, SqlType::Text(100_000))]
    }

    /// The names of its tables, without their schema: of scores, of reasons, of the scale.
    pub fn tables(&self) -> [String; 3] {
        ["scores", "reasons", "scale"].map(|ending| format!("{}_{ending}", self.model))
    }
}

/// A measure that only grows from a state to the next: one that falls is taken, and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Growing {
    /// The field.
    pub field: String,
    /// The rule under which rows are counted.
    pub rule: String,
}

/// The order of a table whose versions show a key on several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
    /// The record's field. It is never NULL.
    pub field: Column,
    /// The name under which readers see it.
    pub name: String,
}

/// How the rows of a table are spread over partitions: by ranges of a day that is part of its key, so that a row never moves. A row of another
/// day is in the default partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partitions {
    /// The day: a column of the key.
    pub by: String,
    /// The partitions, in their order.
    pub ranges: Vec<Range>,
}

/// A partition: the rows of the days from one until before another, both as ISO dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The ending of its name: `2025`, `2025_q1`, `2025_01`.
    pub name: String,
    /// Its first day.
    pub from: String,
    /// The day after its last.
    pub until: String,
}

/// What a table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Things that others refer to: a customer, a product. A member that is absent or open stays, for others refer to it.
    Dimension,
    /// What happened: a sale, a reading. A row that is absent is none.
    Fact,
}

/// A reference of a table to a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The column that holds the surrogate: `customer_key`.
    pub name: String,
    /// The dimension's name.
    pub table: String,
    /// The dimension's natural key.
    pub columns: Vec<String>,
    /// The record's fields that hold it, in its order. If one is NULL, so is the reference.
    pub fields: Vec<String>,
    /// The column of the day whose values of the dimension are in force for the row, such as a price: they are read by a view, and never
    /// copied.
    pub as_of: Option<String>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its public name.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// The surrogate's public name: `customer_key`.
    pub surrogate: String,
    /// The natural key: fields of the record.
    pub key: Vec<Column>,
    /// What a state is made of, the references excepted: fields of the record.
    pub state: Vec<Column>,
    /// Its references, which are part of the state.
    pub references: Vec<Reference>,
    /// Columns that are computed from the state.
    pub computed: Vec<Computed>,
    /// Conditions that each state fulfils.
    pub checks: Vec<String>,
    /// Indexes, beside those of the key and the references.
    pub indexes: Vec<Index>,
    /// The field by which a version's rows, and versions among each other, are ordered before the versions' own rank. A version shows a key on
    /// several lines only in a table that has one.
    pub newest_by: Option<Newest>,
    /// Of a table whose files are complete: the fields of the key that a file is complete of; none of them is the whole record.
    pub snapshot: Option<Vec<String>>,
    /// Its partitions; without them it is one table.
    pub partitions: Option<Partitions>,
    /// The view of the earlier states, if they are shown.
    pub history: Option<String>,
    /// Measures that only grow.
    pub growing: Vec<Growing>,
    /// What models say of the rows.
    pub outputs: Vec<Output>,
    /// What loads keep a list of, of the rows that they write: their `row_key`, and the values of references. Empty if nobody follows the
    /// table.
    pub followed: Vec<String>,
    /// Columns of the state that the database has from later declarations. A version that is loaded under this one has no values of them.
    pub later: Vec<Later>,
}

/// A column of a state that a later declaration added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Later {
    /// The column.
    pub column: Column,
    /// The dimension whose members it holds, if it is a reference.
    pub refers_to: Option<String>,
}

/// The column of a row's surrogate in the base tables.
pub const ROW_KEY: &str = "row_key";

impl Table {
    /// Makes loads keep a list of a column's values, of the rows that they write.
    pub fn follow(&mut self, column: &str) {
        if !self.followed.iter().any(|known| known == column) {
            self.followed.push(column.to_owned());
        }
    }

    /// The natural key's names, quoted, in a list.
    pub(crate) fn key_list(&self) -> String {
        list(self.key.iter().map(|column| column.name.as_str()))
    }

    /// The columns of a state: references first, those of later declarations last.
    pub fn state_columns(&self) -> Vec<Column> {
        let references = self.references.iter().map(|reference| Column::new(&reference.name, SqlType::Long));
        let later = self.later.iter().map(|later| later.column.clone());
        references.chain(self.state.iter().cloned()).chain(later).collect()
    }

    /// Columns that hold members of a dimension.
    pub(crate) fn references_to<'t>(&'t self, dimension: &'t str) -> impl Iterator<Item = &'t str> {
        let later = self.later.iter().filter(move |later| later.refers_to.as_deref() == Some(dimension));
        let references = self.references.iter().filter(move |reference| reference.table == dimension);
        references.map(|reference| reference.name.as_str()).chain(later.map(|later| later.column.name.as_str()))
    }

    /// The parts of the key that readers see: one that refers to a dimension by itself is seen as the reference.
    pub(crate) fn shown_key(&self) -> impl Iterator<Item = &Column> {
        let is_reference = |column: &Column| self.references.iter().any(|r| *r.fields == [column.name.clone()]);
        self.key.iter().filter(move |column| !is_reference(column))
    }

    /// The columns of the table's view that a check may name: the surrogate, the key, the state, what is computed and what models say.
    pub fn readable(&self) -> Vec<Column> {
        let outputs = self.outputs.iter().flat_map(Output::columns);
        let surrogate = Column::new(&self.surrogate, SqlType::Long);
        [surrogate].into_iter().chain(self.shown_key().cloned()).chain(self.shown_columns()).chain(outputs).collect()
    }

    /// What readers see of a state: references, values, what is computed.
    pub(crate) fn shown_columns(&self) -> Vec<Column> {
        let computed = self.computed.iter().map(|computed| computed.column.clone());
        self.state_columns().into_iter().chain(computed).collect()
    }
}

/// The tables of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// The schema of each file's newest rows as they were accepted.
    pub staging: String,
    /// The schema of the tables.
    pub warehouse: String,
    /// The time zone of its days.
    pub time_zone: String,
    /// The names under which readers see from when and until when a state is valid.
    pub validity: [String; 2],
    /// Its records.
    pub records: Vec<Record>,
    /// References of tables that the database has from later declarations.
    pub holders: Vec<Holder>,
}

/// A column of a table that only a later declaration has, which holds members of a dimension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The table's name.
    pub table: String,
    /// The column.
    pub column: String,
    /// The dimension.
    pub dimension: String,
}

impl Dataset {
    /// All tables of all records.
    pub fn tables(&self) -> impl DoubleEndedIterator<Item = &Table> + Clone {
        self.records.iter().flat_map(|record| &record.tables)
    }

    /// Whether a member of the table may be open: a row may refer to it that does not show it as well.
    pub(crate) fn may_be_open(&self, table: &Table) -> bool {
        self.records.iter().any(|record| {
            let shows = record.tables.contains(table);
            let mut references =
                record.tables.iter().flat_map(|one| &one.references).filter(|one| one.table == table.name);
            references.any(|one| !shows || one.fields.iter().ne(table.key.iter().map(|column| &column.name)))
        })
    }
}

/// A record: what a file holds, and the tables that it becomes. A dimension that lives inside a fact's record stands before the fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Its fields.
    pub fields: Vec<Column>,
    /// Its tables.
    pub tables: Vec<Table>,
    /// Its calendars.
    pub calendars: Vec<Calendar>,
}

impl Record {
    /// The table of which a row of the file is a row: the last one, whose counts are the load's.
    pub fn main(&self) -> Option<&Table> {
        self.tables.last()
    }
}
