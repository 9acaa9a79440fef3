//! Models, preparation views and marts: what `dataset.toml` declares of them, and the SQL beside it.

use crate::bundle::Bundle;
use crate::compiled::{Bound, Feature, Level, Mart, MartKind, Model, ModelKind, Schemas, TrainingPolicy};
use crate::mistakes::{Found, Section};
use crate::text::is_identifier;

pub(crate) const NAME: &str = "lower-case letters, digits and `_`, a letter first";
const SHORT_NAME: &str = "lower-case letters, digits and `_`, a letter first; at most 50 of them";

/// Compiles `[[models]]`, noting every mistake.
pub(crate) fn models(root: &Section<'_>, bundle: &Bundle, found: &Found) -> Vec<Model> {
    let sections = root.sections("models").into_iter().flatten();
    let models: Vec<Model> = sections.filter_map(|section| model(&section, bundle, found)).collect();
    names_differ(root, "models", models.iter().map(|model| model.id.as_str()));
    for (path, stem, _) in bundle.folder("models/", ".sql") {
        if root.is_whole("models", models.len()) && !models.iter().any(|model| model.id == stem) {
            found.add(path, "", "no model of this name", "`<id>.sql` of a model in dataset.toml");
        }
    }
    models
}

fn model(section: &Section<'_>, bundle: &Bundle, found: &Found) -> Option<Model> {
    let id = section.required("id", section.text("id"), "the model's id");
    // the table of the scores is named after it
    if let Some(id) = id.filter(|id| !is_name(id)) {
        section.mistake("id", format!("\"{id}\""), SHORT_NAME);
    }
    let column = |key: &'static str, accepted: &str| {
        let name = section.required(key, section.text(key), accepted);
        if let Some(name) = name.filter(|name| !is_identifier(name) || *name == "row_key") {
            section.mistake(key, format!("\"{name}\""), NAME);
        }
        name
    };
    let table = section.required("table", section.text("table"), "the table whose rows the model scores");
    let score = column("score", "the column of the score");
    let reason = column("reason", "the column of the reason");
    let types: [(&str, KindOf); 2] = [("isolation_forest", isolation_forest), ("zscore", zscore)];
    let kind = section.required("type", section.choice("type", &types), "\"isolation_forest\" or \"zscore\"");
    // what belongs to a kind that is not known is read as that of one: its keys are no further mistakes
    let is_zscore =
        section.value("type").map_or(section.value("deviation").is_some(), |kind| kind.as_str() == Some("zscore"));
    let (kind, least) = kind.unwrap_or(if is_zscore { zscore } else { isolation_forest })(section);
    let min_rows = section.whole("min_rows").unwrap_or(least);
    if min_rows < least {
        section.mistake("min_rows", min_rows.to_string(), format!("at least {least}"));
    }
    let accepted = if is_zscore { "a list of one feature" } else { "a list of features, each with `name` and `words`" };
    let sections = section.required("features", section.sections("features"), accepted);
    if let Some(number) = sections.as_ref().map(Vec::len).filter(|&number| number == 0 || (is_zscore && number > 1)) {
        section.mistake(
            "features",
            if number == 0 { "none".to_owned() } else { format!("{number} of them") },
            accepted,
        );
    }
    let features: Vec<Feature> = sections.into_iter().flatten().filter_map(|entry| feature(&entry)).collect();
    names_differ(section, "features", features.iter().map(|feature| feature.name.as_str()));
    let levels = levels(section, is_zscore);
    let training = training(section);
    section.finish();
    let id = id?;
    let select = statement(bundle, &format!("models/{id}.sql"), "the SELECT of the model's rows", found);
    Some(Model {
        id: id.to_owned(),
        kind: kind?,
        features,
        levels,
        min_rows,
        training,
        select: select?,
        table: table?.to_owned(),
        score: score?.to_owned(),
        reason: reason?.to_owned(),
    })
}

