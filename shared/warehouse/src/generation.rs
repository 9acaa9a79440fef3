//! The rows of a model: its features in batches, raw scores and reasons into its tables, and the exchange of tables that are made anew.
//!
//! A training writes into tables beside those that readers see (`<model>__new_scores`, …), with frozen rows, for a reader whose snapshot is older
//! than the exchange would find them empty otherwise. The exchange takes the names of the old tables and makes the view on them again, in one
//! moment: a reader sees the old scores or the new ones, each with its own scale.

use std::pin::pin;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use fonderie_contract::Model;
use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_tables::{Output, key_hash, name, output_tables, quote};
use futures::{SinkExt, TryStreamExt};
use tokio_postgres::Transaction;

use crate::copy_out::Decoder;
use crate::declare::close_tables;
use crate::error::{Doing, database_error, wrong_sql};
use crate::layers::in_short_waits;
use crate::score::{CHANGED, ScorePlan, Scoring, Work, scoring};

/// Pages of the features that are read, scored and written at a time: 8 KiB each, some tens of thousands of rows in all.
const PAGES: i64 = 256;

/// The rows of a model's SELECT in a turn: their surrogates and features, as the SELECT gives them.
const FEATURES: &str = "features_to_score";

/// What makes a score of a raw one: (raw - centre) / unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The raw score whose score is 0.
    pub centre: f64,
    /// `None`: no row has a score.
    pub unit: Option<f64>,
}

/// Rows of a model's SELECT.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Their surrogates.
    pub keys: Vec<i64>,
    /// Their features, row after row.
    pub features: Vec<f64>,
}

/// Gives each row of a batch its raw score. It runs on a thread of its own.
pub type RawScores = Arc<dyn Fn(&Batch) -> Result<Vec<f64>> + Send + Sync>;

