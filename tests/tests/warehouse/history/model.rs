//! What the tables must hold, computed from all versions at once and by the definition, without any increment.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use fonderie_contract::Dataset;
use fonderie_core::Order;
use fonderie_tables::{Kind, Record, Reference, Table};

/// A row of a file.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) line: i64,
    /// No rule refuses it.
    pub(crate) accepted: bool,
    /// Its fields as PostgreSQL writes them; one that is NULL, or that the bundle does not know, is not there.
    pub(crate) values: BTreeMap<String, String>,
}

/// A version of a file.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    /// Which record it holds.
    pub(crate) record: usize,
    /// The object's key.
    pub(crate) key: String,
    /// The version's id.
    pub(crate) id: String,
    pub(crate) order: Order,
    pub(crate) rows: Vec<Row>,
    /// Values of the owner field of which its source sends all, whether or not it shows them.
    pub(crate) owned: Option<Vec<String>>,
    /// The reader refused a row.
    pub(crate) unread: bool,
}

/// Its place among the versions of the dataset.
type Rank<'a> = (Order, &'a str, &'a str);

impl Version {
    fn rank(&self) -> Rank<'_> {
        (self.order, &self.key, &self.id)
    }

    fn accepted(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.accepted)
    }
}

/// The versions that are loaded, by number.
pub(crate) type Versions = BTreeMap<usize, Version>;

/// A natural key, or the part of it that is a scope.
type Key = Vec<String>;

/// A state: the keys that it refers to, and its values. None is absent.
type State = Option<(Vec<Option<Key>>, Vec<Option<String>>)>;

/// An observation, or the opening of an interval.
#[derive(Clone, Debug)]
struct Point<'a> {
    /// The value of `newest_by`, if the table has it: a day, whose text sorts as the day does.
    newest: &'a str,
    version: &'a Version,
    line: Option<i64>,
    state: State,
}

impl Point<'_> {
    fn order(&self) -> (&str, Rank<'_>) {
        (self.newest, self.version.rank())
    }
}

fn key_of(table: &Table, row: &Row) -> Option<Key> {
    table.key.iter().map(|column| row.values.get(&column.name).cloned()).collect()
}

fn referred(reference: &Reference, row: &Row) -> Option<Key> {
    reference.fields.iter().map(|field| row.values.get(field).cloned()).collect()
}

/// What a version of complete files says that is in no row of the tables.
struct Snapshot {
    scopes: BTreeSet<Key>,
    refused: BTreeSet<Key>,
    /// A row was refused whose key is not known: nothing is absent.
    blind: bool,
}

impl Snapshot {
    fn of(table: &Table, places: &[usize], version: &Version, owner: Option<&str>) -> Self {
        let keys: Vec<(bool, Option<Key>)> =
            version.rows.iter().map(|row| (row.accepted, key_of(table, row))).collect();
        let known = keys.iter().filter_map(|(_, key)| key.as_ref());
        let mut scopes: BTreeSet<Key> = known.map(|key| scope_of(places, key)).collect();
        if places.is_empty() {
            scopes.insert(Key::new());
        }
        let owner = places.iter().position(|place| owner == Some(&table.key[*place].name));
        if let (Some(owner), Some(owned)) = (owner, &version.owned) {
            scopes.retain(|scope| owned.contains(&scope[owner]));
            if places.len() == 1 {
                scopes.extend(owned.iter().map(|value| vec![value.clone()]));
            }
        }
        let refused = keys.iter().filter(|(accepted, _)| !accepted).filter_map(|(_, key)| key.clone()).collect();
        Self { scopes, refused, blind: version.unread || keys.iter().any(|(_, key)| key.is_none()) }
    }
}

fn scope_of(places: &[usize], key: &Key) -> Key {
    places.iter().map(|place| key[*place].clone()).collect()
}

/// The model of a dataset, as a bundle declares it that knows all fields.
pub(crate) struct Model<'a>(pub(crate) &'a Dataset);

type Openings<'a> = BTreeMap<Key, Vec<Point<'a>>>;

