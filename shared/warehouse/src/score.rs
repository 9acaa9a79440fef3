//! Scoring: which work a run does with a model, under the dataset's lock, and what the ledger knows of it.
//!
//! A model stays in force. A run scores the rows that are new or changed since the last one with it, and finds them in the lists that loads keep
//! ([`crate::followers`]). When the dataset's policy says so, a run trains the model again and scores all rows: into tables beside those that
//! readers see, which are exchanged at the end ([`crate::generation`]).
//!
//! Which run scores: twenty uploads are not twenty trainings, so a run that sees a load newer than its own leaves scoring to it, since that run
//! looks at its rows too.

use chrono::{DateTime, NaiveDate, Utc};
use fonderie_contract::{Bound, Layout, Level, Model};
use fonderie_core::failpoint::step;
use fonderie_core::stage::{DatasetRun, FeatureDrift, LevelRows, ModelInForce, ModelScored, ScoreStatus};
use fonderie_core::{ErrorCode, ObjectRef, Result, StageError, digest, hex};
use fonderie_tables::{Output, ROW_KEY, Table, changed_keys};
use serde_json::Value;
use tokio_postgres::{GenericClient, Transaction};

use crate::as_of::published_as_of;
use crate::connect::Warehouse;
use crate::error::Doing;
use crate::follow::tables_below;
use crate::followers;
use crate::generation::{self, Scale};
use crate::ledger::{signed, unsigned};
use crate::load::WORK_MEM;
use crate::lock::dataset_lock;

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

impl<'a> ScorePlan<'a> {
    /// The table whose rows the model scores.
    pub(crate) fn table(&self) -> Result<&'a Table> {
        self.layout.tables.tables().find(|table| table.name == self.model.table).ok_or_else(|| defect(self.model))
    }

    /// The model's tables.
    pub(crate) fn output(&self) -> Result<&'a Output> {
        let outputs = &self.table()?.outputs;
        outputs.iter().find(|output| output.model == self.model.id).ok_or_else(|| defect(self.model))
    }

    /// The hash of all that determines a trained model, its rows excepted, and of the reasons' words.
    fn definition(&self) -> String {
        let Model { id, kind, features, levels, min_rows, select, table, .. } = self.model;
        let parameters = format!("{kind:?} {features:?} {levels:?} {min_rows}");
        hex(digest([id.as_str(), &parameters, select, table]))
    }
}

fn defect(model: &Model) -> StageError {
    let message = format!("the model {} has no table: this is a defect of Fonderie, report it", model.id);
    StageError::new(ErrorCode::Internal, message)
}

/// What a run does with a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Trains it, and scores all rows.
    Train,
    /// Scores all rows with the model in force.
    Rescore,
    /// Scores the rows that are new or changed with the model in force.
    ScoreChanges,
}

/// Whether a run works with a model.
pub enum Turn<'w> {
    /// It does.
    Ours(Box<Scoring<'w>>),
    /// It did in an earlier attempt, or left it to a newer run.
    Over(ModelScored),
}

/// A trained model, for the ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedModel {
    /// What the training found, as a JSON object.
    pub metrics: Value,
    /// The model's own hash.
    pub sha256: String,
    /// Where it lies, complete, before its scores are written.
    pub object: ObjectRef,
}

/// The model that is in force when a run comes to it.
#[derive(Clone, Debug)]
pub struct InForce {
    run_id: String,
    definition: String,
    trained_as_of: NaiveDate,
    scored_run_id: String,
    scored_as_of: NaiveDate,
    rows: u64,
    changed_rows: u64,
    since: Value,
    /// What its training found.
    pub metrics: Value,
    /// Where it lies.
    pub object: ObjectRef,
}

impl InForce {
    /// Of each feature, how many of the rows that were scored since the training lie in each tenth of its values.
    pub fn since(&self) -> Vec<Vec<u64>> {
        serde_json::from_value(self.since.clone()).unwrap_or_default()
    }
}

