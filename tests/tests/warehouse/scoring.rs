//! Features out of the billing tables, and scores into them.

use chrono::NaiveDate;
use fonderie_contract::Model;
use fonderie_core::ErrorCode;
use fonderie_core::ObjectRef;
use fonderie_core::stage::{DatasetRun, ModelScored, ScoreStatus};
use fonderie_warehouse::{Score, ScorePlan, TrainedModel, Turn, Warehouse};
use serde_json::json;

use crate::support::{DECLARED, Version, connect, day, layout, line, load, migrated, rows, score};

const STATES: &str = "SELECT facture_id, anomaly_score, anomaly_raison FROM dw.fact_facturation ORDER BY facture_id";
/// Where each row lies and which transaction wrote it.
const BYTES: &str = "SELECT ctid, xmin, f::text FROM dw.anomalie_paiement_scores f ORDER BY ctid";

fn model() -> Model {
    DECLARED.models[0].clone()
}

/// The run that loaded a version, as `score` sees it.
fn run(version: &Version, run_id: &str, as_of: NaiveDate) -> DatasetRun {
    DatasetRun { as_of, ..DatasetRun::from(&version.run(run_id, "b1")) }
}

fn trained() -> TrainedModel {
    let object = ObjectRef { bucket: "reports".into(), key: "models/m.json".into() };
    TrainedModel { metrics: json!({ "offset": -0.5 }), sha256: "abc".into(), object }
}

async fn features(warehouse: &mut Warehouse, plan: &ScorePlan<'_>) -> Vec<(i64, i64, Vec<f64>)> {
    let mut read = Vec::new();
    let push = |key, state, values: &[f64]| {
        read.push((key, state, values.to_vec()));
        Ok(())
    };
    warehouse.read_features(plan, push).await.unwrap();
    read.sort_by_key(|row| row.0);
    read
}

/// Writes the same score and reason to each of the rows that were read.
async fn write(
    warehouse: &mut Warehouse,
    plan: &ScorePlan<'_>,
    read: &[(i64, i64, Vec<f64>)],
    score: f64,
) -> ModelScored {
    let reason = (score < 0.0).then_some("raison");
    let scores = read.iter().map(|&(key, state, _)| Score { key, state, score: Some(score), reason });
    warehouse.write_scores(plan, &json!({}), Some(&trained()), scores).await.unwrap()
}

#[tokio::test]
async fn an_unpaid_invoice_has_waited_until_the_as_of_date() {
    let database = migrated("features").await;
    let mut warehouse = connect(&database.url).await;
    let lines = vec![
        line("F1"),                                             // issued on day 10, nothing paid
        line("F2").paid(10_000, 30),                            // paid in full after 20 days
        line("F3").paid(2_500, 70),                             // paid in part after 60 days
        crate::support::Line { facture_le: 300, ..line("F4") }, // issued on the as-of date itself
    ];
    let version = Version::new("v1", 0, lines);
    load(&mut warehouse, &version, "r1", "b1").await.unwrap();
    let (model, run) = (model(), run(&version, "r1", day(300)));
    let plan = ScorePlan { run: &run, layout: layout(), model: &model };
    let read = features(&mut warehouse, &plan).await;
    let keys: Vec<i64> = rows(&warehouse, "SELECT facture_key FROM dw.fact_facturation ORDER BY facture_id")
        .await
        .iter()
        .map(|key| key.parse().unwrap())
        .collect();
    let of = |key: &i64| read.iter().find(|row| row.0 == *key).unwrap().2.clone();
    let expected = [[100.0, 290.0, 100.0], [0.0, 20.0, 100.0], [75.0, 60.0, 100.0], [100.0, 1.0, 100.0]];
    assert_eq!(keys.iter().map(of).collect::<Vec<_>>(), expected);
    // and in the table it has no delay
    let stored = rows(&warehouse, "SELECT delai_paiement_jours FROM dw.fact_facturation ORDER BY facture_id").await;
    assert_eq!(stored, ["∅", "20", "60", "∅"]);
    let texts = warehouse.feature_texts(&plan, &keys[2..3]).await.unwrap();
    let told: Vec<_> = texts[&keys[2]].1.iter().map(|text| text.as_deref().unwrap()).collect();
    assert_eq!(told, ["75.00", "60", "100.00"], "decimals as they are");
    warehouse.close().await;
}