/// `training`: when the model is trained again. Without it, when a tenth of its rows has changed.
fn training(section: &Section<'_>) -> TrainingPolicy {
    let mut policy = TrainingPolicy { changed_percent: 10.0, every_days: None };
    let Some(section) = section.section("training") else { return policy };
    if let Some(percent) = section.number("changed_percent") {
        if !(0.0..=1_000.0).contains(&percent) {
            section.mistake("changed_percent", percent.to_string(), "a number from 0, which is any change, to 1000");
        }
        policy.changed_percent = percent;
    }
    policy.every_days = section.whole("every_days");
    if policy.every_days == Some(0) {
        section.mistake("every_days", "0", "a whole number from 1 upwards");
    }
    section.finish();
    policy
}

/// Reads what belongs to one kind, and the least `min_rows` that it can do with.
type KindOf = fn(&Section<'_>) -> (Option<ModelKind>, u64);

fn isolation_forest(section: &Section<'_>) -> (Option<ModelKind>, u64) {
    let trees = whole(section, "trees", 100, 1, 1_000);
    let sample = whole(section, "sample", 256, 2, 256);
    let contamination = whole(section, "contamination_percent", 5, 1, 50);
    let seed = section.required("seed", section.whole("seed"), "a whole number from 0 upwards");
    let kind = seed.map(|seed| ModelKind::IsolationForest {
        trees: u16::try_from(trees).unwrap_or(u16::MAX),
        sample: u16::try_from(sample).unwrap_or(u16::MAX),
        contamination_percent: u8::try_from(contamination).unwrap_or(u8::MAX),
        seed,
    });
    (kind, sample)
}

fn zscore(section: &Section<'_>) -> (Option<ModelKind>, u64) {
    let choices = [("population", true), ("sample", false)];
    let accepted = "\"population\" or \"sample\"";
    let of_population = section.required("deviation", section.choice("deviation", &choices), accepted);
    (of_population.map(|of_population| ModelKind::ZScore { of_population }), 2)
}

/// `levels`: by default one, of all scores below zero; of a z-score, of all above two.
fn levels(section: &Section<'_>, is_zscore: bool) -> Vec<Level> {
    let Some(entries) = section.sections("levels") else {
        let (name, bound) = if is_zscore { ("high", Bound::Above(2.0)) } else { ("abnormal", Bound::Below(0.0)) };
        return vec![Level { name: name.to_owned(), bound }];
    };
    let (key, accepted) = if is_zscore {
        ("above", "a list of levels, each with `name` and `above`, a higher bound than the one before")
    } else {
        ("below", "a list of levels, each with `name` and `below`, a lower bound than the one before")
    };
    let level = |entry: &Section<'_>| {
        let name = entry.required("name", entry.text("name"), "the level's name");
        if let Some(name) = name.filter(|name| !is_identifier(name)) {
            entry.mistake("name", format!("\"{name}\""), NAME);
        }
        let bound = entry.required(key, entry.number(key), "the bound of its scores, a number");
        entry.finish();
        Some((name?.to_owned(), bound?))
    };
    let levels: Vec<(String, f64)> = entries.iter().filter_map(level).collect();
    if entries.is_empty() {
        section.mistake("levels", "none", accepted);
    }
    let is_beyond = |pair: &[(String, f64)]| if is_zscore { pair[1].1 > pair[0].1 } else { pair[1].1 < pair[0].1 };
    if !levels.windows(2).all(is_beyond) {
        section.mistake("levels", format!("a bound that is not {key} the one before"), accepted);
    }
    names_differ(section, "levels", levels.iter().map(|(name, _)| name.as_str()));
    let bound = if is_zscore { Bound::Above } else { Bound::Below };
    levels.into_iter().map(|(name, number)| Level { name, bound: bound(number) }).collect()
}

fn feature(section: &Section<'_>) -> Option<Feature> {
    let name = section.required("name", section.text("name"), "the column in the model's SELECT");
    if let Some(name) = name.filter(|name| !is_identifier(name) || ["key", "row_key"].contains(name)) {
        section.mistake("name", format!("\"{name}\""), format!("{NAME}; neither `key` nor `row_key`"));
    }
    let accepted = "the reason in words, with `{value}` where the value stands";
    let words = section.required("words", section.text("words"), accepted);
    if let Some(words) = words.filter(|words| !words.contains("{value}")) {
        section.mistake("words", format!("\"{words}\""), accepted);
    }
    section.finish();
    Some(Feature { name: name?.to_owned(), words: words?.to_owned() })
}

