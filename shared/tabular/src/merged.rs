//! Merged cells of a sheet that leave records without their values: only a range's first cell has one. A covered cell may have one
//! all the same, which a spreadsheet does not show.
//!
//! A sheet names its merged ranges after its last row. Until then, what they have to be compared with is kept in one bit per
//! cell: which rows are records, and which cells are filled.

use std::ops::RangeInclusive;

use crate::layout::{FileColumn, Layout};
use crate::workbook::Merge;

/// Merged cells that leave records without their values, or hide values of records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    /// The first range, such as `B3:B7`.
    pub(crate) range: String,
    /// The sheet's name, of a format that reads several.
    pub(crate) sheet: Option<String>,
    /// The first column that lacks a value, or has a hidden one, as the contract names it.
    pub(crate) column: String,
    /// How many other ranges there are.
    pub(crate) others: usize,
}

/// Columns of which filled cells are kept; a cell further to the right is taken for a filled one that covers empty ones. With 2²⁰ rows these are 64 MiB.
const MOST_COLUMNS: usize = 511;

/// Rows of ranges that are looked at: twice those of the longest sheet.
const MOST_ROWS: usize = 1 << 21;

/// The rows of a sheet from its header on.
#[derive(Debug)]
pub(crate) struct SheetCells {
    /// The header's row.
    first: u64,
    /// Of each row: whether it is a record, then whether each column is filled.
    bits: Vec<u64>,
    /// The width of a row in `bits`.
    words: usize,
}

impl SheetCells {
    /// The rows from the header's on, of which so many columns are looked at.
    pub(crate) fn new(first: u64, columns: usize) -> Self {
        Self { first, bits: Vec::new(), words: columns.min(MOST_COLUMNS) / 64 + 1 }
    }

    /// Adds a row: whether it is a record, and its filled columns.
    pub(crate) fn add(&mut self, row: u64, record: bool, filled: impl Iterator<Item = usize>) {
        let Some(start) = self.start(row) else { return };
        if self.bits.len() < start + self.words {
            self.bits.resize(start + self.words, 0);
        }
        let most = (self.words * 64).min(MOST_COLUMNS + 1);
        let filled = filled.map(|column| column + 1).take_while(|bit| *bit < most);
        for bit in filled.chain(record.then_some(0)) {
            self.bits[start + bit / 64] |= 1 << (bit % 64);
        }
    }

    /// Where a row begins; `None` above the header.
    fn start(&self, row: u64) -> Option<usize> {
        usize::try_from(row.checked_sub(self.first)?).ok()?.checked_mul(self.words)
    }

    fn bit(&self, row: u64, bit: usize) -> bool {
        let word = self.start(row).and_then(|start| self.bits.get(start + bit / 64));
        word.is_some_and(|word| word & 1 << (bit % 64) != 0)
    }

    /// Whether a cell has a value.
    fn is_filled(&self, row: u32, column: usize) -> bool {
        column >= MOST_COLUMNS || column + 1 < self.words * 64 && self.bit(row.into(), column + 1)
    }

