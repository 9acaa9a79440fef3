//! What an invocation brings: S3 events, bare or in SQS messages, reduced to the uploads that they tell of.

use std::collections::HashSet;

use aws_lambda_events::event::s3::{S3Event, S3EventRecord};
use aws_lambda_events::event::sqs::SqsEvent;
use fonderie_core::{ErrorCode, Result, StageError};
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// One upload that an event tells of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Upload {
    /// The bucket.
    pub bucket: String,
    /// The key, decoded.
    pub key: String,
    /// The version, where the bucket keeps versions.
    pub version_id: Option<String>,
    /// S3's number of the change: the same in two events only where one is the other's repetition.
    pub sequencer: Option<String>,
}

/// One part of an invocation that succeeds or fails by itself.
#[derive(Debug)]
pub struct Item {
    /// The SQS message; absent for a bare S3 event.
    pub message_id: Option<String>,
    /// Its uploads, or why it cannot be read.
    pub uploads: Result<Vec<Upload>>,
}

/// An invocation's payload.
#[derive(Debug)]
pub struct Event {
    /// Its parts.
    pub items: Vec<Item>,
}

impl Event {
    /// Reads a payload: an SQS event whose messages hold S3 events, or an S3 event.
    ///
    /// # Errors
    /// `PayloadInvalid` where it is neither.
    pub fn read(payload: Value) -> Result<Self> {
        let source = payload.pointer("/Records/0/eventSource").and_then(Value::as_str);
        if source != Some("aws:sqs") {
            return Ok(Self { items: vec![Item { message_id: None, uploads: Ok(uploads(payload)?) }] });
        }
        let event: SqsEvent = serde_json::from_value(payload).map_err(|error| invalid(&error))?;
        let item = |message: aws_lambda_events::event::sqs::SqsMessage| Item {
            uploads: serde_json::from_str(message.body.as_deref().unwrap_or_default())
                .map_err(|error| invalid(&error))
                .and_then(uploads),
            message_id: message.message_id,
        };
        let mut items: Vec<Item> = event.records.into_iter().map(item).collect();
        drop_repeated(&mut items);
        Ok(Self { items })
    }
}

/// Leaves the first of events that are the same to the last field. Should it fail, its message comes again.
fn drop_repeated(items: &mut [Item]) {
    let mut seen = HashSet::new();
    for uploads in items.iter_mut().filter_map(|item| item.uploads.as_mut().ok()) {
        uploads.retain(|upload| {
            let first = seen.insert(upload.clone());
            if !first {
                tracing::info!(key = upload.key, "the same event twice in one batch, nothing done");
            }
            first
        });
    }
}

fn invalid(error: &serde_json::Error) -> StageError {
    StageError::new(ErrorCode::PayloadInvalid, format!("this is neither an S3 event nor an SQS event of them: {error}"))
}

/// The uploads of an S3 event. S3 sends a test event when notifications are set up; deletions, delete markers
/// and new folders tell of no file.
fn uploads(event: Value) -> Result<Vec<Upload>> {
    if event.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(Vec::new());
    }
    let event: S3Event = serde_json::from_value(event).map_err(|error| invalid(&error))?;
    event.records.into_iter().filter(is_upload).map(upload).collect()
}

fn is_upload(record: &S3EventRecord) -> bool {
    // EventBridge and older notifications write the name with the prefix.
    let name = record.event_name.as_deref().unwrap_or_default();
    name.strip_prefix("s3:").unwrap_or(name).starts_with("ObjectCreated:") && !is_folder(record)
}

/// The console marks a folder by an empty object.
fn is_folder(record: &S3EventRecord) -> bool {
    let object = &record.s3.object;
    object.size == Some(0) && object.key.as_deref().is_some_and(|key| key.ends_with('/'))
}

