//! The tables that a dataset declares: made when its first run comes, and brought to each declaration that is new to the database.

use fonderie_contract::Layout;
use fonderie_core::failpoint::step;
use fonderie_core::{ErrorCode, Result, StageError, digest, hex};
use fonderie_tables::{Base, Dataset, bases, name};
use tokio_postgres::{Client, GenericClient, Transaction};

use crate::error::Doing;
use crate::evolve::evolve;
use crate::lock::dataset_lock;
use crate::sql::quote;
use crate::tables::{Standing, rebuild_advice, record};

const DECLARING: &str = "making the tables that the dataset declares";

/// The SHA-256 of all statements that make the declared tables.
pub(crate) fn sha256(layout: &Layout) -> String {
    let statements = fonderie_tables::create(&layout.tables);
    hex(digest(layout.schemas.all().into_iter().chain([statements.as_str()])))
}

/// Brings the database to a declaration that it has not been brought to yet, in one transaction under the dataset's lock. Returns whether
/// anything was to be done.
///
/// # Errors
/// `SchemaMismatch` if tables are there that are not of this declaration, `AccessDenied` if the role may not make schemas, the database's.
pub(crate) async fn declare(client: &mut Client, layout: &Layout) -> Result<bool> {
    let dataset = &layout.tables.name;
    let sha256 = sha256(layout);
    let transaction = client.transaction().await.doing(DECLARING)?;
    dataset_lock(&transaction, dataset).await?;
    let known = "SELECT EXISTS (SELECT FROM audit.declaration WHERE dataset = $1 AND sha256 = $2)";
    if transaction.query_one(known, &[&dataset, &sha256]).await.doing(DECLARING)?.get(0) {
        return Ok(false);
    }
    own(&transaction, layout).await?;
    // asked first: IF NOT EXISTS wants the right to create one that is there, which the pipeline's role does not keep
    let missing = "SELECT name FROM unnest($1::text[]) AS name WHERE to_regnamespace(quote_ident(name)) IS NULL";
    let schemas = layout.schemas.all();
    for row in transaction.query(missing, &[&schemas]).await.doing(DECLARING)? {
        let statement = format!("CREATE SCHEMA IF NOT EXISTS {}", quote(row.get(0)));
        transaction.batch_execute(&statement).await.doing(DECLARING)?;
    }
    let declared = "SELECT EXISTS (SELECT FROM audit.declaration WHERE dataset = $1)";
    if transaction.query_one(declared, &[&dataset]).await.doing(DECLARING)?.get(0) {
        Standing::of(&transaction, dataset).await?.check(dataset)?;
        evolve(&transaction, layout).await?;
    } else {
        check_free(&transaction, layout).await?;
        for base in bases(&layout.tables) {
            make(&transaction, &layout.tables, &base, &base.create).await?;
        }
        let readers = fonderie_tables::readers(&layout.tables);
        transaction.batch_execute(&readers).await.doing(DECLARING)?;
    }
    close(&transaction, &layout.tables).await?;
    // a view that was made again is another object
    let views: Vec<String> = fonderie_tables::views(&layout.tables)
        .iter()
        .map(|view| format!("{}.{}", layout.schemas.warehouse, view.name))
        .collect();
    transaction
        .execute("DELETE FROM audit.dataset_table WHERE dataset = $1 AND name = ANY ($2)", &[&dataset, &views])
        .await
        .doing(DECLARING)?;
    record(&transaction, layout).await?;
    transaction
        .execute(
            "INSERT INTO audit.declaration (dataset, sha256, time_zone) VALUES ($1, $2, $3)",
            &[&dataset, &sha256, &layout.tables.time_zone],
        )
        .await
        .doing(DECLARING)?;
    step("before the declared tables were committed");
    transaction.commit().await.doing(DECLARING)?;
    Ok(true)
}

/// Makes a base table. What PostgreSQL does not take is an expression of the declaration.
///
/// # Errors
/// `ContractInvalid` with the table and the file that declares it, the database's.
pub(crate) async fn make(transaction: &Transaction<'_>, dataset: &Dataset, base: &Base, create: &str) -> Result<()> {
    let doing = format!("making {}.{} as it is declared", base.schema, base.name);
    transaction.batch_execute(create).await.doing(&doing).map_err(|error| {
        if error.code != ErrorCode::Internal {
            return error;
        }
        let reason = error.message.split(": nothing was written").next().unwrap_or_default();
        let is_of = |record: &&fonderie_tables::Record| {
            let names = record.tables.iter().map(|table| &table.name);
            names.chain(record.calendars.iter().map(|calendar| &calendar.name)).any(|name| base.name.starts_with(name))
        };
        let file = dataset.records.iter().find(is_of).map(|record| format!(" of records/{}.toml", record.name));
        let message = format!(
            "{reason}; nothing was written: correct `computed`, `checks`, `indexes` or a calendar's `columns`{}, and run again",
            file.unwrap_or_default()
        );
        StageError { code: ErrorCode::ContractInvalid, message, source: error.source }
    })
}

