//! Views and marts that stand on each other, made and refreshed in their order.
//!
//! PostgreSQL finds the order. Definitions that are new, and those that stand on them, are tried in rounds under a savepoint, while the old
//! views are out of the way under other names: what lacks a relation waits for the next round. From what was made PostgreSQL writes the
//! definitions down again, with the names under which the new views are then made and filled beside the old ones. At the end they take the
//! old ones' names. If no definition is new, the catalogue has the order, and nothing is made.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fonderie_contract::{Layout, Mart, MartKind, Schemas};
use fonderie_core::{ErrorCode, Result, StageError, digest, hex};
use fonderie_tables::name;
use tokio_postgres::Transaction;
use tokio_postgres::error::{ErrorPosition, SqlState};

use crate::error::{Doing, database_error, wrong_sql};
use crate::follow::{FOLLOWS, Following, definition_of};
use crate::sql::{grants, quote};

const LOOKING: &str = "looking at the views and marts";
const ORDERING: &str = "ordering the views and marts";
const EXCHANGING: &str = "exchanging the views and marts";

/// How long one lock of the exchange is waited for, which is how long a reader may wait for it: less than PostgreSQL's `deadlock_timeout` of a
/// second, and than what a person notices.
const PATIENCE: Duration = Duration::from_millis(90);

/// A view that is declared, or that the ledger knows from an earlier declaration.
struct Layer<'a> {
    /// Its name in the ledger.
    label: String,
    schema: String,
    name: String,
    /// `None`: it is no longer declared.
    mart: Option<&'a Mart>,
    /// What the ledger has as its definition.
    known: Option<String>,
    /// What stands under its name.
    found: Option<Relation>,
    /// Whether it is a table whose definition is gone or has columns of other types, as when a text below it became wider.
    is_narrow: bool,
}

/// A relation in the catalogue.
struct Relation {
    oid: u32,
    kind: RelationKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RelationKind {
    View,
    Materialized,
    /// A table, with the view of its definition if that is there: a mart that follows.
    Table(Option<u32>),
}

impl Layer<'_> {
    fn place(&self) -> String {
        name(&self.schema, &self.name, "")
    }

    /// Its name while it is made beside the old one.
    fn draft(&self) -> String {
        format!("{}__new", self.name)
    }

    /// The mart as it follows the tables, if it does, under a name.
    fn following<'f>(&'f self, under: &'f str) -> Option<Following<'f>> {
        let mart = self.mart?;
        let MartKind::Materialized { key, by: Some(by) } = &mart.kind else { return None };
        Some(Following { schema: &self.schema, mart: under, key, by, path: mart.path() })
    }

    /// Whether its rows are stored.
    fn is_stored(&self) -> bool {
        self.found.as_ref().is_some_and(|found| found.kind != RelationKind::View)
    }

    fn is_changed(&self) -> bool {
        self.found.is_none()
            || self.is_narrow
            || self.mart.is_none_or(|mart| self.known.as_deref() != Some(sha256(mart).as_str()))
    }
}

/// All of a dataset's, and which of them stand on which.
pub(crate) struct Layers<'a> {
    layers: Vec<Layer<'a>>,
    /// The relation below, the one above, and the latter's name. Each stands on itself too; other people's views are among those above.
    pairs: Vec<(u32, u32, String)>,
}

/// A new definition that PostgreSQL took, as it writes it with the names of the drafts.
struct Draft {
    layer: usize,
    definition: String,
}

