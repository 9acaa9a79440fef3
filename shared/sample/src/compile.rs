//! `generate.toml`, compiled against its dataset.

use std::sync::Arc;

use chrono::NaiveDate;
use fonderie_contract::{Dataset, Found, Kind, Mistakes, Origin, Section, document};
use toml::Table;

use crate::effect::{Class, Effect};
use crate::effect_compile::{Against, effect, overrides};
use crate::notation::is_writable;
use crate::plan::{Defaults, Plan, PlannedFile, Pool, Scope};
use crate::spec::{Overrides, Spec};
use crate::spec_compile::{Names, shape};
use crate::value::Shape;

/// The file's name in the dataset's folder.
pub const FILE: &str = "generate.toml";

impl Plan {
    /// Compiles a plan against the dataset that it belongs to.
    ///
    /// # Errors
    /// All its mistakes.
    pub fn compile(text: &str, dataset: &Dataset) -> Result<Self, Mistakes> {
        let found = Found::default();
        let table = document(FILE, text, &found);
        let plan = table.as_ref().and_then(|table| plan(table, dataset, &found));
        found.into_result(plan)
    }
}

fn plan(table: &Table, dataset: &Dataset, found: &Found) -> Option<Plan> {
    let root = Section::new(FILE, "", table, found);
    let defaults = defaults(&root);
    let draws = root.required("draws", root.section("draws"), "a table from draw to what it is drawn from");
    let pools = root.section("pools");
    let raw = |key: &str| table.get(key).and_then(toml::Value::as_table);
    // In the order in which a section gives its entries.
    let keys = |table: Option<&Table>| -> Vec<String> {
        let mut keys: Vec<_> = table.into_iter().flatten().map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys
    };
    let draw_names = keys(raw("draws"));
    let members: Vec<(String, Vec<String>)> = keys(raw("pools"))
        .into_iter()
        .map(|pool| {
            let draws = raw("pools").and_then(|pools| pools.get(&pool)?.get("draws")?.as_table());
            (pool, keys(draws))
        })
        .collect();
    let mut names = Names {
        dataset,
        names: draw_names.iter().map(String::as_str).chain(members.iter().map(|(pool, _)| pool.as_str())).collect(),
        draws: raw("draws"),
        pool_tables: raw("pools"),
        pools: members
            .iter()
            .map(|(pool, draws)| (pool.as_str(), draws.iter().map(String::as_str).collect()))
            .collect(),
        lists: Vec::new(),
    };
    if let Some(lists) = root.section("lists") {
        names.lists = lists.entries().filter_map(|(name, _)| Some((name, names.texts(&lists, name, None)?))).collect();
    }
    for (pool, _) in names.pools.iter().filter(|(pool, _)| draw_names.iter().any(|draw| draw == pool)) {
        root.mistake(&format!("pools.{pool}"), "a pool that has a draw's name", "another name");
    }
    let compiled_pools: Vec<Option<Pool>> =
        pools.iter().flat_map(|pools| pools.entries().map(|(name, _)| pool(pools, name, &names))).collect();
    let specs = draws.as_ref().map(|draws| scope_specs(draws, &names));
    let (Some(mut specs), Some(compiled_pools)) =
        (specs.flatten(), compiled_pools.into_iter().collect::<Option<Vec<_>>>())
    else {
        root.entries().for_each(drop);
        return None;
    };
    specs.extend((0..compiled_pools.len()).map(|pool| Arc::new(Spec::Pool(pool))));
    let scope = Scope { names: names.names.iter().map(|name| (*name).to_owned()).collect(), specs };
    let against = Against { names: &names, scope: &scope };
    let mut effects = Vec::new();
    for (key, class) in [("defects", Class::Defect), ("variants", Class::Variant), ("anomalies", Class::Anomaly)] {
        let sections = root.sections(key).unwrap_or_default();
        effects.extend(sections.iter().filter_map(|section| effect(section, class, &against)));
    }
    check_effects(&root, &effects);
    let files = files(&root, dataset, &against);
    root.finish();
    let fields: Vec<Option<usize>> =
        dataset.sampled().fields.iter().map(|field| scope.names.iter().position(|name| *name == field.name)).collect();
    let plan = Plan { defaults: defaults?, files: files?, scope, pools: compiled_pools, effects, fields };
    check_draws(&root, dataset, &plan);
    Some(plan)
}

fn defaults(root: &Section<'_>) -> Option<Defaults> {
    let rows = root.required("rows", root.whole("rows"), "how many rows a file has, if nobody says otherwise");
    let seed = root.required("seed", root.whole("seed"), "the seed, if nobody says otherwise");
    let accepted = "the day that the files are as of, such as \"2026-06-30\"";
    let as_of = root.required("as_of", root.text("as_of"), accepted).and_then(|text| {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
        if day.is_none() {
            root.mistake("as_of", format!("\"{text}\""), accepted);
        }
        day
    });
    Some(Defaults { rows: rows?, seed: seed?, as_of: as_of? })
}

