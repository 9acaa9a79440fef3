//! What a dataset declares of its tables, as the SQL is made from it.

use std::fmt;

use crate::names::list;

/// A column's type in PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlType {
    /// Text, compared by its bytes, of so many characters at most.
    Text(u32),
    /// A whole number of 64 bits.
    Integer,
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

impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(length) => write!(f, "varchar({length}) COLLATE \"C\""),
            Self::Integer => f.write_str("bigint"),
            Self::Decimal(precision, scale) => write!(f, "numeric({precision},{scale})"),
            Self::Number => f.write_str("double precision"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamptz"),
            Self::Boolean => f.write_str("boolean"),
        }
    }
}

impl SqlType {
    /// The type without its collation, as a cast and a function's result take it.
    pub(crate) fn bare(self) -> String {
        self.to_string().replace(" COLLATE \"C\"", "")
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
    /// The column of the day.
    pub day: String,
    /// The record's field of which each value has a row.
    pub field: String,
    /// What is said of a day.
    pub columns: Vec<Computed>,
}

/// What a table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Things that others refer to: a customer, a product. A member that is absent or open stays, for others refer to it.
    Dimension,
    /// What happened: an invoice, a sale. A row that is absent is none.
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
    /// The field by which a version's rows, and versions among each other, are ordered before the versions' own rank. A version shows a key on
    /// several lines only in a table that has one.
    pub newest_by: Option<Column>,
    /// Of a table whose files are complete: the fields of the key that a file is complete of; none of them is the whole record.
    pub snapshot: Option<Vec<String>>,
    /// Whether the earlier states are shown.
    pub history: bool,
}

impl Table {
    /// The natural key's names, quoted, in a list.
    pub(crate) fn key_list(&self) -> String {
        list(self.key.iter().map(|column| column.name.as_str()))
    }

    /// The columns of a state: references first.
    pub(crate) fn state_columns(&self) -> Vec<Column> {
        let references = self.references.iter().map(|reference| Column::new(&reference.name, SqlType::Integer));
        references.chain(self.state.iter().cloned()).collect()
    }

    /// What readers see of a state: references, values, what is computed.
    pub(crate) fn shown_columns(&self) -> Vec<Column> {
        let computed = self.computed.iter().map(|computed| computed.column.clone());
        self.state_columns().into_iter().chain(computed).collect()
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
