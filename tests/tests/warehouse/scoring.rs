//! Which rows a run scores with which model, and their scores in the billing tables.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chrono::NaiveDate;
use fonderie_contract::{Model, TrainingPolicy};
use fonderie_core::stage::{DatasetRun, ModelScored, ScoreStatus};
use fonderie_core::{ErrorCode, ObjectRef, Result};
use fonderie_warehouse::{Batch, Done, RawScores, Scale, ScorePlan, TrainedModel, Turn, Warehouse, Work};
use serde_json::json;

use crate::support::{DECLARED, Line, Version, connect, day, layout, line, load, migrated, rows};

const STATES: &str = "SELECT facture_id, anomaly_score, anomaly_raison FROM dw.fact_facturation ORDER BY facture_id";
/// Where each score lies and which transaction wrote it.
const BYTES: &str = "SELECT ctid, xmin, f::text FROM dw.anomalie_paiement_scores f ORDER BY ctid";

fn model() -> Model {
    // any change below half of the rows leaves the model in force
    let training = TrainingPolicy { changed_percent: 50.0, every_days: None };
    Model { training, ..DECLARED.models[0].clone() }
}

/// The run that loaded a version, as `score` sees it.
fn run(version: &Version, run_id: &str, as_of: NaiveDate) -> DatasetRun {
    DatasetRun { as_of, ..DatasetRun::from(&version.run(run_id, "b1")) }
}

/// A scheduled run.
fn daily(version: &Version, run_id: &str, as_of: NaiveDate) -> DatasetRun {
    DatasetRun { object: None, started_at: chrono::Utc::now(), ..run(version, run_id, as_of) }
}

/// What a turn came to: the work, the outcome, and the rows that were scored, each with its features.
type Over = (Option<Work>, ModelScored, Vec<Vec<f64>>);

/// A turn of a model whose raw scores are all the same; the centre of its scale is 1.
async fn turn_of(warehouse: &mut Warehouse, run: &DatasetRun, model: &Model, raw: f64) -> Result<Over> {
    let plan = ScorePlan { run, layout: layout(), model };
    let scoring = match warehouse.scoring(&plan, &json!({})).await? {
        Turn::Over(scored) => return Ok((None, scored, Vec::new())),
        Turn::Ours(scoring) => scoring,
    };
    let work = scoring.work();
    scoring.read_features(&plan).await?;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let width = model.features.len();
    let raws: RawScores = {
        let seen = seen.clone();
        Arc::new(move |batch: &Batch| {
            seen.lock().unwrap().extend(batch.features.chunks(width).map(<[f64]>::to_vec));
            Ok(vec![raw; batch.keys.len()])
        })
    };
    let rows = scoring.score_rows(&plan, &raws).await?;
    let scale = Scale { centre: 1.0, unit: Some(1.0) };
    let reason = |_: &[f64], texts: &[Option<&str>]| {
        Ok(Some(texts.iter().map(|text| text.unwrap()).collect::<Vec<_>>().join(" ")))
    };
    scoring.give_reasons(&plan, scale, reason).await?;
    let object = ObjectRef { bucket: "reports".into(), key: format!("models/{}.json", run.run_id) };
    let trained = TrainedModel { metrics: json!({ "offset": 1.0 }), sha256: "abc".into(), object };
    let trained = (work == Work::Train).then_some(&trained);
    let done = Done { rows, trained, scale, since: vec![vec![rows]], drift: Vec::new() };
    let scored = scoring.finish(&plan, &json!({}), done).await?;
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_by(|a, b| a.partial_cmp(b).unwrap());
    Ok((Some(work), scored, seen))
}

async fn turn(warehouse: &mut Warehouse, run: &DatasetRun, model: &Model, raw: f64) -> Over {
    turn_of(warehouse, run, model, raw).await.unwrap()
}

#[tokio::test]
async fn an_unpaid_invoice_has_waited_until_the_as_of_date() {
    let database = migrated("features").await;
    let mut warehouse = connect(&database.url).await;
    let lines = vec![
        line("F1"),                             // issued on day 10, nothing paid
        line("F2").paid(10_000, 30),            // paid in full after 20 days
        line("F3").paid(2_500, 70),             // paid in part after 60 days
        Line { facture_le: 300, ..line("F4") }, // issued on the as-of date itself
    ];
    let version = Version::new("v1", 0, lines);
    load(&mut warehouse, &version, "r1", "b1").await.unwrap();
    let (_, _, read) = turn(&mut warehouse, &run(&version, "r1", day(300)), &model(), 0.0).await;
    assert_eq!(read, [[0.0, 20.0, 100.0], [75.0, 60.0, 100.0], [100.0, 1.0, 100.0], [100.0, 290.0, 100.0]]);
    // and in the table it has no delay; in words the decimals are as they are
    let stored = "SELECT delai_paiement_jours, anomaly_raison FROM dw.fact_facturation ORDER BY facture_id";
    assert_eq!(
        rows(&warehouse, stored).await,
        ["∅|100.00 290 100.00", "20|0.00 20 100.00", "60|75.00 60 100.00", "∅|100.00 1 100.00"]
    );
    warehouse.close().await;
}

