//! What the tables must hold, computed from all versions at once and by the definition, without any increment.

use std::collections::{BTreeMap, BTreeSet};

use fonderie_tables::{Kind, Record, Reference, Table};

/// A row by its fields; one that is NULL is not there.
pub(crate) type Row = BTreeMap<String, String>;

/// A version of a file.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Which record it holds.
    pub(crate) record: usize,
    pub(crate) rank: usize,
    pub(crate) rows: Vec<Row>,
    /// What it is complete of, if its table has snapshots.
    pub(crate) scopes: Vec<String>,
    /// Keys of rows that were refused.
    pub(crate) refused: Vec<Vec<String>>,
    /// A row was refused whose key cannot be read.
    pub(crate) blind: bool,
}

pub(crate) type Versions = BTreeMap<usize, Version>;

/// A natural key.
type Key = Vec<String>;

/// A state: the keys that it refers to, and its values. None is absent.
type State = Option<(Vec<Option<Key>>, Vec<Option<String>>)>;

/// An observation, or the opening of an interval.
#[derive(Clone, Debug)]
struct Point {
    order: (String, usize),
    version: usize,
    line: Option<usize>,
    state: State,
}

fn key_of(table: &Table, row: &Row) -> Key {
    table.key.iter().map(|column| row[&column.name].clone()).collect()
}

fn referred(reference: &Reference, row: &Row) -> Option<Key> {
    reference.fields.iter().map(|field| row.get(field).cloned()).collect()
}

/// Each key's openings.
fn openings(table: &Table, of_record: usize, versions: &Versions) -> BTreeMap<Key, Vec<Point>> {
    let mut points: BTreeMap<Key, Vec<Point>> = BTreeMap::new();
    for (id, version) in versions.iter().filter(|(_, version)| version.record == of_record) {
        let mut shown: BTreeMap<Key, Point> = BTreeMap::new();
        for (at, row) in version.rows.iter().enumerate() {
            let newest = table.newest_by.as_ref().map_or(String::new(), |newest| row[&newest.field.name].clone());
            let state = (
                table.references.iter().map(|reference| referred(reference, row)).collect(),
                table.state.iter().map(|column| row.get(&column.name).cloned()).collect(),
            );
            let point = Point { order: (newest, version.rank), version: *id, line: Some(at + 2), state: Some(state) };
            let known = shown.entry(key_of(table, row)).or_insert_with(|| point.clone());
            if point.order >= known.order {
                *known = point;
            }
        }
        for (key, point) in shown {
            points.entry(key).or_default().push(point);
        }
    }
    if let Some(scope) = &table.snapshot {
        let places: Vec<usize> =
            scope.iter().map(|name| table.key.iter().position(|column| column.name == *name).unwrap()).collect();
        for (key, points) in &mut points {
            let value = places.iter().map(|place| key[*place].as_str()).collect::<String>();
            for (id, version) in versions.iter().filter(|(_, version)| version.record == of_record && !version.blind) {
                let shown = points.iter().any(|point| point.version == *id);
                if version.scopes.contains(&value) && !shown && !version.refused.contains(key) {
                    points.push(Point { order: (String::new(), version.rank), version: *id, line: None, state: None });
                }
            }
        }
    }
    for points in points.values_mut() {
        points.sort_by(|one, other| one.order.cmp(&other.order));
        let mut openings: Vec<Point> = Vec::new();
        for point in points.drain(..) {
            let opens = openings.last().map_or(point.state.is_some(), |last| last.state != point.state);
            if opens {
                openings.push(point);
            }
        }
        *points = openings;
    }
    points.retain(|_, openings| !openings.is_empty());
    points
}

/// The lines of all tables, in their order.
pub(crate) fn tables(records: &[Record], versions: &Versions) -> Vec<String> {
    let all: Vec<(&Table, BTreeMap<Key, Vec<Point>>)> = records
        .iter()
        .enumerate()
        .flat_map(|(at, record)| record.tables.iter().map(move |table| (table, openings(table, at, versions))))
        .collect();
    let mut members: BTreeMap<&str, BTreeSet<Key>> = BTreeMap::new();
    for (table, openings) in &all {
        for point in openings.values().flatten() {
            let Some((references, _)) = &point.state else { continue };
            for (reference, key) in table.references.iter().zip(references) {
                members.entry(&reference.table).or_default().extend(key.clone());
            }
        }
    }
    let mut lines = Vec::new();
    for (table, openings) in &all {
        let nothing = "∅".to_owned();
        let text = |state: &State| -> String {
            let columns = table.references.len() + table.state.len();
            let values: Vec<String> = match state {
                None => vec![nothing.clone(); columns],
                Some((references, values)) => {
                    let references =
                        references.iter().map(|key| key.as_ref().map_or(nothing.clone(), |key| key.join(",")));
                    references.chain(values.iter().map(|value| value.clone().unwrap_or(nothing.clone()))).collect()
                }
            };
            values.join("|")
        };
        let line = |line: Option<usize>| line.map_or(nothing.clone(), |line| line.to_string());
        let name = &table.name;
        for (key, openings) in openings {
            let key = key.join(",");
            for pair in openings.windows(2) {
                let (from, to) = (&pair[0], &pair[1]);
                let absent = if from.state.is_none() { "t" } else { "f" };
                let (state, version) = (text(&from.state), from.version);
                lines.push(format!(
                    "{name} history|{key}|{absent}|{state}|{version}|{}|{}",
                    line(from.line),
                    to.version
                ));
            }
            let last = openings.last().unwrap();
            let status = if last.state.is_none() { "absent" } else { "current" };
            lines.push(format!("{name}|{key}|{status}|{}|{}|{}", text(&last.state), last.version, line(last.line)));
        }
        for key in members.get(name.as_str()).into_iter().flatten().filter(|key| !openings.contains_key(*key)) {
            lines.push(format!("{name}|{}|open|{}|∅|∅", key.join(","), text(&None)));
        }
        assert!(table.kind == Kind::Dimension || !members.contains_key(name.as_str()));
    }
    lines.sort();
    lines
}

