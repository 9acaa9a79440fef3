//! One load: what it writes, and that it writes all of it once or nothing.

use std::time::Duration;

use fonderie_core::stage::{Outcomes, Verdict};
use fonderie_core::tally::Amount;
use fonderie_core::{ErrorCode, StageError, Tally};
use fonderie_warehouse::{ConnectOptions, DatabaseSettings, RunStatus, Warehouse};

use crate::support::{
    DATASET, Line, Version, batch, before, connect, instant, line, load, load_batches, migrated, rows, score, tables,
};

fn three() -> Version {
    let other = Line { patient: "P2", nom: "Durand", age: None, service: "RADIO", facture_le: 45, ..line("F2") };
    Version::new("v1", 0, vec![line("F1").paid(10_000, 30), other, Line { statut: None, ..line("F3") }])
}

#[tokio::test]
async fn rows_become_dimensions_and_facts() {
    let database = migrated("rows").await;
    let mut warehouse = connect(&database.url).await;
    let loaded = load(&mut warehouse, &three(), "r1", "b1").await.unwrap();
    assert_eq!(loaded.outcomes, Outcomes { inserted: 3, ..Outcomes::default() });
    assert!(!loaded.already_loaded);
    let [fact, history, dimensions, staging, observed] = tables(&warehouse).await.try_into().unwrap();
    assert_eq!(
        fact,
        [
            "ETAB_A|F1|groupe|P1|CARDIO|2025-01-11|2025-01-11|2025-01-31|100.00|100.00|0.00|20|PAYEE|∅|2025-03-01 00:00:00+00|v1|2",
            "ETAB_A|F2|groupe|P2|RADIO|2025-02-15|2025-02-15|∅|100.00|0.00|100.00|∅|IMPAYEE|∅|2025-03-01 00:00:00+00|v1|3",
            "ETAB_A|F3|groupe|P1|CARDIO|2025-01-11|2025-01-11|∅|100.00|0.00|100.00|∅|∅|∅|2025-03-01 00:00:00+00|v1|4",
        ]
    );
    assert_eq!(history, Vec::<String>::new());
    assert_eq!(
        dimensions,
        [
            "date|20250111|janvier|samedi|2025-01-11|1|11",
            "date|20250215|février|samedi|2025-02-15|1|15",
            "etablissement|ETAB_A|Clinique ETAB_A|Lyon|2025-02-15|v1|3",
            "patient|groupe/P1|Martin|40|2025-01-11|v1|4",
            "patient|groupe/P2|Durand|∅|2025-02-15|v1|3",
            "service|CARDIO|Service CARDIO|Médecine|2025-01-11|v1|4",
            "service|RADIO|Service RADIO|Médecine|2025-02-15|v1|3",
        ]
    );
    assert_eq!(staging[0], "ETAB_A|F1|P1|100.00|100.00|PAYEE|a.csv|v1|2");
    assert_eq!(observed, ["v1|F1|2", "v1|F2|3", "v1|F3|4"]);

    let entry = warehouse.ledger("r1").await.unwrap().unwrap();
    assert_eq!(
        (entry.status, entry.verdict, entry.outcomes),
        (RunStatus::Loaded, Some(Verdict::Accepted), Some(loaded.outcomes))
    );
    assert_eq!((entry.read, entry.accepted), (three().tally(), three().tally()));
    assert_eq!(entry.rules.len(), 1);
    assert_eq!(warehouse.ledger("absent").await.unwrap(), None);
    warehouse.close().await;
}

