//! Files that are the complete state of their scopes: what a load must know beside the accepted rows, and what is not plausible of them.
//!
//! A key that such a file does not show is absent, unless a row of it was refused: then it was there. The keys of refused rows are read from
//! silver: of the records before the rules, and of those that the reader itself refused. If a row was refused whose key could not be read, the file
//! closes nothing, and that is reported.

use arrow_array::RecordBatch;
use fonderie_contract::{Field, Layout, Owns, Record};
use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_tables::Table;
use futures::stream::BoxStream;
use tokio_postgres::Transaction;

use crate::error::Doing;
use crate::ledger::unsigned;
use crate::load::{LoadPlan, copy_into};
use crate::sql::quote;

/// All records of a file, those that were refused too: the fields of the main table's key, NULL if they could not be read, and `source_record`.
pub type Judged<'a> = BoxStream<'a, Result<RecordBatch>>;

const GIVING: &str = "noting what the file is complete of";

/// The record's main table, if its files are complete.
fn table<'p>(plan: &LoadPlan<'p>) -> Option<(&'p Table, &'p [String])> {
    let record = plan.layout.tables.records.iter().find(|record| record.name == plan.record.name)?;
    let main = record.main()?;
    Some((main, main.snapshot.as_deref()?))
}

/// Makes `scopes_<table>` and `refused_<table>`, if the record's files are complete; `incoming` is there.
pub(crate) async fn given(
    transaction: &Transaction<'_>,
    plan: &LoadPlan<'_>,
    judged: Option<Judged<'_>>,
) -> Result<()> {
    let Some((table, scope)) = table(plan) else { return Ok(()) };
    let is_key = |field: &&Field| table.key.iter().any(|column| column.name == field.name);
    let fields: Vec<Field> = plan.record.fields.iter().filter(is_key).cloned().collect();
    let names: Vec<String> =
        fields.iter().map(|field| field.name.clone()).chain(["source_record".to_owned()]).collect();
    let judged = judged.unwrap_or_else(|| Box::pin(futures::stream::empty()));
    let columns: String =
        fields.iter().map(|field| format!("{} {}, ", quote(&field.name), field.kind.sql_type())).collect();
    let create = format!("CREATE TEMP TABLE judged ({columns}source_record bigint NOT NULL) ON COMMIT DROP");
    copy_into(transaction, ("judged", &create), &names, judged, GIVING).await?;
    let key = |alias: &str| {
        table.key.iter().map(|column| format!("{alias}.{}", quote(&column.name))).collect::<Vec<_>>().join(", ")
    };
    let known = table.key.iter().map(|column| format!("j.{} IS NOT NULL", quote(&column.name))).collect::<Vec<_>>();
    let refused = quote(&format!("refused_{}", table.name));
    let scopes = quote(&format!("scopes_{}", table.name));
    let of = |alias: &str| scope.iter().map(|name| format!("{alias}.{}", quote(name))).collect::<Vec<_>>().join(", ");
    let mut sql = format!(
        "CREATE TEMP TABLE {refused} ON COMMIT DROP AS SELECT DISTINCT {} FROM judged j \
         WHERE {} AND NOT EXISTS (SELECT FROM incoming i WHERE i.source_record = j.source_record);\n",
        key("j"),
        known.join(" AND "),
    );
    if scope.is_empty() {
        // one row without columns: the whole record
        sql.push_str(&format!("CREATE TEMP TABLE {scopes} ON COMMIT DROP AS SELECT;\n"));
    } else {
        sql.push_str(&format!(
            "CREATE TEMP TABLE {scopes} ON COMMIT DROP AS SELECT {} FROM incoming i UNION SELECT {} FROM {refused} r;\n",
            of("i"),
            of("r")
        ));
    }
    transaction.batch_execute(&sql).await.doing(GIVING)?;
    let owner = plan.record.owner.map(|owner| plan.record.fields[owner].name.as_str());
    if let (Owns::Only(values), Some(owner)) = (plan.owns, owner.filter(|owner| scope.iter().any(|name| name == owner)))
    {
        // a row of another sender's was refused: the file is complete of nothing that its source may not send
        let remove = format!("DELETE FROM {scopes} s WHERE s.{} <> ALL ($1::text[])", quote(owner));
        transaction.execute(&remove, &[values]).await.doing(GIVING)?;
        if scope.len() == 1 {
            let add = format!(
                "INSERT INTO {scopes} SELECT value FROM unnest($1::text[]) AS value WHERE NOT EXISTS (SELECT FROM {scopes} s WHERE s.{} = value)",
                quote(owner)
            );
            transaction.execute(&add, &[values]).await.doing(GIVING)?;
        }
    }
    Ok(())
}

