//! The tables of every dataset after random loads, late versions, reloads under another bundle and withdrawals, against a computation from
//! scratch after each step.

mod draw;
mod model;
mod trial;

use std::fs;
use std::path::Path;

use fonderie_contract::{Bundle, Dataset};
use fonderie_core::stage::Outcomes;
use fonderie_test_support::{dataset_files, shop_files};

use crate::partitions::partitioned;
use crate::support::instant;

use draw::Chance;
pub(crate) use model::Version;
use model::{Model, Row, Seen, Versions, day};
use trial::judge;
pub(crate) use trial::{Trial, compile};

/// The name of the field that the second bundle has beyond the first.
const LATER: &str = "later_remark";

/// The bundle with one more field in each record, which may be NULL and is part of the state of the record's main table.
fn grown(bundle: &Bundle) -> Bundle {
    let grow = |path: &str, text: &str| {
        if !path.starts_with("records/") {
            return text.to_owned();
        }
        let mut record: toml::Table = text.parse().unwrap();
        let field = toml::toml! { name = "later_remark" type = "text" max_length = 5 };
        record["fields"].as_array_mut().unwrap().push(field.into());
        let (table, state) =
            if record.contains_key("fact") { ("fact", "measures") } else { ("dimension", "attributes") };
        let table = record[table].as_table_mut().unwrap();
        let state = table.entry(state).or_insert_with(|| toml::Value::Array(Vec::new()));
        state.as_array_mut().unwrap().push(LATER.into());
        record.to_string()
    };
    Bundle::from_files(bundle.files().map(|(path, text)| (path.to_owned(), grow(path, text))))
}

/// Draws sequences of versions, loads them, and compares after each step. Returns what was seen.
async fn sequences(bundle: &Bundle, count: u64) -> Seen {
    let bundles = [compile(bundle), compile(&grown(bundle))];
    let [first, second] = &bundles;
    let mut trial = Trial::new(first).await;
    let mut seen = Seen::default();
    let mut widest = first;
    for seed in 0..count {
        trial.clear(widest).await;
        let mut chance = Chance::new(seed);
        // two records at a time, of which one refers to the other if it can, so that their versions meet
        let record = chance.below(first.records.len());
        let focus = [record, chance.of(&related(first, record))];
        let instants = [0, 1, 2].map(|_| draw::instant(&mut chance));
        let mut files = Vec::new();
        for number in 0..chance.below(6) + 2 {
            let record = chance.of(&focus);
            files.push(draw::version(
                &mut chance,
                &instants,
                &first.name,
                (record, &first.records[record].name),
                number,
            ));
        }
        let (mut loaded, mut withdrawn) = (Versions::new(), Versions::new());
        let mut read_by = vec![(0, String::new()); files.len()];
        for step in 0..chance.below(9) + 3 {
            // once, in the middle of a sequence: from here on runs of both bundles work on the same tables
            if seed == count / 4 && step == 2 {
                trial.evolve(second).await;
                widest = second;
            }
            let number = chance.below(files.len());
            let (by, sha256) = read_by[number].clone();
            let others: Vec<_> = loaded.values().chain(withdrawn.values()).cloned().collect();
            let others: Vec<_> = others.iter().collect();
            let before = loaded.clone();
            let model = Model(widest);
            let context = if let Some(version) = withdrawn.get(&number).cloned() {
                if chance.one_in(2) {
                    let done = trial.load(&bundles[by], &version, &sha256).await.unwrap();
                    assert!(done.withdrawn, "a run loads a withdrawn version: sequence {seed}, step {step}");
                    "loaded though withdrawn"
                } else {
                    withdrawn.remove(&number);
                    let outcomes = trial.restore(&bundles[by], &version, &sha256, &others).await;
                    loaded.insert(number, version);
                    let expected = model.outcomes(&before, &loaded, number);
                    assert_eq!(counts(&outcomes), expected, "sequence {seed}, step {step}: {loaded:#?}");
                    "restored"
                }
            } else if let Some(version) = loaded.get(&number).filter(|_| chance.one_in(2)).cloned() {
                loaded.remove(&number);
                withdrawn.insert(number, version.clone());
                trial.withdraw(widest, &version, &others).await;
                "withdrawn"
            } else if let Some(version) = loaded.get(&number).filter(|_| chance.one_in(4)) {
                let done = trial.load(&bundles[by], version, &sha256).await.unwrap();
                assert!(done.already_loaded, "sequence {seed}, step {step}");
                "loaded again"
            } else {
                let context = if loaded.contains_key(&number) { "loaded under another bundle" } else { "loaded" };
                let by =
                    if widest.records[0].fields.len() > first.records[0].fields.len() { chance.below(2) } else { 0 };
                let (record, known) =
                    (&second.records[files[number].record], &bundles[by].records[files[number].record]);
                let main = first.layout.tables.records[files[number].record].main().unwrap();
                draw::fill(&mut chance, &mut files[number], record, known, main);
                judge(&bundles[by], &mut files[number]);
                read_by[number] = (by, format!("bundle {by}, {step}"));
                loaded.insert(number, files[number].clone());
                let done = trial.load(&bundles[by], &files[number], &read_by[number].1).await.unwrap();
                let expected = model.outcomes(&before, &loaded, number);
                assert_eq!(
                    counts(&done.outcomes),
                    expected,
                    "sequence {seed}, step {step}, version {number} of {loaded:#?}"
                );
                context
            };
            seen.note(context);
            trial.check_references(widest).await;
            // not after each step: lists of several loads gather
            if chance.below(3) > 0 && trial.follow(widest).await > 0 {
                seen.note("rows of marts that follow");
            }
            let day = day(chance.below(45));
            let (expected, found) = (model.lines(&loaded, day), trial.lines(widest, day).await);
            seen.count(&expected);
            let lacks: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
            let surplus: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
            assert!(
                expected == found,
                "{}: sequence {seed}, step {step}, version {number} {context}, day {day}\nlacks {lacks:#?}\nhas {surplus:#?}\nof {loaded:#?}",
                first.name
            );
        }
    }
    seen
}

