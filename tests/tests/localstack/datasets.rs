//! Billing, a shop of several records, and three other businesses in one database.

use std::collections::BTreeSet;
use std::fs;

use fonderie_contract::Bundle;
use fonderie_core::ObjectVersion;
use fonderie_tests::invoices::{self, Invoice, unpaid};
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::shop::{self, rows, signup};
use fonderie_tests::{Result, ensure, ensure_eq, workspace};
use futures::future::try_join_all;
use serde_json::json;

use crate::world::{World, sentence, succeeded};

/// What an analyst may read: the views, calendars and marts of both datasets, and no table that is internal.
const READABLE: &[&str] = &[
    "datamart.relance",
    "dw.dim_date",
    "dw.dim_etablissement",
    "dw.dim_patient",
    "dw.dim_service",
    "dw.fact_facturation",
    "dw.hist_facturation",
    "shop.revenue",
    "shop_dw.dim_customer",
    "shop_dw.dim_day",
    "shop_dw.dim_product",
    "shop_dw.dim_shop",
    "shop_dw.fact_line",
    "shop_dw.fact_line_with_dim_product",
    "shop_dw.fact_order",
    "shop_dw.hist_customer",
    "shop_dw.hist_order",
    "shop_dw.hist_product",
];

/// Adds the shop to the deployment, with the sources of a file that holds two records.
fn add_shop(world: &mut World) -> Result<()> {
    world.personal.extend(["Ada", "Cleo", "Dora"].map(str::to_owned));
    world.stack.add_dataset("shop", &fonderie_test_support::shop(), &shop::SIGNUP_SOURCES)
}

/// Four files of ten invoices each, and ten more invoices in two files, of which the second shows four as paid.
fn bills() -> Vec<(String, Vec<Invoice>)> {
    let file = |number: u32| (60_000 + number * 10..60_010 + number * 10).map(unpaid).collect::<Vec<_>>();
    let mut paid = file(4);
    for invoice in paid.iter_mut().take(4) {
        (invoice.paid, invoice.paid_on) = (invoice.billed, Some("2026-05-20".to_owned()));
    }
    let dates = ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-15", "2026-05-31"];
    let mut bills: Vec<_> = dates.into_iter().zip((0..5).map(file)).collect();
    bills.insert(0, ("2026-06-15", paid));
    bills.into_iter().map(|(date, invoices)| (format!("melange/etablissement_B_{date}.csv"), invoices)).collect()
}

