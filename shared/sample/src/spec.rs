//! What a value is drawn from, and the drawing.

use std::sync::Arc;

use chrono::{Datelike, NaiveDate};

use crate::random::Random;
use crate::value::{Shape, Value, unit};

/// Draws that are drawn otherwise: which, and how.
pub(crate) type Overrides = Vec<(usize, Arc<Spec>)>;

/// What a draw's value comes from; other draws of its scope by index.
#[derive(Clone, Debug)]
pub(crate) enum Spec {
    /// Always the same.
    Constant(Value),
    /// One of several, by weight.
    Choice(Choice),
    /// One of several texts, each as likely.
    List(Arc<[String]>),
    /// The row's (or member's) number behind a prefix.
    Sequence { prefix: String, digits: usize, first: u64 },
    /// A member of a pool.
    Pool(usize),
    /// A day before the as-of date.
    Date(Days),
    /// A day after another one; with `until_as_of` at most the as-of date.
    After { date: usize, days: Delay, until_as_of: bool },
    /// A whole number.
    Number(Spread),
    /// A decimal.
    Amount { spread: Spread, scale: i8, most: i128 },
    /// A part of another decimal.
    Share { of: usize, min: f64, max: f64 },
    /// Another draw's value.
    Take(usize),
    /// By another draw's option.
    OfOption { draw: usize, values: Vec<Value> },
    /// A draw of the member that another draw took from its pool.
    OfMember { draw: usize, field: usize },
    /// By another draw's text; nothing where no case fits.
    By { draw: usize, cases: Vec<(String, Spec)> },
}

/// One of several options.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) options: Vec<Choosable>,
    /// The one that a defect or an anomaly settles.
    pub(crate) only: Option<usize>,
}

/// An option.
#[derive(Clone, Debug)]
pub(crate) struct Choosable {
    pub(crate) value: Value,
    pub(crate) weight: f64,
    /// It is open only where this date is not after the as-of date.
    pub(crate) not_after_as_of: Option<usize>,
}

/// A number: uniform between two bounds, or log-normal around a median and cut at them.
#[derive(Clone, Debug)]
pub(crate) struct Spread {
    pub(crate) curve: Option<(Parameter, Parameter)>,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// A number of the plan, or one that hangs on another draw's option.
#[derive(Clone, Debug)]
pub(crate) enum Parameter {
    Number(f64),
    OfOption { draw: usize, numbers: Vec<f64> },
}

/// How many days later.
#[derive(Clone, Debug)]
pub(crate) enum Delay {
    Draw(usize),
    Spread(Spread),
}

/// Days between two ages, with a rhythm.
#[derive(Clone, Debug)]
pub(crate) struct Days {
    /// In days before the as-of date.
    pub(crate) oldest: u32,
    pub(crate) newest: u32,
    /// From Monday, the greatest 1.
    pub(crate) weekdays: [f64; 7],
    /// From January, the greatest 1.
    pub(crate) months: [f64; 12],
}

/// What was drawn.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub(crate) value: Value,
    option: usize,
    member: Option<Vec<Value>>,
}

impl Drawn {
    pub(crate) fn plain(value: Value) -> Self {
        Self { value, option: 0, member: None }
    }
}

/// What a draw may look at.
pub(crate) struct Scene<'a> {
    /// The number of the row, or of the pool's member.
    pub(crate) number: u64,
    /// Days since 1970-01-01.
    pub(crate) as_of: i32,
    /// Draws a member of a pool: the values of its draws.
    pub(crate) pool: &'a dyn Fn(usize, &mut Random) -> Vec<Value>,
}

impl Spec {
    /// The draws that this one looks at.
    pub(crate) fn needs(&self, needed: &mut Vec<usize>) {
        let spread = |spread: &Spread, needed: &mut Vec<usize>| {
            let parameters = spread.curve.iter().flat_map(|(median, sigma)| [median, sigma]);
            needed.extend(parameters.filter_map(|parameter| match parameter {
                Parameter::OfOption { draw, .. } => Some(*draw),
                Parameter::Number(_) => None,
            }));
        };
        match self {
            Spec::Constant(_) | Spec::List(_) | Spec::Sequence { .. } | Spec::Pool(_) | Spec::Date(_) => {}
            Spec::Choice(choice) => needed.extend(choice.options.iter().filter_map(|option| option.not_after_as_of)),
            Spec::After { date, days, .. } => {
                needed.push(*date);
                match days {
                    Delay::Draw(draw) => needed.push(*draw),
                    Delay::Spread(days) => spread(days, needed),
                }
            }
            Spec::Number(numbers) | Spec::Amount { spread: numbers, .. } => spread(numbers, needed),
            Spec::Share { of: draw, .. }
            | Spec::Take(draw)
            | Spec::OfOption { draw, .. }
            | Spec::OfMember { draw, .. } => needed.push(*draw),
            Spec::By { draw, cases } => {
                needed.push(*draw);
                cases.iter().for_each(|(_, case)| case.needs(needed));
            }
        }
    }

    /// The draws that must give a certain type, if anything.
    pub(crate) fn looks_at(&self) -> Vec<(usize, Shape)> {
        match self {
            Spec::Choice(choice) => {
                let dates = choice.options.iter().filter_map(|option| option.not_after_as_of);
                dates.map(|draw| (draw, Shape::Date)).collect()
            }
            Spec::After { date, days: Delay::Draw(days), .. } => vec![(*date, Shape::Date), (*days, Shape::Integer)],
            Spec::After { date, .. } => vec![(*date, Shape::Date)],
            Spec::Share { of, .. } => vec![(*of, Shape::Decimal(2))],
            Spec::By { draw, .. } => vec![(*draw, Shape::Text)],
            _ => Vec::new(),
        }
    }

