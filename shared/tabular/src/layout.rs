//! From a header's names to the fields of the record.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;

use fonderie_contract::{ColumnRef, Kind, Origin, Record, SkippedRows, Source, fold_name, fold_space};
use fonderie_core::{ErrorCode, Result, StageError};

use crate::cell::Cell;
use crate::header_error::{self, Surroundings};
use crate::read::{DateCounts, FieldReader, Notes, Parsed};
use crate::visible::visible;

/// A column of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileColumn {
    /// Its name in the header, white space folded; empty without one.
    pub header: String,
    /// As the contract names it: the header's name, or a position such as `#8`.
    pub shown: String,
    /// The fields that it fills; none for an ignored column, or one without a name.
    pub fields: Vec<usize>,
    /// Whether its values must not get out of the file.
    pub refused: bool,
    /// Whether it fills a decimal field.
    pub amount: bool,
}

/// A condition of rows that are left out on purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// The column, by its place in the file.
    pub column: usize,
    /// The values of which its cell has one.
    pub values: Vec<String>,
}

/// A file's columns, tied to the record's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The columns, in the file's order.
    pub columns: Vec<FileColumn>,
    /// How many of the last columns have no name: a row may leave them out.
    pub unnamed: usize,
    /// Whether the values of some column must not get out of the file.
    pub refuses: bool,
    /// A row that fulfils all conditions of one of these lists is left out on purpose.
    pub skips: Vec<Vec<Skip>>,
}

impl Layout {
    /// Columns that fill no field.
    pub(crate) fn of_names(names: &[String]) -> Self {
        let column = |name: &String| FileColumn {
            header: name.clone(),
            shown: name.clone(),
            fields: Vec::new(),
            refused: false,
            amount: false,
        };
        Self { columns: names.iter().map(column).collect(), ..Self::default() }
    }

