//! The tables that are a dataset's own: dropped ones, and others' in their place, are found before a stage works with them.

use fonderie_contract::{Layout, Migration};
use fonderie_core::{ErrorCode, Result, StageError};
use tokio_postgres::GenericClient;

use crate::connect::Warehouse;
use crate::error::Doing;

const LOOKING: &str = "looking at the dataset's tables";
/// Objects that an error names.
const NAMED: usize = 5;

/// What a dataset has in the database.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Made {
    /// Schemas.
    pub(crate) schemas: Vec<String>,
    /// Tables and views, each with its schema.
    pub(crate) tables: Vec<String>,
}

impl Made {
    /// The declared tables, and those that the migrations' statements make. The schemas of marts and of preparation are not among them: these views stay
    /// as they are until they are published anew.
    pub(crate) fn by(layout: &Layout) -> Self {
        let schemas = &layout.schemas;
        let mut made = Self::by_hand(&layout.migrations);
        made.schemas.splice(0..0, [schemas.staging.clone(), schemas.warehouse.clone()]);
        made.schemas.retain(|schema| *schema != schemas.marts && schemas.preparation.as_ref() != Some(schema));
        made.tables.splice(0..0, fonderie_tables::names(&layout.tables));
        made
    }

    /// What migrations make. Names that are quoted, or have no schema, are passed over: nothing is claimed of them.
    fn by_hand(migrations: &[Migration]) -> Self {
        let mut made = Self::default();
        for migration in migrations {
            for statement in statements(&migration.sql) {
                made.read(&statement);
            }
        }
        made
    }

    fn read(&mut self, words: &[String]) {
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .filter(|word| !matches!(*word, "if" | "not" | "exists" | "only"))
            .collect();
        let own = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
        match words.as_slice() {
            ["create", "schema", name, ..] if own(name) => self.schemas.push((*name).to_owned()),
            ["create", "table", name, ..] | ["create", "unlogged", "table", name, ..]
                if own(name) && name.contains('.') =>
            {
                self.tables.push((*name).to_owned());
            }
            ["drop", "table", names @ ..] => self.tables.retain(|table| !names.contains(&table.as_str())),
            ["alter", "table", name, "rename", "to", new, ..] => {
                let schema = name.split_once('.').map_or("", |(schema, _)| schema);
                let renamed = format!("{schema}.{new}");
                self.tables.iter_mut().filter(|table| table == name).for_each(|table| table.clone_from(&renamed));
            }
            _ => {}
        }
    }
}

