//! Scoring: a model's features out of the dataset's tables, and its scores into them.
//!
//! Features are read without a lock, in one query and so in one snapshot, as COPY BINARY. While a model is trained on them,
//! loads go on. So the scores are written under the dataset's lock, and only to rows whose state is the one that was read. They stand in a
//! table of the model's own, from which a load removes those of the states that it changes.
//!
//! Which run scores: twenty uploads are not twenty trainings, so a run that sees a load newer than its own leaves scoring to
//! it, since that run reads its rows too. Where the newer load comes during the training, the scores are still written, to
//! the rows that it left alone: should the newer run fail, they are there. They are not written once a newer run has
//! written its own, for then one row's score would be of one forest and its neighbour's of another.

use std::collections::HashMap;
use std::pin::pin;

use bytes::{BufMut, Bytes, BytesMut};
use chrono::{DateTime, Utc};
use fonderie_contract::{Layout, Level, Model};
use fonderie_core::failpoint::step;
use fonderie_core::stage::{DatasetRun, LevelRows, ModelScored, ScoreStatus};
use fonderie_core::{ErrorCode, ObjectRef, Result, StageError};
use futures::{SinkExt, TryStreamExt};
use tokio_postgres::{GenericClient, Transaction};

use crate::as_of::published_as_of;
use crate::connect::Warehouse;
use crate::copy_out::Decoder;
use crate::error::{Doing, wrong_sql};
use crate::ledger::{signed, unsigned};
use crate::lock::dataset_lock;
use crate::sql::quote;
use fonderie_tables::{Table, name, state_hash};

const RECORDING: &str = "recording the model";

/// A model in a run.
#[derive(Clone, Copy, Debug)]
pub struct ScorePlan<'a> {
    /// The pinned run.
    pub run: &'a DatasetRun,
    /// The dataset, which has the model.
    pub layout: &'a Layout,
    /// The model.
    pub model: &'a Model,
}

/// The run's own table of scores.
pub(crate) const SCORES: &str = "CREATE TEMP TABLE scores (key bigint NOT NULL, state bigint NOT NULL, score double precision, reason text) ON COMMIT DROP";

/// The table whose rows a model scores.
fn table<'l>(layout: &'l Layout, model: &Model) -> Result<&'l Table> {
    layout.tables.tables().find(|table| table.name == model.table).ok_or_else(|| {
        let message = format!("the model {} has no table: this is a defect of Fonderie, report it", model.id);
        StageError::new(ErrorCode::Internal, message)
    })
}

/// What a model's SELECT gives, each with its row in the base table.
fn rows_of(layout: &Layout, model: &Model) -> String {
    let base = name(&layout.schemas.warehouse, &model.table, "_rows");
    format!("(\n{}\n) AS rows LEFT JOIN {base} base ON base.row_key = rows.key", model.select)
}

/// From the run's own table of scores to the model's: of rows whose state is the one that was scored, and only what changes.
pub(crate) fn write(layout: &Layout, model: &Model) -> Result<String> {
    let schema = &layout.schemas.warehouse;
    let output = name(schema, &format!("{}_scores", model.id), "");
    let (score, reason) = (quote(&model.score), quote(&model.reason));
    Ok(format!(
        "INSERT INTO {output} (row_key, {score}, {reason})\nSELECT s.key, s.score, s.reason\nFROM scores s JOIN {base} base ON base.row_key = s.key LEFT JOIN {output} o ON \
         o.row_key = s.key\nWHERE base.row_status = 'current' AND {state} = s.state AND (o.{score}, o.{reason}) IS DISTINCT FROM (s.score, s.reason)\nON CONFLICT (row_key) \
         DO UPDATE SET {score} = excluded.{score}, {reason} = excluded.{reason}",
        base = name(schema, &model.table, "_rows"),
        state = state_hash(table(layout, model)?, "base"),
    ))
}

