//! What a whole file shows against its contract: an order of day and month, an encoding, dates that a spreadsheet has
//! converted. Counted while the file is read; each finding is a sentence that is reported on the run, or halts the file.

use fonderie_contract::{Dates, Origin};

use crate::merged::Merged;
use crate::read::{DateCounts, Orders};
use crate::rows::Rows;
use crate::visible::visible;

/// What a file shows against its contract.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Sentences that are reported.
    pub(crate) notices: Vec<String>,
    /// Reasons to halt the file.
    pub(crate) halts: Vec<String>,
}

/// From so many cells on, and none to the contrary, the file is in another encoding than the declared one.
const ANOTHER_ENCODING: u64 = 3;

/// The evidence of a file that was read to its end; `dates` are its date columns, `other_header` is the line of a row that
/// has most names of the header.
pub(crate) fn of_file(dates: &[(&Origin, &DateCounts)], other_header: Option<u64>, rows: &Rows<'_>) -> Evidence {
    let mut found = Evidence::default();
    for (origin, counts) in dates {
        let Origin::Column { column, reading } = origin else { continue };
        let column = visible(&column.to_string());
        of_column(&column, &reading.dates, counts, rows.mixed_dates_halt(), &mut found);
        found.halts.extend(rows.counts_from_1904().and_then(|from_1904| of_epoch(&column, counts, from_1904)));
    }
    if let Some(line) = other_header {
        found.halts.push(format!(
            "line {line} has most names of the header, in another order or spelling, so the values below it may belong to other \
             columns: split the file there, and send each part by itself"
        ));
    }
    if let Some((lines, first)) = rows.doubtful() {
        let lines = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
        found.notices.push(format!(
            "{lines} left out as a total or a footer, the first of them line {first}, have all that identifies a record: correct \
             `totals` or `footer` in the contract if they are records"
        ));
    }
    if rows.end_marks().is_some() {
        found.notices.push(
            "the file ends with a mark of its end (0x1A) or with NUL bytes, which are no record: compare the number of its lines with \
             the sender's if it may have been cut off"
                .to_owned(),
        );
    }
    let (double, contrary) = rows.double_encoding();
    if double >= ANOTHER_ENCODING && contrary == 0 {
        found.halts.push(format!(
            "{double} cells are UTF-8 read as another encoding, and no cell shows the contrary: correct `format.encoding` in \
             the contract, or the file's export"
        ));
    }
    if let Some(merged) = rows.merged() {
        found.halts.push(format!(
            "{}, so that only the first of them has a value, and a record lacks it in the column \"{}\": unmerge them, write each \
             row's values in its cells, and send the file again",
            are_merged(merged),
            visible(&merged.column)
        ));
    }
    if let Some(merged) = rows.hidden_by_merges() {
        found.notices.push(format!(
            "{}, and a covered cell has a value that a spreadsheet does not show, which was read in the column \"{}\": unmerge them, \
             and correct the values that should not be there",
            are_merged(merged),
            visible(&merged.column)
        ));
    }
    of_encoding(rows.foreign_encoding(), &mut found);
    if rows.recalculates() {
        found.notices.push(
            "the workbook asks to be recalculated when it is opened, so the stored values of its formulas may be old: open \
             it, save it and send it again if they are"
                .to_owned(),
        );
    }
    found
}

/// The beginning of a sentence on merged cells.
fn are_merged(Merged { range, sheet, others, .. }: &Merged) -> String {
    let sheet = sheet.as_ref().map(|name| format!(" of the sheet \"{}\"", visible(name))).unwrap_or_default();
    let others = if *others > 0 { format!(" (and {others} more ranges)") } else { String::new() };
    format!("the cells {range}{sheet} are merged{others}")
}

/// What cells show of another single-byte encoding, and what others show to the contrary.
fn of_encoding((odd, contrary): (u64, u64), found: &mut Evidence) {
    let remedy = "the file may be in another encoding, such as windows-1252, iso-8859-15, cp850 or macintosh: correct `format.encoding`, or the file's export";
    let sentence =
        format!("{odd} cells have bytes that the declared encoding lacks, or signs between the letters of a word");
    if odd >= ANOTHER_ENCODING && contrary == 0 {
        found.halts.push(format!("{sentence}, and no cell shows the contrary: {remedy}"));
    } else if odd > 0 {
        found.notices.push(format!("{sentence}, {contrary} show the contrary: {remedy}"));
    }
}