pub(crate) async fn mixed_burst(world: &mut World) -> Result<Outcome> {
    world.reset().await;
    add_shop(world)?;
    // of both datasets in turns
    let mut files = Vec::new();
    for ((bill, invoices), (name, text)) in bills().into_iter().zip(shop::FILES) {
        files.push(("facturation", format!("facturation/{bill}"), invoices::text(&invoices)));
        let record = name.split_once('_').map_or(name, |(plural, _)| plural.trim_end_matches('s'));
        files.push((record, format!("shop/{name}"), text.to_owned()));
    }
    let upload = async |(record, key, text): &(&'static str, String, String)| {
        Ok::<_, fonderie_tests::Failed>((*record, world.stack.upload(key, text.clone().into()).await?))
    };
    let uploads: Vec<(&str, ObjectVersion)> = try_join_all(files.iter().map(upload)).await?;
    let mut loaded_by = BTreeSet::new();
    for (record, upload) in &uploads {
        let execution = match *record {
            "facturation" => world.stack.run_of(upload).await?,
            record => world.stack.run_of_record(upload, record).await?,
        };
        succeeded(&execution)?;
        ensure_eq!(execution.output["run"]["record"], *record, "the record of {}", execution.name);
        loaded_by.insert(execution.name);
    }
    ensure_eq!(loaded_by.len(), 12, "executions");

    let client = world.client().await;
    ensure_eq!(shop::tables(&client).await?, shop::EXPECTED, "the shop's tables");
    let billing = "SELECT (SELECT count(*) FROM dw.fact_facturation) AS a, (SELECT sum(montant_paye) FROM dw.fact_facturation) AS b, \
                   (SELECT count(*) FROM dw.hist_facturation) AS c, (SELECT sum(total_impaye) FROM datamart.relance) AS d";
    // 50 invoices of 120.50 euros, four of them paid by a file that comes first
    ensure_eq!(rows(&client, billing).await?, ["50|482.00|4|5543.00"], "the tables of billing");
    let staged = "SELECT (SELECT count(*) FROM staging.facturation) AS a, (SELECT count(*) FROM shop_staging.product) AS b, \
                  (SELECT count(*) FROM shop_staging.\"order\") AS c, (SELECT count(*) FROM shop_staging.line) AS d";
    ensure_eq!(rows(&client, staged).await?, ["60|6|2|4"], "rows in staging");
    let ledger = "SELECT dataset AS a, record AS b, count(*) AS c, count(loaded_run_id) AS d FROM audit.object_version \
                  GROUP BY dataset, record ORDER BY dataset, record";
    let expected =
        ["facturation|facturation|6|6", "shop|customer|1|1", "shop|line|1|1", "shop|order|1|1", "shop|product|3|3"];
    ensure_eq!(rows(&client, ledger).await?, expected, "the ledger's versions");
    let runs: BTreeSet<_> =
        rows(&client, "SELECT loaded_run_id FROM audit.object_version").await?.into_iter().collect();
    ensure_eq!(runs, loaded_by, "the runs that the ledger names");

    let readable = "SELECT n.nspname || '.' || c.relname AS a FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
                    AND has_schema_privilege('analyst', n.oid, 'USAGE') AND has_table_privilege('analyst', c.oid, 'SELECT') ORDER BY 1";
    ensure_eq!(rows(&client, readable).await?, READABLE, "what an analyst may read");
    // a function of a day reads internal tables in the place of whoever calls it
    client.batch_execute("SET ROLE analyst").await?;
    let on_a_day = "SELECT sku AS a, price AS b FROM shop_dw.dim_product_on('2026-04-30') WHERE shop_id = 'A'";
    ensure_eq!(rows(&client, on_a_day).await?, ["s1|1.20"], "the catalogue on a day, as an analyst sees it");
    Ok(Outcome::Passed(
        "12 files of both, one run each; both warehouses, the ledger and the analysts' rights".to_owned(),
    ))
}

/// A file that holds two records has two runs, whether its event starts them or a backfill does.
pub(crate) async fn several_records(world: &mut World) -> Result<Outcome> {
    add_shop(world)?;
    let text = signup("c3", "Cleo", "3", "2026-04-20");
    let upload = world.stack.upload("shop/signups_2026-04-20.csv", text.into()).await?;
    for record in ["customer", "order"] {
        let execution = world.stack.run_of_record(&upload, record).await?;
        succeeded(&execution)?;
        ensure_eq!(execution.output["load"]["outcomes"]["inserted"], 1, "{record}s of an event");
    }

    let before: BTreeSet<_> = world.stack.executions().await?.into_iter().collect();
    let files = [
        ("shop/reprise/signups_2026-04-21.csv", signup("c4", "Dora", "4", "2026-04-21")),
        ("shop/reprise/signups_2026-04-22.csv", signup("c4", "Dora", "5", "2026-04-22")),
        ("shop/reprise/customers_2026-03-01.csv", "customer;name;city\nc4;Dora;Brest\n".to_owned()),
        ("shop/reprise/", String::new()),
    ];
    world.stack.upload_untold(&files.clone().map(|(key, text)| (key.to_owned(), text.into_bytes()))).await?;
    let execution = world.stack.backfill(&json!({ "prefix": "shop/reprise/" })).await?;
    succeeded(&execution)?;
    let counts = json!({ "Total": 5, "Succeeded": 5, "Failed": 0 });
    ensure_eq!(execution.output["objects"]["counts"], counts, "the counts");
    let mut runs = Vec::new();
    for name in world.stack.executions().await?.iter().filter(|name| !before.contains(*name)) {
        let child = world.stack.wait_for(name).await?;
        succeeded(&child)?;
        let run = &child.output["run"];
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        runs.push((text(&run["object"]["key"]), text(&run["record"])));
    }
    runs.sort();
    let [first, second, customers, _] = files.map(|(key, _)| key.to_owned());
    let expected = [
        (customers, "customer".to_owned()),
        (first.clone(), "customer".to_owned()),
        (first, "order".to_owned()),
        (second.clone(), "customer".to_owned()),
        (second, "order".to_owned()),
    ];
    ensure_eq!(runs, expected, "the runs of the backfill");

    let client = world.client().await;
    let orders = "SELECT o.order_no AS a, c.name AS b, c.city AS c, s.shop_name AS d FROM shop_dw.fact_order o \
                  JOIN shop_dw.dim_customer c USING (customer_key) JOIN shop_dw.dim_shop s USING (shop_key) \
                  WHERE s.shop_id = 'B' ORDER BY 1";
    ensure_eq!(rows(&client, orders).await?, ["3|Cleo|Nice|Port", "4|Dora|Nice|Port", "5|Dora|Nice|Port"], "orders");
    let history = "SELECT customer_id AS a, city AS b, (valid_to AT TIME ZONE 'Europe/Paris')::date AS c FROM shop_dw.hist_customer";
    ensure_eq!(rows(&client, history).await?, ["c4|Brest|2026-04-21"], "the customers' history");
    let told = sentence(&execution);
    ensure!(told.contains("5 runs of files below shop/reprise/: 5 in the warehouse"), "the summary says: {told}");
    Ok(Outcome::Passed(told))
}