/// Takes away the scores of rows that were not scored: they are not among the rows of the model's SELECT any more.
pub(crate) fn forget(layout: &Layout, model: &Model) -> String {
    let output = name(&layout.schemas.warehouse, &format!("{}_scores", model.id), "");
    format!("DELETE FROM {output} o WHERE NOT EXISTS (SELECT FROM scores s WHERE s.key = o.row_key)")
}

/// Whether a run scores with a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It does.
    Ours,
    /// It did in an earlier attempt, or left it to a newer run.
    Over(ModelScored),
}

/// What the ledger is to know of a trained model.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedModel {
    /// What the training found, as a JSON object.
    pub metrics: serde_json::Value,
    /// The model's own hash.
    pub sha256: String,
    /// Where it lies, complete, before its scores are written.
    pub object: ObjectRef,
}

/// A row's score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score<'a> {
    /// The row's key.
    pub key: i64,
    /// The state that was scored.
    pub state: i64,
    /// The score; `None` where there are too few rows.
    pub score: Option<f64>,
    /// Why it is abnormal, in words.
    pub reason: Option<&'a str>,
}

impl Warehouse {
    /// A run as it begins to score or to publish. The end of a backfill knows all loads until now, for its own objects are
    /// among them. Its as-of date is the greater of its own and the one last published.
    ///
    /// # Errors
    /// The database's; the schema must be migrated.
    pub async fn with_loads_known(&self, run: &DatasetRun) -> Result<DatasetRun> {
        let mut run = run.clone();
        run.as_of =
            published_as_of(&self.client, &run.bundle.dataset).await?.map_or(run.as_of, |day| day.max(run.as_of));
        if run.prefix.is_some() {
            let newest = self
                .client
                .query_one(
                    "SELECT max(finished_at) FROM audit.run WHERE dataset = $1 AND status IN ('loaded', 'unchanged')",
                    &[&run.bundle.dataset],
                )
                .await
                .doing("reading the ledger")?;
            run.started_at = newest.get::<_, Option<DateTime<Utc>>>(0).unwrap_or(run.started_at).max(run.started_at);
        }
        Ok(run)
    }

    /// Whether the run is to score with the model; one that is not is recorded with its reason.
    ///
    /// # Errors
    /// The database's; the schema must be migrated.
    pub async fn scoring_turn(&mut self, plan: &ScorePlan<'_>, parameters: &serde_json::Value) -> Result<Turn> {
        let transaction = self.client.transaction().await.doing(RECORDING)?;
        if let Some(scored) = recorded(&transaction, plan).await? {
            return Ok(Turn::Over(scored));
        }
        let until = loads_until(&transaction, plan.run).await?;
        if !newer_load(&transaction, plan.run, until).await? {
            return Ok(Turn::Ours);
        }
        let scored = left_to_newer(plan);
        record(&transaction, plan, until, &scored, parameters, None).await?;
        step("before a model was recorded");
        transaction.commit().await.doing(RECORDING)?;
        step("after a model was recorded");
        Ok(Turn::Over(scored))
    }