#[tokio::test]
async fn a_load_scores_what_it_changed_with_the_model_in_force() {
    let database = migrated("score_changes").await;
    let mut warehouse = connect(&database.url).await;
    let model = model();
    let first = Version::new("v1", 0, ["F1", "F2", "F3", "F4", "F5"].map(line).to_vec());
    load(&mut warehouse, &first, "r1", "b1").await.unwrap();
    let (work, trained, _) = turn(&mut warehouse, &run(&first, "r1", day(300)), &model, 0.85).await;
    assert_eq!((work, trained.status, trained.rows), (Some(Work::Train), ScoreStatus::Trained, 5));
    let levels = |scored: &ModelScored| scored.levels.iter().map(|level| level.rows).collect::<Vec<_>>();
    assert_eq!(levels(&trained), [0, 5, 0], "-0.15 is moderate");
    let shown = rows(&warehouse, STATES).await;
    assert!(shown[0].starts_with("F1|-0.15") && shown[0].ends_with("|100.00 290 100.00"), "{shown:?}");

    // the same run again gives its first numbers and writes nothing
    let bytes = rows(&warehouse, BYTES).await;
    assert_eq!(turn(&mut warehouse, &run(&first, "r1", day(300)), &model, 0.0).await, (None, trained, Vec::new()));
    assert_eq!(rows(&warehouse, BYTES).await, bytes);

    // a payment and a new invoice: these two are scored, the others stay where they are
    let second = Version::new("v2", 1, vec![line("F2").paid(5_000, 65), line("F3"), line("F6")]);
    load(&mut warehouse, &second, "r2", "b1").await.unwrap();
    assert_eq!(rows(&warehouse, &format!("{STATES} LIMIT 2 OFFSET 1")).await[0], "F2|∅|∅", "of another state");
    let (work, scored, read) = turn(&mut warehouse, &run(&second, "r2", day(301)), &model, 1.5).await;
    assert_eq!((work, scored.status, scored.rows), (Some(Work::ScoreChanges), ScoreStatus::Scored, 2));
    assert_eq!(read, [[50.0, 55.0, 100.0], [100.0, 291.0, 100.0]]);
    assert_eq!(levels(&scored), [0, 0, 0]);
    let in_force = scored.in_force.unwrap();
    assert_eq!((in_force.run_id.as_str(), in_force.rows, in_force.changed_rows, in_force.age_days), ("r1", 5, 2, 1));
    assert_eq!(in_force.object.key, "models/r1.json");
    let scores =
        "SELECT facture_id, round(anomaly_score::numeric, 2) AS s FROM dw.fact_facturation ORDER BY facture_id";
    assert_eq!(rows(&warehouse, scores).await, ["F1|-0.15", "F2|0.50", "F3|-0.15", "F4|-0.15", "F5|-0.15", "F6|0.50"]);
    let stayed = rows(&warehouse, BYTES).await;
    assert_eq!(bytes.iter().filter(|row| stayed.contains(row)).count(), 4);

    // an unchanged file: nothing to score
    load(&mut warehouse, &second, "r3", "b1").await.unwrap();
    let (work, scored, _) = turn(&mut warehouse, &run(&second, "r3", day(301)), &model, 0.0).await;
    assert_eq!((work, scored.rows), (Some(Work::ScoreChanges), 0));
    assert_eq!(rows(&warehouse, BYTES).await, stayed);

    // a third row in five is half of them: the model is another one
    let third = Version::new("v3", 2, vec![line("F7")]);
    load(&mut warehouse, &third, "r4", "b1").await.unwrap();
    let (work, scored, _) = turn(&mut warehouse, &run(&third, "r4", day(301)), &model, 0.9).await;
    assert_eq!((work, scored.status, scored.rows), (Some(Work::Train), ScoreStatus::Trained, 7));
    assert_eq!(
        rows(&warehouse, "SELECT DISTINCT round(anomaly_score::numeric, 2) AS s FROM dw.fact_facturation").await,
        ["-0.10"]
    );
    let ledger = "SELECT run_id, status, rows, in_force, key FROM audit.model ORDER BY run_id";
    assert_eq!(
        rows(&warehouse, ledger).await,
        ["r1|trained|5|r1|models/r1.json", "r2|scored|2|r1|∅", "r3|scored|0|r1|∅", "r4|trained|7|r4|models/r4.json"]
    );
    warehouse.close().await;
}