fn upload(record: S3EventRecord) -> Result<Upload> {
    let (bucket, key) = (record.s3.bucket.name, record.s3.object.key);
    let (Some(bucket), Some(key)) = (bucket, key) else {
        return Err(StageError::new(ErrorCode::PayloadInvalid, "an S3 event names no bucket or no key"));
    };
    // Keys arrive as HTML forms encode them: a plus sign is a space.
    let spaced = key.replace('+', " ");
    let key = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| {
            StageError::new(ErrorCode::PayloadInvalid, format!("the key {key} is not UTF-8 once it is decoded"))
        })?
        .into_owned();
    let version_id = record.s3.object.version_id.filter(|version| !version.is_empty() && version != "null");
    Ok(Upload { bucket, key, version_id, sequencer: record.s3.object.sequencer })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(name: &str, key: &str, version: Option<&str>) -> Value {
        json!({
            "eventSource": "aws:s3", "eventTime": "2026-06-30T08:00:00.000Z", "eventName": name,
            "userIdentity": {"principalId": "x"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
            "responseElements": {}, "s3": {"bucket": {"name": "bronze"}, "object": {"key": key, "versionId": version, "sequencer": "00"}},
        })
    }

    fn read(payload: Value) -> Vec<Result<Vec<Upload>>> {
        Event::read(payload).unwrap().items.into_iter().map(|item| item.uploads).collect()
    }

    #[test]
    fn keys_are_decoded_and_versions_kept() {
        let event = json!({"Records": [record("ObjectCreated:Put", "shop/Commande+n%C2%B01%2B2.csv", Some("v1"))]});
        let uploads = read(event).remove(0).unwrap();
        let expected = Upload {
            bucket: "bronze".into(),
            key: "shop/Commande n°1+2.csv".into(),
            version_id: Some("v1".into()),
            sequencer: Some("00".into()),
        };
        assert_eq!(uploads, [expected]);
    }

    #[test]
    fn every_record_of_every_message_and_nothing_that_is_no_upload() {
        let body = json!({"Records": [
            record("ObjectCreated:CompleteMultipartUpload", "a", None),
            record("ObjectRemoved:DeleteMarkerCreated", "b", Some("v")),
            record("s3:ObjectCreated:Copy", "c", None),
        ]});
        let message = |id: &str, body: String| json!({"messageId": id, "body": body, "eventSource": "aws:sqs"});
        let event = json!({"Records": [
            message("1", body.to_string()),
            message("2", json!({"Service": "Amazon S3", "Event": "s3:TestEvent"}).to_string()),
            message("3", "{".to_owned()),
            message("4", json!({"Records": [record("ObjectCreated:Put", "%FF", None)]}).to_string()),
        ]});
        let items = read(event);
        let keys = |item: &Result<Vec<Upload>>| {
            item.as_ref().map(|all| all.iter().map(|u| u.key.clone()).collect::<Vec<_>>()).map_err(|e| e.code)
        };
        assert_eq!(
            items.iter().map(keys).collect::<Vec<_>>(),
            [
                Ok(vec!["a".to_owned(), "c".to_owned()]),
                Ok(vec![]),
                Err(ErrorCode::PayloadInvalid),
                Err(ErrorCode::PayloadInvalid),
            ]
        );
    }

    #[test]
    fn a_new_folder_is_no_upload() {
        let sized = |key: &str, size: u64| {
            let mut record = record("ObjectCreated:Put", key, Some("v1"));
            record["s3"]["object"]["size"] = size.into();
            record
        };
        let event = json!({"Records": [
            sized("shop/2026/", 0),
            sized("shop/2026/", 7),
            sized("shop/2026/vide.csv", 0),
        ]});
        let keys: Vec<_> = read(event).remove(0).unwrap().into_iter().map(|upload| upload.key).collect();
        assert_eq!(keys, ["shop/2026/", "shop/2026/vide.csv"]);
    }

    #[test]
    fn an_event_that_comes_twice_in_a_batch_is_taken_once() {
        let message = |id: &str, record: Value| json!({"messageId": id, "body": json!({"Records": [record]}).to_string(), "eventSource": "aws:sqs"});
        let mut later = record("ObjectCreated:Put", "a", Some("v1"));
        later["s3"]["object"]["sequencer"] = "01".into();
        let event = json!({"Records": [
            message("1", record("ObjectCreated:Put", "a", Some("v1"))),
            message("2", record("ObjectCreated:Put", "a", Some("v1"))),
            message("3", record("ObjectCreated:Put", "a", Some("v2"))),
            message("4", later),
        ]});
        let taken: Vec<_> = read(event).into_iter().map(|uploads| uploads.unwrap().len()).collect();
        assert_eq!(taken, [1, 0, 1, 1]);
    }

    #[test]
    fn something_else_is_refused() {
        assert_eq!(Event::read(json!({"hello": 1})).unwrap_err().code, ErrorCode::PayloadInvalid);
    }
}