    /// Reads each row's key, state and features.
    ///
    /// # Errors
    /// `ContractInvalid` where one of them is NULL, what `row` says, the database's.
    pub async fn read_features<F>(&mut self, plan: &ScorePlan<'_>, mut row: F) -> Result<()>
    where
        F: FnMut(i64, i64, &[f64]) -> Result<()>,
    {
        let doing = format!("reading the features of model {}", plan.model.id);
        let columns: String = plan
            .model
            .features
            .iter()
            .map(|feature| format!(", rows.{}::double precision", quote(&feature.name)))
            .collect();
        let statement = format!(
            "COPY ({} SELECT rows.key::bigint, CASE WHEN base.row_key IS NOT NULL THEN {} END{columns} FROM {}) TO STDOUT (FORMAT binary)",
            scoring(plan.run),
            state_hash(table(plan.layout, plan.model)?, "base"),
            rows_of(plan.layout, plan.model)
        );
        let advice = advice(plan.model);
        let wrong = |error| wrong_sql(error, &advice);
        let stream = self.client.copy_out(&statement).await.doing(&doing).map_err(wrong)?;
        let mut stream = pin!(stream);
        let mut decoder = Decoder::new(plan.model.features.len());
        while let Some(bytes) = stream.try_next().await.doing(&doing).map_err(wrong)? {
            decoder.decode(&bytes, |null, key, state, features| match null {
                None => row(key, state, features),
                Some(column) => Err(null_feature(plan.model, column)),
            })?;
        }
        decoder.finish()
    }

    /// The state and the features of some rows as PostgreSQL writes them: no decimal becomes a float on its way into words.
    ///
    /// # Errors
    /// The database's.
    pub async fn feature_texts(
        &self,
        plan: &ScorePlan<'_>,
        keys: &[i64],
    ) -> Result<HashMap<i64, (i64, Vec<Option<String>>)>> {
        let doing = format!("reading the abnormal rows of model {}", plan.model.id);
        let columns: String =
            plan.model.features.iter().map(|feature| format!(", rows.{}::text", quote(&feature.name))).collect();
        let query = format!(
            "{} SELECT rows.key::bigint, {}{columns} FROM {} WHERE rows.key::bigint = ANY ($1)",
            scoring(plan.run),
            state_hash(table(plan.layout, plan.model)?, "base"),
            rows_of(plan.layout, plan.model)
        );
        let rows = self.client.query(&query, &[&keys]).await.doing(&doing)?;
        let text = |row: &tokio_postgres::Row| (2..row.len()).map(|index| row.get(index)).collect();
        Ok(rows.iter().map(|row| (row.get(0), (row.get(1), text(row)))).collect())
    }

    /// Writes scores and records the model, in one transaction under the dataset's lock; the same run again gives the
    /// numbers of its first time. Without a trained model, the scores are those of too few rows: none.
    ///
    /// # Errors
    /// `DatabaseBusy` where the dataset's lock is not had in time, the database's.
    pub async fn write_scores<'s>(
        &mut self,
        plan: &ScorePlan<'_>,
        parameters: &serde_json::Value,
        trained: Option<&TrainedModel>,
        scores: impl ExactSizeIterator<Item = Score<'s>>,
    ) -> Result<ModelScored> {
        let doing = format!("writing the scores of model {}", plan.model.id);
        let transaction = self.client.transaction().await.doing(&doing)?;
        let mut scored = ModelScored {
            model: plan.model.id.clone(),
            status: if trained.is_some() { ScoreStatus::Scored } else { ScoreStatus::TooFewRows },
            rows: scores.len() as u64,
            min_rows: plan.model.min_rows,
            written: 0,
            levels: no_rows(plan.model),
            trained: trained.map(|trained| trained.object.clone()),
        };
        let with_score = copy_scores(&transaction, scores, plan.model, &mut scored.levels, &doing).await?;
        if trained.is_some() {
            scored.rows = with_score;
        }
        dataset_lock(&transaction, &plan.run.bundle.dataset).await?;
        if let Some(earlier) = recorded(&transaction, plan).await? {
            return Ok(earlier);
        }
        let until = loads_until(&transaction, plan.run).await?;
        if newer_scores(&transaction, plan, until).await? {
            scored = left_to_newer(plan);
        } else {
            let written = transaction.execute(&write(plan.layout, plan.model)?, &[]).await.doing(&doing);
            scored.written = written.map_err(|error| wrong_sql(error, &advice(plan.model)))?;
            scored.written += transaction.execute(&forget(plan.layout, plan.model), &[]).await.doing(&doing)?;
        }
        record(&transaction, plan, until, &scored, parameters, trained).await?;
        step("before the scores were committed");
        transaction.commit().await.doing(&doing)?;
        step("after the scores were committed");
        Ok(scored)
    }
}

/// What a model's SELECT finds as the table `scoring`.
fn scoring(run: &DatasetRun) -> String {
    format!("WITH scoring AS (SELECT DATE '{}' AS as_of)", run.as_of.format("%Y-%m-%d"))
}

