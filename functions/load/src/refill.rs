//! What staging lost in a crash of the database, filled again from silver, within a part of the time that is left.

use std::time::{Duration, Instant};

use fonderie_contract::{Dataset, Record};
use fonderie_core::{Deadline, ErrorCode, ObjectRef, Result, StageError};
use fonderie_warehouse::{StagingGap, Warehouse};

use crate::Context;

/// Files that a notice names.
const NAMED: usize = 3;

/// Fills the gaps of a dataset's staging; returns what is to be reported of it, nothing if nothing was lost.
///
/// No error comes from here: the load is committed, and the facts are right without staging. Half of the time that is left is taken at
/// most; the next load goes on.
pub(crate) async fn refill(
    context: &Context,
    warehouse: &mut Warehouse,
    (dataset, record): (&Dataset, &Record),
    silver_bucket: &str,
    deadline: Deadline,
) -> Vec<String> {
    let allowed = deadline.left().map(|left| left / 2);
    let mut done = Done::default();
    let filling = fill_all(context, warehouse, (dataset, record), silver_bucket, allowed, &mut done);
    let ended = match allowed {
        None => filling.await,
        Some(allowed) => tokio::time::timeout(allowed, filling).await.unwrap_or(Ok(())),
    };
    if let Err(error) = ended {
        let (code, cause) = (error.code.name(), error.chain());
        tracing::warn!(code, cause, "staging was not filled again: {}", error.message);
        done.trouble = Some(error.message);
    }
    done.notices(&format!("{}.{}", dataset.layout.schemas.staging, record.name))
}

/// What became of the gaps.
#[derive(Default)]
struct Done {
    found: usize,
    filled: usize,
    /// Files whose silver is gone.
    gone: Vec<String>,
    trouble: Option<String>,
}

async fn fill_all(
    context: &Context,
    warehouse: &mut Warehouse,
    (dataset, record): (&Dataset, &Record),
    silver_bucket: &str,
    allowed: Option<Duration>,
    done: &mut Done,
) -> Result<()> {
    let started = Instant::now();
    let gaps = warehouse.staging_gaps(&dataset.layout, record).await?;
    done.found = gaps.len();
    for gap in &gaps {
        let expected = started.elapsed() + Duration::from_millis(gap.load_millis);
        if allowed.is_some_and(|allowed| expected > allowed) {
            break;
        }
        match fill(context, warehouse, (dataset, record), silver_bucket, gap).await {
            Ok(_) => done.filled += 1,
            Err(error) if is_gone(&error) => {
                warehouse.give_up_staging(gap).await?;
                done.gone.push(gap.file_name().to_owned());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether silver can never fill the gap: it expired, or holds something else.
fn is_gone(error: &StageError) -> bool {
    matches!(error.code, ErrorCode::ObjectMissing | ErrorCode::NotConserved)
}

async fn fill(
    context: &Context,
    warehouse: &mut Warehouse,
    (dataset, record): (&Dataset, &Record),
    silver_bucket: &str,
    gap: &StagingGap,
) -> Result<bool> {
    let object = ObjectRef { bucket: silver_bucket.to_owned(), key: gap.accepted.clone() };
    context.storage.head(&object.bucket, &object.key, None).await?;
    let (fields, batches) = context.storage.records(&object).await?;
    warehouse.fill_staging(&dataset.layout, record, gap, &fields, batches).await
}

impl Done {
    fn notices(self, table: &str) -> Vec<String> {
        let Self { found, filled, gone, trouble } = self;
        if found == 0 && trouble.is_none() {
            return Vec::new();
        }
        let files = |count: usize| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        let mut notices = Vec::new();
        if filled > 0 {
            notices.push(format!(
                "{table} had lost rows in a crash or a restore of the database: those of {} were filled again from silver",
                files(filled)
            ));
        }
        if !gone.is_empty() {
            let named = gone.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
            let more = if gone.len() > NAMED { format!(" and {} more", gone.len() - NAMED) } else { String::new() };
            notices.push(format!(
                "{table} lacks the rows of {} since a crash or a restore of the database, and their silver is gone ({named}{more}): \
                 facts and history have them; run such a file again to have its rows in staging too",
                files(gone.len())
            ));
        }
        let left = found.saturating_sub(filled + gone.len());
        if left > 0 || trouble.is_some() {
            let because = trouble.unwrap_or_else(|| "the time did not suffice".to_owned());
            notices.push(format!(
                "{table} still lacks the rows of {} ({because}): the next load fills them in, facts and history are not concerned",
                files(left)
            ));
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reported_counts_each_file_once() {
        assert!(Done::default().notices("staging.d").is_empty());
        let gone: Vec<String> = ["a.csv", "b.csv", "c.csv", "e.csv"].map(str::to_owned).into();
        let notices = Done { found: 10, filled: 1, gone, trouble: None }.notices("staging.d");
        assert!(notices[0].contains("those of 1 file were filled again"), "{notices:?}");
        assert!(
            notices[1].contains("the rows of 4 files") && notices[1].contains("(a.csv, b.csv, c.csv and 1 more)"),
            "{notices:?}"
        );
        assert!(notices[2].contains("the rows of 5 files (the time did not suffice)"), "{notices:?}");
    }
}