#[tokio::test]
async fn a_payment_updates_the_invoice_and_forgets_its_score() {
    let database = migrated("payment").await;
    let mut warehouse = connect(&database.url).await;
    load(&mut warehouse, &Version::new("v1", 0, vec![line("F1"), line("F2")]), "r1", "b1").await.unwrap();
    score(&warehouse, &[("F1", -0.3, Some("montant_impaye")), ("F2", -0.3, Some("montant_impaye"))]).await;
    let loaded = load(
        &mut warehouse,
        &Version::new("v2", 1, vec![line("F1"), line("F2").paid(2_500, 70), line("F3")]),
        "r2",
        "b1",
    )
    .await
    .unwrap();
    assert_eq!(loaded.outcomes, Outcomes { inserted: 1, updated: 1, unchanged: 1, superseded: 0 });
    let fact = rows(
        &warehouse,
        "SELECT facture_id, montant_impaye, anomaly_score, anomaly_raison FROM dw.fact_facturation ORDER BY 1",
    )
    .await;
    assert_eq!(fact, ["F1|100.00|-0.3|montant_impaye", "F2|75.00|∅|∅", "F3|100.00|∅|∅"]);
    let owed = "SELECT facture_id, montant_impaye FROM dw.hist_facturation WHERE valide_du <= '2025-03-01 12:00+00' AND valide_au > '2025-03-01 12:00+00'";
    assert_eq!(rows(&warehouse, owed).await, ["F2|100.00"]);
    warehouse.close().await;
}

/// Every row of the dataset's tables with its physical place and the transaction that wrote it.
async fn bytes(warehouse: &Warehouse) -> Vec<String> {
    let mut all = Vec::new();
    for table in [
        "staging.facturation",
        "dw.fact_facturation_rows",
        "dw.fact_facturation_history",
        "dw.fact_facturation_presence",
        "dw.dim_patient_rows",
        "dw.dim_etablissement_rows",
        "dw.dim_service_rows",
        "dw.dim_date",
    ] {
        all.extend(rows(warehouse, &format!("SELECT ctid, xmin, t::text FROM {table} t ORDER BY ctid")).await);
    }
    all
}

#[tokio::test]
async fn the_same_version_twice_changes_nothing() {
    let database = migrated("twice").await;
    let mut warehouse = connect(&database.url).await;
    let first = load(&mut warehouse, &three(), "r1", "b1").await.unwrap();
    let written = bytes(&warehouse).await;
    // another run of the same version: the rows are not even read
    let unread = vec![Err(StageError::new(ErrorCode::Internal, "must not be read"))];
    let second = load_batches(&mut warehouse, &three(), "r2", "b1", three().tally(), unread).await.unwrap();
    assert_eq!(second.outcomes, Outcomes { unchanged: 3, ..Outcomes::default() });
    assert!(second.already_loaded);
    assert_eq!(warehouse.ledger("r2").await.unwrap().unwrap().status, RunStatus::Unchanged);
    // the same run again, after a lost answer: the numbers of its first time
    let again = load(&mut warehouse, &three(), "r1", "b1").await.unwrap();
    assert_eq!((again.outcomes, again.already_loaded), (first.outcomes, false));
    assert_eq!(bytes(&warehouse).await, written);
    // the same content under another bundle is merged, and is nothing new either
    let third = load(&mut warehouse, &three(), "r3", "b2").await.unwrap();
    assert_eq!((third.outcomes, third.already_loaded), (Outcomes { unchanged: 3, ..Outcomes::default() }, false));
    // the same bundle that accepts another row, as a later as-of date may
    let mut more = three();
    more.lines.push(line("F4"));
    let fourth = load(&mut warehouse, &more, "r4", "b2").await.unwrap();
    assert_eq!(fourth.outcomes, Outcomes { inserted: 1, unchanged: 3, ..Outcomes::default() });
    warehouse.close().await;
}

#[tokio::test]
async fn a_version_never_changes_its_content() {
    let database = migrated("content").await;
    let mut warehouse = connect(&database.url).await;
    load(&mut warehouse, &three(), "r1", "b1").await.unwrap();
    let (mut transform, validate) = before(&three(), three().tally());
    transform.content_sha256 = "another".into();
    let error = warehouse.record_halted(&three().run("r2", "b1"), &transform, &validate).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ObjectChanged);
    warehouse.close().await;
}

