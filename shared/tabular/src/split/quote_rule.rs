//! The rule for quotes: named files, the rule as it is written down, other readers.

use std::ops::RangeInclusive;

use proptest::prelude::*;

use super::{Next, Splitter, line_breaks};
use crate::problem::Problem;

/// What a splitter finds: first line, lines, and the fields, `None` for a blank line, or the reason.
type Found = (u64, u64, Result<Option<Vec<Vec<u8>>>, Problem>);

/// A text through a splitter, in pieces of the given sizes, over and over. `None` if a line is too long.
fn run(mut splitter: Splitter, text: &[u8], pieces: &[usize]) -> Option<Vec<Found>> {
    let (mut rest, mut pieces, mut ended, mut found) = (text, pieces.iter().cycle(), false, Vec::new());
    loop {
        let next = splitter.next(ended);
        match next {
            Next::Record | Next::Blank => {
                let fields = || (0..splitter.len()).map(|at| splitter.field(at).into_owned()).collect();
                let what = match splitter.fault() {
                    Some(problem) => Err(problem.clone()),
                    None => Ok((next == Next::Record).then(fields)),
                };
                found.push((splitter.line(), splitter.lines(), what));
            }
            Next::NeedMore if rest.is_empty() => ended = true,
            Next::NeedMore => {
                let (piece, after) = rest.split_at((*pieces.next().unwrap()).clamp(1, rest.len()));
                splitter.refill().extend_from_slice(piece);
                rest = after;
            }
            Next::TooLong => return None,
            Next::End => return Some(found),
        }
    }
}

fn wide(width: RangeInclusive<usize>) -> Splitter {
    let mut splitter = Splitter::new(b';', Some(b'"'), 1 << 20);
    splitter.set_width(width);
    splitter
}

/// Lines refused, and lines on which records begin.
fn outcome(text: &str, multiline: Option<bool>) -> (Vec<(u64, Problem)>, Vec<u64>) {
    let found = run(wide(9..=9).multiline(multiline), text.as_bytes(), &[7]).unwrap();
    let mut refused = Vec::new();
    let mut records = Vec::new();
    for (line, _, what) in found {
        match what {
            Err(problem) => refused.push((line, problem)),
            Ok(fields) => {
                assert_eq!(fields.map(|fields| fields.len()), Some(9), "line {line}");
                records.push(line);
            }
        }
    }
    (refused, records)
}

const HEADER: &str = "Commande;Client;Nom;Prénom;Date commande;Date paiement;Total;Payé;Statut\r\n";

#[test]
fn a_stray_opening_and_a_stray_closing_quote_melt_nothing() {
    let melted = format!(
        "{HEADER}F-101;P11;Morvan;Léa;04/05/2026;28/05/2026;48,00;48,00;Payée\r\n\
         F-102;P12;\"Quéré;Yann;11/06/2026;;1260,50;0,00;Ouverte\r\n\
         F-103;P13;Le Goff 12\";Anne;12/06/2026;20/06/2026;75,00;30,00;Partielle\r\n\
         F-104;P14;Tanguy;Paul;15/06/2026;;310,20;0,00;Ouverte\r\n\
         F-105;P15;Briand;Zoé;18/06/2026;;22,00;0,00;Ouverte\r\n"
    );
    let both = Problem::MeltedLines { lines: 2 };
    assert_eq!(outcome(&melted, None), (vec![(3, both.clone()), (4, both)], vec![1, 2, 5, 6]));
    let several = Problem::SeveralLines;
    assert_eq!(outcome(&melted, Some(false)), (vec![(3, several.clone()), (4, several)], vec![1, 2, 5, 6]));
    assert_eq!(outcome(&melted, Some(true)), (vec![], vec![1, 2, 3, 5, 6]));

    let over_three =
        melted.replace("Le Goff 12\"", "Le Goff").replace("Tanguy", "Tanguy \"Pol\"").replace("Briand", "\"Briand\"");
    let text = Problem::TextAfterQuote;
    let refused = vec![(3, text.clone()), (4, text.clone()), (5, text)];
    assert_eq!(outcome(&over_three, None), (refused, vec![1, 2, 6]));

    let open = melted.replace("Le Goff 12\"", "Le Goff");
    assert_eq!(outcome(&open, None), (vec![(3, Problem::UnclosedQuote)], vec![1, 2, 4, 5, 6]));
}

