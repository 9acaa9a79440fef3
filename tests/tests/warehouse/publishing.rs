//! The collection list, and the exchange of a mart under its readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{NaiveDate, Utc};
use fonderie_contract::{Mart, MartKind};
use fonderie_core::stage::DatasetRun;
use fonderie_core::{Disposition, ErrorCode};
use fonderie_warehouse::Warehouse;

use crate::support::{DATASET, Line, Version, connect, dataset_file, day, layout, line, load, migrated, rows, score};

fn relance() -> Mart {
    let kind = MartKind::Materialized { key: vec!["patient_key".into()], by: Some("patient_key".into()) };
    Mart { name: "relance".into(), kind, publications: false, definition: dataset_file("marts/relance.sql") }
}

fn run(version: &Version, run_id: &str, as_of: NaiveDate) -> DatasetRun {
    DatasetRun { as_of, ..DatasetRun::from(&version.run(run_id, "b1")) }
}

fn owes(patient: &'static str, facture: &str, cents: i128, facture_le: i32) -> Line {
    Line { patient, nom: patient, montant: cents, facture_le, ..line(facture) }
}

#[tokio::test]
async fn who_is_reminded_and_why() {
    let database = migrated("relance").await;
    let mut warehouse = connect(&database.url).await;
    let lines = vec![
        // as of day 100: ages 30, 31, 60, 61, 90 and 91
        owes("P_AGES", "A1", 100, 70),
        owes("P_AGES", "A2", 200, 69),
        owes("P_AGES", "A3", 400, 40),
        owes("P_AGES", "A4", 800, 39),
        owes("P_AGES", "A5", 1600, 10),
        owes("P_AGES", "A6", 3200, 9),
        owes("P_EXACT", "E1", 500000, 100),
        owes("P_OVER", "O1", 250000, 100),
        owes("P_OVER", "O2", 250001, 99),
        owes("P_URGENT", "U1", 1000, 90),
        owes("P_URGENT", "U2", 2000, 90),
        owes("P_BOUND", "B1", 1000, 90),
        // abnormal but paid: nothing is owed, or nothing abnormal is
        owes("P_PAID", "X1", 900000, 10).paid(900000, 99),
        owes("P_MIXED", "M1", 900000, 10).paid(900000, 99),
        owes("P_MIXED", "M2", 5000, 95).paid(2000, 99),
    ];
    let version = Version::new("v1", 0, lines);
    load(&mut warehouse, &version, "r1", "b1").await.unwrap();
    let scores = [
        ("U1", -0.11, Some("un peu")),
        ("U2", -0.3, Some("beaucoup")),
        ("B1", -0.1, Some("à la limite")),
        ("X1", -0.5, Some("payée")),
        ("M1", -0.5, Some("payée")),
        ("A1", 0.2, None),
    ];
    score(&warehouse, &scores).await;
    let published = warehouse.publish(&run(&version, "r1", day(100)), layout(), &[relance()], &[]).await.unwrap();
    assert_eq!((published.marts[0].rows, published.marts[0].rebuilt, published.left_to_newer), (Some(6), true, false));
    let list = "SELECT patient_id, nom, total_impaye, nb_factures_impayees, priorite, motif, impaye_0_30, impaye_31_60, \
                impaye_61_90, impaye_90_plus, plus_ancienne FROM datamart.relance ORDER BY patient_id";
    let expected = [
        "P_AGES|P_AGES|63.00|6|STANDARD|Plus ancienne facture impayée du 10/01/2025 (91 jours)|1.00|6.00|24.00|32.00|2025-01-10",
        "P_BOUND|P_BOUND|10.00|1|STANDARD|Plus ancienne facture impayée du 01/04/2025 (10 jours)|10.00|0|0|0|2025-04-01",
        "P_EXACT|P_EXACT|5000.00|1|STANDARD|Plus ancienne facture impayée du 11/04/2025 (0 jours)|5000.00|0|0|0|2025-04-11",
        "P_MIXED|P_MIXED|30.00|1|STANDARD|Plus ancienne facture impayée du 06/04/2025 (5 jours)|30.00|0|0|0|2025-04-06",
        "P_OVER|P_OVER|5000.01|2|PRIORITAIRE|Total impayé de 5 000,01 €, supérieur à 5 000 €|5000.01|0|0|0|2025-04-10",
        "P_URGENT|P_URGENT|30.00|2|URGENT|Facture U2 anormale (beaucoup)|30.00|0|0|0|2025-04-01",
    ];
    assert_eq!(rows(&warehouse, list).await, expected);

    // The same again writes nothing into the mart; a later "today" moves the debts, and nothing else.
    let bytes = "SELECT ctid, xmin FROM datamart.relance ORDER BY 1";
    let before = rows(&warehouse, bytes).await;
    let again = warehouse.publish(&run(&version, "r1", day(100)), layout(), &[relance()], &[]).await.unwrap();
    assert!(!again.marts[0].rebuilt);
    assert_eq!(rows(&warehouse, bytes).await, before);
    let daily = DatasetRun { started_at: Utc::now(), ..run(&version, "daily", day(130)) };
    warehouse.publish(&daily, layout(), &[relance()], &[]).await.unwrap();
    let ages = "SELECT impaye_0_30, impaye_31_60, impaye_61_90, impaye_90_plus FROM datamart.relance WHERE patient_id = 'P_AGES'";
    assert_eq!(rows(&warehouse, ages).await, ["0|1.00|6.00|56.00"]);
    let ledger = "SELECT a.dataset, a.as_of, a.run_id, m.mart, m.run_id, m.rows FROM audit.as_of a JOIN audit.mart m USING (dataset)";
    assert_eq!(rows(&warehouse, ledger).await, [format!("{DATASET}|2025-05-11|daily|relance|daily|6")]);
    warehouse.close().await;
}

