//! The lock of a dataset: merge, score write and refresh of one dataset come one after another.

use fonderie_core::Result;
use tokio_postgres::Transaction;

use crate::error::Doing;
use crate::sql::advisory_key;

/// Waits for the dataset's lock and holds it to the end of the transaction.
///
/// # Errors
/// `DatabaseBusy` where it is not had in time.
pub(crate) async fn dataset_lock(transaction: &Transaction<'_>, dataset: &str) -> Result<()> {
    let key = advisory_key(&format!("load/{dataset}"));
    transaction
        .execute("SELECT pg_advisory_xact_lock($1)", &[&key])
        .await
        .doing("waiting for another load, scoring or publication of the dataset")?;
    Ok(())
}
