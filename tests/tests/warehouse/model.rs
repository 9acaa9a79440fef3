//! What the tables must hold, computed from all loaded versions at once and by the definition, without any increment.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use fonderie_core::money::format_cents;
use fonderie_core::stage::Outcomes;
use fonderie_core::{ObjectVersion, Order};

use crate::support::{Line, Version, day};

type Rank = (Order, ObjectVersion);
type Key = (&'static str, String);

/// An interval of an invoice: the version that opens it, the line there, the state.
#[derive(Clone, Debug, PartialEq)]
struct Interval {
    version: usize,
    line: usize,
    state: Line,
}

fn rank(version: &Version) -> Rank {
    (version.order, version.run("", "").object)
}

/// The parts of a line that belong to the invoice's state; the others belong to dimensions.
fn state(line: &Line) -> Line {
    Line { nom: "", age: None, ville: "", ..line.clone() }
}

/// Each invoice's intervals, oldest first; the last one is the fact's.
fn intervals(versions: &[Version]) -> BTreeMap<Key, Vec<Interval>> {
    let mut sorted: Vec<usize> = (0..versions.len()).collect();
    sorted.sort_by_key(|index| rank(&versions[*index]));
    let mut all: BTreeMap<Key, Vec<Interval>> = BTreeMap::new();
    for version in sorted {
        for (line, content) in versions[version].lines.iter().enumerate() {
            let known = all.entry((content.etablissement, content.facture.clone())).or_default();
            let state = state(content);
            if known.last().is_none_or(|last| last.state != state) {
                known.push(Interval { version, line: line + 2, state });
            }
        }
    }
    all
}

fn timestamp(instant: DateTime<Utc>) -> String {
    instant.format("%Y-%m-%d %H:%M:%S+00").to_string()
}

fn show(interval: &Interval) -> Vec<String> {
    let line = &interval.state;
    vec![
        line.patient.into(),
        line.service.into(),
        day(line.facture_le).to_string(),
        line.paye_le.map_or("∅".into(), |paid| day(paid).to_string()),
        format_cents(line.montant),
        format_cents(line.paye),
        format_cents(line.montant - line.paye),
        line.paye_le.map_or("∅".into(), |paid| (paid - line.facture_le).to_string()),
        line.statut.unwrap_or("∅").into(),
    ]
}

/// The rows of [`crate::support::FACT`], without the repeated date and the score.
pub(crate) fn fact(versions: &[Version]) -> BTreeSet<String> {
    let rows = intervals(versions).into_iter().filter_map(|((etablissement, facture), intervals)| {
        let last = intervals.last()?;
        let version = &versions[last.version];
        let end = [timestamp(version.order.instant), version.id.clone(), last.line.to_string()];
        Some([vec![etablissement.to_owned(), facture], show(last), end.to_vec()].concat().join("|"))
    });
    rows.collect()
}

/// The rows of [`crate::support::HISTORY`], without the repeated invoice number.
pub(crate) fn history(versions: &[Version]) -> BTreeSet<String> {
    let mut rows = BTreeSet::new();
    for ((etablissement, facture), intervals) in intervals(versions) {
        for pair in intervals.windows(2) {
            let (open, close) = (&versions[pair[0].version], &versions[pair[1].version]);
            let end = [
                timestamp(open.order.instant),
                timestamp(close.order.instant),
                open.id.clone(),
                pair[0].line.to_string(),
                close.id.clone(),
            ];
            rows.insert(
                [vec![etablissement.to_owned(), facture.clone()], show(&pair[0]), end.to_vec()].concat().join("|"),
            );
        }
    }
    rows
}

/// Patients and facilities: of each version the row with the greatest (date, line); of these, in the order of (date, version), the one with which the last
/// attributes begin.
pub(crate) fn members(versions: &[Version]) -> BTreeSet<String> {
    type Shown<'a> = (i32, Rank, usize, [String; 2], &'a str);
    let mut shown: BTreeMap<(&str, String), BTreeMap<Rank, Shown<'_>>> = BTreeMap::new();
    for version in versions {
        for (index, line) in version.lines.iter().enumerate() {
            let patient = [line.nom.to_owned(), line.age.map_or("∅".into(), |age| age.to_string())];
            let facility = [format!("Clinique {}", line.etablissement), line.ville.to_owned()];
            for (key, attributes) in [
                (("patient", format!("groupe/{}", line.patient)), patient),
                (("etablissement", line.etablissement.to_owned()), facility),
            ] {
                let candidate = (line.facture_le, rank(version), index + 2, attributes, version.id.as_str());
                let of_version = shown.entry(key).or_default();
                let known = of_version.entry(rank(version)).or_insert_with(|| candidate.clone());
                if (known.0, known.2) < (candidate.0, candidate.2) {
                    *known = candidate;
                }
            }
        }
    }
    let rows = shown.into_iter().map(|((kind, key), of_version)| {
        let mut all: Vec<Shown<'_>> = of_version.into_values().collect();
        all.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        let last = all.last().unwrap().3.clone();
        let begin = all.iter().rposition(|one| one.3 != last).map_or(0, |at| at + 1);
        let (date, _, line, attributes, version) = &all[begin];
        [
            kind.to_owned(),
            key,
            attributes[0].clone(),
            attributes[1].clone(),
            day(*date).to_string(),
            (*version).to_owned(),
            line.to_string(),
        ]
        .join("|")
    });
    rows.collect()
}

/// The newest version's rows of each file, as (version, line).
pub(crate) fn staging(versions: &[Version]) -> BTreeSet<String> {
    let mut newest: BTreeMap<&str, &Version> = BTreeMap::new();
    for version in versions {
        let known = newest.entry(version.key).or_insert(version);
        if rank(known) < rank(version) {
            *known = version;
        }
    }
    newest
        .values()
        .flat_map(|version| (0..version.lines.len()).map(|line| format!("{}|{}", version.id, line + 2)))
        .collect()
}

/// What becomes of a version's rows: `before` and `after` are the loaded versions, the last of `after` is the new one.
pub(crate) fn outcomes(before: &[Version], after: &[Version], loaded: &Version) -> Outcomes {
    let named = |versions: &[Version], intervals: Vec<Interval>| -> Vec<(String, Interval)> {
        intervals
            .into_iter()
            .map(|interval| (versions[interval.version].id.clone(), Interval { version: 0, ..interval }))
            .collect()
    };
    let (mut old, mut new) = (intervals(before), intervals(after));
    let mut outcomes = Outcomes::default();
    for line in &loaded.lines {
        let key = (line.etablissement, line.facture.clone());
        let Some(old) = old.remove(&key) else {
            outcomes.inserted += 1;
            continue;
        };
        let new = new.remove(&key).unwrap();
        if old.last().unwrap().state != new.last().unwrap().state {
            outcomes.updated += 1;
        } else if named(before, old) != named(after, new) {
            outcomes.superseded += 1;
        } else {
            outcomes.unchanged += 1;
        }
    }
    outcomes
}
