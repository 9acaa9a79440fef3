//! The as-of date that was last published: what "today" is in a dataset's marts. It does not go back by itself.

use chrono::NaiveDate;
use fonderie_core::{DatasetRun, ErrorCode, Result, StageError};
use tokio_postgres::GenericClient;

use crate::connect::Warehouse;
use crate::error::Doing;

impl Warehouse {
    /// The as-of date of the run of a dataset that published last; `None` before the first.
    ///
    /// # Errors
    /// The database's; the schema must be migrated.
    pub async fn published_as_of(&self, dataset: &str) -> Result<Option<NaiveDate>> {
        published_as_of(&self.client, dataset).await
    }

    /// Refuses a run of a dataset whose typed as-of date is earlier than the one last published. A run of an object is checked
    /// by its load.
    ///
    /// # Errors
    /// `AsOfEarlier`, the database's; the schema must be migrated.
    pub async fn check_as_of(&self, run: &DatasetRun) -> Result<()> {
        match run.object {
            Some(_) => Ok(()),
            None => check_as_of(&self.client, &run.bundle.dataset, run.as_of, run.force).await,
        }
    }
}

/// The as-of date of the run that published last; `None` before the first.
pub(crate) async fn published_as_of(client: &impl GenericClient, dataset: &str) -> Result<Option<NaiveDate>> {
    let row = client
        .query_opt("SELECT as_of FROM audit.as_of WHERE dataset = $1", &[&dataset])
        .await
        .doing("reading the marts' as-of date")?;
    Ok(row.map(|row| row.get(0)))
}

/// Refuses a typed as-of date that is earlier than the one last published: rows dated after it would be removed.
///
/// # Errors
/// `AsOfEarlier`, the database's.
pub(crate) async fn check_as_of(
    client: &impl GenericClient,
    dataset: &str,
    as_of: NaiveDate,
    force: bool,
) -> Result<()> {
    if force {
        return Ok(());
    }
    match published_as_of(client, dataset).await? {
        Some(published) if as_of < published => {
            let message = format!(
                "the as-of date {as_of} is earlier than {published}, which was last published for `{dataset}`; nothing was written: rows dated \
                 after it would be removed. If that is meant, run again with --force (\"force\": true in an execution's input)"
            );
            Err(StageError::new(ErrorCode::AsOfEarlier, message))
        }
        _ => Ok(()),
    }
}
