//! From a header's names to the fields of the record.

use std::ops::RangeInclusive;

use fonderie_contract::{ColumnRef, Kind, Origin, Record, Source};
use fonderie_core::{ErrorCode, Result, StageError};

use crate::header_error::{self, Surroundings};
use crate::text::{fold_name, fold_space};

/// A column of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileColumn {
    /// Its name in the header, white space folded; empty without one.
    pub header: String,
    /// As the contract names it: the header's name, or a position such as `#8`.
    pub shown: String,
    /// The fields that it fills; none for an ignored column, or one without a name.
    pub fields: Vec<usize>,
    /// Whether it fills a decimal field.
    pub amount: bool,
    /// Rows with one of these values are left out on purpose.
    pub skipped_values: Vec<String>,
}

/// A file's columns, tied to the record's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The columns, in the file's order.
    pub columns: Vec<FileColumn>,
    /// How many of the last columns have no name: a row may leave them out.
    pub unnamed: usize,
    /// Whether some column leaves rows out on purpose.
    pub skips_rows: bool,
}

impl Layout {
    /// Columns that fill no field.
    pub(crate) fn of_names(names: &[String]) -> Self {
        let column = |name: &String| FileColumn {
            header: name.clone(),
            shown: name.clone(),
            fields: Vec::new(),
            amount: false,
            skipped_values: Vec::new(),
        };
        Self { columns: names.iter().map(column).collect(), unnamed: 0, skips_rows: false }
    }

    /// The names of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.header.as_str())
    }

    /// The numbers of fields that a record may have; with `trailing`, one empty field more.
    pub(crate) fn widths(&self, trailing: bool) -> RangeInclusive<usize> {
        self.columns.len() - self.unnamed..=self.columns.len() + usize::from(trailing)
    }

    /// The position of the column that a reject names.
    pub fn position(&self, shown: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.shown == shown)
    }
}

/// Ties names to fields: each column of the contract is there, once, and no other.
///
/// # Errors
/// `ColumnMissing`, `ColumnRepeated`, `ColumnUnknown`; no message shows a name that is not the contract's or close to it,
/// since a line that is no header holds a person's data.
pub(crate) fn lay_out(
    record: &Record,
    source: &Source,
    names: &[String],
    surroundings: &Surroundings<'_>,
) -> Result<Layout> {
    let key = |name: &str| if source.fold_header { fold_name(name) } else { fold_space(name).into_owned() };
    let keys: Vec<String> = names.iter().map(|name| key(name)).collect();
    let is_at = |column: &ColumnRef, at: usize| match column {
        ColumnRef::Position(position) => *position == at,
        ColumnRef::Name(name) => keys[at] == key(name),
    };
    let wanted: Vec<(usize, &ColumnRef)> = source
        .columns
        .iter()
        .enumerate()
        .filter_map(|(index, origin)| match origin {
            Origin::Column { column, .. } => Some((index, column)),
            _ => None,
        })
        .collect();
    let filters = source.skipped_rows.iter().map(|skipped| &skipped.column);
    let mut missing: Vec<&ColumnRef> = Vec::new();
    for column in wanted.iter().map(|(_, column)| *column).chain(filters) {
        if !(0..names.len()).any(|at| is_at(column, at)) && !missing.contains(&column) {
            missing.push(column);
        }
    }
    if !missing.is_empty() {
        return Err(header_error::missing(source, &wanted, &missing, names, surroundings));
    }
    let by_position = |at: usize| {
        let refs = wanted.iter().map(|(_, column)| *column).chain(&source.ignored);
        refs.into_iter().any(|column| *column == ColumnRef::Position(at))
    };
    for (at, name) in keys.iter().enumerate() {
        // An unnamed column comes of delimiters at the lines' ends; its cells must be empty (see the builder).
        let alike = |other: usize| !name.is_empty() && keys[other] == *name && !by_position(other);
        if !by_position(at) && (0..at).any(alike) {
            let positions: Vec<String> = (0..keys.len())
                .filter(|&other| keys[other] == *name)
                .map(|other| format!("\"#{}\"", other + 1))
                .collect();
            let message = format!(
                "the header on line {} has the name \"{}\" in several columns, so their values cannot be told apart: name them by \
                 position ({}) under `columns` or `ignored_columns`",
                surroundings.line,
                header_error::visible(&names[at]),
                positions.join(", "),
            );
            return Err(StageError::new(ErrorCode::ColumnRepeated, message));
        }
    }
    let mut columns = Vec::with_capacity(names.len());
    let mut unknown = Vec::new();
    for (at, name) in names.iter().enumerate() {
        // A position settles its column: the same name elsewhere is another column's.
        let refers = |column: &ColumnRef| match column {
            ColumnRef::Position(position) => *position == at,
            ColumnRef::Name(_) => !by_position(at) && is_at(column, at),
        };
        let fields: Vec<usize> = wanted.iter().filter(|(_, column)| refers(column)).map(|(index, _)| *index).collect();
        let known =
            source.ignored.iter().any(refers) || source.skipped_rows.iter().any(|skipped| refers(&skipped.column));
        if fields.is_empty() && !name.is_empty() && !known {
            unknown.push(name.as_str());
        }
        let column = fields.first().and_then(|first| wanted.iter().find(|(index, _)| index == first));
        let skipped = source.skipped_rows.iter().filter(|skipped| is_at(&skipped.column, at));
        let skipped_values: Vec<String> = skipped.flat_map(|skipped| skipped.values.iter().cloned()).collect();
        columns.push(FileColumn {
            header: name.clone(),
            shown: match column {
                Some((_, ColumnRef::Position(_))) => format!("#{}", at + 1),
                _ => name.clone(),
            },
            amount: fields.iter().any(|&index| matches!(record.fields[index].kind, Kind::Decimal { .. })),
            fields,
            skipped_values,
        });
    }
    if !unknown.is_empty() {
        return Err(header_error::unknown(source, &unknown, surroundings));
    }
    let unnamed =
        columns.iter().rev().take_while(|column| column.header.is_empty() && column.fields.is_empty()).count();
    let skips_rows = columns.iter().any(|column| !column.skipped_values.is_empty());
    Ok(Layout { columns, unnamed, skips_rows })
}

/// The names of a file without a header: positions, as many as the contract names.
pub(crate) fn positions(source: &Source) -> Vec<String> {
    let refs = source.columns.iter().filter_map(|origin| match origin {
        Origin::Column { column, .. } => Some(column),
        _ => None,
    });
    let refs = refs.chain(&source.ignored).chain(source.skipped_rows.iter().map(|skipped| &skipped.column));
    let width = refs.filter_map(|column| match column {
        ColumnRef::Position(position) => Some(position + 1),
        ColumnRef::Name(_) => None,
    });
    (1..=width.max().unwrap_or(0)).map(|position| format!("#{position}")).collect()
}