#[test]
fn quotes_inside_fields_cost_no_other_line() {
    let text = format!(
        "{HEADER}F-101;P11;\"Morvan \"Mimi\" Le Bris\";Léa;04/05/2026;28/05/2026;48,00;48,00;Payée\r\n\
         F-102;P12;Quéré \"Tonton\";Yann;11/06/2026;;1260,50;0,00;Ouverte\r\n\
         F-103;P13;Le Goff 12\" cadre;Anne;12/06/2026;20/06/2026;75,00;30,00;Partielle\r\n\
         F-104;P14;\"Tanguy;Paul;15/06/2026;;310,20;0,00;Ouverte\r\n\
         F-105;P15;\"Briand \"\"Zaza\"\"\";Zoé;18/06/2026;;22,00;0,00;Ouverte\r\n"
    );
    let refused = vec![(2, Problem::TextAfterQuote), (5, Problem::ReopenedQuote)];
    // The quote of F-104 is open up to the first one of F-105, at the start of a field.
    assert_eq!(outcome(&text, None), (refused, vec![1, 3, 4, 6]));
}

#[test]
fn a_record_over_several_lines_has_the_right_number_of_fields_or_is_refused_line_by_line() {
    let found = |text: &str| {
        let found = run(wide(3..=4), text.as_bytes(), &[3]).unwrap();
        found.into_iter().map(|(line, lines, what)| (line, lines, what.map(|_| ()))).collect::<Vec<_>>()
    };
    assert_eq!(found("a;\"b\n\n\";c\nd;e;f\n"), [(1, 3, Ok(())), (4, 1, Ok(()))]);
    assert_eq!(found("a;\"b\n\";c;\n"), [(1, 2, Ok(()))]);
    let long = Err(Problem::LongRecord { found: 4, expected: 3 });
    assert_eq!(found("a;\"b\n\";c;d\n"), [(1, 1, long.clone()), (2, 1, long)]);
    let short = Err(Problem::ShortRecord { found: 2, expected: 3 });
    assert_eq!(found("a;\"b\r\n\r\n\"\n"), [(1, 1, short.clone()), (2, 1, short.clone()), (3, 1, short)]);
    // A record of one line is the caller's to judge.
    assert_eq!(found("a;b\n"), [(1, 1, Ok(()))]);
}

#[test]
fn before_the_width_is_known_only_quotes_count() {
    for multiline in [None, Some(true), Some(false)] {
        let splitter = Splitter::new(b';', Some(b'"'), 1 << 20).multiline(multiline);
        let header = vec![b"a".to_vec(), b"b\nc".to_vec()];
        assert_eq!(run(splitter, b"a;\"b\nc\"\n", &[1]).unwrap(), [(1, 2, Ok(Some(header)))]);
    }
}

#[test]
fn the_limit_is_the_same_however_the_bytes_arrive() {
    let limit = |text: &str, pieces: &[usize]| run(Splitter::new(b';', Some(b'"'), 10), text.as_bytes(), pieces);
    for pieces in [&[1][..], &[3], &[1000]] {
        // Ten bytes without the line end, then eleven.
        assert_eq!(limit("\"345\n7890\"\r\n", pieces).unwrap().len(), 1);
        let found = limit("\"345\n78901\"\r\n", pieces).unwrap();
        assert_eq!(found[0], (1, 1, Err(Problem::UnclosedQuote)));
        assert_eq!(found[1], (2, 1, Ok(Some(vec![b"78901\"".to_vec()]))));
        assert_eq!(limit("1234567890\r\n", pieces).unwrap().len(), 1);
        assert_eq!(limit("12345678901\r\n", pieces), None);
        assert_eq!(limit("\"2345678901\r\n\"", pieces), None);
        // The reading of what follows line 1 ends with the file, outside quotes; line 2 by itself is inside.
        let found = limit(";\"\n;\";\"\"a;a", pieces).unwrap();
        assert_eq!(found[1], (2, 1, Err(Problem::UnclosedQuote)));
    }
}