/// Makes the same tables without a row: a withdrawn version is complete of nothing.
pub(crate) async fn nothing(transaction: &Transaction<'_>, layout: &Layout, record: &Record) -> Result<()> {
    let tables = layout.tables.records.iter().find(|tables| tables.name == record.name);
    let main = tables.and_then(fonderie_tables::Record::main);
    let Some(empty) = main.and_then(empty) else { return Ok(()) };
    transaction.batch_execute(&empty).await.doing(GIVING)
}

/// The statements that make `scopes_<table>` and `refused_<table>` without a row, if the table's files are complete.
pub(crate) fn empty(table: &Table) -> Option<String> {
    let scope = table.snapshot.as_deref()?;
    let list = |names: &mut dyn Iterator<Item = &String>| names.map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    Some(format!(
        "CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM incoming WHERE false;\n\
         CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM incoming WHERE false;\n",
        quote(&format!("refused_{}", table.name)),
        list(&mut table.key.iter().map(|column| &column.name)),
        quote(&format!("scopes_{}", table.name)),
        list(&mut scope.iter()),
    ))
}

/// How many rows were refused whose keys are not known: with one of them, the file closes nothing.
pub(crate) async fn unknown_keys(transaction: &Transaction<'_>, plan: &LoadPlan<'_>) -> Result<u64> {
    let Some((table, _)) = table(plan) else { return Ok(0) };
    // a run of a release that kept no keys of them
    let unkept = if plan.transform.refused_keys.is_none() { plan.transform.rejected.rows } else { 0 };
    let unknown = table.key.iter().map(|column| format!("{} IS NULL", quote(&column.name))).collect::<Vec<_>>();
    let query = format!("SELECT count(*) FROM judged WHERE {}", unknown.join(" OR "));
    let unknown = unsigned(transaction.query_one(&query, &[]).await.doing(GIVING)?.get(0))?;
    Ok(unkept + unknown)
}

/// What is reported of a complete file that closes nothing.
pub(crate) fn notice(plan: &LoadPlan<'_>, unknown: u64) -> String {
    let rows = if unknown == 1 { "1 row was refused".to_owned() } else { format!("{unknown} rows were refused") };
    format!(
        "{rows} whose key cannot be read, so that nobody knows which keys {} lacks: of the record {}, of which the file is the complete state, nothing \
         that it lacks is closed; have the file corrected and sent again",
        plan.run.object.file_name(),
        plan.record.name
    )
}

/// A complete file that lacks much of what is known was cut off, or is of something else.
pub(crate) fn check(plan: &LoadPlan<'_>, known: u64, closed: u64) -> Result<()> {
    let Some(complete) = plan.record.complete else { return Ok(()) };
    let implausible = |message: String| Err(StageError::new(ErrorCode::SnapshotImplausible, message));
    let file = plan.run.object.file_name();
    if plan.transform.read.rows == 0 && !complete.allow_empty {
        return implausible(format!(
            "the file {file} is the complete state of its record {} and has no rows; nothing was written: have it sent again, or write \
             allow_empty = true in the record's `snapshot` if that is meant",
            plan.record.name
        ));
    }
    if closed.saturating_mul(100) > complete.closes_at_most_percent.saturating_mul(closed + known) {
        return implausible(format!(
            "the file {file} is the complete state of its record {} and lacks {closed} of the {} keys that are known, more than {} %; nothing was \
             written: have it sent again, or raise closes_at_most_percent in the record's `snapshot` if that is meant",
            plan.record.name,
            closed + known,
            complete.closes_at_most_percent
        ));
    }
    Ok(())
}
