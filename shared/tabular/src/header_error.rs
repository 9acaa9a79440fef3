//! What is wrong with a header, in a sentence that helps: the line that was read, what the contract's names come closest to,
//! and the likely cause.
//!
//! A line that is no header holds a person's data. So a name of the file is shown only if it equals a name of the contract
//! once case, accents, spaces and a wrong encoding are folded, or is a letter or two away from it in a line in which
//! most of the contract's names stand.

use fonderie_contract::{ColumnRef, Source, fold_name};
use fonderie_core::{ErrorCode, StageError};

use crate::visible::visible;

/// What is known of the place where the header was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings<'a> {
    /// The line that was read as the header, from 1.
    pub(crate) line: u64,
    /// The sheet, if the format reads several.
    pub(crate) sheet: Option<&'a str>,
    /// The key of the contract that says where the header is.
    pub(crate) key: &'a str,
    /// The delimiter, of delimited text.
    pub(crate) delimiter: Option<u8>,
    /// The line as it stands in the file.
    pub(crate) raw: &'a str,
    /// Lines before and after it, with their numbers.
    pub(crate) others: &'a [(u64, String)],
    /// A range of merged cells that covers some of the line.
    pub(crate) merged: Option<&'a str>,
}

const MOST_NAMES: usize = 4;

