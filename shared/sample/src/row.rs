//! One row: drawn, then made other than plain, with what the file shows in place of its values.

use fonderie_contract::{Check, Kind, OnUnreadable, Origin, ReaderRule};

use crate::effect::{Act, Within, unreadable_rule};
use crate::notation::Notation;
use crate::plan::Recipe;
use crate::random::Random;
use crate::spec::{Drawn, Scene};
use crate::value::{Shape, Value, places, unit};

/// A row of a file.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// What the canonical record has, by field, once it is read.
    pub(crate) values: Vec<Value>,
    /// Its natural key, before a defect took a part of it away.
    pub(crate) key: String,
    /// Fields that the file shows as this text.
    pub(crate) shown: Vec<(usize, String)>,
    pub(crate) extent: Extent,
    pub(crate) before: Before,
    /// The field whose value cannot be read, and the reader's rule.
    pub(crate) unreadable: Option<(usize, ReaderRule)>,
}

/// How many fields the record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// So many from the first.
    Short(usize),
    /// One more, at this place.
    Long(usize),
}

/// What stands before the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    Nothing,
    BlankLine,
    Header,
}

impl Extent {
    /// The reader's rule that it breaks.
    pub(crate) fn rule(self) -> Option<ReaderRule> {
        match self {
            Extent::Whole => None,
            Extent::Short(_) => Some(ReaderRule::ShortRecord),
            Extent::Long(_) => Some(ReaderRule::LongRecord),
        }
    }
}

impl Row {
    /// Draws a row. `fields` has each field's draw; defects that what is drawn later must follow are made here.
    pub(crate) fn draw(
        notation: Notation<'_>,
        recipe: &Recipe,
        fields: &[Option<usize>],
        act: &Act,
        scene: &Scene<'_>,
        random: &mut Random,
    ) -> Self {
        let record = notation.record;
        let changed = match act {
            Act::Negative(field) | Act::Future(field) => fields[*field].map(|draw| (draw, *field)),
            _ => None,
        };
        let mut drawn = vec![Drawn::plain(Value::Empty); recipe.specs.len()];
        for &draw in &recipe.order {
            drawn[draw] = recipe.specs[draw].draw(&drawn, scene, random);
            if let Some((_, field)) = changed.filter(|(changed, _)| *changed == draw) {
                drawn[draw].value = match (&drawn[draw].value, Shape::of(record.fields[field].kind)) {
                    (Value::Decimal(units), Shape::Decimal(scale)) => Value::Decimal(-units.abs().max(unit(scale))),
                    (_, Shape::Decimal(scale)) => Value::Decimal(-unit(scale)),
                    (Value::Integer(number), Shape::Integer) => Value::Integer(-number.abs().max(1)),
                    (_, Shape::Integer) => Value::Integer(-1),
                    // Years away, so that the row is refused on the day of the reading too.
                    _ => Value::Date(scene.as_of + 1826 + i32::try_from(random.below(3650)).unwrap_or(0)),
                };
            }
        }
        let value = |(field, origin): (usize, &Origin)| match origin {
            Origin::Column { .. } => fields[field].map_or(Value::Empty, |draw| drawn[draw].value.clone()),
            Origin::Constant(text) => Value::Text(text.clone()),
            Origin::Sheet { .. } | Origin::FileName { .. } | Origin::Hash(_) | Origin::Absent => Value::Empty,
        };
        let values: Vec<Value> = notation.source.columns.iter().enumerate().map(value).collect();
        let key = record
            .key
            .iter()
            .map(|&field| values[field].canonical(record.fields[field].kind))
            .collect::<Vec<_>>()
            .join("/");
        Self { values, key, shown: Vec::new(), extent: Extent::Whole, before: Before::Nothing, unreadable: None }
    }