/// What a column's serial numbers show against the year from which their workbook counts days.
fn of_epoch(column: &str, counts: &DateCounts, from_1904: bool) -> Option<String> {
    let read = counts.serials[usize::from(!from_1904)];
    let (declared, year, own, own_year) =
        if from_1904 { ("excel", 1900, "excel1904", 1904) } else { ("excel1904", 1904, "excel", 1900) };
    (read > 0).then(|| {
        let read = if read == 1 { "1 serial number was".to_owned() } else { format!("{read} serial numbers were") };
        format!(
            "in the column \"{column}\", {read} counted from {year} (`\"{declared}\"`), and the workbook counts its \
             days from {own_year}, so they would be four years off: declare `\"{own}\"` in `dates.format` in the contract"
        )
    })
}

fn of_column(column: &str, dates: &Dates, counts: &DateCounts, mixed_halt: bool, found: &mut Evidence) {
    let DateCounts { texts, orders, cells, late_cells, .. } = counts;
    for (Orders { declared, other }, format) in orders.iter().zip(&dates.formats).filter(|(orders, _)| orders.other > 0)
    {
        let sentence = format!(
            "in the column \"{column}\", {other} dates fit only the other order of day and month than the declared one ({}), \
             {declared} only the declared one",
            format.text()
        );
        if *declared == 0 {
            found.halts.push(format!("{sentence}: correct `dates.format` in the contract, or the file"));
        } else {
            found
                .notices
                .push(format!("{sentence}: the former were refused; the days up to 12 may be of either order"));
        }
    }
    let late_texts: u64 = orders.iter().map(|orders| orders.declared).sum();
    if *cells > 0 && *late_cells == 0 && *texts > 0 && late_texts == *texts {
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
    use fonderie_contract::DateFormat;

    use super::*;

    fn of(counts: &DateCounts, halt: bool) -> (usize, usize) {
        let mut found = Evidence::default();
        let formats = ["dd/mm/yyyy", "yyyymmdd", "dd-mm-yyyy"];
        let formats = formats.iter().map(|text| DateFormat::parse(text, None).unwrap()).collect();
        of_column("Date", &Dates { formats, fold: None, zone: "UTC".parse().unwrap() }, counts, halt, &mut found);
        (found.notices.len(), found.halts.len())
    }

    #[test]
    fn an_order_that_the_file_contradicts_halts_it_and_a_mix_is_reported() {
        let order = |(declared, other)| Orders { declared, other };
        for (orders, expected) in [
            (&[(0, 0)][..], (0, 0)),
            (&[(9, 0)], (0, 0)),
            (&[(0, 1)], (0, 1)),
            (&[(1, 1)], (1, 0)),
            (&[(1, 99)], (1, 0)),
            // Another format's dates show nothing of this one's order.
            (&[(0, 3), (9, 0)], (0, 1)),
            (&[(9, 0), (0, 0), (0, 3)], (0, 1)),
            (&[(9, 1), (0, 0), (0, 3)], (1, 1)),
        ] {
            let counts = DateCounts { orders: orders.iter().copied().map(order).collect(), ..DateCounts::default() };
            assert_eq!(of(&counts, false), expected, "{orders:?}");
        }
    }

    #[test]
    fn cells_of_another_encoding_halt_a_file_that_shows_nothing_else() {
        for (counts, expected) in [((0, 9), (0, 0)), ((2, 0), (1, 0)), ((3, 0), (0, 1)), ((99, 1), (1, 0))] {
            let mut found = Evidence::default();
            of_encoding(counts, &mut found);
            assert_eq!((found.notices.len(), found.halts.len()), expected, "{counts:?}");
        }
    }

    #[test]
    fn date_cells_up_to_12_beside_texts_above_12_are_reported_or_halt() {
        let counts = |late_cells, cells, late_texts, texts| DateCounts {
            orders: vec![Orders { declared: late_texts, other: 0 }],
            texts,
            late_cells,
            cells,
            serials: [0; 2],
        };
        assert_eq!(of(&counts(0, 3, 3, 3), false), (1, 0));
        assert_eq!(of(&counts(0, 3, 3, 3), true), (0, 1));
        for fine in [counts(1, 3, 3, 3), counts(0, 3, 2, 3), counts(0, 0, 3, 3), counts(0, 3, 0, 0)] {
            assert_eq!(of(&fine, true), (0, 0), "{fine:?}");
        }
    }
}