/// Marts that follow: by the key of a table that is referred to, in and beside its own record; one reads a table without that key as well.
const FOLLOWED: [(&str, &str, &str); 3] = [
    (
        "customer_orders",
        "customer_key",
        "SELECT c.customer_key, c.name, c.city, count(*) AS orders, count(*) FILTER (WHERE o.paid) AS paid, max(o.order_date) AS newest\n\
         FROM shop_dw.dim_customer c JOIN shop_dw.fact_order o USING (customer_key) GROUP BY c.customer_key, c.name, c.city",
    ),
    (
        "product_lines",
        "product_key",
        "SELECT product_key, sum(quantity) AS quantity, min(sold_on) AS first FROM shop_dw.fact_line WHERE product_key IS NOT NULL GROUP BY product_key",
    ),
    (
        "shop_orders",
        "shop_key",
        "SELECT s.shop_key, s.shop_name, count(o.order_key) AS orders, string_agg(c.name, ', ' ORDER BY c.name) AS names\n\
         FROM shop_dw.dim_shop s LEFT JOIN shop_dw.fact_order o USING (shop_key) LEFT JOIN shop_dw.dim_customer c USING (customer_key)\n\
         GROUP BY s.shop_key, s.shop_name",
    ),
];

/// The shop with these marts.
pub(crate) fn followed() -> Bundle {
    let marts: String = FOLLOWED
        .iter()
        .map(|(name, by, _)| format!("\n[[marts]]\nname = \"{name}\"\nkey = [\"{by}\"]\nincremental_by = \"{by}\"\n"))
        .collect();
    let with_marts = |(path, text): (String, String)| match path.as_str() {
        "dataset.toml" => (path, text + &marts),
        _ => (path, text),
    };
    let definitions = FOLLOWED.iter().map(|(name, _, sql)| (format!("marts/{name}.sql"), (*sql).to_owned()));
    Bundle::from_files(shop_files().into_iter().map(with_marts).chain(definitions))
}

/// The records that refer to a record, or to which it refers; itself if there are none.
fn related(dataset: &Dataset, record: usize) -> Vec<usize> {
    let records = &dataset.layout.tables.records;
    let refers = |from: usize, to: usize| {
        let mut references = records[from].tables.iter().flat_map(|table| &table.references);
        references.any(|reference| records[to].tables.iter().any(|table| table.name == reference.table))
    };
    let of_others = |other: &usize| *other != record && (refers(record, *other) || refers(*other, record));
    let related: Vec<usize> = (0..records.len()).filter(of_others).collect();
    if related.is_empty() { vec![record] } else { related }
}

fn counts(outcomes: &Outcomes) -> [u64; 4] {
    [outcomes.inserted, outcomes.updated, outcomes.unchanged, outcomes.superseded]
}

/// How many sequences are drawn of each dataset; more of them take as much longer.
fn count() -> u64 {
    std::env::var("FONDERIE_SEQUENCES").map_or(40, |count| count.parse().unwrap())
}

const STEPS: [&str; 6] =
    ["loaded", "loaded again", "loaded under another bundle", "withdrawn", "restored", "loaded though withdrawn"];

