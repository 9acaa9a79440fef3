//! Draws, compiled: each names exactly one thing that its value comes from.

use std::sync::Arc;

use chrono::NaiveDate;
use fonderie_contract::{Dataset, Format, Kind, Section, describe};
use toml::{Table, Value as Toml};

use crate::notation::carries;
use crate::spec::{Choice, Choosable, Days, Delay, Parameter, Spec, Spread};
use crate::value::{Shape, Value, parse_decimal, places, unit};

const SOURCES: &str = "a text or a number, or a table with one of `value`, `options`, `from`, `sequence`, `date`, `after`, \
                       `number`, `amount`, `share`, `take`, `by`";

/// The names of a scope, while its draws are compiled.
pub(crate) struct Names<'a> {
    /// The dataset, whose files must be able to carry every text.
    pub(crate) dataset: &'a Dataset,
    /// Draws, then pools.
    pub(crate) names: Vec<&'a str>,
    pub(crate) draws: Option<&'a Table>,
    pub(crate) pool_tables: Option<&'a Table>,
    /// Pools with the names of their members' draws.
    pub(crate) pools: Vec<(&'a str, Vec<&'a str>)>,
    /// Lists of texts that draws can name.
    pub(crate) lists: Vec<(&'a str, Arc<[String]>)>,
}

impl<'a> Names<'a> {
    /// The type of the record's field that has a draw's name.
    pub(crate) fn kind(&self, name: &str) -> Option<Kind> {
        self.dataset.sampled().field(name).map(|index| self.dataset.sampled().fields[index].kind)
    }

    /// The draw of a name that stands at a key.
    pub(crate) fn draw(&self, section: &Section<'_>, key: &str, name: &str) -> Option<usize> {
        let index = self.names.iter().position(|known| *known == name);
        if index.is_none() {
            section.mistake(key, format!("\"{name}\", which is no draw"), self.names.join(", "));
        }
        index
    }

