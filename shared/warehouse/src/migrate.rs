//! What the database must hold before a stage works: the engine's own tables (schema `audit`), the tables that the dataset declares, and its
//! hand-written migrations (from the bundle that the run pinned), in this order.
//!
//! Every stage asks whether there is anything to do, so that the answer "no" costs one query. A database that is ahead of the bundle or of the
//! program serves them too, for migrations expand before they contract. One whose applied migrations are others is refused: two versions of the
//! tables' meaning never mix.

use fonderie_contract::Layout;
use fonderie_core::failpoint::step;
use fonderie_core::{ErrorCode, Result, StageError};
use refinery_core::error::Kind;
use refinery_core::{Migration, Runner};
use tokio_postgres::error::SqlState;

use crate::connect::Warehouse;
use crate::declare::{declare, sha256};
use crate::error::{Doing, database_error};
use crate::sql::{advisory_key, quote};
use crate::tables::rebuild_advice;

const ENGINE: &[(&str, &str)] = &[
    ("V1__audit.sql", include_str!("../migrations/V1__audit.sql")),
    ("V2__scores_and_marts.sql", include_str!("../migrations/V2__scores_and_marts.sql")),
    ("V3__load_only.sql", include_str!("../migrations/V3__load_only.sql")),
    ("V4__recovery.sql", include_str!("../migrations/V4__recovery.sql")),
    ("V5__declared.sql", include_str!("../migrations/V5__declared.sql")),
    ("V6__time_zone.sql", include_str!("../migrations/V6__time_zone.sql")),
    ("V7__layers_and_exports.sql", include_str!("../migrations/V7__layers_and_exports.sql")),
    ("V8__checks.sql", include_str!("../migrations/V8__checks.sql")),
    ("V9__publications.sql", include_str!("../migrations/V9__publications.sql")),
    ("V10__models_in_force.sql", include_str!("../migrations/V10__models_in_force.sql")),
];

/// The statements that make the ledger.
pub fn ledger() -> String {
    let migrations: String = ENGINE.iter().map(|(_, sql)| *sql).collect();
    format!("CREATE SCHEMA audit;\n{migrations}")
}

/// One set of migrations and the table that remembers which were applied.
struct Set {
    /// For messages: `the engine`, or the dataset's name.
    owner: String,
    table: String,
    migrations: Vec<Migration>,
}

impl Set {
    /// The newest migration, for a message.
    fn newest(&self) -> String {
        self.migrations.last().map_or_else(|| "none".into(), Migration::to_string)
    }
}

impl Warehouse {
    /// Brings the schema to what this program and this bundle need, and says which migrations were applied; does nothing, in
    /// one query, where it is there.
    ///
    /// # Errors
    /// [`ErrorCode::SchemaMismatch`] if the database holds other migrations under the same numbers or other tables under the same names, or
    /// if a migration fails; [`ErrorCode::DatabaseBusy`] if another run migrates for too long.
    pub async fn migrate(&mut self, layout: &Layout) -> Result<Vec<String>> {
        let sets = sets(layout)?;
        if self.current(&sets, Some(layout)).await?.iter().all(|current| *current) {
            return Ok(Vec::new());
        }
        self.run_alone(&sets, Some(layout)).await
    }

    /// Brings the schema `audit` to what this program needs, whatever the dataset's tables are.
    ///
    /// # Errors
    /// As [`Self::migrate`].
    pub(crate) async fn migrate_engine(&mut self) -> Result<()> {
        let engine = [engine()?];
        if self.current(&engine, None).await? != [true] {
            self.run_alone(&engine, None).await?;
        }
        Ok(())
    }

    async fn run_alone(&mut self, sets: &[Set], layout: Option<&Layout>) -> Result<Vec<String>> {
        // two first runs of a new database must not create its schemas at once
        let key = advisory_key("migrate");
        self.client
            .execute("SELECT pg_advisory_lock($1)", &[&key])
            .await
            .doing("waiting for another run's migrations")?;
        let result = self.run_migrations(sets, layout).await;
        let unlocked =
            self.client.execute("SELECT pg_advisory_unlock($1)", &[&key]).await.doing("ending the migrations");
        let applied = result?;
        unlocked.map(|_| applied)
    }

    async fn run_migrations(&mut self, sets: &[Set], layout: Option<&Layout>) -> Result<Vec<String>> {
        // asked first: IF NOT EXISTS wants the right to create one that is there, which the pipeline's role does not keep
        let query = "SELECT to_regnamespace('audit') IS NOT NULL";
        let known = self.client.query_one(query, &[]).await.doing("looking for the schema audit")?;
        if !known.get::<_, bool>(0) {
            self.client.batch_execute("CREATE SCHEMA audit").await.doing("creating the schema audit")?;
        }
        let mut applied = Vec::new();
        for (at, set) in sets.iter().enumerate() {
            // the engine's first, for the declaration is noted in its tables
            if let (1, Some(layout)) = (at, layout)
                && declare(&mut self.client, layout).await?
            {
                applied.push(format!("{} tables", set.owner));
            }
            if self.current(std::slice::from_ref(set), None).await? == [true] {
                continue;
            }
            let mut runner = Runner::new(&set.migrations);
            runner.set_migration_table_name(&set.table);
            step("before migrations");
            let report = runner.run_async(&mut self.client).await.map_err(|error| refused(set, error))?;
            for migration in report.applied_migrations() {
                tracing::info!(owner = set.owner, migration = %migration, "migration applied");
                applied.push(format!("{} {migration}", set.owner));
            }
        }
        step("after migrations");
        Ok(applied)
    }