#[tokio::test]
async fn scores_go_to_the_states_that_were_read_and_twice_changes_nothing() {
    let database = migrated("score_states").await;
    let mut warehouse = connect(&database.url).await;
    let first = Version::new("v1", 0, vec![line("F1"), line("F2"), line("F3")]);
    load(&mut warehouse, &first, "r1", "b1").await.unwrap();
    let (model, run1) = (model(), run(&first, "r1", day(300)));
    let plan = ScorePlan { run: &run1, layout: layout(), model: &model };
    assert_eq!(warehouse.scoring_turn(&plan, &json!({})).await.unwrap(), Turn::Ours);
    let read = features(&mut warehouse, &plan).await;
    // while the model is trained, F2 is paid, by a load whose run has not scored yet
    let second = Version::new("v2", 1, vec![line("F2").paid(5_000, 65), line("F4")]);
    load(&mut warehouse, &second, "r2", "b1").await.unwrap();
    let scored = write(&mut warehouse, &plan, &read, -0.15).await;
    assert_eq!((scored.status, scored.rows, scored.written), (ScoreStatus::Scored, 3, 2));
    let levels: Vec<_> = scored.levels.iter().map(|level| (level.name.as_str(), level.rows)).collect();
    assert_eq!(levels, [("slight", 0), ("moderate", 3), ("strong", 0)]);
    assert_eq!(rows(&warehouse, STATES).await, ["F1|-0.15|raison", "F2|∅|∅", "F3|-0.15|raison", "F4|∅|∅"]);
    // the same run again gives its first numbers and writes nothing
    let bytes = rows(&warehouse, BYTES).await;
    assert_eq!(write(&mut warehouse, &plan, &read, 0.5).await, scored);
    assert_eq!(warehouse.scoring_turn(&plan, &json!({})).await.unwrap(), Turn::Over(scored));
    assert_eq!(rows(&warehouse, BYTES).await, bytes);
    // the newer run scores all; another run after it finds every score in place
    let run2 = run(&second, "r2", day(300));
    let plan = ScorePlan { run: &run2, layout: layout(), model: &model };
    let read = features(&mut warehouse, &plan).await;
    assert_eq!(write(&mut warehouse, &plan, &read, 0.25).await.written, 4);
    let bytes = rows(&warehouse, BYTES).await;
    load(&mut warehouse, &second, "r3", "b1").await.unwrap();
    let run3 = run(&second, "r3", day(300));
    let plan = ScorePlan { run: &run3, layout: layout(), model: &model };
    assert_eq!(warehouse.scoring_turn(&plan, &json!({})).await.unwrap(), Turn::Ours);
    let read = features(&mut warehouse, &plan).await;
    assert_eq!(write(&mut warehouse, &plan, &read, 0.25).await.written, 0);
    assert_eq!(rows(&warehouse, BYTES).await, bytes);
    let ledger = "SELECT run_id, status, rows, rows_written, levels -> 1 ->> 'rows' AS n, metrics ->> 'offset' AS o, sha256, key \
                  FROM audit.model ORDER BY run_id";
    assert_eq!(
        rows(&warehouse, ledger).await,
        [
            "r1|scored|3|2|3|-0.5|abc|models/m.json",
            "r2|scored|4|4|0|-0.5|abc|models/m.json",
            "r3|scored|4|0|0|-0.5|abc|models/m.json"
        ]
    );
    warehouse.close().await;
}