#[tokio::test]
async fn a_run_leaves_publishing_to_a_newer_load() {
    let database = migrated("publish_newer").await;
    let mut warehouse = connect(&database.url).await;
    let (first, second) = (Version::new("v1", 0, vec![line("F1")]), Version::new("v2", 1, vec![line("F2")]));
    load(&mut warehouse, &first, "r1", "b1").await.unwrap();
    load(&mut warehouse, &second, "r2", "b1").await.unwrap();
    // the other run may be slow or fail: who ran a file finds its marts
    let published = warehouse.publish(&run(&first, "r1", day(100)), layout(), &[relance()], &[]).await.unwrap();
    assert_eq!((published.left_to_newer, published.marts[0].rows), (false, Some(1)));
    let published = warehouse.publish(&run(&first, "r1", day(100)), layout(), &[relance()], &[]).await.unwrap();
    assert_eq!((published.left_to_newer, published.marts), (true, Vec::new()));
    assert_eq!(rows(&warehouse, "SELECT run_id FROM audit.mart").await, ["r1"]);
    let published = warehouse.publish(&run(&second, "r2", day(100)), layout(), &[relance()], &[]).await.unwrap();
    assert_eq!((published.left_to_newer, published.marts[0].rows), (false, Some(1)));
    warehouse.close().await;
}

#[tokio::test]
async fn a_member_that_somebody_removed_is_found_with_those_that_refer_to_it() {
    let database = migrated("references").await;
    let mut warehouse = connect(&database.url).await;
    let [first, second] = [("v1", 0, 100), ("v2", 1, 200)].map(|(id, day, montant)| {
        Version::new(id, day, vec![Line { patient: "P1", montant, ..line("F1") }, Line { patient: "P2", ..line("F2") }])
    });
    load(&mut warehouse, &first, "r1", "b1").await.unwrap();
    load(&mut warehouse, &second, "r2", "b1").await.unwrap();
    warehouse.check_references(layout()).await.unwrap();
    warehouse.query("DELETE FROM dw.dim_patient_rows WHERE patient_id = 'P1'").await.unwrap();
    warehouse.query("DELETE FROM dw.fact_facturation_rows WHERE facture_id = 'F2'").await.unwrap();
    let error = warehouse.check_references(layout()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SchemaMismatch);
    // the invoice's row, and its earlier state
    for found in
        ["dw.fact_facturation_history.patient_key (rows: 1), ", "dw.fact_facturation_rows.patient_key (rows: 1) refers"]
    {
        assert!(error.message.contains(found), "{error}");
    }
    assert!(error.message.contains("fonderie rebuild --dataset facturation"), "{error}");
    warehouse.close().await;
}