#[tokio::test]
async fn what_trains_a_model_again_and_what_scores_all_rows() {
    let database = migrated("score_policy").await;
    let mut warehouse = connect(&database.url).await;
    let plain = model();
    let version = Version::new("v1", 0, ["F1", "F2", "F3"].map(line).to_vec());
    load(&mut warehouse, &version, "r1", "b1").await.unwrap();
    let mut work = async |run: &DatasetRun, model: &Model| turn(&mut warehouse, run, model, 0.9).await.0.unwrap();
    assert_eq!(work(&run(&version, "r1", day(300)), &plain).await, Work::Train);
    // the day moves: a scheduled run scores all rows, once a day
    assert_eq!(work(&daily(&version, "d1", day(300)), &plain).await, Work::ScoreChanges);
    assert_eq!(work(&daily(&version, "d2", day(301)), &plain).await, Work::Rescore);
    assert_eq!(work(&daily(&version, "d3", day(301)), &plain).await, Work::ScoreChanges);
    // by age, in a scheduled run only
    let aging = Model { training: TrainingPolicy { changed_percent: 50.0, every_days: Some(3) }, ..model() };
    assert_eq!(work(&daily(&version, "d4", day(302)), &aging).await, Work::Rescore);
    let of_file = DatasetRun { started_at: chrono::Utc::now(), ..run(&version, "r2", day(303)) };
    assert_eq!(work(&of_file, &aging).await, Work::ScoreChanges);
    assert_eq!(work(&daily(&version, "d5", day(303)), &aging).await, Work::Train);
    assert_eq!(work(&daily(&version, "d6", day(304)), &aging).await, Work::Rescore);
    // on request, and if it is another model
    let asked = DatasetRun { retrain: true, ..daily(&version, "d7", day(304)) };
    assert_eq!(work(&asked, &plain).await, Work::Train);
    let other = Model { select: format!("{} ", model().select), ..model() };
    assert_eq!(work(&daily(&version, "d8", day(304)), &other).await, Work::Train);
    assert_eq!(work(&daily(&version, "d9", day(304)), &other).await, Work::ScoreChanges);
    warehouse.close().await;
}

#[tokio::test]
async fn a_row_that_left_the_models_select_has_no_score_and_its_mistakes_are_the_datasets() {
    let database = migrated("score_select").await;
    let mut warehouse = connect(&database.url).await;
    let first = Version::new("v1", 0, vec![line("F1"), line("F2"), line("F3"), line("F4")]);
    load(&mut warehouse, &first, "r1", "b1").await.unwrap();
    let of = |select: &str| Model { select: select.to_owned(), ..model() };
    let columns = "montant_impaye, 1 AS delai_paiement_jours, montant_facture FROM dw.fact_facturation";
    let unpaid = of(&format!("SELECT facture_key::integer AS key, {columns} WHERE montant_impaye > 0"));
    turn(&mut warehouse, &run(&first, "r1", day(300)), &unpaid, 0.9).await;
    // F2 is paid: it is among the rows of the SELECT no more
    let second = Version::new("v2", 1, vec![line("F2").paid(10_000, 65)]);
    load(&mut warehouse, &second, "r2", "b1").await.unwrap();
    let (work, scored, _) = turn(&mut warehouse, &run(&second, "r2", day(300)), &unpaid, 0.9).await;
    assert_eq!((work, scored.rows), (Some(Work::ScoreChanges), 0));
    let scored = "SELECT facture_id, anomaly_score IS NOT NULL AS s FROM dw.fact_facturation ORDER BY facture_id";
    assert_eq!(rows(&warehouse, scored).await, ["F1|t", "F2|f", "F3|t", "F4|t"]);

    let bytes = rows(&warehouse, BYTES).await;
    let mistakes = [
        (format!("SELECT facture_key + 1000000 AS key, {columns}"), "what is no surrogate of fact_facturation"),
        (
            format!("SELECT facture_key AS key, {columns} UNION ALL SELECT facture_key, {columns}"),
            "models/anomalie_paiement.sql gives the surrogate of each row once",
        ),
        (
            format!(
                "SELECT facture_key AS key, NULL::numeric AS montant_impaye, {}",
                &columns["montant_impaye, ".len()..]
            ),
            "NULL as `montant_impaye`",
        ),
        (format!("SELECT NULL::bigint AS key, {columns}"), "NULL as `key`"),
        (
            format!(
                "SELECT facture_key AS key, facture_id AS montant_impaye, {}",
                &columns["montant_impaye, ".len()..]
            ),
            "each feature as a number",
        ),
        (
            format!("SELECT facture_key AS key, {columns}; DROP TABLE dw.dim_patient_rows CASCADE"),
            "models/anomalie_paiement.sql gives",
        ),
        ("SELECT 1 AS nothing".to_owned(), "models/anomalie_paiement.sql gives"),
    ];
    for (at, (select, expected)) in mistakes.iter().enumerate() {
        let run = daily(&second, &format!("m{at}"), day(300));
        let error = turn_of(&mut warehouse, &run, &of(select), 0.9).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::ContractInvalid, "{select}: {error}");
        assert!(error.message.contains(expected), "{select}: {error}");
    }
    assert_eq!(rows(&warehouse, BYTES).await, bytes, "the scores are as they were");
    warehouse.close().await;
}