    /// Makes it other than plain, where that needs all its values.
    pub(crate) fn change(&mut self, notation: Notation<'_>, act: &Act, columns: usize, random: &mut Random) {
        match act {
            Act::Nothing | Act::Negative(_) | Act::Future(_) | Act::Repeat => {}
            Act::Empty(field) => self.values[*field] = Value::Empty,
            Act::Pass { field, other, above } => self.pass(notation, *field, *other, *above, random),
            Act::Foreign(field) => {
                let allowed = |word: &str| {
                    let rules = notation.record.rules.iter();
                    rules
                        .filter_map(|rule| match &rule.check {
                            Check::OneOf { field: of, values } if of == field => Some(values),
                            _ => None,
                        })
                        .any(|values| values.iter().any(|value| value == word))
                };
                let word = ["?", "X", "n/a"].into_iter().find(|word| !allowed(word)).unwrap_or("#");
                self.values[*field] = Value::Text(word.to_owned());
            }
            Act::Unreadable { field, texts } => {
                let text = match notation.record.fields[*field].kind {
                    Kind::Date => notation.no_date(texts, random),
                    _ => texts[random.index(texts.len())].clone(),
                };
                self.unreadable(notation, *field, text);
            }
            Act::TooLong(field) => {
                if let Kind::Text { max_length } = notation.record.fields[*field].kind {
                    self.unreadable(notation, *field, "x".repeat(max_length + 1));
                }
            }
            Act::Short => self.extent = Extent::Short(2 + random.index(columns - 2)),
            Act::Long => self.extent = Extent::Long(random.index(columns + 1)),
            Act::RepeatChanged(field) => self.values[*field] = other(&self.values[*field]),
            Act::Padding(fields) => {
                for &field in fields {
                    let mut text = " ".repeat(1 + random.index(2));
                    notation.write(field, &self.values[field], &mut text);
                    text.push_str(&" ".repeat(random.index(3)));
                    self.shown.push((field, text));
                }
            }
            Act::Thousands(fields) => {
                self.shown.extend(fields.iter().map(|&f| (f, notation.with_thousands(f, &self.values[f]))));
            }
            Act::Currency(fields) => {
                self.shown.extend(fields.iter().map(|&f| (f, notation.with_currency(f, &self.values[f]))));
            }
            Act::Quoted { field, within, ending } => self.quote(notation, *field, *within, ending),
            Act::BlankLine => self.before = Before::BlankLine,
            Act::RepeatedHeader => self.before = Before::Header,
        }
        self.too_long(notation);
    }

    fn pass(&mut self, notation: Notation<'_>, field: usize, other: usize, above: bool, random: &mut Random) {
        let sign = if above { 1 } else { -1 };
        let value = match (&self.values[other], notation.record.fields[field].kind) {
            (Value::Date(day), _) => Value::Date(day + sign * (1 + i32::try_from(random.below(60)).unwrap_or(0))),
            (Value::Integer(number), _) => {
                Value::Integer(number + i64::from(sign) * (1 + i64::try_from(random.below(60)).unwrap_or(0)))
            }
            (Value::Decimal(units), kind) => {
                let percent = 5 + i128::from(random.below(55));
                Value::Decimal(units + i128::from(sign) * (unit(places(kind)) + units.abs() * percent / 100))
            }
            _ => return,
        };
        self.values[field] = value;
    }

    fn quote(&mut self, notation: Notation<'_>, field: usize, within: Within, ending: &str) {
        let text = self.values[field].text().unwrap_or_default();
        let csv = if let fonderie_contract::Format::Csv(csv) = &notation.format.format { csv } else { return };
        let text = match within {
            Within::Delimiter => format!("{text}{} {ending}", char::from(csv.delimiter)),
            Within::Newline => format!("{text}\n{ending}"),
            Within::Quote => {
                let quote = char::from(csv.quote.unwrap_or(b'"'));
                format!("{text} {quote}{ending}{quote}")
            }
        };
        self.values[field] = Value::Text(text.trim().to_owned());
    }

    /// Shows a text that cannot be read; a field that may be emptied is empty then, any other refuses the row.
    fn unreadable(&mut self, notation: Notation<'_>, field: usize, text: String) {
        let declared = &notation.record.fields[field];
        self.shown.push((field, text));
        self.values[field] = Value::Empty;
        if declared.unreadable == OnUnreadable::Reject {
            self.unreadable = Some((field, unreadable_rule(declared.kind)));
        }
    }

    /// A text that became too long for its field is refused by the reader.
    fn too_long(&mut self, notation: Notation<'_>) {
        for (field, declared) in notation.record.fields.iter().enumerate() {
            let (Kind::Text { max_length }, Some(text)) = (declared.kind, self.values[field].text()) else { continue };
            if text.len() > max_length && text.chars().count() > max_length {
                let text = text.to_owned();
                self.unreadable(notation, field, text);
                debug_assert_eq!(unreadable_rule(declared.kind), ReaderRule::TextTooLong);
            }
        }
    }
}

/// Another value near a value.
fn other(value: &Value) -> Value {
    match value {
        Value::Empty => Value::Empty,
        Value::Text(text) => Value::Text(format!("{text} bis")),
        Value::Integer(number) => Value::Integer(number + 1),
        Value::Date(day) => Value::Date(day - 1),
        Value::Decimal(units) => Value::Decimal(units + units.abs() / 10 + 100),
    }
}
