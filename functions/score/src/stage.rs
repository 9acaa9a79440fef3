//! For each model: features, training, the model into the store, scores into the tables.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::time::Instant;

use bytes::Bytes;
use fonderie_anomaly::{AnomalyError, Deviation, Forest, Parameters, Rows, Training, ZScore};
use fonderie_contract::{Dataset, Level, Mart, Messages, Model, ModelKind};
use fonderie_core::stage::{DatasetRun, ModelScored, ScoreInput, Scored};
use fonderie_core::{Deadline, ErrorCode, ObjectRef, Result, StageError, digest, hex};
use fonderie_warehouse::{ConnectOptions, Score, ScorePlan, TrainedModel, Turn, Warehouse};
use serde::Serialize;
use serde_json::{Value, json};

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
    if reads_views(dataset) {
        warehouse.make_layers(&run, &dataset.layout.schemas, &dataset.marts).await?;
    }
    let mut models = Vec::with_capacity(dataset.models.len());
    for model in &dataset.models {
        models.push(
            one(context, warehouse, &ScorePlan { run: &run, layout: &dataset.layout, model }, &dataset.messages)
                .await?,
        );
    }
    Ok(models)
}

/// A trained model and what it says.
struct Trained {
    /// As it is stored.
    json: String,
    sha256: String,
    metrics: Value,
    /// A score per row; `None` if the model has none for it.
    scores: Vec<Option<f64>>,
    /// The abnormal rows, each with the feature that made it so.
    abnormal: Vec<(usize, usize)>,
}

/// Whether a model reads a preparation view or a mart, which must be there then.
fn reads_views(dataset: &Dataset) -> bool {
    let schemas = &dataset.layout.schemas;
    let reads = |mart: &Mart, model: &Model| {
        model.select.to_lowercase().replace('"', "").contains(&format!("{}.{}", mart.schema(schemas), mart.name))
    };
    dataset.marts.iter().any(|mart| dataset.models.iter().any(|model| reads(mart, model)))
}

async fn one(
    context: &Context,
    warehouse: &mut Warehouse,
    plan: &ScorePlan<'_>,
    messages: &Messages,
) -> Result<ModelScored> {
    let told = told(plan.model.kind);
    if let Turn::Over(scored) = warehouse.scoring_turn(plan, &told).await? {
        return Ok(scored);
    }
    let mut identities = Vec::new();
    let mut learner = Learner::new(plan.model).map_err(|error| unusable(plan.model, &error))?;
    let push = |key, state, features: &[f64]| {
        identities.push((key, state));
        learner.push(features).map_err(|error| unusable(plan.model, &error))
    };
    warehouse.read_features(plan, push).await?;
    if (identities.len() as u64) < plan.model.min_rows {
        let scores = identities.iter().map(|&(key, state)| Score { key, state, score: None, reason: None });
        return warehouse.write_scores(plan, &told, None, scores).await;
    }
    let levels = plan.model.levels.clone();
    // Minutes of computing on a large dataset: the runtime must see its deadline meanwhile.
    let trained = tokio::task::spawn_blocking(move || learner.train(&levels)).await;
    let trained = trained.map_err(|error| internal("the training was broken off").caused_by(error))?;
    let Trained { json, sha256, metrics, scores, abnormal } = trained.map_err(|error| unusable(plan.model, &error))?;
    // under its own hash, before any score refers to it
    let key = format!("models/{}/{}/{sha256}.json", plan.run.bundle.dataset, plan.model.id);
    let object = ObjectRef { bucket: context.reports_bucket.clone(), key };
    context.storage.put(&object, Bytes::from(json), "application/json").await?;
    let reasons = reasons(warehouse, plan, messages, &identities, &abnormal).await?;
    let written = identities.iter().zip(&scores).enumerate().map(|(row, (&(key, state), &score))| Score {
        key,
        state,
        score,
        reason: reasons.get(&row).map(String::as_str),
    });
    let model = TrainedModel { metrics, sha256, object };
    warehouse.write_scores(plan, &told, Some(&model), written).await
}

/// A model's kind and parameters, for the ledger.
fn told(kind: ModelKind) -> Value {
    match kind {
        ModelKind::IsolationForest { trees, sample, contamination_percent, seed } => json!({
            "type": "isolation_forest", "version": fonderie_anomaly::VERSION, "trees": trees, "sample": sample,
            "contamination_percent": contamination_percent, "seed": seed,
        }),
        ModelKind::ZScore { of_population } => json!({ "type": "zscore", "deviation": deviation(of_population) }),
    }
}

fn deviation(of_population: bool) -> Deviation {
    if of_population { Deviation::Population } else { Deviation::Sample }
}