/// Compiles `preparation/*.sql`, noting every mistake.
pub(crate) fn preparation(bundle: &Bundle, found: &Found) -> Vec<Mart> {
    let views = bundle.folder("preparation/", ".sql").filter_map(|(path, name, _)| {
        if !is_name(name) {
            found.add(path, "", "this name", format!("a file `<name>.sql`, the name of {SHORT_NAME}"));
        }
        let definition = statement(bundle, path, "the SELECT that defines the view", found)?;
        Some(Mart { name: name.to_owned(), kind: MartKind::Preparation, publications: false, definition })
    });
    views.collect()
}

/// Compiles `[[marts]]`, noting every mistake.
pub(crate) fn marts(root: &Section<'_>, bundle: &Bundle, found: &Found) -> Vec<Mart> {
    let sections = root.sections("marts").into_iter().flatten();
    let marts: Vec<Mart> = sections.filter_map(|section| mart(&section, bundle, found)).collect();
    names_differ(root, "marts", marts.iter().map(|mart| mart.name.as_str()));
    for (path, stem, _) in bundle.folder("marts/", ".sql") {
        if root.is_whole("marts", marts.len()) && !marts.iter().any(|mart| mart.name == stem) {
            found.add(path, "", "no mart of this name", "`<name>.sql` of a mart in dataset.toml");
        }
    }
    marts
}

fn mart(section: &Section<'_>, bundle: &Bundle, found: &Found) -> Option<Mart> {
    let name = section.required("name", section.text("name"), "the mart's name");
    if let Some(name) = name.filter(|name| !is_name(name)) {
        section.mistake("name", format!("\"{name}\""), SHORT_NAME);
    }
    let is_view = section.truth("view").unwrap_or(false);
    let accepted = "the columns that tell the mart's rows apart; `view = true` needs none";
    let mut key = section.texts("key");
    if !is_view {
        key = section.required("key", key, accepted);
    }
    if key.as_ref().is_some_and(Vec::is_empty) {
        section.mistake("key", "none", accepted);
    }
    let by = section.text("incremental_by");
    if let Some(by) = by.filter(|_| is_view) {
        section.mistake("incremental_by", format!("\"{by}\" of a plain view"), "this key of a mart that is stored");
    }
    let publications = section.truth("publications").unwrap_or(false);
    if publications && is_view {
        section.mistake("publications", "true of a plain view", "this key of a mart that is stored");
    }
    if let Some(name) = name.filter(|name| publications && name.len() > 45) {
        section.mistake(
            "name",
            format!("\"{name}\""),
            "a name of at most 45 characters, for `publications = true` makes another one of it",
        );
    }
    section.finish();
    let name = name?;
    let definition = statement(bundle, &format!("marts/{name}.sql"), "the SELECT that defines the mart", found);
    let kind = if is_view {
        MartKind::View
    } else {
        MartKind::Materialized { key: key?.into_iter().map(str::to_owned).collect(), by: by.map(str::to_owned) }
    };
    Some(Mart { name: name.to_owned(), kind, publications, definition: definition? })
}

/// The views of what each publication showed, of the marts of which that is kept.
pub(crate) fn publications(root: &Section<'_>, schemas: &Schemas, dataset: &str, marts: &[Mart]) -> Vec<Mart> {
    let views = marts.iter().filter(|mart| mart.publications).map(|mart| {
        let name = format!("{}_publications", mart.name);
        if marts.iter().any(|other| other.name == name) {
            root.mistake("marts", format!("\"{name}\", the view that `publications = true` makes"), "another name");
        }
        // A row of the mart without values gives the types of its columns.
        let definition = format!(
            "SELECT shown.*, kept.publication_from, kept.publication_until\nFROM audit.published_row kept\nLEFT JOIN {schema}.{mart} typed ON false\n\
             CROSS JOIN LATERAL jsonb_populate_record(typed, kept.shown) shown\nWHERE kept.dataset = '{dataset}' AND kept.mart = '{mart}'",
            schema = schemas.marts,
            mart = mart.name,
        );
        Mart { name, kind: MartKind::Publications, publications: false, definition }
    });
    views.collect()
}