    /// Whether the migrations of each set are applied, and at last whether the declared tables are there: one query. Others may be applied
    /// after them.
    async fn current(&self, sets: &[Set], layout: Option<&Layout>) -> Result<Vec<bool>> {
        let mut parts: Vec<String> = sets
            .iter()
            .enumerate()
            .map(|(index, set)| format!("SELECT {index}, version, name, checksum FROM {}", set.table))
            .collect();
        if let Some(layout) = layout {
            // names are identifiers, the hash is hexadecimal
            parts.push(format!(
                "SELECT {}, 0, '', sha256 FROM audit.declaration WHERE dataset = '{}' AND sha256 = '{}'",
                sets.len(),
                layout.tables.name,
                sha256(layout)
            ));
        }
        let query = format!("{} ORDER BY 1, 2", parts.join(" UNION ALL "));
        let rows = match self.client.query(&query, &[]).await {
            Ok(rows) => rows,
            Err(error) if matches!(error.code(), Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME)) => {
                return Ok(vec![false; parts.len()]);
            }
            Err(error) => return Err(database_error("reading which migrations are applied", &error)),
        };
        let of = |index: usize| {
            rows.iter().filter(move |row| usize::try_from(row.get::<_, i32>(0)).is_ok_and(|of| of == index))
        };
        let mut current: Vec<bool> = Vec::with_capacity(parts.len());
        for (index, set) in sets.iter().enumerate() {
            let mut applied = of(index);
            current.push(set.migrations.iter().all(|migration| {
                applied.next().is_some_and(|row| {
                    row.get::<_, i32>(1) == migration.version()
                        && row.get::<_, &str>(2) == migration.name()
                        && row.get::<_, &str>(3) == migration.checksum().to_string()
                })
            }));
        }
        current.extend(layout.map(|_| of(sets.len()).next().is_some()));
        Ok(current)
    }
}

fn table(name: &str) -> String {
    format!("{}.{}", quote("audit"), quote(&format!("migration_{name}")))
}

fn engine() -> Result<Set> {
    let migrations = ENGINE.iter().map(|(name, sql)| unapplied(name, sql)).collect::<Result<Vec<_>>>()?;
    Ok(Set { owner: "the engine".into(), table: table("engine"), migrations })
}

fn sets(layout: &Layout) -> Result<[Set; 2]> {
    let dataset = layout.tables.name.as_str();
    let own = layout
        .migrations
        .iter()
        .map(|migration| unapplied(&format!("V{}__{}.sql", migration.version, migration.name), &migration.sql))
        .collect::<Result<Vec<_>>>()?;
    if dataset == "engine" {
        return Err(StageError::new(
            ErrorCode::ContractInvalid,
            "a dataset cannot be named engine, which is the name of Fonderie's own migrations: rename it",
        ));
    }
    Ok([engine()?, Set { owner: dataset.into(), table: table(dataset), migrations: own }])
}

fn unapplied(name: &str, sql: &str) -> Result<Migration> {
    Migration::unapplied(name, sql).map_err(|error| {
        StageError::new(
            ErrorCode::ContractInvalid,
            format!("the migration {name} has no proper name: name it V<number>__<what_it_does>.sql"),
        )
        .caused_by(error.to_string())
    })
}

/// Why the migrations of a set could not be run.
fn refused(set: &Set, error: refinery_core::Error) -> StageError {
    let Set { owner, .. } = set;
    let newest = set.newest();
    match error.kind() {
        Kind::DivergentVersion(applied, wanted) => mismatch(format!(
            "the warehouse has migration {applied} of {owner}, the bundle has {wanted} with other content: an applied migration must not change, add a new one instead"
        )),
        Kind::MissingVersion(migration) if set.migrations.contains(migration) => mismatch(format!(
            "the warehouse is past migration {migration} of {owner} without having had it: give it a number above the warehouse's newest"
        )),
        Kind::MissingVersion(migration) => mismatch(format!(
            "the warehouse has migration {migration} of {owner}, the newest one here is {newest}: the database is ahead, use a bundle and a program that have it"
        )),
        Kind::RepeatedVersion(migration) => {
            mismatch(format!("two migrations of {owner} have the number of {migration}: renumber one"))
        }
        Kind::Connection(_, cause) => match postgres_error(cause.as_ref()) {
            // objects without the ledger that knows them: it was dropped, or they are somebody else's
            Some(cause) if is_there_already(cause) => {
                let object = cause.as_db_error().map(|error| error.message().to_owned()).unwrap_or_default();
                mismatch(format!(
                    "migrating {owner} to {newest}: {object}, and the ledger does not know it; nothing was written: {}",
                    rebuild_advice(owner)
                ))
            }
            Some(cause) => {
                let mut error = database_error(&format!("migrating {owner} to {newest}"), cause);
                if error.code == ErrorCode::Internal {
                    error.code = ErrorCode::SchemaMismatch;
                }
                error
            }
            None => mismatch(format!("the migrations of {owner} to {newest} failed")).caused_by(cause.to_string()),
        },
        _ => mismatch(format!("the migrations of {owner} to {newest} cannot be run: {error}")),
    }
}

/// A schema, or a relation.
fn is_there_already(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(&SqlState::DUPLICATE_SCHEMA | &SqlState::DUPLICATE_TABLE))
}

/// The error of PostgreSQL in a chain of causes.
fn postgres_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e tokio_postgres::Error> {
    error.downcast_ref().or_else(|| postgres_error(error.source()?))
}

fn mismatch(message: String) -> StageError {
    StageError::new(ErrorCode::SchemaMismatch, message)
}