impl<'a> Layers<'a> {
    /// Asks the ledger and the catalogue.
    pub(crate) async fn read(
        transaction: &Transaction<'_>,
        dataset: &str,
        schemas: &Schemas,
        marts: &'a [Mart],
    ) -> Result<Self> {
        let mut layers: Vec<Layer<'_>> = marts
            .iter()
            .map(|mart| {
                let schema = mart.schema(schemas).to_owned();
                let label = label(mart, schemas);
                Layer {
                    label,
                    schema,
                    name: mart.name.clone(),
                    mart: Some(mart),
                    known: None,
                    found: None,
                    is_narrow: false,
                }
            })
            .collect();
        let known = "SELECT mart, definition_sha256 FROM audit.mart WHERE dataset = $1 ORDER BY 1";
        for row in transaction.query(known, &[&dataset]).await.doing(LOOKING)? {
            let (label, sha256): (String, String) = (row.get(0), row.get(1));
            if let Some(layer) = layers.iter_mut().find(|layer| layer.label == label) {
                layer.known = Some(sha256);
                continue;
            }
            let (schema, name) = label.split_once('.').unwrap_or((&schemas.marts, &label));
            let (schema, name) = (schema.to_owned(), name.to_owned());
            layers.push(Layer { label, schema, name, mart: None, known: Some(sha256), found: None, is_narrow: false });
        }
        let places: Vec<String> = layers.iter().map(Layer::place).collect();
        let definitions: Vec<String> =
            layers.iter().map(|layer| name(&layer.schema, &definition_of(&layer.name), "")).collect();
        let types = |relation: &str| {
            format!(
                "ARRAY(SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = {relation} AND attnum > 0 AND NOT attisdropped ORDER BY attnum)"
            )
        };
        let found = format!(
            "SELECT c.oid, c.relkind::text, d.oid, {} <> {}, obj_description(c.oid, 'pg_class') FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS l (place, definition, at) \
             LEFT JOIN pg_class c ON c.oid = to_regclass(l.place) LEFT JOIN pg_class d ON d.oid = to_regclass(l.definition) ORDER BY l.at",
            types("c.oid"),
            types("d.oid")
        );
        let found = transaction.query(&found, &[&places, &definitions]).await.doing(LOOKING)?;
        for (layer, row) in layers.iter_mut().zip(&found) {
            let Some(oid) = row.get(0) else { continue };
            match (row.get::<_, &str>(1), layer.mart) {
                ("v", _) => layer.found = Some(Relation { oid, kind: RelationKind::View }),
                ("m", _) => layer.found = Some(Relation { oid, kind: RelationKind::Materialized }),
                // the ledger may be lost, and with it the view of the definition
                ("r", _) if row.get::<_, Option<&str>>(4) == Some(FOLLOWS) => {
                    layer.found = Some(Relation { oid, kind: RelationKind::Table(row.get(2)) });
                    layer.is_narrow = row.get(3);
                }
                // it is somebody else's by now
                (_, None) => {}
                (_, Some(mart)) => {
                    let message = format!(
                        "{} is there and is no view, so that {} cannot be made: drop it, or give one of them another name",
                        layer.place(),
                        mart.path()
                    );
                    return Err(StageError::new(ErrorCode::SchemaMismatch, message));
                }
            }
        }
        let oids: Vec<u32> = layers.iter().filter_map(|layer| Some(layer.found.as_ref()?.oid)).collect();
        // a table stands on the view of its definition
        let tables = layers.iter().filter_map(|layer| match layer.found.as_ref()? {
            Relation { oid, kind: RelationKind::Table(Some(definition)) } => Some((*definition, *oid)),
            _ => None,
        });
        let (definitions, tables): (Vec<u32>, Vec<u32>) = tables.unzip();
        let pairs = "WITH RECURSIVE edge AS ( \
                       SELECT d.refobjid AS below, r.ev_class AS above FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid \
                       WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass \
                       UNION ALL SELECT * FROM unnest($2::oid[], $3::oid[]) \
                     ), above (below, oid) AS ( \
                       SELECT oid, oid FROM unnest($1::oid[]) AS oid UNION SELECT a.below, e.above FROM above a JOIN edge e ON e.below = a.oid) \
                     SELECT below, oid, oid::regclass::text FROM above WHERE oid <> ALL ($2::oid[]) ORDER BY 3";
        let pairs = transaction.query(pairs, &[&oids, &definitions, &tables]).await.doing(LOOKING)?;
        let pairs = pairs.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        Ok(Self { layers, pairs })
    }

    /// Whether all that are declared are there, whatever their definitions are.
    pub(crate) fn are_there(&self) -> bool {
        self.layers.iter().all(|layer| layer.mart.is_none() || layer.found.is_some())
    }

    /// Whether each stands there as it is declared, and nothing else does.
    pub(crate) fn are_as_declared(&self) -> bool {
        !self.layers.iter().any(Layer::is_changed)
    }

    /// Those that were known and are no longer declared.
    pub(crate) fn removed(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().filter(|layer| layer.mart.is_none()).map(|layer| layer.label.as_str())
    }