/// Whether a model or a mart may have a name: other names are made of it.
fn is_name(name: &str) -> bool {
    is_identifier(name) && name.len() <= 50
}

/// A number within bounds, or its default.
fn whole<'a>(section: &Section<'a>, key: &'a str, default: u64, least: u64, most: u64) -> u64 {
    let value = section.whole(key).unwrap_or(default);
    if !(least..=most).contains(&value) {
        section.mistake(key, value.to_string(), format!("a whole number from {least} to {most}"));
    }
    value
}

pub(crate) fn names_differ<'a>(section: &Section<'_>, key: &str, names: impl Iterator<Item = &'a str>) {
    let names: Vec<&str> = names.collect();
    for (index, name) in names.iter().enumerate() {
        if names[..index].contains(name) {
            section.mistake(key, format!("\"{name}\" twice"), "names that differ");
        }
    }
}

/// One statement of SQL, without the semicolon at its end: the engine puts it inside another.
pub(crate) fn statement(bundle: &Bundle, path: &str, accepted: &str, found: &Found) -> Option<String> {
    let text = bundle.file(path).map(|text| text.trim().trim_end_matches(';').trim_end());
    let there = text.filter(|text| !text.is_empty());
    if there.is_none() {
        found.add(path, "", if text.is_some() { "nothing" } else { "no such file" }, accepted);
    }
    there.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mistakes::Mistakes;

    fn compile(toml: &str, is_zscore: bool) -> Result<Vec<Level>, Vec<String>> {
        let table = toml.parse().unwrap();
        let found = Found::default();
        let compiled = levels(&Section::new("d.toml", "models[0]", &table, &found), is_zscore);
        found.into_result(Some(compiled)).map_err(|Mistakes(all)| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_score_counts_to_the_last_level_that_it_is_beyond() {
        let levels = compile(
            "levels = [{ name = 'slight', below = 0.0 }, { name = 'moderate', below = -0.1 }, { name = 'strong', below = -0.2 }]",
            false,
        )
        .unwrap();
        let of = [0.3, 0.0, -1e-9, -0.1, -0.100_000_1, -0.2, -0.200_000_1, -1.0].map(|score| Level::of(&levels, score));
        assert_eq!(of, [None, None, Some(0), Some(0), Some(1), Some(1), Some(2), Some(2)]);
        let default = compile("", false).unwrap();
        assert_eq!([0.0, -0.3].map(|score| Level::of(&default, score)), [None, Some(0)]);
        let above =
            compile("levels = [{ name = 'dear', above = 2 }, { name = 'very_dear', above = 3 }]", true).unwrap();
        let of = [-5.0, 2.0, 2.000_000_1, 3.0, 3.1].map(|score| Level::of(&above, score));
        assert_eq!(of, [None, None, Some(0), Some(0), Some(1)]);
        let default = compile("", true).unwrap();
        assert_eq!([2.0, 2.1].map(|score| Level::of(&default, score)), [None, Some(0)]);
    }

    #[test]
    fn mistakes_name_the_key() {
        for (toml, expected) in [
            ("levels = []", "models[0].levels`: found none"),
            (
                "levels = [{ name = 'a', below = 0 }, { name = 'b', below = 0 }]",
                "models[0].levels`: found a bound that is not",
            ),
            ("levels = [{ name = 'a', below = 0 }, { name = 'a', below = -1 }]", "models[0].levels`: found "),
            ("levels = [{ name = 'A', below = 0 }]", "models[0].levels[0].name`: found \"A\""),
            ("levels = [{ name = 'a' }]", "models[0].levels[0].below`: found nothing"),
        ] {
            let all = compile(toml, false).unwrap_err();
            assert!(all.len() == 1 && all[0].contains(expected), "{toml}: {all:?}");
        }
        let all = compile("levels = [{ name = 'a', above = 2 }, { name = 'b', above = 2 }]", true).unwrap_err();
        assert!(all.len() == 1 && all[0].contains("found a bound that is not above the one before"), "{all:?}");
    }
}