#[test]
fn lines_that_all_leave_a_quote_open_cost_no_more_than_others() {
    // Each line ends inside quotes, and each reading goes on to the file's end: read anew from each, it would be 10^11 bytes.
    let text = "x\";\"\n".repeat(200_000);
    for pieces in [&[1 << 16][..], &[1 << 30]] {
        let found = run(wide(2..=2), text.as_bytes(), pieces).unwrap();
        assert_eq!(found.len(), 200_000);
        assert!(found.iter().all(|(_, lines, what)| (*lines, what) == (1, &Err(Problem::UnclosedQuote))));
    }
}

/// The rule for quotes as it is written down, over the whole text at once.
mod model {
    use super::*;

    #[derive(Clone, Copy, PartialEq)]
    enum Fault {
        Open,
        Reopened,
        Text,
    }

    fn lines(text: &[u8]) -> Vec<Vec<u8>> {
        let text = String::from_utf8(text.to_vec()).unwrap().replace("\r\n", "\n").replace('\r', "\n");
        let mut lines: Vec<_> = text.split('\n').map(|line| line.as_bytes().to_vec()).collect();
        if lines.last().is_some_and(Vec::is_empty) {
            lines.pop();
        }
        lines
    }

    fn find(line: &[u8], byte: u8, from: usize) -> Option<usize> {
        line[from..].iter().position(|b| *b == byte).map(|at| from + at)
    }

    /// The record that starts on a line: its last line, its number of fields, what is wrong with it.
    fn scan(lines: &[Vec<u8>], first: usize) -> (usize, usize, Option<Fault>) {
        let (mut line, mut at, mut fields) = (first, 0, 0);
        loop {
            if lines[line].get(at) != Some(&b'"') {
                fields += 1;
                match find(&lines[line], b';', at) {
                    Some(end) => at = end + 1,
                    None => return (line, fields, None),
                }
                continue;
            }
            let opened = line;
            at += 1;
            let quote = loop {
                match find(&lines[line], b'"', at) {
                    None => {
                        (line, at) = (line + 1, 0);
                        if line == lines.len() {
                            return (line, fields, Some(Fault::Open));
                        }
                    }
                    Some(quote) if lines[line].get(quote + 1) == Some(&b'"') => at = quote + 2,
                    Some(quote) => break quote,
                }
            };
            at = quote + 1;
            let at_field_start = quote == 0 || lines[line][quote - 1] == b';';
            match lines[line].get(at) {
                Some(b';') => fields += 1,
                Some(_) => {
                    let reopened = line > opened && at_field_start;
                    return (line, fields, Some(if reopened { Fault::Reopened } else { Fault::Text }));
                }
                None => return (line, fields + 1, None),
            }
            at += 1;
        }
    }

    /// Records as first line, lines and the number of fields (0 for a blank line), refused lines with their reason.
    pub(super) fn run(text: &[u8], width: usize) -> Vec<(u64, u64, Result<usize, Problem>)> {
        let lines = lines(text);
        let number = |line: usize| line as u64 + 1;
        let (mut line, mut found) = (0, Vec::new());
        while line < lines.len() {
            if lines[line].is_empty() {
                found.push((number(line), 1, Ok(0)));
                line += 1;
                continue;
            }
            let (last, fields, fault) = scan(&lines, line);
            let covered = (last - line + 1) as u64;
            let complete = |at: usize| lines[at].iter().filter(|b| **b == b';').count() + 1 >= width;
            let problem = match fault {
                Some(Fault::Open | Fault::Reopened) => {
                    let open = fault == Some(Fault::Open);
                    let problem = if open { Problem::UnclosedQuote } else { Problem::ReopenedQuote };
                    found.push((number(line), 1, Err(problem)));
                    line += 1;
                    continue;
                }
                Some(Fault::Text) => Some(Problem::TextAfterQuote),
                None if last == line => None,
                None if fields > width => Some(Problem::LongRecord { found: fields, expected: width }),
                None if fields < width => Some(Problem::ShortRecord { found: fields, expected: width }),
                None => (complete(line) && complete(last)).then_some(Problem::MeltedLines { lines: covered }),
            };
            match problem {
                Some(problem) => found.extend((line..=last).map(|at| (number(at), 1, Err(problem.clone())))),
                None => found.push((number(line), covered, Ok(fields))),
            }
            line = last + 1;
        }
        found
    }
}