impl Model<'_> {
    fn records(&self) -> &[Record] {
        &self.0.layout.tables.records
    }

    /// The name of a record's owner field.
    fn owner(&self, record: usize) -> Option<&str> {
        let record = &self.0.records[record];
        record.owner.map(|owner| record.fields[owner].name.as_str())
    }

    /// The instant at which a day ends in the dataset's time zone.
    fn end(&self, day: NaiveDate) -> DateTime<Utc> {
        let midnight = (day + TimeDelta::days(1)).and_time(NaiveTime::MIN);
        self.0.time_zone.from_local_datetime(&midnight).earliest().unwrap().to_utc()
    }

    /// Each key's openings.
    fn openings<'v>(&self, table: &Table, record: usize, versions: &'v Versions) -> Openings<'v> {
        let versions: Vec<&Version> = versions.values().filter(|version| version.record == record).collect();
        let mut points: Openings<'v> = BTreeMap::new();
        for version in &versions {
            let mut shown: BTreeMap<Key, Point<'_>> = BTreeMap::new();
            for row in version.accepted() {
                let newest = table.newest_by.as_ref().map_or("", |newest| row.values[&newest.field.name].as_str());
                let state = (
                    table.references.iter().map(|reference| referred(reference, row)).collect(),
                    table.state.iter().map(|column| row.values.get(&column.name).cloned()).collect(),
                );
                let point = Point { newest, version, line: Some(row.line), state: Some(state) };
                let known = shown.entry(key_of(table, row).unwrap()).or_insert_with(|| point.clone());
                if point.newest >= known.newest {
                    *known = point;
                }
            }
            for (key, point) in shown {
                points.entry(key).or_default().push(point);
            }
        }
        if let Some(scope) = &table.snapshot {
            let place = |name: &String| table.key.iter().position(|column| column.name == *name).unwrap();
            let places: Vec<usize> = scope.iter().map(place).collect();
            for version in versions {
                let snapshot = Snapshot::of(table, &places, version, self.owner(record));
                if snapshot.blind {
                    continue;
                }
                for (key, points) in &mut points {
                    let shown = points.iter().any(|point| point.version.id == version.id);
                    if snapshot.scopes.contains(&scope_of(&places, key)) && !shown && !snapshot.refused.contains(key) {
                        points.push(Point { newest: "", version, line: None, state: None });
                    }
                }
            }
        }
        for points in points.values_mut() {
            points.sort_by(|one, other| one.order().cmp(&other.order()));
            let mut openings: Vec<Point<'_>> = Vec::new();
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

    fn all<'v>(&self, versions: &'v Versions) -> Vec<(&Table, Openings<'v>)> {
        let records = self.records().iter().enumerate();
        let tables = records.flat_map(|(at, record)| record.tables.iter().map(move |table| (at, table)));
        tables.map(|(at, table)| (table, self.openings(table, at, versions))).collect()
    }

    /// The lines of [`super::trial::query`], sorted: `day` is the one of which the states at its end are shown.
    pub(crate) fn lines(&self, versions: &Versions, day: NaiveDate) -> Vec<String> {
        let all = self.all(versions);
        let mut lines = staging(self.records(), versions);
        for (table, openings) in &all {
            rows(table, openings, &mut lines);
            public(table, openings, &mut lines);
            if table.newest_by.is_none() {
                on(table, openings, self.end(day), &mut lines);
            }
            for (at, reference) in table.references.iter().enumerate() {
                let (_, dimension) = all.iter().find(|(other, _)| other.name == reference.table).unwrap();
                if let Some(day) = &reference.as_of {
                    self.in_force((table, openings), (at, day), dimension, &mut lines);
                }
            }
        }
        presence(self.records(), versions, &mut lines);
        open(&all, &mut lines);
        lines.sort();
        lines
    }

    /// Of each current row the state of the dimension that was in force at the end of the row's day: the last one that began until then, else the
    /// first that is known, which is extrapolated.
    fn in_force(
        &self,
        (table, openings): (&Table, &Openings<'_>),
        (reference, day): (usize, &str),
        dimension: &Openings<'_>,
        lines: &mut Vec<String>,
    ) {
        for (key, points) in openings {
            let Some((references, values)) = &points.last().unwrap().state else { continue };
            let of_state = table.state.iter().position(|column| column.name == day).map(|at| values[at].clone());
            let of_key = || table.key.iter().position(|column| column.name == day).map(|at| key[at].clone());
            let day = of_state.unwrap_or_else(of_key);
            let (Some(member), Some(day)) = (&references[reference], day) else { continue };
            let end = self.end(day.parse().unwrap());
            let known: Vec<&Point<'_>> =
                dimension.get(member).into_iter().flatten().filter(|point| point.state.is_some()).collect();
            let began = known.iter().rfind(|point| point.version.order.instant < end);
            // of states that begin at one instant only the last one was ever in force
            let first = known.first().map(|first| first.version.order.instant);
            let first = known.iter().rfind(|point| Some(point.version.order.instant) == first);
            let Some(point) = began.or(first) else { continue };
            let (name, reference) = (&table.name, &table.references[reference]);
            lines.push(format!(
                "{name} with {}|{}|{}|{}|{}",
                reference.table,
                key.join(","),
                member.join(","),
                values_of(&point.state),
                began.is_none()
            ));
        }
    }

    /// What became of the keys that a version shows in its record's main table: inserted, updated, unchanged, superseded.
    pub(crate) fn outcomes(&self, before: &Versions, after: &Versions, number: usize) -> [u64; 4] {
        let version = &after[&number];
        let table = self.records()[version.record].main().unwrap();
        let (before, after) = [before, after].map(|versions| self.openings(table, version.record, versions)).into();
        let state = |openings: &[Point<'_>]| openings.last().map(|point| point.state.clone());
        let same = |old: &[Point<'_>], new: &[Point<'_>]| {
            let seen = |point: &Point<'_>| {
                (point.version.id.clone(), point.line, point.newest.to_owned(), point.state.clone())
            };
            old.iter().map(seen).eq(new.iter().map(seen))
        };
        let mut outcome = [0; 4];
        let shown: BTreeSet<Key> = version.accepted().filter_map(|row| key_of(table, row)).collect();
        for key in shown {
            let at = match (before.get(&key), after.get(&key)) {
                (None, Some(_)) => 0,
                (Some(old), Some(new)) if same(old, new) => 2,
                (Some(old), Some(new)) if state(old) == state(new) => 3,
                _ => 1,
            };
            outcome[at] += 1;
        }
        outcome
    }
}