#[tokio::test]
async fn a_row_that_left_the_models_select_has_no_score_and_its_mistakes_are_the_datasets() {
    let database = migrated("score_select").await;
    let mut warehouse = connect(&database.url).await;
    let first = Version::new("v1", 0, vec![line("F1"), line("F2"), line("F3")]);
    load(&mut warehouse, &first, "r1", "b1").await.unwrap();
    let (whole, run1) = (model(), run(&first, "r1", day(300)));
    let plan = ScorePlan { run: &run1, layout: layout(), model: &whole };
    let read = features(&mut warehouse, &plan).await;
    write(&mut warehouse, &plan, &read, -0.15).await;
    let second = Version::new("v2", 1, vec![line("F4")]);
    load(&mut warehouse, &second, "r2", "b1").await.unwrap();
    let of = |select: &str| Model { select: select.to_owned(), ..model() };
    let columns = "montant_impaye, 1 AS delai_paiement_jours, montant_facture FROM dw.fact_facturation";
    let part = of(&format!("SELECT facture_key::integer AS key, {columns} WHERE facture_id > 'F2'"));
    let run2 = run(&second, "r2", day(300));
    let plan = ScorePlan { run: &run2, layout: layout(), model: &part };
    let read = features(&mut warehouse, &plan).await;
    assert_eq!(warehouse.feature_texts(&plan, &[read[0].0]).await.unwrap().len(), 1);
    let scored = write(&mut warehouse, &plan, &read, -0.15).await;
    // F4 has one now, F1 and F2 have none any more
    assert_eq!((scored.rows, scored.written), (2, 3));
    assert_eq!(rows(&warehouse, STATES).await, ["F1|∅|∅", "F2|∅|∅", "F3|-0.15|raison", "F4|-0.15|raison"]);

    let foreign = of(&format!("SELECT facture_key + 1000000 AS key, {columns}"));
    let plan = ScorePlan { run: &run2, layout: layout(), model: &foreign };
    let error = warehouse.read_features(&plan, |_, _, _| Ok(())).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ContractInvalid);
    assert!(error.message.contains("what is no surrogate of fact_facturation"), "{error}");
    let words = of(&format!(
        "SELECT facture_key AS key, facture_id AS montant_impaye, {}",
        &columns["montant_impaye, ".len()..]
    ));
    let plan = ScorePlan { run: &run2, layout: layout(), model: &words };
    let error = warehouse.read_features(&plan, |_, _, _| Ok(())).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ContractInvalid);
    assert!(error.message.contains("models/anomalie_paiement.sql gives"), "{error}");
    warehouse.close().await;
}

