//! Versions of a record's files by chance: values that are drawn from the fields' types, few of them, so that keys meet and states come back.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use fonderie_contract::{Check, Field, Kind, Record};
use fonderie_core::Order;
use fonderie_tables::{SqlType, Table};

use super::model::{Row, Version};

/// Days of rows. Versions come before, between and after them.
const DAYS: [&str; 3] = ["2025-01-03", "2025-01-15", "2025-02-03"];

/// A source of chance that gives the same again for a seed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((value ^ (value >> 31)) % count as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

/// An instant of the weeks in which versions come: a day and an hour. At 23:00 UTC the next day has begun in Paris.
pub(crate) fn instant(chance: &mut Chance) -> DateTime<Utc> {
    let (day, hour) = (chance.of(&[0, 2, 7, 14, 15, 32, 33, 40]), chance.of(&[0, 0, 12, 23]));
    DateTime::from_timestamp(1_735_689_600, 0).unwrap() + TimeDelta::hours(day * 24 + hour)
}

/// A version of a file without its rows. Orders often tie, down to the version's name.
pub(crate) fn version(
    chance: &mut Chance,
    instants: &[DateTime<Utc>],
    dataset: &str,
    (record, name): (usize, &str),
    number: usize,
) -> Version {
    let instant = chance.of(instants);
    let modified = instant + TimeDelta::seconds(chance.of(&[0, 1]));
    Version {
        record,
        key: format!("{dataset}/{name}-{}.csv", chance.of(&["a", "b"])),
        id: format!("v{number}"),
        order: Order { instant, modified, position: chance.of(&[0, 1]) },
        rows: Vec::new(),
        owned: None,
        unread: false,
    }
}

/// Gives a version rows: those that a reader could read, whether or not a rule refuses them. `known` are the fields of the bundle under which they
/// are read.
pub(crate) fn fill(chance: &mut Chance, version: &mut Version, record: &Record, known: &Record, main: &Table) {
    let owner = record.owner.map(|owner| &record.fields[owner]);
    version.unread = main.snapshot.is_some() && chance.one_in(12);
    version.owned = match owner {
        Some(owner) if chance.one_in(2) => Some(vec![chance.of(&values(owner, record).each_ref()).clone()]),
        _ => None,
    };
    version.rows = (0..chance.below(10)).map(|at| row(chance, record, known, at)).collect();
}

/// A row. Most of its fields follow one of three variants, so that states come back; in some a field has another value.
fn row(chance: &mut Chance, record: &Record, known: &Record, at: usize) -> Row {
    let variant = chance.below(3);
    let mut row = BTreeMap::new();
    for (index, field) in record.fields.iter().enumerate() {
        let required =
            record.rules.iter().any(|rule| matches!(&rule.check, Check::Required(of) if of.contains(&index)));
        let values = values(field, record);
        let value = if record.key.contains(&index) {
            (!chance.one_in(40)).then(|| chance.of(&[0, 1, 2]))
        } else if chance.one_in(8) {
            Some(chance.below(3)).filter(|_| required || !chance.one_in(2)).filter(|_| !chance.one_in(6))
        } else {
            Some(variant).filter(|variant| required || *variant < 2)
        };
        if let Some(value) = value.filter(|_| known.field(&field.name).is_some()) {
            row.insert(field.name.clone(), values[value].clone());
        }
    }
    Row { line: i64::try_from(at).unwrap() + 2, accepted: false, values: row }
}

/// Three values of a field, as PostgreSQL writes them; the bounds of the field may leave fewer.
fn values(field: &Field, record: &Record) -> [String; 3] {
    let index = record.field(&field.name).unwrap();
    let listed = record.rules.iter().find_map(|rule| match &rule.check {
        Check::OneOf { field, values } if *field == index => Some(values),
        _ => None,
    });
    [0_i32, 1, 2].map(|at| match (listed, field.kind, field.kind.sql_type()) {
        (Some(listed), ..) => listed[usize::try_from(at).unwrap() % listed.len()].clone(),
        (None, Kind::Integer { min, max }, _) => i64::from(at + 1).clamp(min, max).to_string(),
        (None, Kind::Number { min, max }, _) => (f64::from(at) + 0.5).clamp(min, max).to_string(),
        (None, _, SqlType::Text(_)) => ["a", "b", "c"][usize::try_from(at).unwrap()].to_owned(),
        (None, _, SqlType::Decimal(_, 0)) => (at + 1).to_string(),
        (None, _, SqlType::Decimal(_, scale)) => format!("{}.{:0>width$}", at, 5, width = usize::from(scale)),
        (None, _, SqlType::Date) => DAYS[usize::try_from(at).unwrap()].to_owned(),
        (None, _, SqlType::Timestamp) => format!("{} 10:30:00+00", DAYS[usize::try_from(at).unwrap()]),
        (None, _, SqlType::Boolean) => (at == 0).to_string(),
        (None, _, other) => unreachable!("no values of {other} are drawn: add some here"),
    })
}