#[tokio::test]
async fn a_run_leaves_scoring_to_a_newer_load() {
    let database = migrated("score_newer").await;
    let mut warehouse = connect(&database.url).await;
    let model = model();
    let first = Version::new("v1", 0, vec![line("F1"), line("F2")]);
    let second = Version::new("v2", 1, vec![line("F3")]);
    load(&mut warehouse, &first, "r1", "b1").await.unwrap();
    load(&mut warehouse, &second, "r2", "b1").await.unwrap();
    let (work, scored, _) = turn(&mut warehouse, &run(&first, "r1", day(300)), &model, 0.9).await;
    assert_eq!((work, scored.status, scored.in_force.clone()), (None, ScoreStatus::LeftToNewer, None));
    // again, as when the execution is redriven
    assert_eq!(turn(&mut warehouse, &run(&first, "r1", day(300)), &model, 0.9).await.1, scored);
    let (work, scored, _) = turn(&mut warehouse, &run(&second, "r2", day(300)), &model, 0.9).await;
    assert_eq!((work, scored.rows), (Some(Work::Train), 3), "the rows of both");
    // a scheduled run knows the loads before its beginning
    assert_eq!(turn(&mut warehouse, &daily(&second, "daily", day(300)), &model, 0.9).await.0, Some(Work::ScoreChanges));
    // a backfill's objects are scored at its end: nobody leaves that to them
    let object = Version { load_only: true, ..Version::new("v3", 2, vec![line("F4")]) };
    load(&mut warehouse, &second, "r5", "b1").await.unwrap();
    load(&mut warehouse, &object, "r6", "b1").await.unwrap();
    assert_eq!(turn(&mut warehouse, &run(&second, "r5", day(300)), &model, 0.9).await.1.rows, 1);
    // the end of a backfill began before its own objects were loaded
    let backfill = DatasetRun { prefix: Some("facturation/".into()), ..run(&first, "backfill", day(301)) };
    let backfill = warehouse.with_loads_known(&backfill).await.unwrap();
    assert!(turn(&mut warehouse, &backfill, &model, 0.9).await.0.is_some());
    warehouse.close().await;
}

#[tokio::test]
async fn too_few_rows_have_no_score() {
    let database = migrated("score_few").await;
    let mut warehouse = connect(&database.url).await;
    let version = Version::new("v1", 0, vec![line("F1"), line("F2")]);
    load(&mut warehouse, &version, "r1", "b1").await.unwrap();
    let model = model();
    turn(&mut warehouse, &run(&version, "r1", day(300)), &model, 0.9).await;
    let asked = DatasetRun { retrain: true, ..daily(&version, "d1", day(300)) };
    let plan = ScorePlan { run: &asked, layout: layout(), model: &model };
    let scored = match warehouse.scoring(&plan, &json!({})).await.unwrap() {
        Turn::Ours(scoring) => scoring.too_few(&plan, &json!({}), 2).await.unwrap(),
        Turn::Over(scored) => scored,
    };
    assert_eq!((scored.status, scored.rows), (ScoreStatus::TooFewRows, 2));
    assert_eq!(scored.to_string(), "anomalie_paiement: not scored, 2 rows where 256 are needed");
    assert_eq!(rows(&warehouse, STATES).await, ["F1|∅|∅", "F2|∅|∅"]);
    assert_eq!(rows(&warehouse, "SELECT count(*) FROM audit.model_in_force").await, ["0"]);
    warehouse.close().await;
}

