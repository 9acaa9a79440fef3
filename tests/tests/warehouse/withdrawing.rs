//! A version that is withdrawn: the tables are those of the other versions, until that is undone.

use fonderie_contract::Owns;
use fonderie_core::stage::Outcomes;
use fonderie_core::tally::Amount;
use fonderie_core::withdrawal::{RecordWithdrawal, WithdrawalStatus};
use fonderie_core::{DatasetRun, ErrorCode, Result, Tally};
use fonderie_warehouse::{KnownVersion, LoadPlan, RunStatus, Warehouse, WithdrawPlan};
use futures::stream;

use crate::ordering::three_versions;
use crate::support::{
    DATASET, Line, Version, batch, before, connect, layout, line, load, migrated, record, rows, score, tables,
};

async fn known(warehouse: &Warehouse, version: &Version) -> KnownVersion {
    let versions = warehouse.versions_of(DATASET, "bronze", version.key).await.unwrap();
    versions.into_iter().find(|known| known.object.version_id == version.id).unwrap()
}

fn order(version: &Version, run_id: &str) -> DatasetRun {
    DatasetRun { object: None, ..DatasetRun::from(&version.run(run_id, "b2")) }
}

pub(crate) async fn withdraw(warehouse: &mut Warehouse, version: &Version, run_id: &str) -> Result<RecordWithdrawal> {
    let (run, known) = (order(version, run_id), known(warehouse, version).await);
    let plan = WithdrawPlan { run: &run, run_id, layout: layout(), version: &known };
    warehouse.withdraw(&plan, record()).await?.commit().await
}

/// Restores a version that the run `loaded_by` had loaded.
async fn restore(warehouse: &mut Warehouse, version: &Version, run_id: &str, loaded_by: &str) -> RecordWithdrawal {
    let (run, known) = (order(version, run_id), known(warehouse, version).await);
    let plan = WithdrawPlan { run: &run, run_id, layout: layout(), version: &known };
    let (transform, validate) = before(version, version.tally());
    let loaded = version.run(loaded_by, "b1");
    let load = LoadPlan {
        run: &loaded,
        transform: &transform,
        validate: &validate,
        record: record(),
        owns: &Owns::Anything,
        layout: layout(),
    };
    let batch = batch(&version.lines);
    let columns = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    let restored = warehouse.restore(&plan, &load, &columns, stream::iter([Ok(batch)]), None).await.unwrap();
    restored.commit().await.unwrap()
}

/// Fills staging again, as `load` does after each commit.
async fn refill(warehouse: &mut Warehouse, versions: &[&Version]) {
    for gap in warehouse.staging_gaps(layout(), record()).await.unwrap() {
        let of_gap = |version: &&&Version| gap.accepted.contains(&format!("/load-{}/", version.id));
        let batch = batch(&versions.iter().find(of_gap).unwrap().lines);
        let columns = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert!(warehouse.fill_staging(layout(), record(), &gap, &columns, stream::iter([Ok(batch)])).await.unwrap());
    }
}

/// All tables but the calendar, which keeps the days that it has.
async fn without_calendar(warehouse: &Warehouse) -> Vec<Vec<String>> {
    let mut tables = tables(warehouse).await;
    tables.iter_mut().for_each(|table| table.retain(|row| !row.starts_with("date|")));
    tables
}

async fn of(name: &str, versions: &[&Version]) -> Vec<Vec<String>> {
    let database = migrated(name).await;
    let mut warehouse = connect(&database.url).await;
    for version in versions {
        load(&mut warehouse, version, &format!("load-{}", version.id), "b1").await.unwrap();
    }
    let tables = without_calendar(&warehouse).await;
    warehouse.close().await;
    tables
}