#[tokio::test]
async fn readers_see_a_mart_at_every_moment_while_its_definition_changes() {
    let database = migrated("swap").await;
    let mut warehouse = connect(&database.url).await;
    let version = Version::new("v1", 0, (0..200).map(|n| line(&format!("F{n}"))).collect());
    load(&mut warehouse, &version, "r1", "b1").await.unwrap();
    let run = run(&version, "r1", day(100));
    let mart = |name: &str| {
        let definition = format!("SELECT facture_key AS cle, '{name}'::text AS nom FROM dw.fact_facturation -- {name}");
        Mart {
            name: "liste".into(),
            kind: MartKind::Materialized { key: vec!["cle".into()], by: None },
            publications: false,
            definition,
        }
    };
    warehouse.publish(&run, layout(), &[mart("m0")], &[]).await.unwrap();
    warehouse.query("CREATE ROLE lecteur_test; GRANT SELECT ON datamart.liste TO lecteur_test").await.unwrap();

    // one reader of single statements, and one whose snapshot is older than every exchange
    let old = database.connect().await;
    old.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM audit.run").await.unwrap();
    let (done, url) = (Arc::new(AtomicBool::new(false)), database.url.clone());
    let stop = Arc::clone(&done);
    let reader = tokio::spawn(async move {
        let warehouse = connect(&url).await;
        let mut seen = 0;
        while !stop.load(Ordering::Relaxed) {
            assert_eq!(rows(&warehouse, "SELECT count(*), count(DISTINCT nom) FROM datamart.liste").await, ["200|1"]);
            seen += 1;
        }
        warehouse.close().await;
        seen
    });
    for n in 1..=20 {
        let published = warehouse.publish(&run, layout(), &[mart(&format!("m{n}"))], &[]).await.unwrap();
        assert!(published.marts[0].rebuilt);
    }
    done.store(true, Ordering::Relaxed);
    let seen: i32 = reader.await.unwrap();
    assert!(seen > 20, "only {seen} reads");
    let count = old.query_one("SELECT count(*), min(nom) FROM datamart.liste", &[]).await.unwrap();
    assert_eq!((count.get::<_, i64>(0), count.get::<_, &str>(1)), (200, "m20"));
    old.batch_execute("COMMIT").await.unwrap();
    let rights = "SELECT has_table_privilege('lecteur_test', 'datamart.liste', 'SELECT')";
    assert_eq!(rows(&warehouse, rights).await, ["t"]);

    // one that is gone comes back; one that others depend on is left as it is, with a sentence
    warehouse.query("DROP MATERIALIZED VIEW datamart.liste").await.unwrap();
    assert!(warehouse.publish(&run, layout(), &[mart("m20")], &[]).await.unwrap().marts[0].rebuilt);
    warehouse.query("CREATE VIEW datamart.vue AS SELECT * FROM datamart.liste").await.unwrap();
    let error = warehouse.publish(&run, layout(), &[mart("m21")], &[]).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::SchemaMismatch);
    assert!(error.message.contains("depend on the old one"), "{error}");
    assert_eq!(rows(&warehouse, "SELECT min(nom) FROM datamart.vue").await, ["m20"]);
    warehouse
        .query("DROP VIEW datamart.vue; DROP MATERIALIZED VIEW datamart.liste; DROP ROLE lecteur_test")
        .await
        .unwrap();
    warehouse.close().await;
}