    fn stands_on(&self, above: &Layer<'_>, below: &Layer<'_>) -> bool {
        let (Some(above), Some(below)) = (&above.found, &below.found) else { return false };
        self.pairs.iter().any(|(oid, on, _)| (*oid, *on) == (below.oid, above.oid))
    }

    /// Those that are there, lower ones first: what stands on another stands on all that this one stands on, and on itself.
    fn ordered(&self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.layers.len()).filter(|&at| self.layers[at].found.is_some()).collect();
        let height = |at: usize| self.layers.iter().filter(|below| self.stands_on(&self.layers[at], below)).count();
        all.sort_by_key(|&at| height(at));
        all
    }

    /// Brings all to their definitions, and their rows to those of the tables; `blocked` ones keep their rows. Returns for each declared one whether it was made anew.
    ///
    /// # Errors
    /// `ContractInvalid` if definitions lack something, stand on each other in a cycle or are no SELECT that PostgreSQL takes,
    /// `SchemaMismatch` if objects of others depend on one that must be made anew; the database's.
    pub(crate) async fn bring(
        &self,
        transaction: &Transaction<'_>,
        layout: &Layout,
        blocked: &[&str],
    ) -> Result<Vec<bool>> {
        let changed: Vec<&Layer<'_>> = self.layers.iter().filter(|layer| layer.is_changed()).collect();
        let is_concerned =
            |layer: &Layer<'_>| layer.is_changed() || changed.iter().any(|changed| self.stands_on(layer, changed));
        let concerned: Vec<bool> = self.layers.iter().map(is_concerned).collect();
        let drafts = if concerned.contains(&true) { self.discover(transaction, &concerned).await? } else { Vec::new() };
        // first, for the new ones may stand on them
        for at in self.ordered().into_iter().filter(|&at| !concerned[at]) {
            let layer = &self.layers[at];
            let is_blocked = layer.mart.is_some_and(|mart| blocked.contains(&mart.name.as_str()));
            if let Some(following) = layer.following(&layer.name).filter(|_| !is_blocked) {
                let refreshed = following.refresh(transaction, layout).await;
                refreshed.map_err(|error| of_layer(layer, error))?;
            } else if layer.is_stored() && !is_blocked {
                let refresh = format!("REFRESH MATERIALIZED VIEW CONCURRENTLY {}", layer.place());
                let refreshed = transaction.batch_execute(&refresh).await;
                refreshed.doing(&publishing(layer)).map_err(|error| of_layer(layer, error))?;
            }
        }
        let mut made = concerned.clone();
        if concerned.contains(&true) {
            if self.replace(transaction, &concerned, &drafts).await? {
                made = self.layers.iter().map(Layer::is_changed).collect();
            } else {
                self.exchange(transaction, &concerned, &drafts).await?;
            }
            for layer in self.layers.iter().zip(&concerned).filter_map(|(layer, is)| is.then_some(layer)) {
                if let Some(following) = layer.following(&layer.name) {
                    following.look(transaction, layout).await?;
                }
            }
        }
        made.truncate(self.layers.iter().filter(|layer| layer.mart.is_some()).count());
        Ok(made)
    }

    /// Finds the order of the concerned ones' new definitions. Nothing of what it makes stays, and no lock.
    async fn discover(&self, transaction: &Transaction<'_>, concerned: &[bool]) -> Result<Vec<Draft>> {
        transaction.batch_execute("SAVEPOINT discovery").await.doing(ORDERING)?;
        let aside = self.layers.iter().zip(concerned).filter(|(layer, is)| **is && layer.found.is_some());
        let aside: Vec<String> =
            aside.map(|(layer, _)| renaming(&layer.schema, &layer.name, &format!("{}__old", layer.name))).collect();
        let aside: Vec<&str> = aside.iter().map(String::as_str).collect();
        in_short_waits(transaction, &aside, ORDERING).await?.map_err(|(_, error)| database_error(ORDERING, &error))?;
        let declared = |at: &usize| concerned[*at] && self.layers[*at].mart.is_some();
        let mut waiting: Vec<usize> = (0..self.layers.len()).filter(declared).collect();
        let mut order = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let mut lacking = Vec::new();
            for &at in &waiting {
                match self.attempt(transaction, at).await? {
                    None => order.push(at),
                    Some(lack) => lacking.push((at, lack)),
                }
            }
            if lacking.len() == waiting.len() {
                return Err(self.unsatisfied(&lacking));
            }
            waiting = lacking.into_iter().map(|(at, _)| at).collect();
        }
        for &at in &order {
            let layer = &self.layers[at];
            let draft = renaming(&layer.schema, &layer.name, &layer.draft());
            transaction.batch_execute(&draft).await.doing(ORDERING)?;
        }
        let mut drafts = Vec::with_capacity(order.len());
        for layer in order {
            let place = name(&self.layers[layer].schema, &self.layers[layer].draft(), "");
            let definition = "SELECT rtrim(pg_get_viewdef(to_regclass($1)), ';')";
            let definition = transaction.query_one(definition, &[&place]).await.doing(ORDERING)?.get(0);
            drafts.push(Draft { layer, definition });
        }
        transaction
            .batch_execute("ROLLBACK TO SAVEPOINT discovery; RELEASE SAVEPOINT discovery")
            .await
            .doing(ORDERING)?;
        Ok(drafts)
    }

    /// Tries a definition, without rows; what it lacks, if it lacks something that another round may bring.
    async fn attempt(&self, transaction: &Transaction<'_>, at: usize) -> Result<Option<Lack>> {
        let layer = &self.layers[at];
        let Some(mart) = layer.mart else { return Ok(None) };
        let create = define(&layer.schema, &layer.name, &mart.kind, &mart.definition);
        transaction.batch_execute("SAVEPOINT attempt").await.doing(ORDERING)?;
        // as a prepared statement, for that is one and never several
        let attempted = transaction.execute(&create, &[]).await.map(drop);
        let lack = attempted.as_ref().err().and_then(|error| Lack::of(error, &create));
        match (attempted, lack) {
            (Ok(()), _) => {
                transaction.batch_execute("RELEASE SAVEPOINT attempt").await.doing(ORDERING)?;
                Ok(None)
            }
            (Err(_), Some(lack)) => {
                let back = "ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt";
                transaction.batch_execute(back).await.doing(ORDERING)?;
                Ok(Some(lack))
            }
            (Err(error), None) => Err(of_layer(layer, database_error(&publishing(layer), &error))),
        }
    }

    /// Why no further definition can be made.
    fn unsatisfied(&self, lacking: &[(usize, Lack)]) -> StageError {
        let path = |at: usize| self.layers[at].mart.map(Mart::path).unwrap_or_default();
        let target = |lack: &Lack| {
            lacking.iter().map(|(at, _)| *at).find(|&at| {
                let layer = &self.layers[at];
                lack.relation.as_deref() == Some(format!("{}.{}", layer.schema, layer.name).as_str())
            })
        };
        let sentences = lacking.iter().map(|(at, lack)| format!("{}: {}", path(*at), lack.sentence));
        let found = sentences.collect::<Vec<_>>().join("; ");
        let step = |at: usize| lacking.iter().find(|(of, _)| *of == at).and_then(|(_, lack)| target(lack));
        // after as many steps as there are definitions, whoever is still on the way is in a cycle
        let end = |at: &usize| (0..lacking.len()).try_fold(*at, |at, _| step(at));
        let cycle = lacking.iter().find_map(|(at, _)| end(at)).map(|start| {
            let mut around = vec![start];
            while let Some(next) = step(around[around.len() - 1]) {
                around.push(next);
                if next == start {
                    break;
                }
            }
            let around = around.into_iter().map(path).collect::<Vec<_>>().join(" reads ");
            format!("definitions stand on each other in a cycle: {around} ({found})")
        });
        let message = format!(
            "{}; the rows are loaded, and marts that are defined as before keep their rows: correct these files, and run again",
            cycle.unwrap_or_else(|| format!("definitions lack what they read: {found}"))
        );
        StageError::new(ErrorCode::ContractInvalid, message)
    }

    /// Replaces plain views in place, so that whatever stands on them stays. Returns whether that was possible: PostgreSQL takes other
    /// columns only at the end. If a materialized view is concerned it is not tried, for readers would wait while it is filled.
    async fn replace(&self, transaction: &Transaction<'_>, concerned: &[bool], drafts: &[Draft]) -> Result<bool> {
        let is_plain = |layer: &Layer<'_>| {
            let is_materialized = |mart: &Mart| matches!(mart.kind, MartKind::Materialized { .. });
            !layer.mart.is_some_and(is_materialized) && !layer.is_stored()
        };
        if !self.layers.iter().zip(concerned).all(|(layer, is)| !is || is_plain(layer)) {
            return Ok(false);
        }
        // with those that stand on them: `SELECT *` has other columns then
        let made = drafts.iter().map(|draft| &self.layers[draft.layer]);
        let mut statements: Vec<String> = made
            .filter_map(|layer| {
                Some(format!("CREATE OR REPLACE VIEW {} AS\n{}", layer.place(), layer.mart?.definition))
            })
            .collect();
        let removed = self.ordered().into_iter().rev().map(|at| &self.layers[at]).filter(|layer| layer.mart.is_none());
        statements.extend(removed.map(|layer| format!("DROP VIEW {}", layer.place())));
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        transaction.batch_execute("SAVEPOINT replacing").await.doing(EXCHANGING)?;
        if let Err((_, error)) = in_short_waits(transaction, &statements, EXCHANGING).await? {
            let other_columns = [&SqlState::INVALID_TABLE_DEFINITION, &SqlState::DEPENDENT_OBJECTS_STILL_EXIST];
            if !error.code().is_some_and(|code| other_columns.contains(&code)) {
                return Err(database_error(EXCHANGING, &error));
            }
            let back = "ROLLBACK TO SAVEPOINT replacing; RELEASE SAVEPOINT replacing";
            transaction.batch_execute(back).await.doing(EXCHANGING)?;
            return Ok(false);
        }
        transaction.batch_execute("RELEASE SAVEPOINT replacing").await.doing(EXCHANGING)?;
        Ok(true)
    }

    /// Makes the new ones beside the old ones, with the same rights, and lets them take the names.
    async fn exchange(&self, transaction: &Transaction<'_>, concerned: &[bool], drafts: &[Draft]) -> Result<()> {
        self.check_others(concerned)?;
        for Draft { layer: at, definition } in drafts {
            let layer = &self.layers[*at];
            let Some(mart) = layer.mart else { continue };
            let draft = layer.draft();
            let built = match layer.following(&draft) {
                Some(following) => following.make(transaction, definition, &publishing(layer)).await,
                None => {
                    let build = create(&layer.schema, &draft, &mart.kind, definition);
                    transaction.batch_execute(&build).await.doing(&publishing(layer))
                }
            };
            built.map_err(|error| of_layer(layer, error))?;
            let Some(found) = &layer.found else { continue };
            // who may read the old one may read the new one
            let grants = format!("SELECT unnest(ARRAY({})) FROM pg_class c WHERE c.oid = $1", grants("c", "$2::text"));
            let place = name(&layer.schema, &layer.draft(), "");
            for grant in &transaction.query(&grants, &[&found.oid, &place]).await.doing(EXCHANGING)? {
                transaction.batch_execute(grant.get(0)).await.doing(EXCHANGING)?;
            }
        }
        self.take_names(transaction, concerned, drafts).await
    }

    /// Drops the old ones and lets the new ones take their names.
    async fn take_names(&self, transaction: &Transaction<'_>, concerned: &[bool], drafts: &[Draft]) -> Result<()> {
        let mut steps: Vec<(usize, String)> = Vec::new();
        for at in self.ordered().into_iter().rev().filter(|&at| concerned[at]) {
            let layer = &self.layers[at];
            let Some(found) = &layer.found else { continue };
            let kind = match found.kind {
                RelationKind::View => "VIEW",
                RelationKind::Materialized => "MATERIALIZED VIEW",
                RelationKind::Table(_) => "TABLE",
            };
            steps.push((at, format!("DROP {kind} {}", layer.place())));
            if let RelationKind::Table(_) = found.kind {
                let definition = name(&layer.schema, &definition_of(&layer.name), "");
                steps.push((at, format!("DROP VIEW IF EXISTS {definition}")));
            }
        }
        for &Draft { layer: at, .. } in drafts {
            let layer = &self.layers[at];
            steps.push((at, renaming(&layer.schema, &layer.draft(), &layer.name)));
            if matches!(layer.mart.map(|mart| &mart.kind), Some(MartKind::Materialized { .. })) {
                let [draft, key] = [layer.draft(), layer.name.clone()].map(|name| format!("{name}_key"));
                steps.push((at, renaming(&layer.schema, &draft, &key)));
            }
            if layer.following(&layer.name).is_some() {
                let (draft, definition) = (definition_of(&layer.draft()), definition_of(&layer.name));
                steps.push((at, renaming(&layer.schema, &draft, &definition)));
            }
        }
        let statements: Vec<&str> = steps.iter().map(|(_, statement)| statement.as_str()).collect();
        match in_short_waits(transaction, &statements, EXCHANGING).await? {
            Err((step, error)) if error.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) => {
                Err(others_depend(&self.layers[steps[step].0], "other objects"))
            }
            done => done.map_err(|(_, error)| database_error(EXCHANGING, &error)),
        }
    }

    /// Nothing of others stands on what is dropped.
    fn check_others(&self, concerned: &[bool]) -> Result<()> {
        let own: BTreeSet<u32> = self.layers.iter().filter_map(|layer| Some(layer.found.as_ref()?.oid)).collect();
        for (layer, _) in self.layers.iter().zip(concerned).filter(|(_, is)| **is) {
            let Some(found) = &layer.found else { continue };
            let others = self.pairs.iter().filter(|(below, above, _)| *below == found.oid && !own.contains(above));
            let others = others.map(|(_, _, name)| name.as_str()).collect::<Vec<_>>().join(", ");
            if !others.is_empty() {
                return Err(others_depend(layer, &others));
            }
        }
        Ok(())
    }
}

