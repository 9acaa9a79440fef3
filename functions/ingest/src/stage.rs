//! One execution per object version and record, or a place in quarantine with a reason.

use std::sync::Arc;

use chrono::Utc;
use fonderie_contract::{Dataset, dataset_of_key};
use fonderie_core::measure::Measured;
use fonderie_core::stage::Failure;
use fonderie_core::{Disposition, ErrorCode, Notice, ObjectRef, ObjectVersion, Result, RunRequest, StageError};
use fonderie_storage::Storage;
use serde::Serialize;
use serde_json::Value;

use crate::Context;
use crate::event::{Event, Item, Upload};
use crate::executions::{Executions, Started};

/// What became of one upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// An execution of this name was started.
    Started(String),
    /// One of this name was started before: the event came twice.
    Duplicate(String),
    /// No contract knows the file: it is in quarantine, with this record.
    Quarantined(ObjectRef),
}

/// What SQS is told: the messages that must come again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// One for each message that failed.
    pub batch_item_failures: Vec<BatchItemFailure>,
}

/// A message that must come again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    /// The message's id.
    pub item_identifier: String,
}

/// To Lambda an invocation with failed messages is a success: they are counted by ourselves.
impl Measured for Response {
    fn failed_items(&self) -> Option<u64> {
        Some(self.batch_item_failures.len() as u64)
    }
}

/// Handles an invocation.
///
/// # Errors
/// `PayloadInvalid`; for a bare S3 event also the first failure of an upload (in SQS it fails its own message alone).
pub async fn run<E: Executions>(context: &Context<E>, payload: Value) -> Result<Response> {
    let mut response = Response::default();
    for Item { message_id, uploads } in Event::read(payload)?.items {
        let Err(error) = ingest_all(context, uploads).await else { continue };
        let Some(message_id) = message_id else { return Err(error) };
        // The queue brings it back, and after a few times puts it aside with the dead letters.
        tracing::warn!(message_id, code = error.code.name(), cause = error.chain(), "{}", error.message);
        response.batch_item_failures.push(BatchItemFailure { item_identifier: message_id });
    }
    Ok(response)
}

/// All uploads of an event are tried, whatever becomes of the first.
async fn ingest_all<E: Executions>(context: &Context<E>, uploads: Result<Vec<Upload>>) -> Result<()> {
    let mut first_error = Ok(());
    for upload in uploads? {
        let Upload { bucket, key, version_id, .. } = upload;
        let version = version_id.clone().unwrap_or_else(|| ObjectVersion::NEWEST.to_owned());
        match ingest(context, &bucket, &key, version_id).await {
            Ok(all) => all.into_iter().for_each(|one| match one {
                Ingested::Started(name) => tracing::info!(key, version, execution = name, "started"),
                Ingested::Duplicate(name) => {
                    tracing::info!(key, version, execution = name, "started before, nothing done");
                }
                Ingested::Quarantined(record) => tracing::warn!(key, version, %record, "in quarantine"),
            }),
            Err(error) => first_error = first_error.and(Err(error)),
        }
    }
    first_error
}

/// Starts an execution for each record of one object version (of the newest, if none is named), or puts it in quarantine.
///
/// # Errors
/// The store's, the bundle's, and those of starting an execution.
pub async fn ingest<E: Executions>(
    context: &Context<E>,
    bucket: &str,
    key: &str,
    version_id: Option<String>,
) -> Result<Vec<Ingested>> {
    let version_id = match version_id {
        Some(version_id) => version_id,
        None => context.storage.head(bucket, key, None).await?.version_id,
    };
    let object = ObjectVersion { bucket: bucket.to_owned(), key: key.to_owned(), version_id };
    let (dataset_name, dataset) = dataset_of(context, key).await?;
    let records = match dataset.records_of_key(key) {
        Ok(records) => records,
        Err(unknown) => {
            let name = RunRequest::of(&object, None).execution_name();
            let record = quarantine(context, &object, &name, dataset_name, unknown).await?;
            return Ok(vec![Ingested::Quarantined(record)]);
        }
    };
    let mut ingested = Vec::with_capacity(records.len());
    for request in records.into_iter().map(|record| RunRequest::of(&object, record)) {
        let name = request.execution_name();
        ingested.push(match context.executions.start(&name, &request).await? {
            Started::Now => Ingested::Started(name),
            Started::Before => Ingested::Duplicate(name),
        });
    }
    Ok(ingested)
}