/// `ColumnMissing`: the contract's names that the line does not have.
pub(crate) fn missing(
    source: &Source,
    wanted: &[(usize, &ColumnRef)],
    missing: &[&ColumnRef],
    names: &[String],
    at: &Surroundings<'_>,
) -> StageError {
    let mut distinct: Vec<&ColumnRef> = Vec::new();
    for (_, column) in wanted {
        if !distinct.contains(column) {
            distinct.push(column);
        }
    }
    let known = distinct.iter().filter(|column| !missing.contains(column)).count();
    let is_header = known * 2 >= distinct.len();
    let list: Vec<String> = missing
        .iter()
        .take(MOST_NAMES)
        .map(|column| {
            let close = match column {
                ColumnRef::Name(name) => closest(name, names, is_header),
                ColumnRef::Position(_) => None,
            };
            close.map_or_else(
                || format!("\"{}\"", visible(&column.to_string())),
                |close| format!("\"{}\" (it has \"{}\")", visible(&column.to_string()), visible(close)),
            )
        })
        .collect();
    let more = missing.len().saturating_sub(MOST_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let sheet = at.sheet.map(|sheet| format!(" of the sheet \"{}\"", visible(sheet))).unwrap_or_default();
    let others =
        if is_header && source.refused.is_empty() { not_mapped(source, &distinct, names) } else { String::new() };
    let message = format!(
        "line {}{sheet}, read as the header, lacks {}{more}; it has {} of the {} columns of the contract of `{}`{others}: {}",
        at.line,
        list.join(", "),
        known,
        distinct.len(),
        source.id,
        cause(source, wanted, missing, names, known, at),
    );
    StageError::new(ErrorCode::ColumnMissing, message)
}

/// The names of a header that the contract does not know: one of them may be the column that is missing.
fn not_mapped(source: &Source, wanted: &[&ColumnRef], names: &[String]) -> String {
    let known = wanted.iter().copied().chain(&source.ignored).chain(&source.refused);
    let folded: Vec<String> = known.map(|column| fold_name(&column.to_string())).collect();
    let others = names.iter().filter(|name| !name.trim().is_empty() && !folded.contains(&fold_name(name)));
    let others: Vec<String> = others.take(MOST_NAMES).map(|name| format!("\"{}\"", visible(name))).collect();
    if others.is_empty() { String::new() } else { format!(", and others such as {}", others.join(", ")) }
}

/// `ColumnUnknown`: columns of the header that the contract does not have, by position; by name too if the contract knows the
/// header by its names, so that the line is a header.
pub(crate) fn unknown(
    source: &Source,
    wanted: &[(usize, &ColumnRef)],
    unknown: &[(usize, &str)],
    at: &Surroundings<'_>,
) -> StageError {
    // if values must not get out of the file, these are names for sure only if they are few
    let by_name = (source.refused.is_empty() || unknown.len() * 2 <= wanted.len())
        && wanted.iter().filter(|(_, column)| matches!(column, ColumnRef::Name(_))).count() * 2 >= wanted.len().max(1);
    let shown = |(position, name): &(usize, &str)| {
        if by_name { format!("\"{}\"", visible(name)) } else { format!("\"#{}\"", position + 1) }
    };
    let list: Vec<String> = unknown.iter().take(MOST_NAMES).map(shown).collect();
    let more = unknown.len().saturating_sub(MOST_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!(
        "the header on line {} has {}{more}, which the contract of `{}` does not know: map it under `columns`, or name it in \
         `ignored_columns`",
        at.line,
        list.join(", "),
        source.id,
    );
    StageError::new(ErrorCode::ColumnUnknown, message)
}

/// `ContractInvalid`: a column that the contract knows by its position has a name of which nothing may be loaded.
pub(crate) fn refused(source: &Source, column: &ColumnRef, name: &str, at: &Surroundings<'_>) -> StageError {
    let message = format!(
        "the column \"{}\" of `columns` is \"{}\" in the header on line {}, which must not be loaded (`refused_columns`): correct the \
         contract of `{}`",
        visible(&column.to_string()),
        visible(name),
        at.line,
        source.id,
    );
    StageError::new(ErrorCode::ContractInvalid, message)
}

/// `HeaderUnreadable`: the line holds values where the contract, which knows columns by position only, expects names.
pub(crate) fn record(source: &Source, position: usize, at: &Surroundings<'_>) -> StageError {
    let message = format!(
        "line {}, read as the header, holds a value in the column \"#{}\": if the file has no header, declare `header = false` in the \
         contract of `{}`; otherwise correct `{}`",
        at.line,
        position + 1,
        source.id,
        at.key,
    );
    StageError::new(ErrorCode::HeaderUnreadable, message)
}

/// The likely cause, and what to do.
fn cause(
    source: &Source,
    wanted: &[(usize, &ColumnRef)],
    missing: &[&ColumnRef],
    names: &[String],
    known: usize,
    at: &Surroundings<'_>,
) -> String {
    let filters = |column: &&&ColumnRef| source.skipped_rows.iter().any(|skipped| skipped.column == ***column);
    if known * 2 >= wanted.len() && missing.iter().all(|column| filters(&column)) {
        return "correct `skip_rows` in the contract, or the file".to_owned();
    }
    if known * 2 >= wanted.len() && missing.iter().all(|column| matches!(column, ColumnRef::Position(_))) {
        return format!("the line has {} columns: correct the positions in the contract, or the file", names.len());
    }
    let wanted_names: Vec<String> = wanted
        .iter()
        .filter_map(|(_, column)| match column {
            ColumnRef::Name(name) => Some(fold_name(name)),
            ColumnRef::Position(_) => None,
        })
        .collect();
    let share = |pieces: &mut dyn Iterator<Item = String>| {
        let pieces: Vec<String> = pieces.collect();
        wanted_names.iter().filter(|name| pieces.contains(name)).count()
    };
    let by = |line: &str, delimiter: char| {
        share(&mut line.split(delimiter).map(|piece| fold_name(piece.trim().trim_matches('"'))))
    };
    if wanted_names.len() < wanted.len() && wanted_names.is_empty() {
        return "the file has fewer columns than the contract: correct the positions, or the file".to_owned();
    }
    if let Some(declared) = at.delimiter.map(char::from) {
        let enough = (known + 1).max(wanted_names.len().div_ceil(2));
        let other = [',', ';', '\t', '|', ':'].into_iter().filter(|other| *other != declared);
        if let Some((delimiter, _)) = other
            .map(|other| (other, by(at.raw, other)))
            .filter(|(_, found)| *found >= enough)
            .max_by_key(|(_, found)| *found)
        {
            return format!(
                "its names are separated by {delimiter:?}: correct `format.delimiter` in the contract, or the file"
            );
        }
        if let Some((line, _)) = at.others.iter().find(|(_, text)| by(text, declared) >= enough) {
            return format!("line {line} has them: correct `{}` in the contract, or the file", at.key);
        }
        if let [name] = names
            && by(name, declared) >= enough
        {
            return "the whole line stands in quotes: have the file exported again without them".to_owned();
        }
    } else if let Some((line, _)) = at.others.iter().find(|(_, text)| by(text, '\u{1f}') > known) {
        return format!("line {line} has them: correct `{}` in the contract, or the file", at.key);
    }
    if let Some(range) = at.merged {
        return format!(
            "its cells {range} are merged, so that only the first of them has a name: unmerge them, write each name in its cell, and send \
             the file again"
        );
    }
    if let Some((name, other, differ)) = missing.iter().find_map(|column| lookalike(column, names)) {
        return format!(
            "\"{}\" looks like \"{}\", but {differ}: correct `columns` in the contract, or the file",
            visible(other),
            visible(name)
        );
    }
    let encoding = |column: &ColumnRef| match column {
        ColumnRef::Name(name) => names
            .iter()
            .any(|other| other != name && unaccented(other) == unaccented(name) && !is_accent_variant(other, name)),
        ColumnRef::Position(_) => false,
    };
    if wanted.iter().any(|(_, column)| encoding(column)) {
        return "its accents are wrong: correct `format.encoding` in the contract, or the file's export".to_owned();
    }
    let folded: Vec<String> = names.iter().map(|name| fold_name(name)).collect();
    let by_fold = wanted_names.iter().filter(|name| folded.contains(name)).count();
    if by_fold == wanted_names.len() {
        return "only case or accents differ: declare `fold_header = true`, or correct `columns`".to_owned();
    }
    if known == 0 && by_fold == 0 {
        return format!(
            "it looks like a record: is there no header (`header = false` and positions such as \"#1\"), or is it on another \
             line (`{}`)?",
            at.key
        );
    }
    "have the file sent again, or correct `columns` in the contract".to_owned()
}

/// The name of the file that comes closest to one of the contract.
fn closest<'n>(name: &str, names: &'n [String], is_header: bool) -> Option<&'n str> {
    let folded = fold_name(name);
    let same = names.iter().find(|other| fold_name(other) == folded || unaccented(other) == unaccented(name));
    let near = || {
        let most = if folded.chars().count() >= 8 { 2 } else { 1 };
        names
            .iter()
            .map(|other| (distance(&folded, &fold_name(other), most), other))
            .filter(|(distance, other)| *distance <= most && !other.is_empty())
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, other)| other)
    };
    same.or_else(|| if is_header { near() } else { None }).map(String::as_str)
}