/// A model's turn: the dataset's lock is held until it is over. Dropped, it leaves everything as it was.
pub struct Scoring<'w> {
    pub(crate) transaction: Transaction<'w>,
    until: DateTime<Utc>,
    in_force: Option<InForce>,
    work: Work,
    /// The rows that are new or changed, if a follower knows.
    changed: u64,
    /// Up to which list of changes the model had looked.
    seen: Option<i64>,
}

/// The rows that are new or changed since a model has looked.
pub(crate) const CHANGED: &str = "changed_rows_to_score";

/// What a run's work with a model came to.
#[derive(Clone, Debug)]
pub struct Done<'a> {
    /// The rows that were scored.
    pub rows: u64,
    /// The model that was trained, if one was.
    pub trained: Option<&'a TrainedModel>,
    /// What makes a score of a raw one.
    pub scale: Scale,
    /// Of each feature, how many of the rows that were scored since the training lie in each tenth of its values.
    pub since: Vec<Vec<u64>>,
    /// How far each feature has moved, by these.
    pub drift: Vec<FeatureDrift>,
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

    /// Takes the dataset's lock and decides what the run does with the model; a run that leaves it to a newer one is recorded with that.
    ///
    /// # Errors
    /// `DatabaseBusy` if the lock is not had in time, the database's; the schema must be migrated.
    pub async fn scoring(&mut self, plan: &ScorePlan<'_>, parameters: &Value) -> Result<Turn<'_>> {
        let transaction = self.client.transaction().await.doing(RECORDING)?;
        dataset_lock(&transaction, &plan.run.bundle.dataset).await?;
        if let Some(scored) = recorded(&transaction, plan).await? {
            return Ok(Turn::Over(scored));
        }
        let until = loads_until(&transaction, plan.run).await?;
        let in_force = in_force(&transaction, plan).await?;
        if newer_load(&transaction, plan.run, until).await? {
            let scored = empty(plan, ScoreStatus::LeftToNewer);
            record(&transaction, plan, until, &scored, parameters, None).await?;
            step("before a model was recorded");
            transaction.commit().await.doing(RECORDING)?;
            step("after a model was recorded");
            return Ok(Turn::Over(scored));
        }
        transaction.batch_execute(&format!("SET LOCAL work_mem = '{WORK_MEM}'")).await.doing(RECORDING)?;
        let follower = followers::of_model(&plan.model.id);
        let seen = followers::seen(&transaction, &plan.layout.tables, plan.table()?, &follower).await?;
        let changed = match seen {
            Some(seen) => Some(changed(&transaction, plan, seen).await?),
            None => None,
        };
        let is_beside = match seen {
            Some(_) => changed_beside(&transaction, plan, &follower).await?,
            None => true,
        };
        let work = work(plan, in_force.as_ref(), changed, is_beside);
        let changed = changed.unwrap_or_default();
        Ok(Turn::Ours(Box::new(Scoring { transaction, until, in_force, work, changed, seen })))
    }
}

/// The number of rows that are new or changed since the model has looked, in a table of their own.
async fn changed(transaction: &Transaction<'_>, plan: &ScorePlan<'_>, seen: i64) -> Result<u64> {
    let (dataset, table) = (&plan.layout.tables, plan.table()?);
    let doing = "looking for rows to score";
    let make = format!(
        "CREATE TEMP TABLE {CHANGED} ON COMMIT DROP AS\n{};\nANALYZE {CHANGED}",
        changed_keys(dataset, table, ROW_KEY, seen)
    );
    transaction.batch_execute(&make).await.doing(doing)?;
    let count = transaction.query_one(&format!("SELECT count(*) FROM {CHANGED}"), &[]).await.doing(doing)?;
    unsigned(count.get(0))
}