/// A model that is not trained yet, with the rows that it will be trained on.
enum Learner {
    Forest(Parameters, Rows),
    ZScore(Deviation, Vec<f64>),
}

impl Learner {
    fn new(model: &Model) -> Result<Self, AnomalyError> {
        match model.kind {
            ModelKind::IsolationForest { trees, sample, contamination_percent, seed } => {
                let parameters = Parameters {
                    trees: usize::from(trees),
                    samples: usize::from(sample),
                    contamination: f64::from(contamination_percent) / 100.0,
                    seed,
                };
                Ok(Self::Forest(parameters, Rows::of_features(model.features.len())?))
            }
            ModelKind::ZScore { of_population } => Ok(Self::ZScore(deviation(of_population), Vec::new())),
        }
    }

    fn push(&mut self, features: &[f64]) -> Result<(), AnomalyError> {
        match self {
            Self::Forest(_, rows) => rows.push(features),
            Self::ZScore(_, values) => match features {
                [value] if value.is_finite() => {
                    values.push(*value);
                    Ok(())
                }
                [_] => Err(AnomalyError::Parameter("a value is no finite number")),
                _ => Err(AnomalyError::Features { expected: 1, found: features.len() }),
            },
        }
    }

    fn train(self, levels: &[Level]) -> Result<Trained, AnomalyError> {
        match self {
            Self::Forest(parameters, rows) => forest(&rows, &parameters),
            Self::ZScore(deviation, values) => zscore(&values, deviation, levels),
        }
    }
}

fn forest(rows: &Rows, parameters: &Parameters) -> Result<Trained, AnomalyError> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let Training::Fitted { forest, mut scores } = Forest::train_rows(rows, parameters, threads)? else {
        return Err(AnomalyError::Parameter("a model asks for fewer rows than a tree samples"));
    };
    // scikit-learn's decision_function
    scores.iter_mut().for_each(|score| *score -= forest.offset());
    let abnormal = scores.iter().enumerate().filter(|(_, score)| **score < 0.0);
    let abnormal = abnormal.map(|(row, _)| Ok((row, forest.isolating_feature(rows, row)?)));
    let abnormal = abnormal.collect::<Result<_, AnomalyError>>()?;
    Ok(Trained {
        json: stored(&forest)?,
        sha256: forest.sha256(),
        metrics: json!({ "offset": forest.offset() }),
        scores: scores.into_iter().map(Some).collect(),
        abnormal,
    })
}

fn zscore(values: &[f64], deviation: Deviation, levels: &[Level]) -> Result<Trained, AnomalyError> {
    let model = ZScore::of(values, deviation).ok_or(AnomalyError::Parameter("a z-score needs two rows"))?;
    let scores: Vec<Option<f64>> = values.iter().map(|&value| model.score(value)).collect();
    let is_abnormal = |score: &Option<f64>| score.is_some_and(|score| Level::of(levels, score).is_some());
    let abnormal = scores.iter().enumerate().filter(|(_, score)| is_abnormal(score)).map(|(row, _)| (row, 0)).collect();
    let json = stored(&model)?;
    let metrics = json!({ "mean": model.mean, "standard_deviation": model.standard_deviation });
    Ok(Trained { sha256: hex(digest([json.as_str()])), json, metrics, scores, abnormal })
}

fn stored(model: &impl Serialize) -> Result<String, AnomalyError> {
    serde_json::to_string(model).map_err(|error| AnomalyError::Record(error.to_string()))
}

/// The reasons of the abnormal rows, by row. A row that changed since has none, and will not be written.
async fn reasons(
    warehouse: &Warehouse,
    plan: &ScorePlan<'_>,
    messages: &Messages,
    identities: &[(i64, i64)],
    abnormal: &[(usize, usize)],
) -> Result<HashMap<usize, String>> {
    let keys: Vec<i64> = abnormal.iter().map(|&(row, _)| identities[row].0).collect();
    let texts = warehouse.feature_texts(plan, &keys).await?;
    let reason = |&(row, feature): &(usize, usize)| {
        let (key, state) = identities[row];
        let (_, values) = texts.get(&key).filter(|(now, _)| *now == state)?;
        let value = messages.number(values[feature].as_deref()?);
        Some((row, plan.model.features[feature].words.replace("{value}", &value)))
    };
    Ok(abnormal.iter().filter_map(reason).collect())
}

fn unusable(model: &Model, error: &AnomalyError) -> StageError {
    let message = format!("model {} cannot be trained: {error}; check models/{}.sql", model.id, model.id);
    StageError::new(ErrorCode::ContractInvalid, message)
}

fn internal(message: &str) -> StageError {
    StageError::new(ErrorCode::Internal, message)
}
