//! What a whole file shows against its contract: an order of day and month, an encoding, dates that a spreadsheet has
//! converted. Counted while the file is read; each finding is a sentence that is reported on the run, or halts the file.

use fonderie_contract::Origin;

use crate::header_error::visible;
use crate::read::DateCounts;
use crate::rows::Rows;

/// What a file shows against its contract.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Sentences that are reported.
    pub(crate) notices: Vec<String>,
    /// Reasons to halt the file.
    pub(crate) halts: Vec<String>,
}

/// From so many cells on, and none to the contrary, the file is in another encoding than the declared one.
const DOUBLE_ENCODED: u64 = 3;

/// The evidence of a file that was read to its end; `dates` are its date columns.
pub(crate) fn of_file(dates: &[(&Origin, DateCounts)], rows: &Rows<'_>) -> Evidence {
    let mut found = Evidence::default();
    for (origin, counts) in dates {
        let Origin::Column { column, reading } = origin else { continue };
        of_column(
            &visible(&column.to_string()),
            &reading.dates.expected(),
            *counts,
            rows.mixed_dates_halt(),
            &mut found,
        );
    }
    let (double, contrary) = rows.double_encoding();
    if double >= DOUBLE_ENCODED && contrary == 0 {
        found.halts.push(format!(
            "{double} cells are UTF-8 read as another encoding, and no cell shows the contrary: correct `format.encoding` in \
             the contract, or the file's export"
        ));
    }
    if rows.recalculates() {
        found.notices.push(
            "the workbook asks to be recalculated when it is opened, so the stored values of its formulas may be old: open \
             it, save it and send it again if they are"
                .to_owned(),
        );
    }
    found
}

fn of_column(column: &str, expected: &str, counts: DateCounts, mixed_halt: bool, found: &mut Evidence) {
    let DateCounts { texts, declared_order, other_order, cells, late_cells } = counts;
    if other_order > 0 {
        let sentence = format!(
            "in the column \"{column}\", {other_order} dates fit only the other order of day and month than the declared one \
             ({expected}), {declared_order} only the declared one"
        );
        if declared_order == 0 {
            found.halts.push(format!("{sentence}: correct `dates.format` in the contract, or the file"));
        } else {
            found
                .notices
                .push(format!("{sentence}: the former were refused; the days up to 12 may be of either order"));
        }
    }
    if cells > 0 && late_cells == 0 && texts > 0 && declared_order == texts {
        let sentence = format!(
            "in the column \"{column}\", all {cells} date cells have days up to 12 and all {texts} texts have days above 12: a \
             spreadsheet may have exchanged day and month of the former"
        );
        if mixed_halt {
            found.halts.push(sentence);
        } else {
            found.notices.push(sentence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(counts: DateCounts, halt: bool) -> (usize, usize) {
        let mut found = Evidence::default();
        of_column("Date", "jj/mm/aaaa", counts, halt, &mut found);
        (found.notices.len(), found.halts.len())
    }

    #[test]
    fn an_order_that_the_file_contradicts_halts_it_and_a_mix_is_reported() {
        let counts = |declared_order, other_order| DateCounts { declared_order, other_order, ..DateCounts::default() };
        for (declared, other, expected) in
            [(0, 0, (0, 0)), (9, 0, (0, 0)), (0, 1, (0, 1)), (1, 1, (1, 0)), (1, 99, (1, 0))]
        {
            assert_eq!(of(counts(declared, other), false), expected, "{declared} {other}");
        }
    }

    #[test]
    fn date_cells_up_to_12_beside_texts_above_12_are_reported_or_halt() {
        let counts = |late_cells, cells, late_texts, texts| DateCounts {
            declared_order: late_texts,
            texts,
            late_cells,
            cells,
            ..DateCounts::default()
        };
        assert_eq!(of(counts(0, 3, 3, 3), false), (1, 0));
        assert_eq!(of(counts(0, 3, 3, 3), true), (0, 1));
        for fine in [counts(1, 3, 3, 3), counts(0, 3, 2, 3), counts(0, 0, 3, 3), counts(0, 3, 0, 0)] {
            assert_eq!(of(fine, true), (0, 0), "{fine:?}");
        }
    }
}