/// The three businesses beside billing: each with a query of its marts, and what it answers after its sample files.
const BUSINESSES: [(&str, &str, &[&str]); 3] = [
    (
        "commerce",
        "SELECT count(*) AS a, sum(order_total) AS b, sum(order_cost) AS c, sum(count_order_items) AS d FROM commerce.orders",
        &["23|278.17|43.47|35"],
    ),
    (
        "vin",
        "SELECT (SELECT count(*) FROM vin.chiffre_affaires_par_produit) AS a, (SELECT sum(chiffre_affaires) FROM vin.chiffre_affaires_par_produit) AS b, \
         (SELECT count(*) FROM vin.ecarts) AS c, (SELECT count(*) FROM vin_dw.dim_produit WHERE zscore_prix > 2) AS d",
        &["12|2812.40|23|1"],
    ),
    (
        "supermarche",
        "SELECT count(*) AS a, sum(prix) AS b, max(vue_le - date_vente) AS c FROM supermarche.ventes_valorisees",
        &["29|64.99|1"],
    ),
];

pub(crate) async fn businesses(world: &mut World) -> Result<Outcome> {
    world.personal.extend(["Ada Lindqvist", "Prénom00", "p00@exemple.invalid"].map(str::to_owned));
    let mut files = 0;
    for (name, query, expected) in BUSINESSES {
        let folder = workspace().join("datasets").join(name);
        world.stack.add_dataset(name, &folder, &[])?;
        let contract = Bundle::from_files(fonderie_test_support::dataset_files(name)).compile()?;
        let mut uploads = Vec::new();
        for sample in fs::read_dir(folder.join("samples"))? {
            let path = sample?.path();
            let key = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
            let record = contract.record(contract.source_of_key(&key, None)?).name.clone();
            uploads.push((record, world.stack.upload(&key, fs::read(&path)?).await?));
        }
        for (record, upload) in &uploads {
            let execution = world.stack.run_of_record(upload, record).await?;
            succeeded(&execution)?;
            ensure!(execution.output["validate"]["verdict"] != "halted", "{} is halted", upload.key);
        }
        files += uploads.len();
        let execution = world.stack.start_execution(&json!({ "dataset": name })).await?;
        succeeded(&world.stack.wait_for(&execution).await?)?;
        let client = world.client().await;
        ensure_eq!(rows(&client, query).await?, expected, "the marts of {name}");
        let exports = world.stack.keys("reports", &format!("{name}/exports/")).await?;
        ensure_eq!(exports.len(), contract.exports.len(), "exports of {name}: {exports:?}");
        let asked = format!("SELECT count(*) AS a FROM audit.check_state WHERE dataset = '{name}'");
        ensure_eq!(rows(&client, &asked).await?, [contract.checks.len().to_string()], "checks of {name}");
    }
    Ok(Outcome::Passed(format!("{files} sample files of three businesses; marts, exports and checks")))
}