const NOTHING: &str = "∅";

fn text(value: Option<&str>) -> &str {
    value.unwrap_or(NOTHING)
}

fn instant(version: &Version) -> String {
    version.order.instant.format("%Y-%m-%dT%H:%M").to_string()
}

fn line_of(point: &Point<'_>) -> String {
    point.line.map_or(NOTHING.to_owned(), |line| line.to_string())
}

fn values_of(state: &State) -> String {
    let values = state.iter().flat_map(|(_, values)| values);
    values.map(|value| text(value.as_deref())).collect::<Vec<_>>().join("|")
}

/// References as natural keys, then values.
fn state_of(table: &Table, state: &State) -> String {
    match state {
        None => vec![NOTHING; table.references.len() + table.state.len()].join("|"),
        Some((references, values)) => {
            let references = references.iter().map(|key| key.as_ref().map_or(NOTHING.to_owned(), |key| key.join(",")));
            let values = values.iter().map(|value| text(value.as_deref()).to_owned());
            references.chain(values).collect::<Vec<_>>().join("|")
        }
    }
}

/// Current rows and earlier intervals.
fn rows(table: &Table, openings: &Openings<'_>, lines: &mut Vec<String>) {
    let name = &table.name;
    for (key, openings) in openings {
        let key = key.join(",");
        for pair in openings.windows(2) {
            let (from, to) = (&pair[0], &pair[1]);
            lines.push(format!(
                "{name} history|{key}|{}|{}|{}|{}|{}|{}|{}|{}",
                from.state.is_none(),
                state_of(table, &from.state),
                text(table.newest_by.as_ref().map(|_| from.newest)),
                from.version.id,
                line_of(from),
                instant(from.version),
                to.version.id,
                instant(to.version),
            ));
        }
        let last = openings.last().unwrap();
        lines.push(format!(
            "{name}|{key}|{}|{}|{}|{}|{}|{}",
            if last.state.is_none() { "absent" } else { "current" },
            state_of(table, &last.state),
            text(table.newest_by.as_ref().map(|_| last.newest)),
            last.version.id,
            line_of(last),
            instant(last.version),
        ));
    }
}

/// What readers see: a fact's current rows; of a dimension all members, absent ones with the last state that they had.
fn public(table: &Table, openings: &Openings<'_>, lines: &mut Vec<String>) {
    for (key, openings) in openings {
        let shown = match table.kind {
            Kind::Fact => openings.last().filter(|point| point.state.is_some()),
            Kind::Dimension => openings.iter().rfind(|point| point.state.is_some()),
        };
        let shown = shown.map(|point| state_of(table, &point.state));
        lines.extend(shown.map(|state| format!("{} view|{}|{state}", table.name, key.join(","))));
    }
}