impl Scoring<'_> {
    /// Executes the model's SELECT, for all rows or for those that are new or changed. Everything else of the turn reads what it gave.
    ///
    /// # Errors
    /// `ContractInvalid` if PostgreSQL does not take the SELECT, the database's.
    pub async fn read_features(&self, plan: &ScorePlan<'_>) -> Result<()> {
        let model = plan.model;
        let doing = format!("reading the features of model {}", model.id);
        let columns: String = model.features.iter().map(|feature| format!(", rows.{}", quote(&feature.name))).collect();
        let only = match self.work() {
            Work::ScoreChanges => format!("\nWHERE rows.key IN (SELECT key FROM {CHANGED})"),
            Work::Train | Work::Rescore => String::new(),
        };
        let query = format!(
            "CREATE TEMP TABLE {FEATURES} ON COMMIT DROP AS\nWITH {} SELECT rows.key::bigint AS key{columns} FROM (\n{}\n) AS rows{only}",
            scoring(plan.run),
            model.select
        );
        // as a prepared statement, for that is one and never several
        self.transaction.execute(&query, &[]).await.doing(&doing).map_err(|error| of_select(error, model))?;
        self.transaction.batch_execute(&format!("ANALYZE {FEATURES}")).await.doing(&doing)
    }

    /// A random sample of the rows, at most so many, that depends on their natural keys and the seed alone: their features, row after row. It
    /// has all rows if there are no more.
    ///
    /// # Errors
    /// `ContractInvalid` if the SELECT gave what is no number, the database's.
    pub async fn sample(&self, plan: &ScorePlan<'_>, rows: usize, seed: u64) -> Result<Vec<f64>> {
        let (model, table) = (plan.model, plan.table()?);
        let doing = format!("drawing the sample for model {}", model.id);
        let base = name(&plan.layout.schemas.warehouse, &table.name, "_rows");
        let hash = key_hash(table, "b", seed.cast_signed());
        let key = table.key.iter().map(|column| format!("b.{}", quote(&column.name))).collect::<Vec<_>>().join(", ");
        // The first rows in the order of the hash; if the SELECT leaves many of them out, more are asked for.
        let mut asked = rows.saturating_mul(2);
        loop {
            let drawn = format!(
                "CREATE TEMP TABLE drawn ON COMMIT DROP AS\nSELECT row_key, row_number() OVER () AS place FROM (\n  SELECT b.row_key FROM {base} b WHERE b.row_status = 'current' \
                 ORDER BY {hash}, {key} LIMIT {asked}\n) AS drawn"
            );
            let drawn = self.transaction.execute(&drawn, &[]).await.doing(&doing)?;
            let query = format!(
                "SELECT rows.key{} FROM drawn JOIN {FEATURES} rows ON rows.key = drawn.row_key ORDER BY drawn.place LIMIT {rows}",
                features(model)
            );
            let batch = self.copy_out(&query, model, &doing).await?;
            self.transaction.batch_execute("DROP TABLE drawn").await.doing(&doing)?;
            if batch.keys.len() >= rows || usize::try_from(drawn).is_ok_and(|drawn| drawn < asked) {
                return Ok(batch.features);
            }
            asked = asked.saturating_mul(8);
        }
    }

    /// Scores the rows, and writes their raw scores. Returns how many rows there are.
    ///
    /// # Errors
    /// `ContractInvalid` if the SELECT gave no numbers, or a row twice, or a key that is none; what `raw` reports; the database's.
    pub async fn score_rows(&self, plan: &ScorePlan<'_>, raw: &RawScores) -> Result<u64> {
        let model = plan.model;
        let doing = format!("scoring the rows of model {}", model.id);
        let [scores, ..] = self.make_targets(plan, &doing).await?;
        let pages = format!("SELECT pg_relation_size('{FEATURES}') / current_setting('block_size')::bigint");
        let pages: i64 = self.transaction.query_one(&pages, &[]).await.doing(&doing)?.get(0);
        let columns = features(model);
        let chunk = |page: i64| {
            let end = page + PAGES;
            format!("SELECT rows.key{columns} FROM {FEATURES} rows WHERE ctid >= '({page},0)' AND ctid < '({end},0)'")
        };
        let (mut rows, mut page) = (0, 0);
        let mut next = self.copy_out(&chunk(0), model, &doing).await?;
        while page < pages {
            let batch = Arc::new(next);
            let (own, raw) = (batch.clone(), raw.clone());
            let scored = tokio::task::spawn_blocking(move || raw(&own));
            // the next rows come while these are scored
            page += PAGES;
            next = if page < pages { self.copy_out(&chunk(page), model, &doing).await? } else { Batch::default() };
            let scored = scored.await.map_err(|error| internal("the scoring was broken off").caused_by(error))??;
            rows += batch.keys.len() as u64;
            let values = batch.keys.iter().zip(&scored).map(|(key, score)| (*key, score.to_be_bytes()));
            self.copy_in(&scores, values, &doing).await.map_err(|error| of_select(error, model))?;
        }
        if self.work() != Work::ScoreChanges {
            let index = format!("CREATE UNIQUE INDEX ON {scores} (row_key); ANALYZE {scores}");
            self.transaction.batch_execute(&index).await.doing(&doing).map_err(|error| of_select(error, model))?;
            // of the rows that changed the keys are those of the lists
            self.check_keys(plan, &scores).await?;
        }
        Ok(rows)
    }

    /// The tables that are written, made if all rows are scored; else without the scores of the rows that are scored now.
    async fn make_targets(&self, plan: &ScorePlan<'_>, doing: &str) -> Result<[String; 3]> {
        let targets = self.targets(plan)?;
        if self.work() == Work::ScoreChanges {
            for table in &targets[..2] {
                let delete = format!("DELETE FROM {table} o USING {CHANGED} c WHERE o.row_key = c.key");
                self.transaction.batch_execute(&delete).await.doing(doing)?;
            }
            return Ok(targets);
        }
        for create in output_tables(&plan.layout.schemas.warehouse, &new(plan.output()?)) {
            self.transaction.batch_execute(&create).await.doing(doing)?;
        }
        close_tables(&self.transaction, &targets).await?;
        Ok(targets)
    }

    /// The raw score at an index, from 0, of all in ascending order, and the next one, if there is one.
    ///
    /// # Errors
    /// The database's.
    pub async fn two_raw_scores(&self, plan: &ScorePlan<'_>, below: usize) -> Result<(f64, Option<f64>)> {
        let [scores, ..] = self.targets(plan)?;
        let query = format!("SELECT raw FROM {scores} ORDER BY raw LIMIT 2 OFFSET {below}");
        let rows = self.transaction.query(&query, &[]).await.doing("finding the quantile of the raw scores")?;
        let low = rows.first().map(|row| row.get(0)).ok_or_else(|| internal("no row was scored"))?;
        Ok((low, rows.get(1).map(|row| row.get(0))))
    }

    /// Gives all raw scores in ascending order.
    ///
    /// # Errors
    /// The database's.
    pub async fn raw_scores(&self, plan: &ScorePlan<'_>, mut each: impl FnMut(f64)) -> Result<()> {
        let doing = "reading the raw scores";
        let [scores, ..] = self.targets(plan)?;
        let statement =
            self.transaction.prepare(&format!("SELECT raw FROM {scores} ORDER BY raw")).await.doing(doing)?;
        let portal = self.transaction.bind(&statement, &[]).await.doing(doing)?;
        loop {
            let rows = self.transaction.query_portal(&portal, 32_768).await.doing(doing)?;
            rows.iter().for_each(|row| each(row.get(0)));
            if rows.is_empty() {
                return Ok(());
            }
        }
    }

    /// Writes the scale of the scores, and the reasons of the rows whose score is beyond the first level. `reason` gives that of a row by its features as
    /// numbers and as PostgreSQL writes them: no decimal becomes a float on its way into words.
    ///
    /// # Errors
    /// What `reason` reports, the database's.
    pub async fn give_reasons(
        &self,
        plan: &ScorePlan<'_>,
        scale: Scale,
        reason: impl Fn(&[f64], &[Option<&str>]) -> Result<Option<String>>,
    ) -> Result<()> {
        let model = plan.model;
        let doing = format!("giving the reasons of model {}", model.id);
        let [_, reasons, scale_table] = self.targets(plan)?;
        let is_new = self.work() != Work::ScoreChanges;
        if is_new {
            let mut bytes = header();
            bytes.put_i16(2);
            put(&mut bytes, Some(&scale.centre.to_be_bytes()));
            put(&mut bytes, scale.unit.map(f64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
            self.send(&scale_table, bytes, &doing).await?;
        }
        let Some(level) = model.levels.first() else { return Ok(()) };
        // read by pieces of a table of their own, as the features are: a portal that stays open lets no rows be frozen
        let texts: String =
            model.features.iter().map(|feature| format!(", rows.{}::text", quote(&feature.name))).collect();
        let abnormal = format!(
            "CREATE TEMP TABLE abnormal_rows ON COMMIT DROP AS SELECT row_number() OVER () AS at, abnormal.row_key FROM (SELECT s.row_key FROM {} WHERE {}) AS abnormal;\n\
             CREATE INDEX ON abnormal_rows (at); ANALYZE abnormal_rows",
            self.scored(plan)?,
            scale.beyond("s.raw", level.bound),
        );
        self.transaction.batch_execute(&abnormal).await.doing(&doing)?;
        let count = "SELECT count(*) FROM abnormal_rows";
        let count: i64 = self.transaction.query_one(count, &[]).await.doing(&doing)?.get(0);
        if count > 0 {
            let index = format!("CREATE INDEX ON {FEATURES} (key)");
            self.transaction.batch_execute(&index).await.doing(&doing)?;
        }
        let query = format!(
            "SELECT rows.key{}{texts} FROM abnormal_rows a JOIN {FEATURES} rows ON rows.key = a.row_key WHERE a.at > $1 AND a.at <= $2",
            features(model)
        );
        let mut at = 0;
        while at < count {
            let end = at + 16_384;
            let rows = self.transaction.query(&query, &[&at, &end]).await.doing(&doing)?;
            let mut given = Vec::with_capacity(rows.len());
            for row in &rows {
                let features = 1..=model.features.len();
                let numbers: Vec<f64> = features.clone().map(|column| row.get(column)).collect();
                let texts: Vec<Option<&str>> = features.map(|column| row.get(column + model.features.len())).collect();
                given.extend(reason(&numbers, &texts)?.map(|reason| (row.get(0), reason)));
            }
            self.copy_in(&reasons, given.into_iter(), &doing).await?;
            at = end;
        }
        if is_new {
            let index = format!("CREATE UNIQUE INDEX ON {reasons} (row_key); ANALYZE {reasons}");
            self.transaction.batch_execute(&index).await.doing(&doing)?;
        }
        Ok(())
    }

    /// What was scored in this turn, as `s`.
    pub(crate) fn scored(&self, plan: &ScorePlan<'_>) -> Result<String> {
        let [scores, ..] = self.targets(plan)?;
        Ok(match self.work() {
            Work::ScoreChanges => format!("{scores} s JOIN {CHANGED} c ON c.key = s.row_key"),
            Work::Train | Work::Rescore => format!("{scores} s"),
        })
    }

    /// The tables that are written: of scores, of reasons, of the scale.
    fn targets(&self, plan: &ScorePlan<'_>) -> Result<[String; 3]> {
        let output = plan.output()?;
        let tables = if self.work() == Work::ScoreChanges { output.tables() } else { new(output).tables() };
        Ok(tables.map(|table| name(&plan.layout.schemas.warehouse, &table, "")))
    }

    /// Each key of a model's SELECT is a surrogate of its table.
    async fn check_keys(&self, plan: &ScorePlan<'_>, scores: &str) -> Result<()> {
        let model = plan.model;
        let base = name(&plan.layout.schemas.warehouse, &model.table, "_rows");
        let query = format!(
            "SELECT EXISTS (SELECT FROM {scores} s WHERE NOT EXISTS (SELECT FROM {base} b WHERE b.row_key = s.row_key))"
        );
        if !self.transaction.query_one(&query, &[]).await.doing("checking the keys of the scores")?.get::<_, bool>(0) {
            return Ok(());
        }
        let message = format!(
            "the query models/{}.sql gives as `key` what is no surrogate of {}: correct it, and run again",
            model.id, model.table
        );
        Err(StageError::new(ErrorCode::ContractInvalid, message))
    }

    /// The rows of a query as a batch.
    async fn copy_out(&self, query: &str, model: &Model, doing: &str) -> Result<Batch> {
        let copy = format!("COPY ({query}) TO STDOUT (FORMAT binary)");
        let wrong = |error| of_select(error, model);
        let stream = self.transaction.copy_out(&copy).await.doing(doing).map_err(wrong)?;
        let mut stream = pin!(stream);
        let (mut batch, mut decoder) = (Batch::default(), Decoder::new(model.features.len()));
        while let Some(bytes) = stream.try_next().await.doing(doing).map_err(wrong)? {
            decoder.decode(&bytes, |null_column, key, features| {
                if let Some(column) = null_column {
                    return Err(null(model, column));
                }
                batch.keys.push(key);
                batch.features.extend_from_slice(features);
                Ok(())
            })?;
        }
        decoder.finish()?;
        Ok(batch)
    }

    /// Copies rows of a surrogate and a value in its binary form.
    async fn copy_in<V: AsRef<[u8]>>(
        &self,
        table: &str,
        rows: impl Iterator<Item = (i64, V)>,
        doing: &str,
    ) -> Result<()> {
        let mut bytes = header();
        for (key, value) in rows {
            bytes.put_i16(2);
            put(&mut bytes, Some(&key.to_be_bytes()));
            put(&mut bytes, Some(value.as_ref()));
        }
        self.send(table, bytes, doing).await
    }

    async fn send(&self, table: &str, mut bytes: BytesMut, doing: &str) -> Result<()> {
        let freeze = if self.work() == Work::ScoreChanges { "" } else { ", FREEZE" };
        bytes.put_i16(-1);
        let copy = format!("COPY {table} FROM STDIN (FORMAT binary{freeze})");
        let sink = self.transaction.copy_in::<_, Bytes>(&copy).await.doing(doing)?;
        let mut sink = pin!(sink);
        sink.send(bytes.freeze()).await.doing(doing)?;
        sink.finish().await.doing(doing)?;
        Ok(())
    }
}

/// The names of a model's tables while they are made.
fn new(output: &Output) -> Output {
    Output { model: format!("{}__new", output.model), ..output.clone() }
}

/// Lets the new tables of a model take the place of those that readers see.
pub(crate) async fn exchange(transaction: &Transaction<'_>, plan: &ScorePlan<'_>) -> Result<()> {
    let doing = format!("exchanging the scores of model {}", plan.model.id);
    let (schema, output) = (&plan.layout.schemas.warehouse, plan.output()?);
    // as PostgreSQL has it, for a later declaration may have given the view more columns
    let view = name(schema, &plan.model.table, "");
    let definition = "SELECT pg_get_viewdef(to_regclass($1))";
    let definition: String = transaction.query_one(definition, &[&view]).await.doing(&doing)?.get(0);
    let pairs: Vec<(String, String)> = output.tables().into_iter().zip(new(output).tables()).collect();
    let rename = |from: &str, to: &str| format!("ALTER TABLE {} RENAME TO {}", name(schema, from, ""), quote(to));
    let old = |table: &str| format!("{}__old_{}", output.model, table.rsplit('_').next().unwrap_or_default());
    let mut statements: Vec<String> = Vec::new();
    for (known, new) in &pairs {
        statements.push(rename(known, &old(known)));
        statements.push(rename(new, known));
    }
    statements.push(format!("CREATE OR REPLACE VIEW {view} AS {definition}"));
    statements.extend(pairs.iter().map(|(known, _)| format!("DROP TABLE {}", name(schema, &old(known), ""))));
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    in_short_waits(transaction, &statements, &doing).await?.map_err(|(_, error)| database_error(&doing, &error))?;
    let names: Vec<String> = pairs.iter().map(|(known, _)| format!("{schema}.{known}")).collect();
    transaction
        .execute(
            "UPDATE audit.dataset_table SET oid = to_regclass(name)::oid::bigint WHERE dataset = $1 AND name = ANY ($2)",
            &[&plan.run.bundle.dataset, &names],
        )
        .await
        .doing(&doing)?;
    Ok(())
}

/// The features as columns, each after a comma.
fn features(model: &Model) -> String {
    model.features.iter().map(|feature| format!(", rows.{}::double precision", quote(&feature.name))).collect()
}

/// What to do about a model's SELECT.
pub(crate) fn of_select(error: StageError, model: &Model) -> StageError {
    let advice = format!(
        "models/{}.sql gives the surrogate of each row once, as `key`, and each feature as a number; correct it, and run again",
        model.id
    );
    wrong_sql(error, &advice)
}

fn null(model: &Model, column: usize) -> StageError {
    let feature = column.checked_sub(1).and_then(|at| model.features.get(at));
    let column = feature.map_or("key", |feature| feature.name.as_str());
    let message = format!(
        "the query models/{}.sql gives NULL as `{column}` for some rows: write in it which number stands for a missing value, such as coalesce({column}, 0)",
        model.id
    );
    StageError::new(ErrorCode::ContractInvalid, message)
}

fn internal(message: &str) -> StageError {
    StageError::new(ErrorCode::Internal, message)
}

/// The beginning of COPY's binary form: <https://www.postgresql.org/docs/current/sql-copy.html>.
fn header() -> BytesMut {
    BytesMut::from(&b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"[..])
}

fn put(bytes: &mut BytesMut, value: Option<&[u8]>) {
    match value {
        Some(value) => {
            bytes.put_i32(i32::try_from(value.len()).unwrap_or(i32::MAX));
            bytes.put_slice(value);
        }
        None => bytes.put_i32(-1),
    }
}