#[tokio::test]
async fn the_shops_tables_are_a_function_of_its_versions() {
    let seen = sequences(&followed(), count()).await;
    seen.check(&STEPS);
    seen.check(&["rows of marts that follow"]);
    seen.check(&[
        "open members",
        "absent members",
        "current rows",
        "earlier states",
        "earlier absences",
        "values in force",
        "values in force that began later",
    ]);
}

#[tokio::test]
async fn partitions_change_nothing() {
    let seen = sequences(&partitioned("2025-02-01", "2025-03-01", "month"), count()).await;
    seen.check(&STEPS);
    seen.check(&["current rows", "earlier states", "earlier absences", "values in force"]);
}

#[tokio::test]
async fn a_text_decides_as_well_which_row_is_the_newest() {
    let by_number = |text: String| text.replace("field = \"order_date\", as", "field = \"order_no\", as");
    let seen =
        sequences(&Bundle::from_files(shop_files().into_iter().map(|(path, text)| (path, by_number(text)))), count())
            .await;
    seen.check(&STEPS);
    seen.check(&["current rows", "earlier states"]);
}

#[tokio::test]
async fn every_datasets_tables_are_a_function_of_its_versions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets");
    for dataset in fs::read_dir(folder).unwrap() {
        let name = dataset.unwrap().file_name().into_string().unwrap();
        let seen = sequences(&Bundle::from_files(dataset_files(&name)), count()).await;
        seen.check(&STEPS);
        seen.check(&["current rows", "earlier states"]);
    }
}

/// A text that becomes wider below a mart that follows is wider in the mart.
#[tokio::test]
async fn a_mart_that_follows_takes_wider_texts() {
    let wide = |(path, text): (&str, &str)| (path.to_owned(), text.replace("max_length = 60", "max_length = 90"));
    let [narrow, wide] = [followed(), Bundle::from_files(followed().files().map(wide))].map(|bundle| compile(&bundle));
    let mut trial = Trial::new(&narrow).await;
    let order = [("shop_id", "A"), ("order_no", "1"), ("customer_id", "c1"), ("order_date", "2025-01-03")];
    trial.load(&narrow, &version(&narrow, "order", "o1", &order), "bundle").await.unwrap();
    trial.follow(&narrow).await;
    trial.evolve(&wide).await;
    let name = "n".repeat(80);
    let customer = version(&wide, "customer", "k1", &[("customer_id", "c1"), ("name", &name)]);
    trial.load(&wide, &customer, "wider").await.unwrap();
    assert!(trial.follow(&wide).await > 0);
    assert_eq!(trial.text("SELECT max(length(name))::text FROM shop.customer_orders").await, "80");
}

/// A version of one row.
pub(crate) fn one_row(record: usize, id: &str, values: &[(&str, &str)]) -> Version {
    let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Version {
        rows: vec![Row { line: 2, accepted: true, values }],
        ..draw::version(&mut Chance::new(1), &[instant(3)], "shop", (record, id), 1)
    }
}

/// A version of one row of a record, which closes no row of others though its file may be complete.
pub(crate) fn version(dataset: &Dataset, record: &str, id: &str, values: &[(&str, &str)]) -> Version {
    let record = dataset.records.iter().position(|known| known.name == record).unwrap();
    Version { unread: true, ..one_row(record, id, values) }
}

#[tokio::test]
async fn the_tables_compute_columns_and_refuse_a_state_that_no_rule_refused() {
    let shop = compile(&Bundle::from_files(shop_files()));
    let mut trial = Trial::new(&shop).await;
    let record = |name: &str| shop.records.iter().position(|record| record.name == name).unwrap();
    let line = |quantity| {
        let values = [("line_id", "l1"), ("sku", "s1"), ("quantity", quantity), ("sold_on", "2025-01-03")];
        one_row(record("line"), "line", &values)
    };
    trial.load(&shop, &line("18"), "bundle").await.unwrap();
    let values = [("shop_id", "A"), ("order_no", "1"), ("order_date", "2025-01-03")];
    trial.load(&shop, &one_row(record("order"), "order", &values), "bundle").await.unwrap();
    let lines = "SELECT string_agg(concat_ws('|', line_id, quantity, dozens), ',') FROM shop_dw.fact_line";
    assert_eq!(trial.text(lines).await, "l1|18|1.50");
    let days = "SELECT string_agg(concat_ws('|', day_key, day, weekday), ',') FROM shop_dw.dim_day";
    assert_eq!(trial.text(days).await, "20250103|2025-01-03|5");

    let refused = trial.load(&shop, &line("0"), "another bundle").await.unwrap_err();
    assert!(refused.message.contains("fact_line_rows") && refused.message.contains("check"), "{refused}");
    assert_eq!(trial.text(lines).await, "l1|18|1.50");
}