#[tokio::test]
async fn a_file_without_rows_is_loaded() {
    let database = migrated("empty").await;
    let mut warehouse = connect(&database.url).await;
    let loaded = load(&mut warehouse, &Version::new("v1", 0, Vec::new()), "r1", "b1").await.unwrap();
    assert_eq!(loaded.outcomes, Outcomes::default());
    assert_eq!(
        rows(&warehouse, "SELECT cardinality(row_keys), cardinality(source_lines) FROM dw.fact_facturation_presence")
            .await,
        ["0|0"]
    );
    // and so it is when the next one has rows, and when it comes late
    load(&mut warehouse, &Version::new("v3", 2, vec![line("F1")]), "r3", "b1").await.unwrap();
    let late = load(&mut warehouse, &Version::new("v2", 1, Vec::new()), "r2", "b1").await.unwrap();
    assert_eq!(late.outcomes, Outcomes::default());
    assert_eq!(rows(&warehouse, "SELECT facture_id FROM staging.facturation").await, ["F1"]);
    warehouse.close().await;
}

#[tokio::test]
async fn a_failure_in_the_middle_leaves_nothing() {
    let database = migrated("middle").await;
    let mut warehouse = connect(&database.url).await;
    let version = three();
    let broken =
        vec![Ok(batch(&version.lines[..2])), Err(StageError::new(ErrorCode::StorageUnavailable, "S3 went away"))];
    let error = load_batches(&mut warehouse, &version, "r1", "b1", version.tally(), broken).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::StorageUnavailable);
    // a row that a constraint refuses, in the merge
    let early = Version::new("v2", 1, vec![line("F9"), line("F8").paid(100, 5)]);
    let error = load(&mut warehouse, &early, "r2", "b1").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Internal);
    assert!(error.message.contains("23514") && error.message.contains("fact_facturation_rows"), "{error}");
    assert!(!format!("{error:?} {}", error.chain()).contains("F8"), "{error:?}");
    let written = rows(
        &warehouse,
        "SELECT (SELECT count(*) FROM dw.fact_facturation), (SELECT count(*) FROM dw.dim_patient), (SELECT count(*) FROM audit.run), (SELECT count(*) FROM audit.object_version)",
    )
    .await;
    assert_eq!(written, ["0|0|0|0"]);
    // the connection is as good as new
    assert_eq!(load(&mut warehouse, &version, "r1", "b1").await.unwrap().outcomes.inserted, 3);
    warehouse.close().await;
}

#[tokio::test]
async fn what_does_not_arrive_is_not_loaded() {
    let database = migrated("conserved").await;
    let mut warehouse = connect(&database.url).await;
    let version = three();
    let mut cent_less = version.tally();
    cent_less.amounts.get_mut("montant_paye").unwrap().sum -= 1;
    let mut row_more = version.tally();
    row_more.rows += 1;
    for tally in [cent_less, row_more] {
        let error = load_batches(&mut warehouse, &version, "r1", "b1", tally, vec![Ok(batch(&version.lines))])
            .await
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::NotConserved);
    }
    assert_eq!(rows(&warehouse, "SELECT count(*) FROM dw.fact_facturation").await, ["0"]);
    warehouse.close().await;
}