/// What a definition lacks.
struct Lack {
    /// In PostgreSQL's words.
    sentence: String,
    /// The relation, as the definition names it.
    relation: Option<String>,
}

impl Lack {
    /// What an attempt lacked, if it was a relation or a column. The message depends on the server's language, so that the name is read
    /// in the statement.
    fn of(error: &tokio_postgres::Error, statement: &str) -> Option<Self> {
        let error = error.as_db_error()?;
        let is_relation = *error.code() == SqlState::UNDEFINED_TABLE;
        if !is_relation && ![SqlState::UNDEFINED_COLUMN, SqlState::INVALID_SCHEMA_NAME].contains(error.code()) {
            return None;
        }
        let position = match error.position() {
            Some(ErrorPosition::Original(position)) if is_relation => usize::try_from(*position).ok(),
            _ => None,
        };
        let relation = position.and_then(|position| position.checked_sub(1)).map(|position| {
            let is_part = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '.' | '"' | '$');
            statement.chars().skip(position).take_while(is_part).filter(|c| *c != '"').collect::<String>()
        });
        Some(Self { sentence: error.message().to_owned(), relation: relation.map(|name| name.to_lowercase()) })
    }
}

/// What a mart is called in the ledger: a mart has its name, a preparation view its schema too.
pub(crate) fn label(mart: &Mart, schemas: &Schemas) -> String {
    match mart.kind {
        MartKind::Preparation => format!("{}.{}", mart.schema(schemas), mart.name),
        MartKind::View | MartKind::Publications | MartKind::Materialized { .. } => mart.name.clone(),
    }
}