/// The words of each statement, in lower case, without comments and without what stands in quotes or parentheses.
fn statements(sql: &str) -> Vec<Vec<String>> {
    let (mut all, mut words, mut word) = (Vec::new(), Vec::new(), String::new());
    let mut depth = 0_usize;
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '-' if rest.starts_with("--") => rest.find('\n').map(|end| end + 1),
            '/' if rest.starts_with("/*") => rest.find("*/").map(|end| end + 2),
            '\'' => rest[1..].find('\'').map(|end| end + 2),
            '$' => rest[1..].find('$').and_then(|end| {
                let tag = &rest[..end + 2];
                rest[tag.len()..].find(tag).map(|close| close + 2 * tag.len())
            }),
            _ => Some(0),
        };
        let Some(skipped) = skipped else { break };
        if skipped > 0 {
            rest = &rest[skipped..];
            continue;
        }
        rest = &rest[first.len_utf8()..];
        let part = !(first.is_whitespace() || matches!(first, '(' | ')' | ',' | ';'));
        if part && depth == 0 {
            word.extend(first.to_lowercase());
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        match first {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => all.push(std::mem::take(&mut words)),
            _ => {}
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    all.push(words);
    all.retain(|words| !words.is_empty());
    all
}

/// How a sentence about a dataset's tables ends.
pub(crate) fn rebuild_advice(dataset: &str) -> String {
    format!(
        "`fonderie rebuild --dataset {dataset}`, in AWS the state machine `backfill` with {{\"rebuild\": \"{dataset}\"}}, makes the dataset's tables \
         again from silver; what stands there is kept aside"
    )
}

impl Warehouse {
    /// Brings the schema to what this program and this bundle need ([`Self::migrate`]), and sees that the dataset's tables are the
    /// ones that were made: what each stage does first.
    ///
    /// # Errors
    /// [`ErrorCode::SchemaMismatch`] if a table is dropped or is not the one that was made, and while the dataset is rebuilt; those of
    /// [`Self::migrate`].
    pub async fn ready(&mut self, layout: &Layout) -> Result<()> {
        let dataset = layout.tables.name.as_str();
        let migrated = !self.migrate(layout).await?.is_empty();
        let standing = Standing::of(&self.client, dataset).await?;
        if standing.rebuilding {
            return Err(mismatch(format!(
                "the tables of `{dataset}` are being made again, or that was broken off: wait for its end, or start it again (`fonderie rebuild --dataset \
                 {dataset}`, in AWS the state machine `backfill` with {{\"rebuild\": \"{dataset}\"}})"
            )));
        }
        standing.check(dataset)?;
        // new tables, or all of the database was restored from a dump
        if migrated || !standing.is_known {
            record(&self.client, layout).await?;
        }
        Ok(())
    }

    /// Sees that each reference between the dataset's tables has its member: of whole tables.
    ///
    /// # Errors
    /// [`ErrorCode::SchemaMismatch`] with the columns that hold others; the database's.
    pub async fn check_references(&self, layout: &Layout) -> Result<()> {
        let Some(query) = fonderie_tables::broken_references(&layout.tables) else { return Ok(()) };
        let broken = self.client.query(&query, &[]).await.doing("proving the references between the tables")?;
        if broken.is_empty() {
            return Ok(());
        }
        let schema = &layout.schemas.warehouse;
        let shown = broken.iter().take(NAMED).map(|row| {
            let (table, column, rows): (&str, &str, i64) = (row.get(0), row.get(1), row.get(2));
            format!("{schema}.{table}.{column} (rows: {rows})")
        });
        Err(mismatch(format!(
            "a member is missing to which {} refers: something other than Fonderie wrote to the tables, and nothing was published; {}",
            shown.collect::<Vec<_>>().join(", "),
            rebuild_advice(&layout.tables.name)
        )))
    }
}

/// How the tables stand that were made for a dataset.
pub(crate) struct Standing {
    /// They are being made again.
    rebuilding: bool,
    /// The ledger knows their identities in this database.
    is_known: bool,
    missing: Vec<String>,
    /// Others stand under their names.
    foreign: Vec<String>,
}

impl Standing {
    /// Asks the ledger and the catalogue.
    pub(crate) async fn of(client: &impl GenericClient, dataset: &str) -> Result<Self> {
        let query = "SELECT EXISTS (SELECT FROM audit.rebuild WHERE dataset = $1), \
                       EXISTS (SELECT FROM audit.dataset_table WHERE dataset = $1 AND ledger_oid = 'audit.dataset_table'::regclass::oid::bigint), \
                       ARRAY(SELECT t.name FROM audit.dataset_table t WHERE t.dataset = $1 AND to_regclass(t.name) IS NULL ORDER BY 1), \
                       ARRAY(SELECT t.name FROM audit.dataset_table t WHERE t.dataset = $1 AND to_regclass(t.name)::oid::bigint <> t.oid \
                             AND t.ledger_oid = 'audit.dataset_table'::regclass::oid::bigint ORDER BY 1)";
        let row = client.query_one(query, &[&dataset]).await.doing(LOOKING)?;
        Ok(Self { rebuilding: row.get(0), is_known: row.get(1), missing: row.get(2), foreign: row.get(3) })
    }

    /// The tables are there, and are those that were made.
    ///
    /// # Errors
    /// `SchemaMismatch` with the names of those that are not.
    pub(crate) fn check(&self, dataset: &str) -> Result<()> {
        let mut found = Vec::new();
        if !self.missing.is_empty() {
            found.push(format!("{} not there", several(&self.missing)));
        }
        if !self.foreign.is_empty() {
            found.push(format!("{} not what Fonderie made under the name", several(&self.foreign)));
        }
        if found.is_empty() {
            return Ok(());
        }
        Err(mismatch(format!("{}; nothing was written: {}", found.join(", and "), rebuild_advice(dataset))))
    }
}

/// Names with their verb.
fn several(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
    format!("{shown}{more} {}", if names.len() == 1 { "is" } else { "are" })
}

/// Takes the tables that are there for the dataset's own, unless the ledger has another of the name.
pub(crate) async fn record(client: &impl GenericClient, layout: &Layout) -> Result<()> {
    let made = Made::by(layout);
    client
        .execute(
            "INSERT INTO audit.dataset_table (dataset, name, oid, ledger_oid) \
             SELECT $1, name, to_regclass(name)::oid::bigint, 'audit.dataset_table'::regclass::oid::bigint \
             FROM unnest($2::text[]) AS name WHERE to_regclass(name) IS NOT NULL \
             ON CONFLICT (dataset, name) DO UPDATE SET oid = excluded.oid, ledger_oid = excluded.ledger_oid \
             WHERE dataset_table.ledger_oid <> excluded.ledger_oid",
            &[&layout.tables.name, &made.tables],
        )
        .await
        .doing(LOOKING)?;
    Ok(())
}

fn mismatch(message: String) -> StageError {
    StageError::new(ErrorCode::SchemaMismatch, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_those_that_stand_at_the_end_of_the_migrations() {
        let migration = |version, sql: &str| Migration { version, name: "m".into(), sql: sql.into() };
        let first = "CREATE SCHEMA s; -- CREATE TABLE s.comment (a integer);\n\
            CREATE UNLOGGED TABLE s.a (b text DEFAULT 'x; CREATE TABLE s.text (a integer);', c integer);\n\
            create table IF NOT EXISTS s.old (a integer REFERENCES s.a);\n\
            /* CREATE TABLE s.block (a integer); */ CREATE TABLE s.gone (a integer); CREATE TABLE here (a integer);\n\
            CREATE FUNCTION s.f() RETURNS integer LANGUAGE sql AS $$ SELECT 1; CREATE TABLE s.body (a integer); $$;\n\
            CREATE TEMP TABLE t AS SELECT 1; CREATE INDEX i ON s.a (b)";
        let second =
            "ALTER TABLE s.old RENAME TO new; DROP TABLE IF EXISTS s.gone; ALTER TABLE s.a ADD COLUMN d integer";
        assert_eq!(
            Made::by_hand(&[migration(1, first), migration(2, second)]),
            Made { schemas: vec!["s".to_owned()], tables: vec!["s.a".to_owned(), "s.new".to_owned()] }
        );
    }
}