#[tokio::test]
async fn two_loads_at_once_are_as_good_as_one_after_the_other() {
    let database = migrated("concurrent").await;
    let (mut one, mut two) = (connect(&database.url).await, connect(&database.url).await);
    let (older, newer) = (
        Version::new("v1", 0, vec![line("F1"), line("F2")]),
        Version::new("v2", 1, vec![line("F1").paid(5_000, 65), line("F3")]),
    );
    let (first, second) = tokio::join!(load(&mut one, &older, "r1", "b1"), load(&mut two, &newer, "r2", "b1"));
    assert_eq!(first.unwrap().outcomes.rows() + second.unwrap().outcomes.rows(), 4);
    let fact = rows(&one, "SELECT facture_id, montant_paye FROM dw.fact_facturation ORDER BY 1").await;
    assert_eq!(fact, ["F1|50.00", "F2|0.00", "F3|0.00"]);
    assert_eq!(rows(&one, "SELECT facture_id, montant_paye FROM dw.hist_facturation").await, ["F1|0.00"]);
    // two runs of the same version at once, and the same run twice at once
    let third = Version::new("v3", 2, vec![line("F4")]);
    let (first, second) = tokio::join!(load(&mut one, &third, "r3", "b1"), load(&mut two, &third, "r4", "b1"));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(
        (first.outcomes.inserted + second.outcomes.inserted, first.outcomes.unchanged + second.outcomes.unchanged),
        (1, 1)
    );
    assert_ne!(first.already_loaded, second.already_loaded);
    let fourth = Version::new("v4", 3, vec![line("F5")]);
    let (first, second) = tokio::join!(load(&mut one, &fourth, "r5", "b1"), load(&mut two, &fourth, "r5", "b1"));
    assert_eq!((first.unwrap().outcomes.inserted, second.unwrap().outcomes.inserted), (1, 1));
}

#[tokio::test]
async fn a_lock_that_is_not_had_in_time_is_busy() {
    let database = migrated("lock").await;
    let mut holder = database.connect().await;
    let transaction = holder.transaction().await.unwrap();
    // the version's own row, as another load of it holds it
    let mut first = connect(&database.url).await;
    load(&mut first, &three(), "r1", "b1").await.unwrap();
    transaction.batch_execute("UPDATE audit.object_version SET size = size").await.unwrap();
    let options = ConnectOptions { lock_timeout: Duration::from_millis(100), ..ConnectOptions::default() };
    let mut second = Warehouse::connect(&DatabaseSettings::from_url(&database.url).unwrap(), &options).await.unwrap();
    let error = load(&mut second, &three(), "r2", "b1").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::DatabaseBusy);
}

#[tokio::test]
async fn a_halted_run_is_in_the_ledger() {
    let database = migrated("halted").await;
    let mut warehouse = connect(&database.url).await;
    let version = three();
    let (transform, mut validate) = before(&version, version.tally());
    validate.verdict = Verdict::Halted;
    validate.halted_because = Some("montants_negatifs: 30 rows, 20 allowed".into());
    let run = version.run("r1", "b1");
    for _ in 0..2 {
        warehouse.record_halted(&run, &transform, &validate).await.unwrap();
    }
    let entry = warehouse.ledger("r1").await.unwrap().unwrap();
    assert_eq!((entry.status, entry.outcomes, entry.verdict), (RunStatus::Halted, None, Some(Verdict::Halted)));
    assert_eq!(entry.halted_because, validate.halted_because);
    assert_eq!((entry.dataset.as_str(), entry.object, entry.started_at), (DATASET, Some(run.object), instant(90)));
    // the file is corrected by its contract, and the same execution is redriven
    assert_eq!(load(&mut warehouse, &version, "r1", "b1").await.unwrap().outcomes.inserted, 3);
    assert_eq!(warehouse.ledger("r1").await.unwrap().unwrap().status, RunStatus::Loaded);
    // a late "halted" does not overwrite it
    warehouse.record_halted(&version.run("r1", "b1"), &transform, &validate).await.unwrap();
    assert_eq!(warehouse.ledger("r1").await.unwrap().unwrap().status, RunStatus::Loaded);
    warehouse.close().await;
}