    /// The ranges whose first cell has a value that an empty cell of a record in the range would need: the first of them in reading
    /// order with its first such column, and how many there are. Some programs write values into covered cells, which are
    /// read like others.
    pub(crate) fn lacking<'l>(&self, merges: &[Merge], layout: &'l Layout) -> Option<(Merge, &'l FileColumn, usize)> {
        Self::first(merges, layout, |merge, read, left| self.lacks(merge, read, left))
    }

    /// The ranges that cover a cell of a record with a value, which a spreadsheet does not show: the first of them in reading order
    /// with its first such column, and how many there are.
    pub(crate) fn hiding<'l>(&self, merges: &[Merge], layout: &'l Layout) -> Option<(Merge, &'l FileColumn, usize)> {
        Self::first(merges, layout, |merge, read, left| self.hides(merge, read, left))
    }

    /// The first range in reading order that has a column of a kind, with the column, and how many there are.
    fn first<'l>(
        merges: &[Merge],
        layout: &'l Layout,
        column: impl Fn(&Merge, &[bool], &mut usize) -> Option<usize>,
    ) -> Option<(Merge, &'l FileColumn, usize)> {
        let is_read = |(at, column): (usize, &FileColumn)| !column.fields.is_empty() || layout.is_filter(at);
        let read: Vec<bool> = layout.columns.iter().enumerate().map(is_read).collect();
        // Ranges of one sheet do not overlap, so that the rows of all are few; those of a damaged sheet may.
        let mut left = MOST_ROWS;
        let found = merges.iter().filter_map(|merge| Some((*merge, column(merge, &read, &mut left)?)));
        let found: Vec<(Merge, usize)> = found.collect();
        let (merge, column) = found.iter().min_by_key(|(merge, _)| (merge.rows.0, merge.columns.0))?;
        Some((*merge, &layout.columns[*column], found.len()))
    }

    /// The first column that is read and empty in a record of a range, whose first cell is not. No more rows are looked at than are
    /// left: a range of others is taken to lack a value.
    fn lacks(&self, merge: &Merge, read: &[bool], left: &mut usize) -> Option<usize> {
        let column = |column: u32| usize::try_from(column).unwrap_or(usize::MAX);
        let columns = column(merge.columns.0)..column(merge.columns.1).saturating_add(1).min(read.len());
        let first = columns.clone().find(|column| read[*column])?;
        if !self.is_filled(merge.rows.0, columns.start) {
            return None;
        }
        for row in self.rows_of(merge) {
            let Some(fewer) = left.checked_sub(1) else { return Some(first) };
            *left = fewer;
            let covered = |column: usize| (row, column) != (merge.rows.0, columns.start);
            let lacks = |column: &usize| {
                read[*column] && covered(*column) && (*column >= MOST_COLUMNS || !self.is_filled(row, *column))
            };
            if self.bit(row.into(), 0)
                && let Some(column) = columns.clone().find(lacks)
            {
                return Some(column);
            }
        }
        None
    }

    /// The first column that is read and has a value in a covered cell of a record. No more rows are looked at than are left: nothing is
    /// reported of the ranges that follow.
    fn hides(&self, merge: &Merge, read: &[bool], left: &mut usize) -> Option<usize> {
        let column = |column: u32| usize::try_from(column).unwrap_or(usize::MAX);
        let first = column(merge.columns.0);
        // Further to the right it is not known whether a cell has a value.
        let columns = first..column(merge.columns.1).saturating_add(1).min(read.len()).min(MOST_COLUMNS);
        if !columns.clone().any(|column| read[column]) {
            return None;
        }
        for row in self.rows_of(merge) {
            *left = left.checked_sub(1)?;
            let covered = |column: usize| (row, column) != (merge.rows.0, first);
            let hides = |column: &usize| read[*column] && covered(*column) && self.is_filled(row, *column);
            if self.bit(row.into(), 0)
                && let Some(column) = columns.clone().find(hides)
            {
                return Some(column);
            }
        }
        None
    }

    /// The rows of a range down to the sheet's last one.
    fn rows_of(&self, merge: &Merge) -> RangeInclusive<u32> {
        let last = self.first + (self.bits.len() / self.words) as u64;
        merge.rows.0..=merge.rows.1.min(u32::try_from(last).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn layout(read: &[bool]) -> Layout {
        let column = |(at, read): (usize, &bool)| FileColumn {
            header: format!("c{at}"),
            shown: format!("c{at}"),
            fields: if *read { vec![at] } else { vec![] },
            refused: false,
            amount: false,
        };
        Layout { columns: read.iter().enumerate().map(column).collect(), ..Layout::default() }
    }

    proptest! {
        /// Compared with a walk over each cell of each range.
        #[test]
        fn a_range_matters_if_a_record_lacks_its_value(
            first in 1..4_u32,
            rows in prop::collection::vec((any::<bool>(), prop::collection::hash_set(0..6_usize, 0..6)), 0..8),
            read in prop::collection::vec(any::<bool>(), 1..6),
            corners in prop::collection::vec((1..12_u32, 0..4_u32, 0..7_u32, 0..4_u32), 0..5),
        ) {
            let layout = layout(&read);
            let merges: Vec<Merge> = corners.iter().map(|(top, high, left, wide)| {
                Merge { rows: (*top, top + high), columns: (*left, left + wide) }
            }).collect();
            let mut cells = SheetCells::new(first.into(), read.len());
            for (row, (record, filled)) in (first..).zip(&rows) {
                let mut filled: Vec<usize> = filled.iter().copied().collect();
                filled.sort_unstable();
                cells.add(row.into(), *record, filled.into_iter());
            }
            let of = |row: u32| row.checked_sub(first).and_then(|at| rows.get(at as usize));
            let records: HashSet<u32> = (1..20).filter(|row| of(*row).is_some_and(|(record, _)| *record)).collect();
            let lacking: Vec<(Merge, usize)> = merges.iter().filter_map(|merge| {
                let (top, left) = (merge.rows.0, merge.columns.0 as usize);
                of(top).filter(|(_, filled)| filled.contains(&left))?;
                let mut cells = (top..=merge.rows.1).flat_map(|row| (left..=merge.columns.1 as usize).map(move |column| (row, column)));
                let lacks = |(row, column): &(u32, usize)| {
                    let filled = of(*row).is_some_and(|(_, filled)| filled.contains(column));
                    records.contains(row) && !filled && read.get(*column) == Some(&true)
                };
                Some((*merge, cells.find(lacks)?.1))
            }).collect();
            let found = cells.lacking(&merges, &layout);
            prop_assert_eq!(found.as_ref().map_or(0, |(.., count)| *count), lacking.len());
            let first = lacking.iter().map(|(merge, _)| (merge.rows.0, merge.columns.0)).min();
            prop_assert_eq!(found.as_ref().map(|(merge, ..)| (merge.rows.0, merge.columns.0)), first);
            if let Some((merge, column, _)) = found {
                let expected = lacking.iter().find(|(other, _)| *other == merge).map(|(_, column)| format!("c{column}"));
                prop_assert_eq!(Some(column.shown.clone()), expected);
            }
            let hiding: Vec<(Merge, usize)> = merges.iter().filter_map(|merge| {
                let (top, left) = (merge.rows.0, merge.columns.0 as usize);
                let mut cells = (top..=merge.rows.1).flat_map(|row| (left..=merge.columns.1 as usize).map(move |column| (row, column)));
                let hides = |(row, column): &(u32, usize)| {
                    let filled = of(*row).is_some_and(|(_, filled)| filled.contains(column));
                    (*row, *column) != (top, left) && records.contains(row) && filled && read.get(*column) == Some(&true)
                };
                Some((*merge, cells.find(hides)?.1))
            }).collect();
            let found = cells.hiding(&merges, &layout);
            prop_assert_eq!(found.as_ref().map_or(0, |(.., count)| *count), hiding.len());
            if let Some((merge, column, _)) = found {
                let expected = hiding.iter().find(|(other, _)| *other == merge).map(|(_, column)| format!("c{column}"));
                prop_assert_eq!(Some(column.shown.clone()), expected);
            }
        }
    }

    #[test]
    fn a_sheet_of_any_size_takes_bounded_memory() {
        let mut cells = SheetCells::new(1, 16_384);
        cells.add(1 << 20, true, 0..16_384);
        assert_eq!(cells.bits.len() * 8, 64 << 20);
        assert!(cells.is_filled(1, 511) && !cells.is_filled(1, 510) && cells.is_filled(1 << 20, 510));
    }
}