/// What to do about a model's SELECT.
fn advice(model: &Model) -> String {
    format!(
        "models/{}.sql gives the surrogate of each row once, as `key`, and each feature as a number; correct it, and run again",
        model.id
    )
}

fn null_feature(model: &Model, column: usize) -> StageError {
    let name = match column {
        0 => "key",
        1 => {
            let message = format!(
                "the query models/{}.sql gives as `key` what is no surrogate of {}: correct it, and run again",
                model.id, model.table
            );
            return StageError::new(ErrorCode::ContractInvalid, message);
        }
        feature => model.features.get(feature - 2).map_or("?", |feature| feature.name.as_str()),
    };
    let message = format!(
        "the query models/{}.sql gives NULL as `{name}` for some rows: write in it which number stands for a missing value, such as coalesce({name}, 0)",
        model.id
    );
    StageError::new(ErrorCode::ContractInvalid, message)
}

fn left_to_newer(plan: &ScorePlan<'_>) -> ModelScored {
    ModelScored {
        model: plan.model.id.clone(),
        status: ScoreStatus::LeftToNewer,
        rows: 0,
        min_rows: plan.model.min_rows,
        written: 0,
        levels: no_rows(plan.model),
        trained: None,
    }
}

/// The newest load that a run knows of: its own, or its withdrawal; another run without an object knows those before its beginning.
pub(crate) async fn loads_until(client: &impl GenericClient, run: &DatasetRun) -> Result<DateTime<Utc>> {
    let row = client
        .query_opt(
            "SELECT finished_at FROM audit.run WHERE run_id = $1 AND status IN ('loaded', 'unchanged', 'withdrawn', 'restored')",
            &[&run.run_id],
        )
        .await
        .doing("reading the ledger")?;
    Ok(row.map_or(run.started_at, |row| row.get(0)))
}

/// Whether another run's load of the dataset came later, whose run will score and publish. Loads take the dataset's lock before they write the time of their
/// ledger entry, so that these times have the order of the loads.
pub(crate) async fn newer_load(client: &impl GenericClient, run: &DatasetRun, until: DateTime<Utc>) -> Result<bool> {
    let row = client
        .query_one(
            "SELECT EXISTS (SELECT FROM audit.run WHERE dataset = $1 AND run_id <> $2 AND finished_at > $3 \
             AND status IN ('loaded', 'unchanged') AND NOT load_only)",
            &[&run.bundle.dataset, &run.run_id, &until],
        )
        .await
        .doing("reading the ledger")?;
    Ok(row.get(0))
}

/// Whether a run that knows of a newer load has written its scores.
async fn newer_scores(client: &impl GenericClient, plan: &ScorePlan<'_>, until: DateTime<Utc>) -> Result<bool> {
    let row = client
        .query_one(
            "SELECT EXISTS (SELECT FROM audit.model WHERE dataset = $1 AND model = $2 AND loads_until > $3 \
             AND status <> 'left_to_newer')",
            &[&plan.run.bundle.dataset, &plan.model.id, &until],
        )
        .await
        .doing("reading the ledger")?;
    Ok(row.get(0))
}

/// The model's levels, before a row is counted.
fn no_rows(model: &Model) -> Vec<LevelRows> {
    model.levels.iter().map(|level| LevelRows { name: level.name.clone(), rows: 0 }).collect()
}

fn unreadable(error: serde_json::Error) -> StageError {
    StageError::new(ErrorCode::Internal, "the levels in audit.model have another shape").caused_by(error)
}