#[tokio::test]
async fn credit_notes_are_netted_per_patient_and_the_list_is_what_is_owed() {
    let database = migrated("credit").await;
    let mut warehouse = connect(&database.url).await;
    let at = |etablissement, line: Line| Line { etablissement, ..line };
    let lines = vec![
        // 100 owed, a credit of 60 of which 20 was given back: 60 is left
        owes("P_NET", "N1", 10_000, 90),
        at("ETAB_B", owes("P_NET", "N2", -6_000, 20).paid(-2_000, 95)),
        // a credit as large as the debt, and a larger one
        owes("P_ZERO", "Z1", 5_000, 90),
        owes("P_ZERO", "Z2", -5_000, 91),
        owes("P_CREDIT", "C1", 5_000, 90),
        owes("P_CREDIT", "C2", -9_000, 10),
        // the abnormal and the oldest document is a credit note, which makes nobody urgent
        owes("P_NOTE", "T1", 20_000, 95),
        owes("P_NOTE", "T2", -1_000, 1),
        owes("P_PLAIN", "L1", 3_000, 60),
    ];
    let version = Version::new("v1", 0, lines);
    load(&mut warehouse, &version, "r1", "b1").await.unwrap();
    score(&warehouse, &[("T2", -0.4, Some("avoir")), ("Z1", -0.4, Some("avoir"))]).await;
    warehouse.publish(&run(&version, "r1", day(100)), layout(), &[relance()], &[]).await.unwrap();
    let list = "SELECT patient_id, total_impaye, nb_factures_impayees, priorite, motif, impaye_0_30, impaye_31_60, impaye_61_90, \
                impaye_90_plus, plus_ancienne FROM datamart.relance ORDER BY patient_id";
    let expected = [
        "P_NET|60.00|1|STANDARD|Plus ancienne facture impayée du 01/04/2025 (10 jours)|100.00|0|-40.00|0|2025-04-01",
        "P_NOTE|190.00|1|STANDARD|Plus ancienne facture impayée du 06/04/2025 (5 jours)|200.00|0|0|-10.00|2025-04-06",
        "P_PLAIN|30.00|1|STANDARD|Plus ancienne facture impayée du 02/03/2025 (40 jours)|0|30.00|0|0|2025-03-02",
    ];
    assert_eq!(rows(&warehouse, list).await, expected);

    let owed = dataset_file("queries/owed.sql");
    let settings = |patient, facility| {
        [
            ("fonderie.on", "2025-04-11"),
            ("fonderie.time_zone", "Europe/Paris"),
            ("fonderie.patient", patient),
            ("fonderie.facility", facility),
        ]
    };
    let mut told = Vec::new();
    for (patient, facility) in [("", ""), ("P_NET", ""), ("P_CREDIT", ""), ("", "ETAB_B")] {
        for (name, value) in settings(patient, facility) {
            warehouse.query(&format!("SELECT set_config('{name}', '{value}', false)")).await.unwrap();
        }
        let table = warehouse.query(&owed).await.unwrap();
        let text = |row: &Vec<Option<String>>| {
            row.iter().take(4).map(|value| value.as_deref().unwrap_or("∅")).collect::<Vec<_>>().join("|")
        };
        told.push(table.rows.iter().map(text).collect::<Vec<_>>());
    }
    assert_eq!(
        told,
        [
            vec!["ETAB_A|3|3|320.00", "ETAB_B|0|0|-40.00", "TOTAL|3|3|280.00"],
            vec!["ETAB_A|1|1|100.00", "ETAB_B|0|0|-40.00", "TOTAL|1|1|60.00"],
            vec!["TOTAL|0|0|0.00"],
            vec!["ETAB_B|0|0|-40.00", "TOTAL|0|0|-40.00"],
        ]
    );
    assert_eq!(rows(&warehouse, "SELECT sum(total_impaye) FROM datamart.relance").await, ["280.00"]);
    warehouse.close().await;
}