#[tokio::test]
async fn a_rerun_says_which_rows_it_removed() {
    let database = migrated("removed").await;
    let mut warehouse = connect(&database.url).await;
    // F1 is in an older version too, F2 in this one alone, F3 stays, F4 is paid in a newer version
    let older = Version::new("v1", 0, vec![line("F1")]);
    let mut version =
        Version::new("v2", 1, vec![line("F3"), line("F1").paid(1_050, 60), line("F2").paid(2_000, 60), line("F4")]);
    let newer = Version::new("v3", 2, vec![line("F4").paid(10_000, 70)]);
    for (version, run_id) in [(&older, "r1"), (&version, "r2"), (&newer, "r3")] {
        assert_eq!(load(&mut warehouse, version, run_id, "b1").await.unwrap().removed, Tally::default());
    }
    version.lines.retain(|line| line.facture == "F3");
    let rerun = load(&mut warehouse, &version, "r4", "b2").await.unwrap();
    assert_eq!(rerun.outcomes, Outcomes { unchanged: 1, ..Outcomes::default() });
    // what this version showed of the three: 300.00 billed, 10.50 + 20.00 + 0.00 paid
    let amount = |sum| Amount { sum, unreadable: 0 };
    let amounts = [("montant_facture".to_owned(), amount(30_000)), ("montant_paye".to_owned(), amount(3_050))];
    assert_eq!(rerun.removed, Tally { rows: 3, amounts: amounts.into() });
    let entry = warehouse.ledger("r4").await.unwrap().unwrap();
    assert_eq!(entry.removed, rerun.removed);
    assert_eq!(
        rows(&warehouse, "SELECT facture_id, montant_paye FROM dw.fact_facturation ORDER BY 1").await,
        ["F1|0.00", "F3|0.00", "F4|100.00"]
    );
    let ledger = "SELECT r.rows_removed, a.column_name, a.sum FROM audit.run r JOIN audit.run_amount a USING (run_id) \
                  WHERE run_id = 'r4' AND a.stage = 'removed' ORDER BY 2";
    assert_eq!(rows(&warehouse, ledger).await, ["3|montant_facture|300.00", "3|montant_paye|30.50"]);
    // the same run again gives the numbers of its first time; the same rows once more remove nothing
    assert_eq!(load(&mut warehouse, &version, "r4", "b2").await.unwrap().removed, rerun.removed);
    assert_eq!(load(&mut warehouse, &version, "r5", "b3").await.unwrap().removed, Tally::default());
    // they come back with the rows
    version.lines = vec![line("F3"), line("F2")];
    let back = load(&mut warehouse, &version, "r6", "b1").await.unwrap();
    assert_eq!((back.outcomes.inserted, back.removed), (1, Tally::default()));
    warehouse.close().await;
}

#[tokio::test]
async fn units_and_equal_bytes_are_in_the_ledger() {
    let database = migrated("units").await;
    let mut warehouse = connect(&database.url).await;
    let first = Version { key: "facturation/a.csv", ..Version::new("v1", 0, vec![line("F1")]) };
    let copy = Version { key: "facturation/copie.csv", ..Version::new("v1", 1, vec![line("F1")]) };
    let next = Version { key: "facturation/a.csv", ..Version::new("v2", 2, vec![line("F1")]) };
    for (version, run_id) in [(&first, "r1"), (&copy, "r2"), (&next, "r3"), (&first, "r4")] {
        load(&mut warehouse, version, run_id, "b1").await.unwrap();
    }
    let mut same = Vec::new();
    for run_id in ["r1", "r2", "r3", "r4"] {
        let entry = warehouse.ledger(run_id).await.unwrap().unwrap();
        assert_eq!((entry.units.total, entry.units.records, entry.units.passed_over()), (2, 1, 1));
        assert_eq!(entry.notices, ["a notice"]);
        same.push(entry.same_bytes_as);
    }
    assert_eq!(same, [None, Some("facturation/a.csv".to_owned()), None, None]);
    let units = "SELECT DISTINCT units_kind, units_total, units_records, units_passed_over, units_other ->> 'header' FROM audit.run";
    assert_eq!(rows(&warehouse, units).await, ["lines|2|1|1|1"]);
    let broken = warehouse.query("UPDATE audit.run SET units_total = 3").await.unwrap_err();
    assert!(broken.message.contains("units_conserved"), "{broken}");
    warehouse.close().await;
}