/// Copies the scores into a table of the run's own, and counts them by level. Returns how many rows have one.
async fn copy_scores<'s>(
    transaction: &Transaction<'_>,
    scores: impl Iterator<Item = Score<'s>>,
    model: &Model,
    counted: &mut [LevelRows],
    doing: &str,
) -> Result<u64> {
    const CHUNK: usize = 256 * 1024;
    transaction.batch_execute(SCORES).await.doing(doing)?;
    let sink = transaction.copy_in::<_, Bytes>("COPY scores FROM STDIN (FORMAT binary)").await.doing(doing)?;
    let mut sink = pin!(sink);
    let mut buffer = BytesMut::with_capacity(CHUNK + 1024);
    buffer.put_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
    let mut with_score = 0;
    for Score { key, state, score, reason } in scores {
        buffer.put_i16(4);
        for number in [key, state] {
            buffer.put_i32(8);
            buffer.put_i64(number);
        }
        match score {
            Some(score) => {
                with_score += 1;
                if let Some(level) = Level::of(&model.levels, score).and_then(|level| counted.get_mut(level)) {
                    level.rows += 1;
                }
                buffer.put_i32(8);
                buffer.put_f64(score);
            }
            None => buffer.put_i32(-1),
        }
        match reason {
            Some(reason) => {
                buffer.put_i32(i32::try_from(reason.len()).unwrap_or(i32::MAX));
                buffer.put_slice(reason.as_bytes());
            }
            None => buffer.put_i32(-1),
        }
        if buffer.len() >= CHUNK {
            sink.send(buffer.split().freeze()).await.doing(doing)?;
            buffer.reserve(CHUNK + 1024);
        }
    }
    buffer.put_i16(-1);
    sink.send(buffer.freeze()).await.doing(doing)?;
    sink.finish().await.doing(doing)?;
    transaction.batch_execute("ANALYZE scores").await.doing(doing)?;
    Ok(with_score)
}

/// What an earlier attempt of this run recorded of the model.
async fn recorded(client: &impl GenericClient, plan: &ScorePlan<'_>) -> Result<Option<ModelScored>> {
    let row = client
        .query_opt(
            "SELECT status, rows, min_rows, rows_written, levels, bucket, key FROM audit.model WHERE run_id = $1 AND model = $2",
            &[&plan.run.run_id, &plan.model.id],
        )
        .await
        .doing("reading the ledger")?;
    let Some(row) = row else { return Ok(None) };
    let count = |index: usize| unsigned(row.get(index));
    let name: &str = row.get(0);
    let status = ScoreStatus::ALL.into_iter().find(|status| status.name() == name);
    Ok(Some(ModelScored {
        model: plan.model.id.clone(),
        status: status.unwrap_or(ScoreStatus::LeftToNewer),
        rows: count(1)?,
        min_rows: count(2)?,
        written: count(3)?,
        levels: serde_json::from_value(row.get(4)).map_err(unreadable)?,
        trained: row.get::<_, Option<String>>(5).zip(row.get(6)).map(|(bucket, key)| ObjectRef { bucket, key }),
    }))
}

async fn record(
    transaction: &Transaction<'_>,
    plan: &ScorePlan<'_>,
    until: DateTime<Utc>,
    scored: &ModelScored,
    parameters: &serde_json::Value,
    trained: Option<&TrainedModel>,
) -> Result<()> {
    let ScorePlan { run, model, .. } = plan;
    // A model whose scores were left to a newer run is not the one of any score.
    let trained = trained.filter(|_| scored.status == ScoreStatus::Scored);
    let features: Vec<&str> = model.features.iter().map(|feature| feature.name.as_str()).collect();
    transaction
        .execute(
            "INSERT INTO audit.model (run_id, dataset, model, as_of, status, loads_until, rows, min_rows, features, parameters, \
             metrics, sha256, bucket, key, rows_written, levels) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
             ON CONFLICT (run_id, model) DO NOTHING",
            &[
                &run.run_id,
                &run.bundle.dataset,
                &model.id,
                &run.as_of,
                &scored.status.name(),
                &until,
                &signed(scored.rows)?,
                &signed(scored.min_rows)?,
                &features,
                parameters,
                &trained.map(|trained| &trained.metrics),
                &trained.map(|trained| &trained.sha256),
                &trained.map(|trained| &trained.object.bucket),
                &trained.map(|trained| &trained.object.key),
                &signed(scored.written)?,
                &serde_json::to_value(&scored.levels).map_err(unreadable)?,
            ],
        )
        .await
        .doing(RECORDING)?;
    Ok(())
}
