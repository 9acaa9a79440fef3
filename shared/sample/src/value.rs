//! A field's value before it is written.

use chrono::NaiveDate;
use fonderie_contract::Kind;

/// A value of the canonical record, or of a draw on the way to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Nothing.
    Empty,
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A day, since 1970-01-01.
    Date(i32),
    /// Units of `10^-scale`, with the scale of the draw's field (cents, for two decimals).
    Decimal(i128),
}

/// What a draw gives, beside nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Text,
    Integer,
    Date,
    /// With its scale.
    Decimal(i8),
}

impl Shape {
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text { .. } => Shape::Text,
            Kind::Integer { .. } => Shape::Integer,
            Kind::Date => Shape::Date,
            Kind::Decimal { scale, .. } => Shape::Decimal(scale),
            // Measurements are drawn as decimals.
            Kind::Number { .. } => Shape::Decimal(places(kind)),
            // Instants are not drawn.
            Kind::Timestamp => Shape::Date,
            // Truth values are drawn as the texts `true` and `false`.
            Kind::Boolean => Shape::Text,
        }
    }

    /// Whether a draw of a type can be looked at as one of this type: decimals of any scale alike.
    pub(crate) fn fits(self, given: Shape) -> bool {
        matches!((self, given), (Shape::Decimal(_), Shape::Decimal(_))) || self == given
    }

    pub(crate) fn name(self) -> String {
        match self {
            Shape::Text => "a text".to_owned(),
            Shape::Integer => "a whole number".to_owned(),
            Shape::Date => "a date".to_owned(),
            Shape::Decimal(scale) => format!("a decimal with {scale} places"),
        }
    }
}

impl Value {
    pub(crate) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn date(&self) -> Option<i32> {
        if let Value::Date(day) = self { Some(*day) } else { None }
    }

    /// As a plain text, as a field of a type has it: what a key is shown by.
    pub(crate) fn canonical(&self, kind: Kind) -> String {
        match self {
            Value::Empty => String::new(),
            Value::Text(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Date(day) => NaiveDate::from_epoch_days(*day).map(|day| day.to_string()).unwrap_or_default(),
            Value::Decimal(units) => {
                let scale = places(kind);
                let (one, units, sign) =
                    (unit(scale).unsigned_abs(), units.unsigned_abs(), if *units < 0 { "-" } else { "" });
                match usize::try_from(scale).unwrap_or(0) {
                    0 => format!("{sign}{units}"),
                    places => format!("{sign}{}.{:0places$}", units / one, units % one),
                }
            }
        }
    }
}

/// Decimals of a number of a type, in a sample: a measurement has three.
pub(crate) fn places(kind: Kind) -> i8 {
    match kind {
        Kind::Decimal { scale, .. } => scale,
        Kind::Number { .. } => 3,
        Kind::Text { .. } | Kind::Integer { .. } | Kind::Date | Kind::Timestamp | Kind::Boolean => 0,
    }
}

/// One unit of a scale: 100, for two decimals.
pub(crate) fn unit(scale: i8) -> i128 {
    10_i128.pow(u32::try_from(scale).unwrap_or(0))
}

/// Reads a plain decimal (`-12.5`) into units; `None` where it is none, or has more decimals than the scale.
pub(crate) fn parse_decimal(text: &str, scale: i8) -> Option<i128> {
    let places = usize::try_from(scale).ok()?;
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    if whole.is_empty() || fraction.len() > places || !plain {
        return None;
    }
    let units: i128 = format!("{whole}{fraction:0<places$}").parse().ok()?;
    Some(if negative { -units } else { units })
}