    /// Whether rows are left out by what a column has.
    pub(crate) fn is_filter(&self, column: usize) -> bool {
        self.skips.iter().flatten().any(|skip| skip.column == column)
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

/// The most columns of a file: as many as a spreadsheet has.
const MOST_COLUMNS: usize = 16_384;

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
    if names.len() > MOST_COLUMNS {
        let message = format!(
            "line {}, read as the header, has {} columns, and {MOST_COLUMNS} are read at most: correct `format.delimiter` in the \
             contract, or the file",
            surroundings.line,
            names.len()
        );
        return Err(StageError::new(ErrorCode::HeaderUnreadable, message));
    }
    let places = |column: &ColumnRef| -> Vec<usize> {
        match column {
            ColumnRef::Position(position) => (*position..=*position).filter(|at| *at < names.len()).collect(),
            ColumnRef::Name(name) => {
                let name = key(name);
                (0..names.len()).filter(|&at| keys[at] == name).collect()
            }
        }
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
        if places(column).is_empty() && !missing.contains(&column) {
            missing.push(column);
        }
    }
    if !missing.is_empty() {
        return Err(header_error::missing(source, &wanted, &missing, names, surroundings));
    }
    let refs =
        || wanted.iter().map(|(_, column)| *column).chain(source.skipped_rows.iter().map(|skipped| &skipped.column));
    let by_position = |at: usize| {
        refs().chain(&source.ignored).chain(&source.refused).any(|column| *column == ColumnRef::Position(at))
    };
    // A position settles its column: the same name elsewhere is another column's.
    let resolve = |column: &ColumnRef| -> Vec<usize> {
        let found = places(column);
        let free: Vec<usize> = found.iter().copied().filter(|&at| !by_position(at)).collect();
        if matches!(column, ColumnRef::Name(_)) && !free.is_empty() { free } else { found }
    };
    for column in refs() {
        if let [first, _, ..] = resolve(column)[..] {
            let same = (0..keys.len()).filter(|&other| keys[other] == keys[first]);
            let positions: Vec<String> = same.map(|other| format!("\"#{}\"", other + 1)).collect();
            let message = format!(
                "the header on line {} has the name \"{}\" in several columns, so their values cannot be told apart: name them by \
                 position ({}) under `columns` or `ignored_columns`",
                surroundings.line,
                visible(&names[first]),
                positions.join(", "),
            );
            return Err(StageError::new(ErrorCode::ColumnRepeated, message));
        }
    }
    let resolved: Vec<(usize, &ColumnRef, Option<usize>)> =
        wanted.iter().map(|(index, column)| (*index, *column, resolve(column).first().copied())).collect();
    if let Some(position) = resolved.iter().find_map(|found| value_as_name(record, source, names, found)) {
        return Err(header_error::record(source, position, surroundings));
    }
    let mut skips: BTreeMap<usize, Vec<Skip>> = BTreeMap::new();
    for SkippedRows { column, values, group } in &source.skipped_rows {
        if let Some(&column) = resolve(column).first() {
            skips.entry(*group).or_default().push(Skip { column, values: values.clone() });
        }
    }
    let ignored: HashSet<usize> = source.ignored.iter().flat_map(resolve).collect();
    let used = resolved.iter().find_map(|(_, column, at)| Some((column, at.filter(|at| ignored.contains(at))?)));
    if let Some((column, at)) = used {
        let other = source.ignored.iter().find(|other| resolve(other).contains(&at));
        let message = format!(
            "the column \"{}\" of `columns` is \"{}\" of `ignored_columns` in the header on line {}: take it out of the one or the \
             other in the contract of `{}`",
            visible(&column.to_string()),
            other.map(|other| visible(&other.to_string())).unwrap_or_default(),
            surroundings.line,
            source.id,
        );
        return Err(StageError::new(ErrorCode::ColumnRepeated, message));
    }
    let mut columns = Vec::with_capacity(names.len());
    let mut unknown = Vec::new();
    for (at, name) in names.iter().enumerate() {
        let filled: Vec<&(usize, &ColumnRef, Option<usize>)> =
            resolved.iter().filter(|(_, _, column)| *column == Some(at)).collect();
        let fields: Vec<usize> = filled.iter().map(|(index, ..)| *index).collect();
        let is_filter = skips.values().flatten().any(|skip| skip.column == at);
        let refused = source.refuses(name, at);
        if let Some((_, column, _)) = filled.first().filter(|_| refused) {
            return Err(header_error::refused(source, column, name, surroundings));
        }
        let known = refused || is_filter || ignored.contains(&at);
        // An unnamed column comes of delimiters at the lines' ends; its cells must be empty (see the builder).
        if fields.is_empty() && !name.is_empty() && !known {
            unknown.push((at, name.as_str()));
        }
        columns.push(FileColumn {
            header: name.clone(),
            shown: match filled.first() {
                Some((_, ColumnRef::Position(_), _)) => format!("#{}", at + 1),
                _ => name.clone(),
            },
            amount: fields.iter().any(|&index| matches!(record.fields[index].kind, Kind::Decimal { .. })),
            fields,
            refused,
        });
    }
    if !unknown.is_empty() {
        return Err(header_error::unknown(source, &wanted, &unknown, surroundings));
    }
    let unnamed =
        columns.iter().rev().take_while(|column| column.header.is_empty() && column.fields.is_empty()).count();
    let refuses = columns.iter().any(|column| column.refused);
    Ok(Layout { columns, unnamed, refuses, skips: skips.into_values().collect() })
}

/// The position of a column that the contract knows by position only, if its name is a date or an amount: then the line is a
/// record.
fn value_as_name(
    record: &Record,
    source: &Source,
    names: &[String],
    (index, column, at): &(usize, &ColumnRef, Option<usize>),
) -> Option<usize> {
    let (ColumnRef::Position(_), Origin::Column { reading, .. }) = (column, &source.columns[*index]) else {
        return None;
    };
    if matches!(record.fields[*index].kind, Kind::Text { .. } | Kind::Boolean) {
        return None;
    }
    let position = (*at)?;
    // A name without a header is a position itself.
    let name = names.get(position).filter(|name| !name.starts_with('#'))?;
    let cell = Cell::Text(name.as_str().into());
    let reader = FieldReader::new(record, *index, reading, None);
    let value = reader.read(&cell, &mut Notes::default(), &mut DateCounts::default());
    matches!(value, Ok(Parsed::Whole(_) | Parsed::Number(_) | Parsed::Decimal(_))).then_some(position)
}

/// The names of a file without a header: positions, as many as the contract names.
pub(crate) fn positions(source: &Source) -> Vec<String> {
    let refs = source.columns.iter().filter_map(|origin| match origin {
        Origin::Column { column, .. } => Some(column),
        _ => None,
    });
    let refs = refs
        .chain(&source.ignored)
        .chain(&source.refused)
        .chain(source.skipped_rows.iter().map(|skipped| &skipped.column));
    let width = refs.filter_map(|column| match column {
        ColumnRef::Position(position) => Some(position + 1),
        ColumnRef::Name(_) => None,
    });
    (1..=width.max().unwrap_or(0)).map(|position| format!("#{position}")).collect()
}