#[tokio::test]
async fn the_tables_are_those_of_the_other_versions_until_that_is_undone() {
    let versions = three_versions();
    let all: Vec<&Version> = versions.iter().collect();
    let everything = of("all_loaded", &all).await;
    for withdrawn in &versions {
        let others: Vec<&Version> = all.iter().copied().filter(|version| version.id != withdrawn.id).collect();
        let expected = of("others_loaded", &others).await;
        let database = migrated("withdrawn").await;
        let mut warehouse = connect(&database.url).await;
        for version in &all {
            load(&mut warehouse, version, &format!("load-{}", version.id), "b1").await.unwrap();
        }
        let done = withdraw(&mut warehouse, withdrawn, "w1").await.unwrap();
        assert_eq!((done.status, done.rows.rows), (WithdrawalStatus::Withdrawn, withdrawn.lines.len() as u64));
        // of the three versions of one file, staging has the newest one that is loaded
        refill(&mut warehouse, &all).await;
        assert_eq!(without_calendar(&warehouse).await, expected, "without {}", withdrawn.id);

        let back = restore(&mut warehouse, withdrawn, "u1", &format!("load-{}", withdrawn.id)).await;
        assert_eq!((back.status, back.rows), (WithdrawalStatus::Restored, withdrawn.tally()));
        refill(&mut warehouse, &all).await;
        assert_eq!(without_calendar(&warehouse).await, everything, "{} is back", withdrawn.id);
        assert!(warehouse.staging_gaps(layout(), record()).await.unwrap().is_empty());

        // a version that comes late, under one that is withdrawn
        let database = migrated("late_under_withdrawn").await;
        let mut warehouse = connect(&database.url).await;
        load(&mut warehouse, withdrawn, &format!("load-{}", withdrawn.id), "b1").await.unwrap();
        load(&mut warehouse, others[1], &format!("load-{}", others[1].id), "b1").await.unwrap();
        withdraw(&mut warehouse, withdrawn, "w1").await.unwrap();
        refill(&mut warehouse, &all).await;
        load(&mut warehouse, others[0], &format!("load-{}", others[0].id), "b1").await.unwrap();
        assert_eq!(without_calendar(&warehouse).await, expected, "late under {}", withdrawn.id);
        restore(&mut warehouse, withdrawn, "u1", &format!("load-{}", withdrawn.id)).await;
        refill(&mut warehouse, &all).await;
        assert_eq!(without_calendar(&warehouse).await, everything, "late under {}, which is back", withdrawn.id);
        warehouse.close().await;
    }
}

#[tokio::test]
async fn the_ledger_has_what_was_withdrawn_and_twice_changes_nothing() {
    let database = migrated("withdrawn_ledger").await;
    let mut warehouse = connect(&database.url).await;
    let older = Version::new("v1", 0, vec![line("F1"), line("F4")]);
    // F1 goes back to unpaid, F2 leaves, F3 is shown by a newer version, F4 does not change
    let mistake = Version::new("v2", 1, vec![line("F1").paid(1_050, 60), line("F2"), line("F3"), line("F4")]);
    let newer = Version::new("v3", 2, vec![line("F3").paid(10_000, 70)]);
    for version in [&older, &mistake, &newer] {
        load(&mut warehouse, version, &format!("load-{}", version.id), "b1").await.unwrap();
    }
    score(&warehouse, &[("F1", -0.3, None), ("F2", -0.3, None), ("F4", -0.3, None)]).await;
    let done = withdraw(&mut warehouse, &mistake, "w1").await.unwrap();
    let amount = |sum| Amount { sum, unreadable: 0 };
    let amounts = [("montant_facture".to_owned(), amount(40_000)), ("montant_paye".to_owned(), amount(1_050))];
    assert_eq!(
        done,
        RecordWithdrawal {
            record: DATASET.into(),
            status: WithdrawalStatus::Withdrawn,
            loaded_by: "load-v2".into(),
            rows: Tally { rows: 4, amounts: amounts.into() },
            left: 1,
            reverted: 1,
            outcomes: None,
        }
    );
    let facts = "SELECT facture_id, montant_paye, anomaly_score FROM dw.fact_facturation ORDER BY 1";
    assert_eq!(rows(&warehouse, facts).await, ["F1|0.00|∅", "F3|100.00|∅", "F4|0.00|-0.3"]);
    let entry = warehouse.ledger("w1").await.unwrap().unwrap();
    assert_eq!((entry.status, &entry.removed, entry.outcomes), (RunStatus::Withdrawn, &done.rows, None));
    let ledger =
        "SELECT version_id, loaded_run_id, withdrawn_run_id, withdrawn_of_run_id FROM audit.object_version ORDER BY 1";
    let withdrawn = ["v1|load-v1|∅|∅", "v2|∅|w1|load-v2", "v3|load-v3|∅|∅"];
    assert_eq!(rows(&warehouse, ledger).await, withdrawn);

    // the same run after a lost answer, another one, a run of the version, and one that reads other rows from it
    assert_eq!(withdraw(&mut warehouse, &mistake, "w1").await.unwrap(), done);
    let again = withdraw(&mut warehouse, &mistake, "w2").await.unwrap();
    assert_eq!(
        (again.status, again.rows, again.loaded_by.as_str()),
        (WithdrawalStatus::Unchanged, Tally::default(), "load-v2")
    );
    let before = tables(&warehouse).await;
    for (run_id, bundle, lines) in [("r1", "b1", 4), ("r2", "b3", 2)] {
        let version = Version { lines: mistake.lines[..lines].to_vec(), ..mistake.clone() };
        let loaded = load(&mut warehouse, &version, run_id, bundle).await.unwrap();
        assert_eq!(loaded.outcomes, Outcomes { unchanged: lines as u64, ..Outcomes::default() });
        assert!(loaded.withdrawn && !loaded.already_loaded && !loaded.is_in_tables());
        assert_eq!(warehouse.ledger(run_id).await.unwrap().unwrap().status, RunStatus::Unchanged);
        // after a lost answer, too
        assert_eq!(load(&mut warehouse, &version, run_id, bundle).await.unwrap(), loaded);
    }
    assert_eq!(tables(&warehouse).await, before);
    assert_eq!(rows(&warehouse, ledger).await, withdrawn);
    let at = warehouse.withdrawal_of(&known(&warehouse, &mistake).await.object, DATASET).await.unwrap();
    assert_eq!(at, Some(entry.finished_at));

    let back = restore(&mut warehouse, &mistake, "u1", "load-v2").await;
    assert_eq!(back.outcomes, Some(Outcomes { inserted: 1, updated: 1, unchanged: 1, superseded: 1 }));
    assert_eq!(warehouse.ledger("u1").await.unwrap().unwrap().status, RunStatus::Restored);
    assert_eq!(restore(&mut warehouse, &mistake, "u1", "load-v2").await, back, "after a lost answer");
    assert_eq!(restore(&mut warehouse, &mistake, "u2", "load-v2").await.status, WithdrawalStatus::Unchanged);
    assert_eq!(rows(&warehouse, ledger).await, ["v1|load-v1|∅|∅", "v2|load-v2|∅|∅", "v3|load-v3|∅|∅"]);
    assert_eq!(warehouse.ledger("u2").await.unwrap(), None);
    warehouse.close().await;
}

