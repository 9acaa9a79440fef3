//! For each model: features, training, the model into the store, scores into the tables.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Instant;

use bytes::Bytes;
use fonderie_anomaly::{AnomalyError, Forest, Parameters, Rows, Training};
use fonderie_contract::{Dataset, Messages, Model, ModelKind};
use fonderie_core::stage::{DatasetRun, ModelScored, ScoreInput, Scored};
use fonderie_core::{Deadline, ErrorCode, ObjectRef, Result, StageError};
use fonderie_warehouse::{ConnectOptions, Score, ScorePlan, TrainedModel, Turn, Warehouse};
use serde_json::json;

use crate::Context;

/// Scores a dataset's rows with each of its models.
///
/// # Errors
/// `AsOfEarlier`, `SchemaMismatch`, `DatabaseUnavailable`, `DatabaseBusy`, `ContractInvalid` where a model's query gives no numbers, the
/// store's.
pub async fn run(context: &Context, input: ScoreInput, deadline: Deadline) -> Result<Scored> {
    let started = Instant::now();
    let dataset = context.bundles.pinned(&input.run.bundle).await?;
    let mut warehouse = context.database.connect(&ConnectOptions::of_stage("score", deadline)).await?;
    let models = all(context, &mut warehouse, &dataset, &input.run).await;
    warehouse.close().await;
    Ok(Scored { models: models?, millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX) })
}

async fn all(
    context: &Context,
    warehouse: &mut Warehouse,
    dataset: &Dataset,
    run: &DatasetRun,
) -> Result<Vec<ModelScored>> {
    warehouse.ready(&dataset.layout).await?;
    warehouse.check_as_of(run).await?;
    let run = warehouse.with_loads_known(run).await?;
    let mut models = Vec::with_capacity(dataset.models.len());
    for model in &dataset.models {
        models.push(
            one(context, warehouse, &ScorePlan { run: &run, layout: &dataset.layout, model }, &dataset.messages)
                .await?,
        );
    }
    Ok(models)
}

/// The rows of a dataset as a model sees them.
struct Read {
    /// Each row's key and state.
    identities: Vec<(i64, i64)>,
    rows: Rows,
}

/// A trained forest and what it says.
struct Trained {
    forest: Forest,
    /// A score per row.
    scores: Vec<f64>,
    /// The abnormal rows, each with the feature that isolated it most.
    isolated: Vec<(usize, usize)>,
}

async fn one(
    context: &Context,
    warehouse: &mut Warehouse,
    plan: &ScorePlan<'_>,
    messages: &Messages,
) -> Result<ModelScored> {
    let ModelKind::IsolationForest { trees, sample, contamination_percent, seed } = plan.model.kind;
    let told = json!({
        "type": "isolation_forest", "version": fonderie_anomaly::VERSION, "trees": trees, "sample": sample,
        "contamination_percent": contamination_percent, "seed": seed,
    });
    if let Turn::Over(scored) = warehouse.scoring_turn(plan, &told).await? {
        return Ok(scored);
    }
    let read = read(warehouse, plan).await?;
    if (read.rows.len() as u64) < plan.model.min_rows {
        let scores = read.identities.iter().map(|&(key, state)| Score { key, state, score: None, reason: None });
        return warehouse.write_scores(plan, &told, None, scores).await;
    }
    let parameters = Parameters {
        trees: usize::from(trees),
        samples: usize::from(sample),
        contamination: f64::from(contamination_percent) / 100.0,
        seed,
    };
    let Read { identities, rows } = read;
    // Minutes of computing on a large dataset: the runtime must see its deadline meanwhile.
    let trained = tokio::task::spawn_blocking(move || train(&rows, &parameters)).await;
    let trained = trained.map_err(|error| internal("the training was broken off").caused_by(error))?;
    let Trained { forest, scores, isolated } = trained.map_err(|error| unusable(plan.model, &error))?;
    let object = store(context, plan, &forest).await?;
    let reasons = reasons(warehouse, plan, messages, &identities, &isolated).await?;
    let written = identities.iter().zip(&scores).enumerate().map(|(row, (&(key, state), &score))| Score {
        key,
        state,
        score: Some(score),
        reason: reasons.get(&row).map(String::as_str),
    });
    let model = TrainedModel { metrics: json!({ "offset": forest.offset() }), sha256: forest.sha256(), object };
    warehouse.write_scores(plan, &told, Some(&model), written).await
}

async fn read(warehouse: &mut Warehouse, plan: &ScorePlan<'_>) -> Result<Read> {
    let mut identities = Vec::new();
    let mut rows = Rows::of_features(plan.model.features.len()).map_err(|error| unusable(plan.model, &error))?;
    let push = |key, state, features: &[f64]| {
        identities.push((key, state));
        rows.push(features).map_err(|error| unusable(plan.model, &error))
    };
    warehouse.read_features(plan, push).await?;
    Ok(Read { identities, rows })
}

fn train(rows: &Rows, parameters: &Parameters) -> Result<Trained, AnomalyError> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let Training::Fitted { forest, mut scores } = Forest::train_rows(rows, parameters, threads)? else {
        return Err(AnomalyError::Parameter("a model asks for fewer rows than a tree samples"));
    };
    // scikit-learn's decision_function
    scores.iter_mut().for_each(|score| *score -= forest.offset());
    let abnormal = scores.iter().enumerate().filter(|(_, score)| **score < 0.0);
    let isolated = abnormal.map(|(row, _)| Ok((row, forest.isolating_feature(rows, row)?)));
    let isolated = isolated.collect::<Result<_, AnomalyError>>()?;
    Ok(Trained { forest, scores, isolated })
}

/// Puts the forest under its own hash, before any score refers to it.
async fn store(context: &Context, plan: &ScorePlan<'_>, forest: &Forest) -> Result<ObjectRef> {
    let key = format!("models/{}/{}/{}.json", plan.run.bundle.dataset, plan.model.id, forest.sha256());
    let object = ObjectRef { bucket: context.reports_bucket.clone(), key };
    let json = serde_json::to_vec(forest).map_err(|error| internal("the forest is no JSON").caused_by(error))?;
    context.storage.put(&object, Bytes::from(json), "application/json").await?;
    Ok(object)
}

/// The reasons of the abnormal rows, by row. A row that changed since has none, and will not be written.
async fn reasons(
    warehouse: &Warehouse,
    plan: &ScorePlan<'_>,
    messages: &Messages,
    identities: &[(i64, i64)],
    isolated: &[(usize, usize)],
) -> Result<HashMap<usize, String>> {
    let keys: Vec<i64> = isolated.iter().map(|&(row, _)| identities[row].0).collect();
    let texts = warehouse.feature_texts(plan, &keys).await?;
    let reason = |&(row, feature): &(usize, usize)| {
        let (key, state) = identities[row];
        let (_, values) = texts.get(&key).filter(|(now, _)| *now == state)?;
        let value = messages.number(values[feature].as_deref()?);
        Some((row, plan.model.features[feature].words.replace("{value}", &value)))
    };
    Ok(isolated.iter().filter_map(reason).collect())
}

fn unusable(model: &Model, error: &AnomalyError) -> StageError {
    let message = format!("model {} cannot be trained: {error}; check models/{}.sql", model.id, model.id);
    StageError::new(ErrorCode::ContractInvalid, message)
}

fn internal(message: &str) -> StageError {
    StageError::new(ErrorCode::Internal, message)
}