    /// Draws a value; `drawn` holds what this one looks at.
    pub(crate) fn draw(&self, drawn: &[Drawn], scene: &Scene<'_>, random: &mut Random) -> Drawn {
        let value = match self {
            Spec::Constant(value) => value.clone(),
            Spec::Choice(choice) => {
                let option = choice.draw(drawn, scene, random);
                return Drawn { value: choice.options[option].value.clone(), option, member: None };
            }
            Spec::List(texts) => Value::Text(texts[random.index(texts.len())].clone()),
            Spec::Sequence { prefix, digits, first } => {
                Value::Text(format!("{prefix}{:0digits$}", first + scene.number))
            }
            Spec::Pool(pool) => {
                let member = (scene.pool)(*pool, random);
                return Drawn { value: Value::Empty, option: 0, member: Some(member) };
            }
            Spec::Date(days) => Value::Date(scene.as_of - days.draw(scene.as_of, random)),
            Spec::After { date, days, until_as_of } => match drawn[*date].value {
                Value::Date(day) => {
                    let delay = match days {
                        Delay::Draw(draw) => match drawn[*draw].value {
                            Value::Integer(days) => i32::try_from(days).unwrap_or(0),
                            _ => 0,
                        },
                        Delay::Spread(days) => i32::try_from(days.draw(drawn, random, 1)).unwrap_or(0),
                    };
                    let later = day.saturating_add(delay);
                    Value::Date(if *until_as_of { later.min(scene.as_of) } else { later })
                }
                _ => Value::Empty,
            },
            Spec::Number(spread) => Value::Integer(i64::try_from(spread.draw(drawn, random, 1)).unwrap_or(0)),
            Spec::Amount { spread, scale, most } => {
                Value::Decimal(spread.draw(drawn, random, unit(*scale)).clamp(-most, *most))
            }
            Spec::Share { of, min, max } => match drawn[*of].value {
                Value::Decimal(whole) => {
                    let share = min + (max - min) * random.unit();
                    // Parts per million keep the product in whole numbers.
                    Value::Decimal(whole * rounded(share * 1e6) / 1_000_000)
                }
                _ => Value::Empty,
            },
            Spec::Take(draw) => return drawn[*draw].clone(),
            Spec::OfOption { draw, values } => values[drawn[*draw].option].clone(),
            Spec::OfMember { draw, field } => {
                drawn[*draw].member.as_ref().map_or(Value::Empty, |member| member[*field].clone())
            }
            Spec::By { draw, cases } => {
                let text = drawn[*draw].value.text();
                match cases.iter().find(|(case, _)| Some(case.as_str()) == text) {
                    Some((_, case)) => return case.draw(drawn, scene, random),
                    None => Value::Empty,
                }
            }
        };
        Drawn::plain(value)
    }
}

impl Choice {
    fn draw(&self, drawn: &[Drawn], scene: &Scene<'_>, random: &mut Random) -> usize {
        if let Some(only) = self.only {
            return only;
        }
        let open = |option: &&Choosable| {
            let date = option.not_after_as_of.and_then(|draw| drawn[draw].value.date());
            date.is_none_or(|date| date <= scene.as_of)
        };
        let total: f64 = self.options.iter().filter(open).map(|option| option.weight).sum();
        let mut left = random.unit() * total;
        let mut chosen = 0;
        for (index, option) in self.options.iter().enumerate().filter(|(_, option)| open(option)) {
            chosen = index;
            left -= option.weight;
            if left < 0.0 {
                break;
            }
        }
        chosen
    }
}

impl Parameter {
    fn number(&self, drawn: &[Drawn]) -> f64 {
        match self {
            Parameter::Number(number) => *number,
            Parameter::OfOption { draw, numbers } => numbers[drawn[*draw].option],
        }
    }
}

impl Spread {
    /// A number in units, of which so many make one.
    fn draw(&self, drawn: &[Drawn], random: &mut Random, unit: i128) -> i128 {
        let unit = unit as f64;
        let (least, most) = (rounded(self.min * unit), rounded(self.max * unit));
        match &self.curve {
            Some((median, sigma)) => {
                let exponent = libm::log(median.number(drawn)) + sigma.number(drawn) * random.normal();
                rounded(libm::exp(exponent) * unit).clamp(least, most)
            }
            None => {
                let span = u64::try_from(most - least + 1).unwrap_or(u64::MAX);
                least + i128::from(random.below(span))
            }
        }
    }
}

/// The nearest whole number, halves away from zero.
#[allow(clippy::cast_possible_truncation)] // `as` saturates, and what is out of range is cut at the bounds anyway.
pub(crate) fn rounded(number: f64) -> i128 {
    number.round() as i128
}

impl Days {
    /// How many days before the as-of date.
    fn draw(&self, as_of: i32, random: &mut Random) -> i32 {
        let span = u64::from(self.oldest - self.newest) + 1;
        let mut age = 0;
        // Days are proposed alike and taken by their weight: no table hangs on the as-of date. A range in which no day has
        // a weight must come to an end too.
        for _ in 0..10_000 {
            age = i32::try_from(u64::from(self.newest) + random.below(span)).unwrap_or(0);
            let chance = random.unit();
            let Some(day) = NaiveDate::from_epoch_days(as_of - age) else { break };
            let weekday = self.weekdays[day.weekday().num_days_from_monday() as usize];
            if chance < weekday * self.months[day.month0() as usize] {
                break;
            }
        }
        age
    }
}