#[tokio::test]
async fn a_bad_mart_is_the_datasets_fault_and_the_rows_stay() {
    let database = migrated("bad_mart").await;
    let mut warehouse = connect(&database.url).await;
    let version = Version::new("v1", 0, vec![line("F1")]);
    load(&mut warehouse, &version, "r1", "b1").await.unwrap();
    for definition in ["SELECT nothing AS patient_key FROM dw.fact_facturation", "SELECT 1 / 0 AS patient_key"] {
        let bad = Mart { definition: definition.into(), ..relance() };
        let error = warehouse.publish(&run(&version, "r1", day(100)), layout(), &[bad], &[]).await.unwrap_err();
        assert_eq!((error.code, error.disposition()), (ErrorCode::ContractInvalid, Disposition::Configuration));
        assert!(
            error.message.contains("the rows are loaded") && error.message.contains("marts/relance.sql"),
            "{error}"
        );
        assert!(!error.message.contains("nothing was written"), "{error}");
    }
    assert_eq!(rows(&warehouse, "SELECT count(*) FROM dw.fact_facturation").await, ["1"]);
    warehouse.close().await;
}

#[tokio::test]
async fn today_does_not_go_back() {
    let database = migrated("today").await;
    let mut warehouse = connect(&database.url).await;
    let published = "SELECT as_of, run_id FROM audit.as_of";
    let version = Version::new("v1", 0, vec![line("F1")]);
    load(&mut warehouse, &version, "r1", "b1").await.unwrap();
    warehouse.publish(&run(&version, "r1", day(100)), layout(), &[relance()], &[]).await.unwrap();
    let daily = DatasetRun { started_at: Utc::now(), object: None, ..run(&version, "daily", day(99)) };
    assert_eq!(warehouse.with_loads_known(&daily).await.unwrap().as_of, day(100));
    warehouse.publish(&daily, layout(), &[relance()], &[]).await.unwrap();
    assert_eq!(rows(&warehouse, published).await, ["2025-04-11|daily"]);
    // A date that somebody typed is refused before anything is written, unless it is forced.
    let typed = |as_of| DatasetRun { force: false, as_of, ..daily.clone() };
    assert_eq!(warehouse.check_as_of(&typed(day(99))).await.unwrap_err().code, ErrorCode::AsOfEarlier);
    warehouse.check_as_of(&typed(day(100))).await.unwrap();
    let late = Version { as_of: day(99), force: false, ..Version::new("v2", 1, vec![line("F2")]) };
    let error = load(&mut warehouse, &late, "r2", "b1").await.unwrap_err();
    assert_eq!((error.code, error.disposition()), (ErrorCode::AsOfEarlier, Disposition::Data));
    assert!(error.message.contains("--force") && error.message.contains("2025-04-11"), "{error}");
    assert_eq!(rows(&warehouse, "SELECT count(*) FROM audit.object_version").await, ["1"]);
    load(&mut warehouse, &Version { force: true, ..late }, "r2", "b1").await.unwrap();
    // A later date moves it on.
    let next = DatasetRun { started_at: Utc::now(), ..run(&version, "next", day(101)) };
    warehouse.publish(&next, layout(), &[relance()], &[]).await.unwrap();
    assert_eq!(rows(&warehouse, published).await, ["2025-04-12|next"]);
    warehouse.close().await;
}