/// The draws of a table, in the order of their names; `None` where one has mistakes.
fn scope_specs<'a>(draws: &Section<'a>, names: &Names<'a>) -> Option<Vec<Arc<Spec>>> {
    let specs: Vec<_> = draws.entries().map(|(name, _)| names.spec(draws, name, names.kind(name), None)).collect();
    specs.into_iter().map(|spec| spec.map(Arc::new)).collect()
}

fn pool<'a>(pools: &Section<'a>, name: &'a str, names: &Names<'a>) -> Option<Pool> {
    let section = pools.section(name)?;
    let per_row = section.number("per_row").unwrap_or(0.25);
    let shared = section.number("shared").unwrap_or(0.0);
    for (key, share) in [("per_row", per_row), ("shared", shared)] {
        if !(0.0..=1.0).contains(&share) {
            section.mistake(key, share.to_string(), "a number from 0 to 1");
        }
    }
    let draws = section.required("draws", section.section("draws"), "what its members have");
    section.finish();
    let own = names.pools.iter().find(|(pool, _)| *pool == name).map(|(_, own)| own.clone()).unwrap_or_default();
    let raw = names.raw_pool_draws(name);
    let inner = Names {
        dataset: names.dataset,
        names: own.clone(),
        draws: raw,
        pool_tables: None,
        pools: Vec::new(),
        lists: names.lists.clone(),
    };
    let specs = scope_specs(draws.as_ref()?, &inner)?;
    let scope = Scope { names: own.into_iter().map(str::to_owned).collect(), specs };
    let order = match scope.recipe(&[]) {
        Ok(recipe) => recipe.order,
        Err(draw) => {
            section.mistake(&format!("draws.{draw}"), "a draw that hangs on itself", "draws without a circle");
            return None;
        }
    };
    Some(Pool { name: name.to_owned(), scope, order, per_row, shared })
}

fn check_effects(root: &Section<'_>, effects: &[Effect]) {
    let total: f64 = effects.iter().map(|effect| effect.rate).sum();
    if total > 1.0 {
        root.mistake(
            "defects",
            format!("rates that add up to {total:.4}, with those of variants and anomalies"),
            "at most 1",
        );
    }
    for (index, effect) in effects.iter().enumerate() {
        if effects[..index].iter().any(|other| other.name == effect.name) {
            let found = format!("two defects, variants or anomalies named \"{}\"", effect.name);
            root.mistake("defects", found, "names that differ");
        }
    }
}

fn files<'a>(root: &Section<'a>, dataset: &Dataset, against: &Against<'_, 'a>) -> Option<Vec<PlannedFile>> {
    let known = || dataset.sources.iter().map(|source| source.id.as_str()).collect::<Vec<_>>().join(", ");
    let sources = root.required("sources", root.section("sources"), &known())?;
    let mut files: Vec<PlannedFile> = Vec::new();
    let mut whole = true;
    for (id, _) in sources.entries() {
        let Some(source_index) = dataset.sources.iter().position(|source| source.id == id) else {
            sources.mistake(id, "a source that the dataset does not have", known());
            continue;
        };
        match sources.section(id).and_then(|section| file(&section, dataset, source_index, against)) {
            Some(file) => files.push(file),
            None => whole = false,
        }
    }
    files.sort_by_key(|file| file.source_index);
    whole.then_some(files)
}

fn file<'a>(
    section: &Section<'a>,
    dataset: &Dataset,
    source_index: usize,
    against: &Against<'_, 'a>,
) -> Option<PlannedFile> {
    let source = &dataset.sources[source_index];
    let record = dataset.sampled();
    let accepted = "the name of its file, by which its contract recognises it";
    let name = section.required("file", section.text("file"), accepted);
    let format = name.and_then(|name| {
        let safe = !name.contains(['/', '\\']) && !name.starts_with('.');
        let own = safe && dataset.source_of_key(name, None).is_ok_and(|recognised| recognised.id == source.id);
        let format = dataset.format_of_key(source, name).ok().filter(|_| own);
        if format.is_none() {
            section.mistake("file", format!("\"{name}\""), accepted);
        }
        source.formats.iter().position(|known| format.is_some_and(|format| std::ptr::eq(known, format)))
    });
    if let Some(format) = format.and_then(|at| source.formats.get(at))
        && !is_writable(source, format)
    {
        let accepted = "a source whose columns have names on a header line, each of one field, with no derived field, and \
                        whose encoding is not cp850";
        section.mistake("file", format!("a file of `{}`, whose files cannot be written", source.id), accepted);
    }
    let line_end = section.choice("line_end", &[("crlf", "\r\n"), ("lf", "\n")]).unwrap_or("\r\n");
    let mark = section.truth("byte_order_mark");
    let text_cells = section.number("text_cells").unwrap_or(0.0);
    if !(0.0..=1.0).contains(&text_cells) {
        section.mistake("text_cells", text_cells.to_string(), "a share of the cells, from 0 to 1");
    }
    let has_column = |field: &usize| matches!(source.columns[*field], Origin::Column { .. });
    let mut columns = Vec::new();
    for name in section.texts("columns").unwrap_or_default() {
        match record.field(name).filter(has_column) {
            Some(field) if !columns.contains(&field) => columns.push(field),
            _ => section.mistake("columns", format!("\"{name}\""), "fields that the source has columns for, each once"),
        }
    }
    let rest: Vec<usize> =
        (0..record.fields.len()).filter(|field| has_column(field) && !columns.contains(field)).collect();
    columns.extend(rest);
    let overrides = overrides(section, against);
    section.finish();
    Some(PlannedFile {
        source: source.id.clone(),
        name: name?.to_owned(),
        source_index,
        format_index: format?,
        line_end,
        mark: mark.unwrap_or(false),
        text_cells,
        columns,
        overrides,
    })
}