/// The dataset that a key belongs to: its name, and its newest bundle.
async fn dataset_of<'c, E>(context: &'c Context<E>, key: &str) -> Result<(&'c str, Arc<Dataset>)> {
    let name = dataset_of_key(&context.datasets, key)
        .ok_or_else(|| StageError::new(ErrorCode::SettingsInvalid, "no dataset is deployed: set DATASETS"))?;
    let (_, dataset) = context.bundles.newest(&context.datasets_bucket, name).await?;
    Ok((name, dataset))
}

/// The names of the executions of an object version under the newest bundle, whether they were started or not.
///
/// # Errors
/// The bundle's.
pub async fn executions_of<E: Executions>(context: &Context<E>, object: &ObjectVersion) -> Result<Vec<String>> {
    let (_, dataset) = dataset_of(context, &object.key).await?;
    let records = dataset.records_of_key(&object.key).unwrap_or_else(|_| vec![None]);
    Ok(records.into_iter().map(|record| RunRequest::of(object, record).execution_name()).collect())
}

/// The end of a file's name, where the whole is too long to stand behind another key.
fn shortened(file_name: &str) -> &str {
    const BYTES: usize = 900;
    let cut = file_name.len().saturating_sub(BYTES);
    &file_name[file_name.ceil_char_boundary(cut)..]
}

/// Copies an object that no contract knows into quarantine, with a record that says why, and tells the operators. What lies
/// there already stays as it is; of what was deleted meanwhile there is the record alone.
async fn quarantine<E>(
    context: &Context<E>,
    object: &ObjectVersion,
    name: &str,
    dataset: &str,
    unknown: StageError,
) -> Result<ObjectRef> {
    if let Some(recorded) = context.storage.recorded_failure(&context.quarantine_bucket, name).await? {
        return Ok(recorded.record);
    }
    let copy = ObjectRef {
        bucket: context.quarantine_bucket.clone(),
        key: format!("unknown/{name}/{}", shortened(object.file_name())),
    };
    match context.storage.copy(object, &copy).await {
        Err(error) if error.code == ErrorCode::ObjectMissing => {
            tracing::warn!(key = object.key, "not copied into quarantine: {}", error.message);
        }
        copied => copied?,
    }
    let failure = Failure {
        run_id: name.to_owned(),
        started_at: Utc::now(),
        stage: Some("ingest".to_owned()),
        code: unknown.code.name().to_owned(),
        disposition: Disposition::Data,
        cause: unknown.message,
        bucket: Some(object.bucket.clone()),
        key: Some(object.key.clone()),
        version_id: Some(object.version_id.clone()),
        dataset: Some(dataset.to_owned()),
        source: None,
        record: Storage::failure_record(&context.quarantine_bucket, name),
    };
    // No alarm tells of an unknown file: it is on record once somebody was told.
    if let Some(topic) = &context.topic {
        topic.send(&Notice::from(&failure)).await?;
    }
    context.storage.record_failure(&failure).await?;
    Ok(failure.record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_messages_are_named_as_sqs_wants_them_and_counted() {
        let failed = |id: &str| BatchItemFailure { item_identifier: id.to_owned() };
        let response = Response { batch_item_failures: vec![failed("a"), failed("b")] };
        let expected =
            serde_json::json!({ "batchItemFailures": [{ "itemIdentifier": "a" }, { "itemIdentifier": "b" }] });
        assert_eq!(serde_json::to_value(&response).unwrap(), expected);
        assert_eq!((response.failed_items(), Response::default().failed_items()), (Some(2), Some(0)));
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(shortened("lisez moi.txt"), "lisez moi.txt");
        let long = format!("{}.csv", "\u{e9}".repeat(500));
        let short = shortened(&long);
        assert!(long.ends_with(short) && short.len() == 900, "{}", short.len());
        assert_eq!(shortened(&format!("x{}", "\u{e9}".repeat(450))).len(), 900);
        assert_eq!(shortened(&format!("x{}y", "\u{e9}".repeat(450))).len(), 899);
    }
}