/// The hash of all that makes a mart.
pub(crate) fn sha256(mart: &Mart) -> String {
    let by: Option<&str> = match &mart.kind {
        MartKind::Materialized { by, .. } => by.as_deref(),
        _ => None,
    };
    let (kind, key): (&[&str], &[String]) = match &mart.kind {
        MartKind::Preparation | MartKind::View | MartKind::Publications => (&["view"], &[]),
        MartKind::Materialized { key, by: None } => (&[], key),
        MartKind::Materialized { key, by: Some(_) } => (&["incremental"], key),
    };
    let parts = kind.iter().copied().chain(key.iter().map(String::as_str)).chain(by.iter().copied());
    hex(digest(parts.chain([mart.name.as_str(), mart.definition.as_str()])))
}

/// The statement that makes one without rows.
fn define(schema: &str, under: &str, kind: &MartKind, definition: &str) -> String {
    let place = name(schema, under, "");
    match kind {
        MartKind::Preparation | MartKind::View | MartKind::Publications => {
            format!("CREATE VIEW {place} AS\n{definition}")
        }
        MartKind::Materialized { .. } => format!("CREATE MATERIALIZED VIEW {place} AS\n{definition}\nWITH NO DATA"),
    }
}

/// The statements that make one under a name. A mart is filled by a refresh, whose rows are frozen: a reader whose snapshot is older than the
/// exchange would see an empty mart otherwise.
pub(crate) fn create(schema: &str, under: &str, kind: &MartKind, definition: &str) -> String {
    let define = define(schema, under, kind, definition);
    let MartKind::Materialized { key, by } = kind else { return define };
    let place = name(schema, under, "");
    let fill = match by {
        None => format!("{define};\nREFRESH MATERIALIZED VIEW {place}"),
        Some(_) => {
            let view = name(schema, &definition_of(under), "");
            format!("CREATE VIEW {view} AS\n{definition};\nCREATE TABLE {place} AS TABLE {view}")
        }
    };
    format!("{fill};\n{}", index(schema, under, key, by.as_deref()))
}