#[tokio::test]
async fn a_run_leaves_scoring_to_a_newer_load_and_never_writes_over_its_scores() {
    let database = migrated("score_newer").await;
    let mut warehouse = connect(&database.url).await;
    let first = Version::new("v1", 0, vec![line("F1"), line("F2")]);
    let second = Version::new("v2", 1, vec![line("F3")]);
    load(&mut warehouse, &first, "r1", "b1").await.unwrap();
    let (model, run1, run2) = (model(), run(&first, "r1", day(300)), run(&second, "r2", day(300)));
    let (older, newer) = (
        ScorePlan { run: &run1, layout: layout(), model: &model },
        ScorePlan { run: &run2, layout: layout(), model: &model },
    );
    let read = features(&mut warehouse, &older).await;
    load(&mut warehouse, &second, "r2", "b1").await.unwrap();
    let read_newer = features(&mut warehouse, &newer).await;
    assert_eq!(write(&mut warehouse, &newer, &read_newer, 0.25).await.written, 3);
    // r1 trained all the while
    let scored = write(&mut warehouse, &older, &read, -0.15).await;
    assert_eq!((scored.status, scored.written, scored.abnormal()), (ScoreStatus::LeftToNewer, 0, 0));
    assert_eq!(rows(&warehouse, STATES).await, ["F1|0.25|∅", "F2|0.25|∅", "F3|0.25|∅"]);
    // a third one sees the newer load before it begins; a daily run, without a load of its own, sees none
    load(&mut warehouse, &first, "r3", "b1").await.unwrap();
    load(&mut warehouse, &second, "r4", "b1").await.unwrap();
    let run3 = run(&first, "r3", day(300));
    let turn =
        warehouse.scoring_turn(&ScorePlan { run: &run3, layout: layout(), model: &model }, &json!({})).await.unwrap();
    assert!(matches!(&turn, Turn::Over(scored) if scored.status == ScoreStatus::LeftToNewer), "{turn:?}");
    let daily = DatasetRun { started_at: chrono::Utc::now(), ..run(&first, "daily", day(301)) };
    let turn =
        warehouse.scoring_turn(&ScorePlan { run: &daily, layout: layout(), model: &model }, &json!({})).await.unwrap();
    assert_eq!(turn, Turn::Ours);
    // a backfill's objects are scored at its end: nobody leaves that to them
    let object = Version { load_only: true, ..Version::new("v3", 2, vec![line("F4")]) };
    load(&mut warehouse, &second, "r5", "b1").await.unwrap();
    load(&mut warehouse, &object, "r6", "b1").await.unwrap();
    let run5 = run(&second, "r5", day(300));
    let turn =
        warehouse.scoring_turn(&ScorePlan { run: &run5, layout: layout(), model: &model }, &json!({})).await.unwrap();
    assert_eq!(turn, Turn::Ours);
    // the end of a backfill began before its own objects were loaded
    let mut backfill = DatasetRun { prefix: Some("facturation/".into()), ..run(&first, "backfill", day(301)) };
    backfill = warehouse.with_loads_known(&backfill).await.unwrap();
    let turn = warehouse
        .scoring_turn(&ScorePlan { run: &backfill, layout: layout(), model: &model }, &json!({}))
        .await
        .unwrap();
    assert_eq!(turn, Turn::Ours);
    assert_eq!(
        rows(&warehouse, "SELECT run_id, status FROM audit.model ORDER BY 1").await,
        ["r1|left_to_newer", "r2|scored", "r3|left_to_newer"]
    );
    warehouse.close().await;
}

#[tokio::test]
async fn too_few_rows_have_no_score() {
    let database = migrated("score_few").await;
    let mut warehouse = connect(&database.url).await;
    let version = Version::new("v1", 0, vec![line("F1"), line("F2")]);
    load(&mut warehouse, &version, "r1", "b1").await.unwrap();
    score(&warehouse, &[("F1", 0.1, None)]).await;
    let (model, run) = (model(), run(&version, "r1", day(300)));
    let plan = ScorePlan { run: &run, layout: layout(), model: &model };
    let read = features(&mut warehouse, &plan).await;
    let scores = read.iter().map(|&(key, state, _)| Score { key, state, score: None, reason: None });
    let scored = warehouse.write_scores(&plan, &json!({}), None, scores).await.unwrap();
    assert_eq!((scored.status, scored.rows, scored.written), (ScoreStatus::TooFewRows, 2, 1));
    assert_eq!(scored.to_string(), "anomalie_paiement: not scored, 2 rows where 256 are needed");
    assert_eq!(rows(&warehouse, STATES).await, ["F1|∅|∅", "F2|∅|∅"]);
    warehouse.close().await;
}

#[tokio::test]
async fn a_feature_that_is_null_is_named() {
    let database = migrated("score_null").await;
    let mut warehouse = connect(&database.url).await;
    let version = Version::new("v1", 0, vec![line("F1")]);
    load(&mut warehouse, &version, "r1", "b1").await.unwrap();
    let model = Model { select: model().select.replace("f.montant_impaye,", "NULL AS montant_impaye,"), ..model() };
    let run = run(&version, "r1", day(300));
    let error = warehouse
        .read_features(&ScorePlan { run: &run, layout: layout(), model: &model }, |_, _, _| Ok(()))
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::ContractInvalid);
    assert!(error.message.contains("NULL as `montant_impaye`"), "{error}");
    warehouse.close().await;
}
