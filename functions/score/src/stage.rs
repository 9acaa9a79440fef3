//! For each model: its rows, training if the dataset's policy asks for it, scores and reasons into the tables.

use std::time::Instant;

use bytes::Bytes;
use fonderie_contract::{Dataset, Mart, Messages, Model};
use fonderie_core::stage::{DatasetRun, ModelScored, ScoreInput, Scored};
use fonderie_core::{Deadline, ErrorCode, ObjectRef, Result};
use fonderie_warehouse::{ConnectOptions, Done, InForce, ScorePlan, Scoring, TrainedModel, Turn, Warehouse, Work};

use crate::Context;
use crate::learner::{Known, Learner, parameters, unusable};

/// Scores a dataset's rows with each of its models.
///
/// # Errors
/// `AsOfEarlier`, `SchemaMismatch`, `DatabaseUnavailable`, `DatabaseBusy`, `ContractInvalid` if a model's query gives no numbers, the
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
        warehouse.make_layers(&run, &dataset.layout, &dataset.marts).await?;
    }
    let mut models = Vec::with_capacity(dataset.models.len());
    for model in &dataset.models {
        let plan = ScorePlan { run: &run, layout: &dataset.layout, model };
        models.push(one(context, warehouse, &plan, &dataset.messages).await?);
    }
    Ok(models)
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
    let parameters = parameters(plan.model.kind);
    let mut scoring = match warehouse.scoring(plan, &parameters).await? {
        Turn::Over(scored) => return Ok(scored),
        Turn::Ours(scoring) => scoring,
    };
    let in_force = match scoring.in_force() {
        Some(in_force) if scoring.work() != Work::Train => known(context, plan.model, in_force).await?,
        _ => None,
    };
    if in_force.is_none() {
        scoring.train();
    }
    scoring.read_features(plan).await?;
    let known = match in_force {
        Some(known) => known,
        None => {
            let (rows, learned) = learn(&scoring, plan).await?;
            let Some(known) = learned.filter(|_| rows >= plan.model.min_rows) else {
                return scoring.too_few(plan, &parameters, rows).await;
            };
            known
        }
    };
    let rows = scoring.score_rows(plan, &known.raw_scores()).await?;
    let mut trained = None;
    let known = if scoring.work() == Work::Train {
        let known = known.fit(&scoring, plan, rows).await?;
        trained = Some(store(context, plan, &known).await?);
        known
    } else {
        known
    };
    scoring
        .give_reasons(plan, known.scale(), |numbers, texts| known.reason(plan.model, messages, numbers, texts))
        .await?;
    let before = scoring.in_force().filter(|_| scoring.work() == Work::ScoreChanges);
    let (since, drift) = known.drift(plan.model, before, trained.is_some());
    let done = Done { rows, trained: trained.as_ref(), scale: known.scale(), since, drift };
    scoring.finish(plan, &parameters, done).await
}

/// Learns from a sample of the rows, as far as that goes before they are scored. Returns also how many rows the sample has: all, if there are
/// fewer than the model asks for.
async fn learn(scoring: &Scoring<'_>, plan: &ScorePlan<'_>) -> Result<(u64, Option<Known>)> {
    let learner = Learner::new(plan.model);
    let sample = scoring.sample(plan, learner.sample_rows(), learner.seed()).await?;
    let rows = (sample.len() / plan.model.features.len().max(1)) as u64;
    let known = learner.learn(sample).map_err(|error| unusable(plan.model, &error))?;
    Ok((rows, known))
}

/// The bytes that a stored model has at most: 10,000 trees of 511 nodes.
const MODEL_BYTES: u64 = 512 << 20;

/// Reads the model in force from the store; `None` if it is not there any more.
async fn known(context: &Context, model: &Model, in_force: &InForce) -> Result<Option<Known>> {
    let ObjectRef { bucket, key } = &in_force.object;
    match context.storage.read(bucket, key, None, MODEL_BYTES).await {
        Ok(bytes) => Known::read(model, &bytes, &in_force.metrics).map(Some),
        Err(error) if error.code == ErrorCode::ObjectMissing => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stores a trained model under its own hash, before any score refers to it.
async fn store(context: &Context, plan: &ScorePlan<'_>, known: &Known) -> Result<TrainedModel> {
    let (json, sha256, metrics) = known.stored(plan.model)?;
    let key = format!("models/{}/{}/{sha256}.json", plan.run.bundle.dataset, plan.model.id);
    let object = ObjectRef { bucket: context.reports_bucket.clone(), key };
    context.storage.put(&object, Bytes::from(json), "application/json").await?;
    Ok(TrainedModel { metrics, sha256, object })
}