/// Every column has a draw, every draw gives what its field takes, and none hangs on itself.
fn check_draws(root: &Section<'_>, dataset: &Dataset, plan: &Plan) {
    let fields = &dataset.sampled().fields;
    for (field, draw) in plan.fields.iter().enumerate() {
        let files = plan.files.iter().filter(|file| file.columns.contains(&field));
        let sources: Vec<&str> = files.map(|file| file.source.as_str()).collect();
        let key = format!("draws.{}", fields[field].name);
        if fields[field].kind == Kind::Timestamp && (draw.is_some() || !sources.is_empty()) {
            let accepted = "no timestamp: samples have none, so leave the sources out that have a column for it";
            root.mistake(&key, "a timestamp", accepted);
        } else if draw.is_none() && !sources.is_empty() {
            let found = format!("nothing, while there is a column for it in {}", sources.join(", "));
            root.mistake(&key, found, "what it is drawn from");
        }
    }
    let none = Overrides::new();
    let effects = || std::iter::once(("", &none)).chain(plan.effects.iter().map(|e| (e.name.as_str(), &e.overrides)));
    let sources = std::iter::once(("", &none)).chain(plan.files.iter().map(|f| (f.source.as_str(), &f.overrides)));
    let mut told: Vec<String> = Vec::new();
    for (source, of_source) in sources {
        for (effect, of_effect) in effects() {
            let place = [source, effect].into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" and ");
            let place = if place.is_empty() { String::new() } else { format!(" with what {place} changes") };
            let recipe = match plan.scope.recipe(&[of_source, of_effect]) {
                Ok(recipe) => recipe,
                Err(draw) => {
                    if !told.contains(&draw) {
                        let found = format!("a draw that hangs on itself{place}");
                        root.mistake(&format!("draws.{draw}"), found, "draws without a circle");
                        told.push(draw);
                    }
                    continue;
                }
            };
            for (draw, wanted, given) in wrong_shapes(dataset, plan, &recipe.specs, &recipe.order) {
                let name = &plan.scope.names[draw];
                if !told.contains(name) {
                    let found = format!("{}{place}", given.name());
                    root.mistake(&format!("draws.{name}"), found, wanted.name());
                    told.push(name.clone());
                }
            }
        }
    }
}

/// Draws that give, or look at, something of another type than they should: draw, what is wanted, what is given.
fn wrong_shapes(dataset: &Dataset, plan: &Plan, specs: &[Arc<Spec>], order: &[usize]) -> Vec<(usize, Shape, Shape)> {
    let pools: Vec<Vec<Option<Shape>>> = plan
        .pools
        .iter()
        .map(|pool| {
            let mut shapes = vec![None; pool.scope.specs.len()];
            for &draw in &pool.order {
                shapes[draw] = shape(&pool.scope.specs[draw], &shapes, &[], &pool.scope.specs);
            }
            shapes
        })
        .collect();
    let mut wrong = Vec::new();
    let mut shapes = vec![None; specs.len()];
    for &draw in order {
        shapes[draw] = shape(&specs[draw], &shapes, &pools, specs);
        let kind = dataset.sampled().field(&plan.scope.names[draw]).map(|field| dataset.sampled().fields[field].kind);
        let cases: Vec<&Spec> = match specs[draw].as_ref() {
            Spec::By { cases, .. } => cases.iter().map(|(_, case)| case).collect(),
            other => vec![other],
        };
        for case in cases {
            if let (Some(wanted), Some(given)) = (kind.map(Shape::of), shape(case, &shapes, &pools, specs))
                && wanted != given
            {
                wrong.push((draw, wanted, given));
            }
            for (looked_at, wanted) in case.looks_at() {
                if let Some(given) = shapes[looked_at].filter(|given| !wanted.fits(*given)) {
                    wrong.push((looked_at, wanted, given));
                }
            }
        }
    }
    wrong
}