/// Small texts in which quotes, delimiters and line ends meet.
fn texts() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("a"),
        Just(";"),
        Just("\""),
        Just("\n"),
        Just("\r\n"),
        Just("a;a"),
        Just(";\""),
        Just("\";"),
        Just("\"\n"),
        Just("\"\"")
    ];
    prop::collection::vec(part, 0..30).prop_map(|parts| parts.concat())
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1_usize..12, 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn the_rule_for_quotes_is_the_one_written_down(text in texts(), width in 1_usize..4, pieces in pieces()) {
        let found = run(wide(width..=width), text.as_bytes(), &pieces).unwrap();
        let count = |(line, lines, what): Found| (line, lines, what.map(|fields| fields.map_or(0, |fields| fields.len())));
        prop_assert_eq!(found.into_iter().map(count).collect::<Vec<_>>(), model::run(text.as_bytes(), width));
    }

    /// Pieces make no difference at the limit either, and no line is lost, whatever the contract declares.
    #[test]
    fn lines_are_conserved(
        text in prop_oneof![texts().prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..40)],
        most in 1_usize..24,
        width in 1_usize..4,
        multiline: Option<bool>,
        pieces in pieces(),
    ) {
        let splitter = || {
            let mut splitter = Splitter::new(b';', Some(b'"'), most).multiline(multiline);
            splitter.set_width(width..=width + 1);
            splitter
        };
        let found = run(splitter(), &text, &pieces);
        prop_assert_eq!(&found, &run(splitter(), &text, &[usize::MAX]));
        let ends = line_breaks(&text) + u64::from(text.last().is_some_and(|last| !b"\r\n".contains(last)));
        let mut line = 1;
        for (at, lines, _) in found.iter().flatten() {
            prop_assert_eq!(*at, line);
            line += lines;
        }
        prop_assert!(found.is_none() || line == ends + 1, "{} of {} lines", line - 1, ends);
    }

    /// Well-formed records come back as they were written, and as the `csv` crate reads them.
    #[test]
    fn well_formed_records_are_what_another_reader_makes_of_them(
        records in (2_usize..5).prop_flat_map(|width| prop::collection::vec(prop::collection::vec("[ab\"\r\né]{0,5}", width), 1..6)),
        always: bool,
        crlf: bool,
        pieces in pieces(),
    ) {
        let style = if always { ::csv::QuoteStyle::Always } else { ::csv::QuoteStyle::Necessary };
        let end = if crlf { ::csv::Terminator::CRLF } else { ::csv::Terminator::Any(b'\n') };
        let mut writer = ::csv::WriterBuilder::new().delimiter(b';').quote_style(style).terminator(end).from_writer(Vec::new());
        records.iter().for_each(|record| writer.write_record(record).unwrap());
        let text = writer.into_inner().unwrap();
        let mut reader = ::csv::ReaderBuilder::new().delimiter(b';').has_headers(false).from_reader(&text[..]);
        let theirs: Vec<Vec<String>> = reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
        prop_assert_eq!(&theirs, &records);
        for multiline in [None, Some(true)] {
            let width = records[0].len();
            let ours = run(wide(width..=width).multiline(multiline), &text, &pieces).unwrap();
            let ours: Vec<Vec<Vec<u8>>> = ours.into_iter().map(|(_, _, what)| what.unwrap().unwrap()).collect();
            prop_assert!(ours.iter().flatten().eq(records.iter().flatten().map(String::as_bytes)));
        }
    }
}