/// The states at an instant.
fn on(table: &Table, openings: &Openings<'_>, end: DateTime<Utc>, lines: &mut Vec<String>) {
    for (key, openings) in openings {
        let last = openings.iter().rfind(|point| point.version.order.instant < end);
        if let Some(point) = last.filter(|point| point.state.is_some()) {
            lines.push(format!("{} on|{}|{}", table.name, key.join(","), state_of(table, &point.state)));
        }
    }
}

/// Members that only other rows refer to.
fn open(all: &[(&Table, Openings<'_>)], lines: &mut Vec<String>) {
    let mut referred: BTreeMap<&str, BTreeSet<Key>> = BTreeMap::new();
    for (table, openings) in all {
        for (references, _) in openings.values().flatten().filter_map(|point| point.state.as_ref()) {
            for (reference, key) in table.references.iter().zip(references) {
                referred.entry(&reference.table).or_default().extend(key.clone());
            }
        }
    }
    for (table, openings) in all {
        let name = table.name.as_str();
        for key in referred.get(name).into_iter().flatten().filter(|key| !openings.contains_key(*key)) {
            let (key, nothing) = (key.join(","), state_of(table, &None));
            lines.push(format!("{name}|{key}|open|{nothing}|{NOTHING}|{NOTHING}|{NOTHING}|{NOTHING}"));
            lines.push(format!("{name} view|{key}|{nothing}"));
        }
    }
}

/// Which keys each version showed, and on which lines.
fn presence(records: &[Record], versions: &Versions, lines: &mut Vec<String>) {
    for version in versions.values() {
        for table in &records[version.record].tables {
            let mut shown: BTreeMap<Key, (&str, i64)> = BTreeMap::new();
            for row in version.accepted() {
                let newest = table.newest_by.as_ref().map_or("", |newest| row.values[&newest.field.name].as_str());
                let known = shown.entry(key_of(table, row).unwrap()).or_insert((newest, row.line));
                *known = (*known).max((newest, row.line));
            }
            let line = |(key, (_, line)): (Key, (&str, i64))| {
                format!("{} presence|{}|{}|{line}", table.name, version.id, key.join(","))
            };
            lines.extend(shown.into_iter().map(line));
        }
    }
}

/// The newest version's rows of each file.
fn staging(records: &[Record], versions: &Versions) -> Vec<String> {
    let mut newest: BTreeMap<&str, &Version> = BTreeMap::new();
    for version in versions.values() {
        let known = newest.entry(&version.key).or_insert(version);
        if known.rank() < version.rank() {
            *known = version;
        }
    }
    let rows = newest.values().flat_map(|version| version.accepted().map(move |row| (*version, row)));
    let line = |(version, row): (&Version, &Row)| {
        let record = &records[version.record];
        let values: String = record
            .fields
            .iter()
            .map(|field| format!("|{}", text(row.values.get(&field.name).map(String::as_str))))
            .collect();
        format!("{} staging|{}|{}{values}", record.name, version.id, row.line)
    };
    rows.map(line).collect()
}

/// The first day of which a test asks for the states, and those after it.
pub(crate) fn day(number: usize) -> NaiveDate {
    NaiveDate::from_ymd_opt(2024, 12, 30).unwrap() + TimeDelta::days(i64::try_from(number).unwrap())
}

/// What the sequences have shown: a test that meets none of it shows nothing.
#[derive(Debug, Default)]
pub(crate) struct Seen(BTreeMap<&'static str, usize>);

impl Seen {
    pub(crate) fn count(&mut self, lines: &[String]) {
        for line in lines {
            let (is_history, is_in_force) = (line.contains(" history|"), line.contains(" with "));
            let kind = match line {
                _ if is_in_force && line.ends_with("|true") => "values in force that began later",
                _ if is_in_force => "values in force",
                _ if is_history && line.split('|').nth(2) == Some("true") => "earlier absences",
                _ if is_history => "earlier states",
                _ if line.contains("|open|") => "open members",
                _ if line.contains("|absent|") => "absent members",
                _ if line.contains("|current|") => "current rows",
                _ => continue,
            };
            self.note(kind);
        }
    }

    pub(crate) fn note(&mut self, step: &'static str) {
        *self.0.entry(step).or_default() += 1;
    }

    /// Each of these was seen more than five times.
    pub(crate) fn check(&self, kinds: &[&str]) {
        for kind in kinds {
            assert!(self.0.get(kind).is_some_and(|count| *count > 5), "{kind}: {:?}", self.0);
        }
    }
}