/// A name of the contract, the file's name that differs from it only by characters that look alike, and the first of them.
fn lookalike<'n>(column: &'n ColumnRef, names: &'n [String]) -> Option<(&'n str, &'n str, String)> {
    let ColumnRef::Name(name) = column else { return None };
    let wanted = fold_name(name);
    names.iter().find_map(|other| {
        let found = fold_name(other);
        let (a, b) = found.chars().zip(wanted.chars()).find(|(a, b)| a != b)?;
        let same = found.chars().map(shape).eq(wanted.chars().map(shape));
        same.then(|| {
            let differ =
                format!("has {a} (U+{:04X}) where the contract has {b} (U+{:04X})", u32::from(a), u32::from(b));
            (name.as_str(), other.as_str(), differ)
        })
    })
}

/// One character for those that look like it.
fn shape(c: char) -> char {
    match c {
        'º' | '˚' | 'ᵒ' | '∘' => '°',
        '\u{2018}' | '\u{2019}' | '\u{201B}' | '\u{2032}' | '\u{2BC}' | '´' | '`' => '\'',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2043}' => '-',
        '\u{201C}' | '\u{201D}' | '\u{2033}' | '«' | '»' => '"',
        '\u{2026}' => '.',
        '\u{2044}' | '\u{2215}' => '/',
        '·' | '\u{2022}' | '\u{2219}' => '·',
        // Cyrillic and Greek letters, small as names are folded.
        'а' | 'α' => 'a',
        'е' => 'e',
        'о' | 'ο' => 'o',
        'р' | 'ρ' => 'p',
        'с' => 'c',
        'х' => 'x',
        'і' | 'ι' => 'i',
        'ν' => 'v',
        c => c,
    }
}

/// A name with each run of characters beyond ASCII as one `?`: equal for a name and the same name in a wrong encoding.
fn unaccented(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_ascii() {
            out.push(c);
        } else if !out.ends_with('?') {
            out.push('?');
        }
    }
    out
}

/// Whether two names differ by accents that both mean, as `é` and `è`.
fn is_accent_variant(left: &str, right: &str) -> bool {
    fold_name(left) == fold_name(right)
}

/// The number of letters to insert, delete or replace; `most + 1` if there are more.
fn distance(left: &str, right: &str, most: usize) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().take(100).collect(), right.chars().take(100).collect());
    if left.len().abs_diff(right.len()) > most {
        return most + 1;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()].min(most + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein_up_to_a_bound() {
        for (left, right, expected) in [
            ("", "", 0),
            ("quantity", "quantit", 1),
            ("quantity", "quanttiy", 2),
            ("nom", "prenom", 3),
            ("abc", "xyz", 3),
        ] {
            assert_eq!(distance(left, right, 2), expected, "{left} {right}");
        }
    }

    #[test]
    fn characters_that_look_alike_are_told_apart() {
        for (name, other, differ) in [
            ("N° commande", "Nº commande", Some("has º (U+00BA) where the contract has ° (U+00B0)")),
            ("Date d'émission", "DATE D’EMISSION", Some("has \u{2019} (U+2019) where the contract has ' (U+0027)")),
            ("Date – fin", "Date - fin", Some("has - (U+002D) where the contract has – (U+2013)")),
            ("Total", "Tоtal", Some("has о (U+043E) where the contract has o (U+006F)")),
            ("Prénom", "PRENOM", None),
            ("N° commande", "No commande", None),
            ("N° commande", "N° commande 2", None),
        ] {
            let (column, names) = (ColumnRef::Name(name.to_owned()), ["Id".to_owned(), other.to_owned()]);
            let found = lookalike(&column, &names);
            assert_eq!(found.map(|(_, _, differ)| differ).as_deref(), differ, "{name} {other}");
        }
    }

    #[test]
    fn odd_characters_are_made_visible() {
        assert_eq!(visible("Date\u{a0}commande\u{fffd}"), "Date<U+00A0>commande<U+FFFD>");
        assert_eq!(visible(&"x".repeat(100)).chars().count(), 31);
    }
}