/// Takes from everybody but the owner the rights on the internal tables, which whoever reads a schema has on all that is made there.
pub(crate) async fn close(transaction: &Transaction<'_>, tables: &Dataset) -> Result<()> {
    let internal = bases(tables).into_iter().filter(|base| base.is_internal);
    let names: Vec<String> = internal.map(|base| name(&base.schema, &base.name, "")).collect();
    close_tables(transaction, &names).await
}

/// Takes from everybody but the owner the rights on tables, by their names as SQL has them.
pub(crate) async fn close_tables(transaction: &Transaction<'_>, names: &[String]) -> Result<()> {
    let doing = "closing the internal tables";
    let query = "SELECT DISTINCT format('REVOKE ALL ON %s FROM %s', c.oid::regclass, coalesce(quote_ident(r.rolname), 'PUBLIC')) \
                 FROM unnest($1::text[]) AS name JOIN pg_class c ON c.oid = to_regclass(name) \
                 CROSS JOIN aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee WHERE a.grantee <> c.relowner";
    for row in transaction.query(query, &[&names]).await.doing(doing)? {
        transaction.batch_execute(row.get(0)).await.doing(doing)?;
    }
    Ok(())
}

/// None of the tables may be there before they are made: the ledger that knew them was dropped, or they are somebody else's.
async fn check_free(transaction: &Transaction<'_>, layout: &Layout) -> Result<()> {
    let names = fonderie_tables::names(&layout.tables);
    let query = "SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL LIMIT 1";
    let Some(row) = transaction.query_opt(query, &[&names]).await.doing(DECLARING)? else { return Ok(()) };
    let (name, dataset) = (row.get::<_, &str>(0), &layout.tables.name);
    let message = format!(
        "{name} is there, and the ledger does not know the tables of `{dataset}`; nothing was written: {}",
        rebuild_advice(dataset)
    );
    Err(StageError::new(ErrorCode::SchemaMismatch, message))
}

/// The schemas of a dataset that are declared otherwise than they stand: what for, the one that stands, the one that is declared.
pub(crate) async fn otherwise(client: &impl GenericClient, layout: &Layout) -> Result<Vec<(String, String, String)>> {
    let (schemas, uses): (Vec<&str>, Vec<&str>) = layout.schemas.uses().into_iter().unzip();
    let query = "SELECT use, s.schema, w.schema FROM audit.dataset_schema s JOIN unnest($2::text[], $3::text[]) AS w (schema, use) USING (use) \
                 WHERE s.dataset = $1 AND s.schema <> w.schema ORDER BY 1";
    let rows = client.query(query, &[&layout.tables.name, &schemas, &uses]).await.doing(DECLARING)?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

/// A schema has another name in the declaration.
pub(crate) fn moved(dataset: &str, use_: &str, have: &str, want: &str) -> StageError {
    let rebuild = match use_ {
        "marts" | "preparation" => String::new(),
        _ => format!(", or make the tables again (`fonderie rebuild --dataset {dataset}`)"),
    };
    let message = format!(
        "the declaration of `{dataset}` and its tables contradict each other: its schema `{use_}` is {have}, and is declared as {want}. Nothing was \
         written: take the declaration back{rebuild}, or review and run as the tables' owner: ALTER SCHEMA {} RENAME TO {}; UPDATE audit.dataset_schema SET \
         schema = '{want}' WHERE schema = '{have}'; UPDATE audit.dataset_table SET name = '{want}' || substr(name, {}) WHERE dataset = '{dataset}' AND \
         starts_with(name, '{have}.')",
        quote(have),
        quote(want),
        have.len() + 1,
    );
    // statements that are cut could not be executed
    StageError { code: ErrorCode::SchemaMismatch, message, source: None }
}

/// Notes that the dataset's schemas are its own, unless they are another's.
async fn own(transaction: &Transaction<'_>, layout: &Layout) -> Result<()> {
    let dataset = &layout.tables.name;
    let (schemas, uses): (Vec<&str>, Vec<&str>) = layout.schemas.uses().into_iter().unzip();
    let other =
        "SELECT schema, dataset FROM audit.dataset_schema WHERE schema = ANY ($1) AND dataset <> $2 ORDER BY 1 LIMIT 1";
    if let Some(row) = transaction.query_opt(other, &[&schemas, &dataset]).await.doing(DECLARING)? {
        let (schema, other): (&str, &str) = (row.get(0), row.get(1));
        let message = format!(
            "the schema {schema} belongs to the dataset `{other}`; nothing was written: give `{dataset}` another one in `[schemas]` of its dataset.toml"
        );
        return Err(StageError::new(ErrorCode::ContractInvalid, message));
    }
    if let Some((use_, have, want)) = otherwise(transaction, layout).await?.into_iter().next() {
        return Err(moved(dataset, &use_, &have, &want));
    }
    transaction
        .execute(
            "INSERT INTO audit.dataset_schema (schema, dataset, use) SELECT schema, $2, use \
             FROM unnest($1::text[], $3::text[]) AS own (schema, use) ON CONFLICT DO NOTHING",
            &[&schemas, &dataset, &uses],
        )
        .await
        .doing(DECLARING)?;
    Ok(())
}