    /// The draws of a pool's members, as the document has them.
    pub(crate) fn raw_pool_draws(&self, pool: &str) -> Option<&'a Table> {
        self.pool_tables?.get(pool)?.get("draws")?.as_table()
    }

    /// Compiles what stands at a key; `base` is what an override replaces.
    pub(crate) fn spec(
        &self,
        parent: &Section<'a>,
        key: &'a str,
        kind: Option<Kind>,
        base: Option<&Spec>,
    ) -> Option<Spec> {
        let value = parent.value(key)?;
        if let (Some(Spec::Choice(choice)), Toml::String(word)) = (base, value) {
            let only = choice.options.iter().position(|option| option.value.text() == Some(word));
            if only.is_none() {
                let options = choice.options.iter().filter_map(|option| option.value.text());
                parent.mistake(key, describe(value), options.collect::<Vec<_>>().join(", "));
            }
            return Some(Spec::Choice(Choice { only: Some(only?), ..choice.clone() }));
        }
        if matches!(base, Some(Spec::Choice(_) | Spec::Pool(_))) {
            parent.mistake(key, describe(value), "the value of one of its options, for a draw with `options`");
            return None;
        }
        if !value.is_table() {
            return self.constant(parent, key, value, kind).map(Spec::Constant);
        }
        let section = parent.section(key)?;
        let spec = self.table(parent, key, &section, kind);
        section.finish();
        spec
    }

    fn table(&self, parent: &Section<'a>, key: &'a str, section: &Section<'a>, kind: Option<Kind>) -> Option<Spec> {
        const SOURCES_OF: [&str; 11] =
            ["value", "options", "from", "sequence", "date", "after", "number", "amount", "share", "take", "by"];
        let named: Vec<&str> = SOURCES_OF.into_iter().filter(|source| section.value(source).is_some()).collect();
        let [source] = named[..] else {
            let found =
                if named.is_empty() { "none of them".to_owned() } else { format!("`{}`", named.join("` and `")) };
            parent.mistake(key, found, SOURCES);
            // What else stands there is not known to be wrong.
            section.entries().for_each(drop);
            return None;
        };
        match source {
            "value" => self.constant(section, source, section.value(source)?, kind).map(Spec::Constant),
            "options" => self.options(section, kind).map(Spec::Choice),
            "from" => self.list(section, kind).map(Spec::List),
            "sequence" => {
                let prefix = section.text(source)?;
                self.check_text(section, source, &format!("{prefix}0"), kind);
                let digits = usize::try_from(section.whole("digits").unwrap_or(8)).unwrap_or(8).min(18);
                Some(Spec::Sequence { prefix: prefix.to_owned(), digits, first: section.whole("first").unwrap_or(1) })
            }
            "date" => days(&section.section(source)?).map(Spec::Date),
            "after" => {
                let date = self.draw(section, source, section.text(source)?);
                let days =
                    match section.required("days", section.value("days"), "a table with `min` and `max`, or a draw") {
                        Some(Toml::String(name)) => self.draw(section, "days", name).map(Delay::Draw),
                        Some(_) => self.spread(&section.section("days")?, 0.0, 36_500.0).map(Delay::Spread),
                        None => None,
                    };
                let until_as_of = section.truth("until_as_of").unwrap_or(false);
                Some(Spec::After { date: date?, days: days?, until_as_of })
            }
            "number" => {
                let (min, max) = match kind {
                    // A draw is a double, which has all whole numbers up to 2⁵³.
                    #[allow(clippy::cast_precision_loss)]
                    Some(Kind::Integer { min, max }) => (min.max(-(1 << 53)) as f64, max.min(1 << 53) as f64),
                    _ => (-1e9, 1e9),
                };
                self.spread(&section.section(source)?, min, max).map(Spec::Number)
            }
            "amount" => {
                let (precision, scale) = match kind {
                    Some(Kind::Decimal { precision, scale }) => (precision, scale),
                    Some(kind @ Kind::Number { .. }) => (15, places(kind)),
                    _ => (18, 2),
                };
                let most = 10_i128.pow(u32::from(precision)) - 1;
                let bound = (most / unit(scale)) as f64;
                let (least, greatest) = match kind {
                    Some(Kind::Number { min, max }) => (min.max(-bound), max.min(bound)),
                    _ => (-bound, bound),
                };
                let spread = self.spread(&section.section(source)?, least, greatest)?;
                Some(Spec::Amount { spread, scale, most })
            }
            "share" => {
                let of = self.draw(section, source, section.text(source)?);
                let min = section.number("min").unwrap_or(0.0);
                let max = section.number("max").unwrap_or(1.0);
                if !(0.0..=1.0).contains(&min) || !(min..=1.0).contains(&max) {
                    section.mistake("max", format!("{min} to {max}"), "two numbers from 0 to 1, `min` not above `max`");
                }
                Some(Spec::Share { of: of?, min, max })
            }
            "take" => self.take(section, section.text(source)?, kind),
            _ => {
                let draw = self.draw(section, source, section.text(source)?)?;
                let cases =
                    section.required("cases", section.section("cases"), "a table from text to what is drawn")?;
                let texts = self.option_values(self.names[draw]);
                let compiled: Vec<_> = cases
                    .entries()
                    .filter_map(|(case, _)| {
                        if let Some(texts) = texts.as_ref().filter(|texts| !texts.contains(&case)) {
                            cases.mistake(case, "a text that is never drawn", texts.join(", "));
                        }
                        Some((case.to_owned(), self.spec(&cases, case, kind, None)?))
                    })
                    .collect();
                Some(Spec::By { draw, cases: compiled })
            }
        }
    }

    /// A value that is written down, as its field's type asks.
    fn constant(&self, section: &Section<'_>, key: &str, value: &Toml, kind: Option<Kind>) -> Option<Value> {
        let (constant, accepted) = match kind {
            Some(Kind::Text { .. }) => (value.as_str().map(|text| Value::Text(text.to_owned())), "a text".to_owned()),
            Some(Kind::Integer { min, max }) => {
                let number = value.as_integer().filter(|number| (min..=max).contains(number));
                (number.map(Value::Integer), format!("a whole number from {min} to {max}"))
            }
            Some(Kind::Boolean) => {
                (value.as_bool().map(|truth| Value::Text(truth.to_string())), "true or false".to_owned())
            }
            Some(Kind::Date | Kind::Timestamp) => {
                let day = value.as_str().and_then(|text| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok());
                (day.map(|day| Value::Date(day.to_epoch_days())), "a day such as \"2026-06-30\"".to_owned())
            }
            Some(kind @ (Kind::Decimal { .. } | Kind::Number { .. })) => {
                let scale = places(kind);
                let precision = if let Kind::Decimal { precision, .. } = kind { precision } else { 15 };
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let units = parse_decimal(&text, scale).filter(|units| units.abs() < 10_i128.pow(u32::from(precision)));
                let accepted = format!("a decimal with at most {scale} places and {precision} digits");
                (units.map(Value::Decimal), accepted)
            }
            None => {
                let text = value.as_str().map(|text| Value::Text(text.to_owned()));
                (text.or_else(|| value.as_integer().map(Value::Integer)), "a text or a whole number".to_owned())
            }
        };
        match &constant {
            None => section.mistake(key, describe(value), accepted),
            Some(Value::Text(text)) => self.check_text(section, key, text, kind),
            Some(_) => {}
        }
        constant
    }

    fn options(&self, section: &Section<'a>, kind: Option<Kind>) -> Option<Choice> {
        let accepted = "a list of tables, each with `value` and `weight`";
        let tables = section.required("options", section.sections("options"), accepted)?;
        let listed = tables.len();
        let mut options = Vec::with_capacity(listed);
        for table in tables {
            let value = table.required("value", table.value("value"), "the option's value");
            let value = value.and_then(|value| self.constant(&table, "value", value, kind));
            let weight = table.number("weight").unwrap_or(1.0);
            if weight < 0.0 {
                table.mistake("weight", weight.to_string(), "a number from 0 upwards");
            }
            let date = table.text("not_after_as_of").map(|name| self.draw(&table, "not_after_as_of", name));
            // What else an option says is for the draws that take it.
            table.entries().for_each(drop);
            if let (Some(value), None | Some(Some(_))) = (value, date) {
                options.push(Choosable { value, weight, not_after_as_of: date.flatten() });
            }
        }
        if !options.iter().any(|option| option.weight > 0.0) {
            section.mistake("options", format!("{listed} options, none with a weight"), accepted);
        }
        (options.len() == listed && listed > 0).then_some(Choice { options, only: None })
    }

    fn list(&self, section: &Section<'a>, kind: Option<Kind>) -> Option<Arc<[String]>> {
        if let Some(Toml::String(name)) = section.value("from") {
            let list = self.lists.iter().find(|(known, _)| known == name);
            if list.is_none() {
                let known = self.lists.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                section.mistake("from", format!("\"{name}\", which is no list"), known);
            }
            return list.map(|(_, texts)| texts.clone());
        }
        self.texts(section, "from", kind)
    }

    /// A list of texts that every file can carry, not empty.
    pub(crate) fn texts(&self, section: &Section<'a>, key: &'a str, kind: Option<Kind>) -> Option<Arc<[String]>> {
        let texts = section.texts(key)?;
        if texts.is_empty() {
            section.mistake(key, "an empty list", "a list of texts");
            return None;
        }
        for (index, text) in texts.iter().enumerate() {
            self.check_text(section, &format!("{key}[{index}]"), text, kind);
        }
        Some(texts.into_iter().map(str::to_owned).collect())
    }

    fn take(&self, section: &Section<'_>, text: &str, kind: Option<Kind>) -> Option<Spec> {
        let Some((name, part)) = text.split_once('.') else { return self.draw(section, "take", text).map(Spec::Take) };
        let draw = self.draw(section, "take", name)?;
        if let Some((_, fields)) = self.pools.iter().find(|(pool, _)| *pool == name) {
            let field = fields.iter().position(|field| *field == part);
            if field.is_none() {
                section.mistake("take", format!("\"{text}\", which no member has"), fields.join(", "));
            }
            return Some(Spec::OfMember { draw, field: field? });
        }
        let told = self.of_options(section, "take", name, part)?;
        let values = told.into_iter().map(|value| self.constant(section, "take", value, kind));
        Some(Spec::OfOption { draw, values: values.collect::<Option<_>>()? })
    }

    /// What each option of a draw says under a name.
    fn of_options(&self, section: &Section<'_>, key: &str, draw: &str, part: &str) -> Option<Vec<&'a Toml>> {
        let options = self.raw_options(draw);
        let told = options.and_then(|options| options.iter().map(|option| option.get(part)).collect());
        if told.is_none() {
            section.mistake(key, format!("\"{draw}.{part}\""), "a draw with `options`, each of which says it");
        }
        told
    }

    fn raw_options(&self, draw: &str) -> Option<&'a Vec<Toml>> {
        self.draws?.get(draw)?.get("options")?.as_array()
    }

    fn option_values(&self, draw: &str) -> Option<Vec<&'a str>> {
        self.raw_options(draw)?.iter().map(|option| option.get("value")?.as_str()).collect()
    }

    fn spread(&self, section: &Section<'a>, least: f64, most: f64) -> Option<Spread> {
        let median = self.parameter(section, "median");
        let sigma = self.parameter(section, "sigma");
        let bounds = median.is_none();
        let bound =
            |key| if bounds { section.required(key, section.number(key), "a number") } else { section.number(key) };
        let (min, max) = (bound("min").unwrap_or(least), bound("max").unwrap_or(most));
        if min > max || min < least || max > most {
            section.mistake("max", format!("{min} to {max}"), format!("{least} to {most}, `min` not above `max`"));
        }
        let curve = match (median, sigma) {
            (None, None) => None,
            (Some(median), Some(sigma)) => Some((median, sigma)),
            _ => {
                section.mistake("sigma", "one of `median` and `sigma`", "both or none");
                None
            }
        };
        if let Some((median, _)) = &curve {
            let positive = match median {
                Parameter::Number(number) => *number > 0.0,
                Parameter::OfOption { numbers, .. } => numbers.iter().all(|number| *number > 0.0),
            };
            if !positive {
                section.mistake("median", "a median that is not above 0", "a number above 0");
            }
        }
        section.finish();
        Some(Spread { curve, min, max })
    }

    fn parameter(&self, section: &Section<'a>, key: &'a str) -> Option<Parameter> {
        let Some(Toml::String(text)) = section.value(key) else { return section.number(key).map(Parameter::Number) };
        let Some((name, part)) = text.split_once('.') else {
            section.mistake(key, format!("\"{text}\""), "a number, or \"<draw>.<what its options say>\"");
            return None;
        };
        let draw = self.draw(section, key, name)?;
        let told = self.of_options(section, key, name, part)?;
        let number = |value: &Toml| value.as_float().or_else(|| i32::try_from(value.as_integer()?).ok().map(f64::from));
        let numbers: Option<Vec<f64>> = told.into_iter().map(number).collect();
        if numbers.is_none() {
            section.mistake(key, format!("\"{text}\", which is not a number in each option"), "numbers");
        }
        Some(Parameter::OfOption { draw, numbers: numbers? })
    }

    /// Notes a text that not every file of the dataset can carry, or that would not come back as it was.
    pub(crate) fn check_text(&self, section: &Section<'_>, key: &str, text: &str, kind: Option<Kind>) {
        if text.trim() != text || text.is_empty() || text.chars().any(char::is_control) {
            section.mistake(
                key,
                format!("{text:?}"),
                "a text without white space around it or control characters in it",
            );
        }
        if let Some(Kind::Text { max_length }) = kind
            && text.chars().count() > max_length
        {
            section.mistake(key, format!("\"{text}\""), format!("at most {max_length} characters"));
        }
        for (source, format) in self.dataset.sources.iter().flat_map(|s| s.formats.iter().map(move |f| (s, f))) {
            let Format::Csv(csv) = &format.format else { continue };
            if !carries(csv.encoding, text) {
                let accepted = format!("characters of {}, as source `{}` declares", csv.encoding.name(), source.id);
                section.mistake(key, format!("\"{text}\""), accepted);
                return;
            }
            if csv.quote.is_none() && text.contains(char::from(csv.delimiter)) {
                let accepted =
                    format!("a text without {:?}: source `{}` has no quotes", char::from(csv.delimiter), source.id);
                section.mistake(key, format!("\"{text}\""), accepted);
                return;
            }
        }
    }
}