#[tokio::test]
async fn a_version_that_is_not_loaded_is_refused_and_another_one_of_the_file_is_loaded() {
    let database = migrated("withdrawn_refused").await;
    let mut warehouse = connect(&database.url).await;
    let halted = Version::new("v1", 0, vec![line("F1")]);
    let (transform, validate) = before(&halted, halted.tally());
    warehouse.record_halted(&halted.run("h", "b1"), &transform, &validate).await.unwrap();
    let error = withdraw(&mut warehouse, &halted, "w1").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::RequestInvalid);
    assert!(error.message.contains("is not in the warehouse") && error.message.contains("a.csv"), "{error}");
    assert_eq!(warehouse.ledger("w1").await.unwrap(), None);

    let mistake = Version::new("v2", 1, vec![line("F1"), Line { patient: "P9", ..line("F2") }]);
    load(&mut warehouse, &mistake, "load-v2", "b1").await.unwrap();
    withdraw(&mut warehouse, &mistake, "w2").await.unwrap();
    assert_eq!(rows(&warehouse, "SELECT patient_id FROM dw.dim_patient").await, Vec::<String>::new());
    let corrected = Version::new("v3", 2, vec![line("F1")]);
    let loaded = load(&mut warehouse, &corrected, "load-v3", "b1").await.unwrap();
    assert_eq!((loaded.outcomes.inserted, loaded.withdrawn), (1, false));
    // the older version comes back under the newer one
    let back = restore(&mut warehouse, &mistake, "u1", "load-v2").await;
    assert_eq!(back.outcomes, Some(Outcomes { inserted: 1, superseded: 1, ..Outcomes::default() }));
    let facts = "SELECT facture_id, v.version_id FROM dw.fact_facturation f JOIN audit.object_version v USING (object_version_key) ORDER BY 1";
    assert_eq!(rows(&warehouse, facts).await, ["F1|v2", "F2|v2"]);
    warehouse.close().await;
}