/// A mart that follows computes the rows of the keys that a load touched, and all of them on another day or with another model.
#[tokio::test]
async fn a_mart_that_follows_computes_what_a_load_touched() {
    let database = migrated("publish_follow").await;
    let mut warehouse = connect(&database.url).await;
    let of = |facture: &str, patient: &'static str, cents| Line { patient, montant: cents, ..line(facture) };
    let first = Version::new("v1", 0, vec![of("F1", "P1", 100), of("F2", "P2", 200), of("F3", "P3", 300)]);
    load(&mut warehouse, &first, "r1", "b1").await.unwrap();
    let publish = async |warehouse: &mut Warehouse, run: DatasetRun| {
        warehouse.publish(&run, layout(), &[relance()], &[]).await.unwrap()
    };
    assert!(publish(&mut warehouse, run(&first, "r1", day(100))).await.marts[0].rebuilt);
    let total = "SELECT patient_id, total_impaye FROM datamart.relance ORDER BY 1";
    assert_eq!(rows(&warehouse, total).await, ["P1|1.00", "P2|2.00", "P3|3.00"]);
    // what nobody touches is not computed: it stays wrong
    let wrong = "UPDATE datamart.relance SET total_impaye = 999 WHERE patient_id = 'P3'";
    warehouse.query(wrong).await.unwrap();
    // F2 is another patient's, F1 is paid, and there is a fourth patient
    let second =
        Version::new("v2", 1, vec![of("F2", "P1", 200), of("F1", "P1", 100).paid(100, 60), of("F4", "P4", 400)]);
    load(&mut warehouse, &second, "r2", "b1").await.unwrap();
    let published = publish(&mut warehouse, run(&second, "r2", day(100))).await;
    assert_eq!((published.marts[0].rebuilt, published.marts[0].rows), (false, Some(3)));
    assert_eq!(rows(&warehouse, total).await, ["P1|2.00", "P3|999", "P4|4.00"]);
    let lists = "SELECT count(*) FROM dw.fact_facturation_changes";
    assert_eq!(rows(&warehouse, lists).await, ["0"], "the only follower so far has seen them");
    // another name of a patient
    let third = Version::new("v3", 2, vec![Line { nom: "Autre", ..of("F5", "P4", 500) }]);
    load(&mut warehouse, &third, "r3", "b1").await.unwrap();
    publish(&mut warehouse, run(&third, "r3", day(100))).await;
    let named = "SELECT patient_id, nom, total_impaye FROM datamart.relance WHERE patient_id = 'P4'";
    assert_eq!(rows(&warehouse, named).await, ["P4|Autre|9.00"]);
    assert_eq!(rows(&warehouse, total).await[1], "P3|999");
    // another day is another age of every invoice
    publish(&mut warehouse, DatasetRun { started_at: Utc::now(), object: None, ..run(&third, "d1", day(101)) }).await;
    assert_eq!(rows(&warehouse, total).await, ["P1|2.00", "P3|3.00", "P4|9.00"]);
    // a model that scored rows that the mart has seen without scores, and one that was trained
    warehouse.query(wrong).await.unwrap();
    score(&warehouse, &[("F3", -0.4, Some("montant"))]).await;
    publish(&mut warehouse, DatasetRun { started_at: Utc::now(), object: None, ..run(&third, "d2", day(101)) }).await;
    assert_eq!(rows(&warehouse, total).await[1], "P3|999");
    let trained = "INSERT INTO audit.model_in_force VALUES ('facturation', 'anomalie_paiement', 'd2', '', '2025-01-01', 'd2', '2025-01-01', 1, 0, '[]')";
    warehouse.query(trained).await.unwrap();
    publish(&mut warehouse, DatasetRun { started_at: Utc::now(), object: None, ..run(&third, "d3", day(101)) }).await;
    let urgent = "SELECT patient_id, total_impaye, priorite, motif FROM datamart.relance WHERE patient_id = 'P3'";
    assert_eq!(rows(&warehouse, urgent).await, ["P3|3.00|URGENT|Facture F3 anormale (montant)"]);
    // a definition without its key
    let definition = relance()
        .definition
        .replace("t.patient_key, p.patient_id", "nullif(t.patient_key, t.patient_key) AS patient_key, p.patient_id");
    let bad = Mart { definition, ..relance() };
    let last = DatasetRun { started_at: Utc::now(), object: None, ..run(&third, "d4", day(101)) };
    let error = warehouse.publish(&last, layout(), &[bad], &[]).await.unwrap_err();
    assert!(error.message.contains("rows without `patient_key`"), "{error}");
    assert_eq!(rows(&warehouse, urgent).await.len(), 1);
    // analysts see the mart, not the view of its definition
    let rights = "SELECT has_table_privilege('public', 'datamart.relance__def', 'SELECT') AS r";
    assert_eq!(rows(&warehouse, rights).await, ["f"]);
    warehouse.close().await;
}