fn days(section: &Section<'_>) -> Option<Days> {
    let oldest = section.required("oldest", section.whole("oldest"), "how many days before the as-of date");
    let newest = section.whole("newest").unwrap_or(0);
    let oldest = oldest.and_then(|days| u32::try_from(days).ok()).filter(|days| *days <= 36_500);
    let newest = u32::try_from(newest).ok().filter(|newest| oldest.is_none_or(|oldest| *newest <= oldest));
    if newest.is_none() || oldest.is_none() && section.value("oldest").is_some() {
        section.mistake("newest", "this range of days", "`oldest` from `newest` to 36500 days before the as-of date");
    }
    let weekdays = weights(section, "weekdays");
    let months = weights(section, "months");
    section.finish();
    Some(Days { oldest: oldest?, newest: newest?, weekdays, months })
}

/// Weights, brought to a greatest of 1; all alike where there are none.
fn weights<const N: usize>(section: &Section<'_>, key: &'static str) -> [f64; N] {
    let Some(weights) = section.numbers(key) else { return [1.0; N] };
    let most = weights.iter().copied().fold(0.0, f64::max);
    match <[f64; N]>::try_from(weights) {
        Ok(weights) if most > 0.0 && weights.iter().all(|weight| *weight >= 0.0) => weights.map(|weight| weight / most),
        _ => {
            section.mistake(key, "these weights", format!("{N} numbers from 0 upwards, not all 0"));
            [1.0; N]
        }
    }
}