/// What became of the keys that a version shows in its record's main table.
pub(crate) fn outcomes(
    records: &[Record],
    before: &Versions,
    after: &Versions,
    record: usize,
    version: usize,
) -> [i64; 4] {
    let table = records[record].main().unwrap();
    let mut outcome = [0; 4];
    let Some(version) = after.get(&version) else { return outcome };
    let (before, after) = (openings(table, record, before), openings(table, record, after));
    let shown: BTreeSet<Key> = version.rows.iter().map(|row| key_of(table, row)).collect();
    let state = |openings: &[Point]| openings.last().map(|point| point.state.clone());
    let seen = |openings: &[Point]| {
        openings.iter().map(|point| (point.order.clone(), point.line, point.state.clone())).collect::<Vec<_>>()
    };
    for key in shown {
        let at = match (before.get(&key), after.get(&key)) {
            (None, Some(_)) => 0,
            (Some(old), Some(new)) if seen(old) == seen(new) => 2,
            (Some(old), Some(new)) if state(old) == state(new) => 3,
            _ => 1,
        };
        outcome[at] += 1;
    }
    outcome
}

/// The states at the end of a day, on which the version of that rank comes: of tables whose states follow each other in time.
pub(crate) fn on(records: &[Record], versions: &Versions, day: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, record) in records.iter().enumerate() {
        for table in record.tables.iter().filter(|table| table.newest_by.is_none()) {
            for (key, openings) in openings(table, at, versions) {
                let last = openings.iter().rfind(|point| point.order.1 <= day);
                if let Some((_, values)) = last.and_then(|point| point.state.as_ref()) {
                    let values: String =
                        values.iter().map(|value| format!("|{}", value.as_deref().unwrap_or("∅"))).collect();
                    lines.push(format!("{}|{}{values}", table.name, key.join(",")));
                }
            }
        }
    }
    lines.sort();
    lines
}

/// Of each current line its product, the label and the price that were in force on its day, and whether they began later.
pub(crate) fn in_force(records: &[Record], versions: &Versions) -> Vec<String> {
    let [product, line] = [1, 3].map(|at| openings(records[at].main().unwrap(), at, versions));
    let mut lines = Vec::new();
    for (key, points) in line {
        let Some((references, values)) = &points.last().unwrap().state else { continue };
        let (Some(product_key), Some(day)) = (&references[0], &values[1]) else { continue };
        let day: usize = day.strip_prefix("2025-01-").unwrap().parse().unwrap();
        // the version of rank 1 comes on the second day of the month
        let known = product.get(product_key).into_iter().flatten().filter(|point| point.state.is_some());
        let known: Vec<&Point> = known.collect();
        let began = known.iter().rfind(|point| point.order.1 < day);
        let Some(point) = began.or(known.first()) else { continue };
        let (_, state) = point.state.as_ref().unwrap();
        let text = |at: usize| state[at].as_deref().unwrap_or("∅").to_owned();
        lines.push(format!("{}|{}|{}|{}|{}", key[0], product_key.join(","), text(0), text(1), began.is_none()));
    }
    lines.sort();
    lines
}

/// What the sequences have shown: a test that meets none of it shows nothing.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    open: usize,
    absent: usize,
    current: usize,
    closed: usize,
    closed_absences: usize,
}

impl Seen {
    pub(crate) fn count(&mut self, lines: &[String]) {
        let with = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
        self.open += with("|open|");
        self.absent += with("|absent|");
        self.current += with("|current|");
        self.closed += lines.iter().filter(|line| line.contains(" history|") && line.contains("|f|")).count();
        self.closed_absences += lines.iter().filter(|line| line.contains(" history|") && line.contains("|t|")).count();
    }

    pub(crate) fn check(&self) {
        let Self { open, absent, current, closed, closed_absences } = self;
        let least = [open, absent, current, closed, closed_absences].into_iter().min().unwrap();
        assert!(*least > 10, "{self:?}");
    }
}