/// Whether anything that the model's SELECT reads has changed since the model has looked, beside the rows of its table; yes, if nobody notes the
/// changes of what it reads.
async fn changed_beside(transaction: &Transaction<'_>, plan: &ScorePlan<'_>, follower: &str) -> Result<bool> {
    let doing = format!("reading the features of model {}", plan.model.id);
    let view = format!(
        "CREATE TEMP VIEW model_rows AS\nWITH {} SELECT rows.key FROM (\n{}\n) AS rows",
        scoring(plan.run),
        plan.model.select
    );
    transaction.execute(&view, &[]).await.doing(&doing).map_err(|error| generation::of_select(error, plan.model))?;
    let tables = tables_below(transaction, plan.layout, "pg_temp.model_rows").await?;
    transaction.batch_execute("DROP VIEW model_rows").await.doing(&doing)?;
    let Some(tables) = tables else { return Ok(true) };
    let dataset = &plan.layout.tables;
    for table in tables.into_iter().filter(|table| table.name != plan.model.table) {
        let Some(seen) = followers::seen(transaction, dataset, table, follower).await? else { return Ok(true) };
        if followers::has_changed(transaction, dataset, table, seen).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is done, by the dataset's policy; `changed` rows are new or changed since the model has looked, `is_beside`: other tables that it reads.
fn work(plan: &ScorePlan<'_>, in_force: Option<&InForce>, changed: Option<u64>, is_beside: bool) -> Work {
    let policy = &plan.model.training;
    let Some(in_force) = in_force.filter(|in_force| in_force.definition == plan.definition()) else {
        return Work::Train;
    };
    #[allow(clippy::cast_precision_loss)] // a share
    let is_other =
        |changed: u64| changed > 0 && 100.0 * changed as f64 >= policy.changed_percent * in_force.rows as f64;
    let age = (plan.run.as_of - in_force.trained_as_of).num_days();
    let is_scheduled = plan.run.is_of_all();
    let is_old = policy.every_days.is_some_and(|days| u64::try_from(age).is_ok_and(|age| age >= days));
    if plan.run.retrain || is_other(in_force.changed_rows + changed.unwrap_or_default()) || is_scheduled && is_old {
        Work::Train
    } else if changed.is_none() || is_beside || is_scheduled && in_force.scored_as_of != plan.run.as_of {
        Work::Rescore
    } else {
        Work::ScoreChanges
    }
}

impl Scoring<'_> {
    /// What is to be done.
    pub fn work(&self) -> Work {
        self.work
    }

    /// Makes the work a training: the model in force cannot be had any more.
    pub fn train(&mut self) {
        self.work = Work::Train;
    }

    /// The model in force; there is one unless the work is to train.
    pub fn in_force(&self) -> Option<&InForce> {
        self.in_force.as_ref()
    }

    /// Ends the turn of a model that has too few rows to be trained on: no row has a score.
    ///
    /// # Errors
    /// The database's.
    pub async fn too_few(self, plan: &ScorePlan<'_>, parameters: &Value, rows: u64) -> Result<ModelScored> {
        let doing = "taking back the scores";
        for table in plan.output()?.tables() {
            let table = fonderie_tables::name(&plan.layout.schemas.warehouse, &table, "");
            self.transaction.batch_execute(&format!("DELETE FROM {table}")).await.doing(doing)?;
        }
        let delete = "DELETE FROM audit.model_in_force WHERE dataset = $1 AND model = $2";
        self.transaction.execute(delete, &[&plan.run.bundle.dataset, &plan.model.id]).await.doing(doing)?;
        followers::forget(&self.transaction, &plan.run.bundle.dataset, &followers::of_model(&plan.model.id)).await?;
        let scored = ModelScored { rows, ..empty(plan, ScoreStatus::TooFewRows) };
        record(&self.transaction, plan, self.until, &scored, parameters, None).await?;
        self.transaction.commit().await.doing(RECORDING)?;
        Ok(scored)
    }

    /// Ends the turn: exchanges the scores if all are new, and records the model, in one moment.
    ///
    /// # Errors
    /// `DatabaseBusy` if readers do not let the tables be exchanged in time, the database's.
    pub async fn finish(self, plan: &ScorePlan<'_>, parameters: &Value, done: Done<'_>) -> Result<ModelScored> {
        let doing = format!("writing the scores of model {}", plan.model.id);
        let status = match self.work {
            Work::Train => ScoreStatus::Trained,
            Work::Rescore => ScoreStatus::Rescored,
            Work::ScoreChanges => ScoreStatus::Scored,
        };
        let levels = self.levels(plan, done.scale).await?;
        if self.work != Work::ScoreChanges {
            generation::exchange(&self.transaction, plan).await?;
        }
        let (run, dataset) = (plan.run, &plan.run.bundle.dataset);
        let before = self.in_force.filter(|_| done.trained.is_none());
        let (object, trained_by) = match (done.trained, &before) {
            (Some(trained), _) => (trained.object.clone(), run.run_id.clone()),
            (None, Some(before)) => (before.object.clone(), before.run_id.clone()),
            (None, None) => return Err(defect(plan.model)),
        };
        let is_all = self.work != Work::ScoreChanges;
        let in_force = ModelInForce {
            run_id: trained_by,
            trained_as_of: before.as_ref().map_or(run.as_of, |before| before.trained_as_of),
            age_days: before.as_ref().map_or(0, |before| (run.as_of - before.trained_as_of).num_days()),
            rows: before.as_ref().map_or(done.rows, |before| before.rows),
            changed_rows: before.as_ref().map_or(0, |before| before.changed_rows + self.changed),
            drift: done.drift,
            object,
        };
        let (scored_run_id, scored_as_of) = match &before {
            Some(before) if !is_all => (before.scored_run_id.clone(), before.scored_as_of),
            _ => (run.run_id.clone(), run.as_of),
        };
        let since = serde_json::to_value(&done.since).map_err(unreadable)?;
        self.transaction
            .execute(
                "INSERT INTO audit.model_in_force (dataset, model, run_id, definition_sha256, trained_as_of, scored_run_id, scored_as_of, rows, \
                 changed_rows, since) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (dataset, model) DO UPDATE SET run_id = excluded.run_id, \
                 definition_sha256 = excluded.definition_sha256, trained_as_of = excluded.trained_as_of, scored_run_id = excluded.scored_run_id, \
                 scored_as_of = excluded.scored_as_of, rows = excluded.rows, changed_rows = excluded.changed_rows, since = excluded.since",
                &[
                    &dataset,
                    &plan.model.id,
                    &in_force.run_id,
                    &plan.definition(),
                    &in_force.trained_as_of,
                    &scored_run_id,
                    &scored_as_of,
                    &signed(in_force.rows)?,
                    &signed(in_force.changed_rows)?,
                    &since,
                ],
            )
            .await
            .doing(&doing)?;
        if let (Work::ScoreChanges, Some(seen)) = (self.work, self.seen) {
            followers::note_again(&self.transaction, &plan.layout.tables, plan.table()?, CHANGED, seen).await?;
        }
        let follower = followers::of_model(&plan.model.id);
        followers::look_at_all(&self.transaction, &plan.layout.tables, &follower).await?;
        let scored = ModelScored { rows: done.rows, levels, in_force: Some(in_force), ..empty(plan, status) };
        record(&self.transaction, plan, self.until, &scored, parameters, done.trained).await?;
        step("before the scores were committed");
        self.transaction.commit().await.doing(&doing)?;
        step("after the scores were committed");
        Ok(scored)
    }

    /// The rows of each level among those that were scored.
    async fn levels(&self, plan: &ScorePlan<'_>, scale: Scale) -> Result<Vec<LevelRows>> {
        let model = plan.model;
        let beyond: Vec<String> = model
            .levels
            .iter()
            .map(|level| format!("count(*) FILTER (WHERE {})", scale.beyond("s.raw", level.bound)))
            .collect();
        let query = format!("SELECT {} FROM {}", beyond.join(", "), self.scored(plan)?);
        let row = self.transaction.query_one(&query, &[]).await.doing("counting the scores by level")?;
        let beyond: Vec<u64> = (0..beyond.len()).map(|at| unsigned(row.get(at))).collect::<Result<_>>()?;
        // what is beyond the next level counts to that one
        let next = beyond.iter().skip(1).copied().chain([0]);
        let levels = model.levels.iter().zip(beyond.iter().zip(next));
        Ok(levels.map(|(Level { name, .. }, (all, next))| LevelRows { name: name.clone(), rows: all - next }).collect())
    }
}

impl Scale {
    /// The condition that a raw score is beyond the bound of a level.
    pub(crate) fn beyond(self, raw: &str, bound: Bound) -> String {
        let Self { centre, unit } = self;
        // a number that PostgreSQL reads back to the last bit
        let number = |number: f64| format!("'{number:e}'::double precision");
        let unit = unit.map_or("NULL::double precision".to_owned(), number);
        let (sign, bound) = match bound {
            Bound::Below(bound) => ("<", bound),
            Bound::Above(bound) => (">", bound),
        };
        format!("({raw} - {}) / {unit} {sign} {}", number(centre), number(bound))
    }
}

/// What a model's SELECT finds as the table `scoring`.
pub(crate) fn scoring(run: &DatasetRun) -> String {
    format!("scoring AS (SELECT DATE '{}' AS as_of)", run.as_of.format("%Y-%m-%d"))
}

fn empty(plan: &ScorePlan<'_>, status: ScoreStatus) -> ModelScored {
    let levels = plan.model.levels.iter().map(|level| LevelRows { name: level.name.clone(), rows: 0 });
    ModelScored {
        model: plan.model.id.clone(),
        status,
        rows: 0,
        min_rows: plan.model.min_rows,
        levels: levels.collect(),
        in_force: None,
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

fn unreadable(error: serde_json::Error) -> StageError {
    StageError::new(ErrorCode::Internal, "what the ledger has of a model has another shape").caused_by(error)
}

/// The model in force.
async fn in_force(client: &impl GenericClient, plan: &ScorePlan<'_>) -> Result<Option<InForce>> {
    let row = client
        .query_opt(
            "SELECT f.run_id, definition_sha256, trained_as_of, scored_run_id, scored_as_of, f.rows, changed_rows, since, metrics, bucket, key \
             FROM audit.model_in_force f JOIN audit.model m USING (run_id, model) WHERE f.dataset = $1 AND f.model = $2",
            &[&plan.run.bundle.dataset, &plan.model.id],
        )
        .await
        .doing("reading the ledger")?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(InForce {
        run_id: row.get(0),
        definition: row.get(1),
        trained_as_of: row.get(2),
        scored_run_id: row.get(3),
        scored_as_of: row.get(4),
        rows: unsigned(row.get(5))?,
        changed_rows: unsigned(row.get(6))?,
        since: row.get(7),
        metrics: row.get::<_, Option<Value>>(8).unwrap_or_default(),
        object: ObjectRef {
            bucket: row.get::<_, Option<String>>(9).unwrap_or_default(),
            key: row.get::<_, Option<String>>(10).unwrap_or_default(),
        },
    }))
}

/// What an earlier attempt of this run recorded of the model.
async fn recorded(client: &impl GenericClient, plan: &ScorePlan<'_>) -> Result<Option<ModelScored>> {
    let row = client
        .query_opt(
            "SELECT outcome FROM audit.model WHERE run_id = $1 AND model = $2",
            &[&plan.run.run_id, &plan.model.id],
        )
        .await
        .doing("reading the ledger")?;
    row.map(|row| serde_json::from_value(row.get(0)).map_err(unreadable)).transpose()
}

async fn record(
    transaction: &Transaction<'_>,
    plan: &ScorePlan<'_>,
    until: DateTime<Utc>,
    scored: &ModelScored,
    parameters: &Value,
    trained: Option<&TrainedModel>,
) -> Result<()> {
    let ScorePlan { run, model, .. } = plan;
    let features: Vec<&str> = model.features.iter().map(|feature| feature.name.as_str()).collect();
    transaction
        .execute(
            "INSERT INTO audit.model (run_id, dataset, model, as_of, status, loads_until, rows, min_rows, features, parameters, \
             metrics, sha256, bucket, key, levels, in_force, outcome) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
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
                &serde_json::to_value(&scored.levels).map_err(unreadable)?,
                &scored.in_force.as_ref().map(|in_force| &in_force.run_id),
                &serde_json::to_value(scored).map_err(unreadable)?,
            ],
        )
        .await
        .doing(RECORDING)?;
    Ok(())
}