/// The sample is that of the natural keys: the order of the loads, and with it the surrogates, does not matter.
#[tokio::test]
async fn the_sample_depends_on_the_natural_keys_alone() {
    let model = model();
    let invoices: Vec<Line> = (0..200).map(|n| Line { facture_le: n, ..line(&format!("F{n:03}")) }).collect();
    let mut samples: Vec<BTreeMap<usize, Vec<String>>> = Vec::new();
    for (name, backwards) in [("sample_there", false), ("sample_back", true)] {
        let database = migrated(name).await;
        let mut warehouse = connect(&database.url).await;
        let mut invoices = invoices.clone();
        if backwards {
            invoices.reverse();
        }
        for (at, lines) in invoices.chunks(67).enumerate() {
            let version = Version::new(&format!("v{at}"), at as i64, lines.to_vec());
            load(&mut warehouse, &version, &format!("r{at}"), "b1").await.unwrap();
        }
        let run = daily(&Version::new("v", 9, Vec::new()), "d", day(300));
        // half of the rows, and more than there are
        let select = model.select.clone() + " WHERE f.date_facture - DATE '2025-01-01' >= 100";
        let part = Model { select, ..model.clone() };
        let mut drawn = BTreeMap::new();
        for (rows, model) in [(20, &model), (1000, &model), (30, &part)] {
            let plan = ScorePlan { run: &run, layout: layout(), model };
            let Turn::Ours(scoring) = warehouse.scoring(&plan, &json!({})).await.unwrap() else { panic!("it is over") };
            scoring.read_features(&plan).await.unwrap();
            let sample = scoring.sample(&plan, rows, 42).await.unwrap();
            let other = scoring.sample(&plan, rows, 43).await.unwrap();
            let of = |sample: &[f64]| sample.chunks(3).map(|row| format!("{row:?}")).collect::<Vec<_>>();
            assert!(rows == 1000 || of(&sample) != of(&other), "another seed draws others");
            drawn.insert(rows, of(&sample));
        }
        assert_eq!(drawn.values().map(Vec::len).collect::<Vec<_>>(), [20, 30, 200]);
        samples.push(drawn);
        warehouse.close().await;
    }
    assert_eq!(samples[0], samples[1]);
}

/// A reader that began before the exchange goes on with the scores that it saw, and one with an old snapshot finds the new tables whole.
#[tokio::test]
async fn readers_see_the_old_scores_or_the_new_ones() {
    let database = migrated("score_readers").await;
    let mut warehouse = connect(&database.url).await;
    let model = model();
    let version = Version::new("v1", 0, ["F1", "F2", "F3"].map(line).to_vec());
    load(&mut warehouse, &version, "r1", "b1").await.unwrap();
    turn(&mut warehouse, &run(&version, "r1", day(300)), &model, 0.9).await;
    let reader = connect(&database.url).await;
    reader.query("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    // its snapshot is taken, no table of scores is locked
    assert_eq!(rows(&reader, "SELECT count(*) FROM audit.model").await, ["1"]);
    let asked = DatasetRun { retrain: true, ..daily(&version, "d1", day(300)) };
    turn(&mut warehouse, &asked, &model, 0.8).await;
    let scores = "SELECT DISTINCT round(anomaly_score::numeric, 2) AS s, count(*) FROM dw.fact_facturation GROUP BY 1";
    assert_eq!(rows(&reader, scores).await, ["-0.20|3"]);
    reader.query("COMMIT").await.unwrap();

    // whoever holds the old tables is waited for, in short waits
    reader.query("BEGIN").await.unwrap();
    assert_eq!(rows(&reader, scores).await, ["-0.20|3"]);
    let holder = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        assert_eq!(rows(&reader, scores).await, ["-0.20|3"]);
        reader.query("COMMIT").await.unwrap();
        assert_eq!(rows(&reader, "SELECT 1 AS one").await, ["1"]);
        reader.close().await;
    });
    let other = connect(&database.url).await;
    let waits = tokio::spawn(async move {
        let mut longest = std::time::Duration::ZERO;
        for _ in 0..40 {
            let started = std::time::Instant::now();
            rows(&other, scores).await;
            longest = longest.max(started.elapsed());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        other.close().await;
        longest
    });
    let asked = DatasetRun { retrain: true, ..daily(&version, "d2", day(300)) };
    turn(&mut warehouse, &asked, &model, 0.7).await;
    holder.await.unwrap();
    assert!(waits.await.unwrap() < std::time::Duration::from_secs(2), "no reader waits for another one");
    assert_eq!(rows(&warehouse, scores).await, ["-0.30|3"]);
    assert_eq!(
        rows(
            &warehouse,
            "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname LIKE 'anomalie_paiement\\_\\_%'"
        )
        .await,
        ["0"]
    );
    warehouse.close().await;
}