/// What a draw gives, where that can be told; `shapes` of what it looks at.
pub(crate) fn shape(
    spec: &Spec,
    shapes: &[Option<Shape>],
    pools: &[Vec<Option<Shape>>],
    scope: &[Arc<Spec>],
) -> Option<Shape> {
    let of = |value: &Value| match value {
        Value::Empty => None,
        Value::Text(_) => Some(Shape::Text),
        Value::Integer(_) => Some(Shape::Integer),
        Value::Date(_) => Some(Shape::Date),
        // A constant was read with its field's scale.
        Value::Decimal(_) => None,
    };
    match spec {
        Spec::Constant(value) => of(value),
        Spec::Choice(choice) => choice.options.first().and_then(|option| of(&option.value)),
        Spec::List(_) | Spec::Sequence { .. } => Some(Shape::Text),
        Spec::Pool(_) => None,
        Spec::Date(_) | Spec::After { .. } => Some(Shape::Date),
        Spec::Number(_) => Some(Shape::Integer),
        Spec::Amount { scale, .. } => Some(Shape::Decimal(*scale)),
        Spec::Share { of: draw, .. } | Spec::Take(draw) => shapes[*draw],
        Spec::OfOption { values, .. } => values.first().and_then(of),
        Spec::OfMember { draw, field } => match scope[*draw].as_ref() {
            Spec::Pool(pool) => pools[*pool][*field],
            _ => None,
        },
        Spec::By { cases, .. } => cases.iter().find_map(|(_, case)| shape(case, shapes, pools, scope)),
    }
}