/// The statements that index a mart's rows, once they are there.
pub(crate) fn index(schema: &str, under: &str, key: &[String], by: Option<&str>) -> String {
    let place = name(schema, under, "");
    let columns = key.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ");
    let follows = by.filter(|by| key.first().is_none_or(|first| first != by));
    let follows = follows.map(|by| format!("CREATE INDEX ON {place} ({});\n", quote(by))).unwrap_or_default();
    format!("CREATE UNIQUE INDEX {} ON {place} ({columns});\n{follows}ANALYZE {place}", quote(&format!("{under}_key")))
}

/// Runs statements that lock views, all or none; returns which one failed, and how. A reader that holds a lower view and asks for an upper
/// one must not wait for us while we wait for it: PostgreSQL would break off one of the two. So no lock is waited for longer than
/// [`PATIENCE`], and what was taken is given back before the next try, until the session's own `lock_timeout` has passed.
pub(crate) async fn in_short_waits(
    transaction: &Transaction<'_>,
    statements: &[&str],
    doing: &str,
) -> Result<Result<(), (usize, tokio_postgres::Error)>> {
    let started = Instant::now();
    let most =
        "SELECT current_setting('lock_timeout'), extract(epoch FROM current_setting('lock_timeout')::interval)::float8";
    let most = transaction.query_one(most, &[]).await.doing(doing)?;
    let (usual, most): (String, f64) = (most.get(0), most.get(1));
    loop {
        let begin = format!("SAVEPOINT waiting; SET LOCAL lock_timeout = {}", PATIENCE.as_millis());
        transaction.batch_execute(&begin).await.doing(doing)?;
        let mut failed = None;
        for (at, statement) in statements.iter().enumerate() {
            // as a prepared statement, for that is one and never several
            if let Err(error) = transaction.execute(*statement, &[]).await {
                failed = Some((at, error));
                break;
            }
        }
        let is_held = |error: &tokio_postgres::Error| error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE);
        match failed {
            None => break,
            // 0 is no limit
            Some((_, error)) if is_held(&error) && (most == 0.0 || started.elapsed().as_secs_f64() < most) => {
                let back = "ROLLBACK TO SAVEPOINT waiting; RELEASE SAVEPOINT waiting";
                transaction.batch_execute(back).await.doing(doing)?;
                tokio::time::sleep(PATIENCE).await;
            }
            Some(failed) => return Ok(Err(failed)),
        }
    }
    let end = format!("RELEASE SAVEPOINT waiting; SET LOCAL lock_timeout = '{usual}'");
    transaction.batch_execute(&end).await.doing(doing)?;
    Ok(Ok(()))
}

/// The statement that renames a view, a materialized view or an index.
fn renaming(schema: &str, from: &str, to: &str) -> String {
    format!("ALTER TABLE {} RENAME TO {}", name(schema, from, ""), quote(to))
}

fn publishing(layer: &Layer<'_>) -> String {
    format!("publishing {}", layer.place().replace('"', ""))
}

fn others_depend(layer: &Layer<'_>, others: &str) -> StageError {
    let message = format!(
        "the definition of {} or of what it reads changed or is gone, and {others} depend on the old one: drop them, run again, then make them again",
        layer.place().replace('"', "")
    );
    StageError::new(ErrorCode::SchemaMismatch, message)
}

/// What is wrong with a view is wrong with the dataset's SQL.
fn of_layer(layer: &Layer<'_>, error: StageError) -> StageError {
    let path = layer.mart.map(Mart::path).unwrap_or_default();
    wrong_sql(error, &format!("correct {path} or what it depends on, and run again"))
}
