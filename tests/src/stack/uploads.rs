//! The way of an upload's event: told or not, sent again, worked off.

use std::time::Instant;

use aws_sdk_s3::types::NotificationConfiguration;
use aws_sdk_sqs::types::QueueAttributeName;
use fonderie_core::ObjectVersion;
use serde_json::json;

use super::Stack;
use super::executions::{EXECUTION, POLL};
use crate::Result;

impl Stack {
    /// Uploads files of which nobody is told, as those that were there before the pipeline was: the bucket's notification is
    /// taken away for as long.
    ///
    /// # Errors
    /// S3 refuses it.
    pub async fn upload_untold(&self, files: &[(String, Vec<u8>)]) -> Result<Vec<ObjectVersion>> {
        let bucket = self.bucket("bronze")?;
        let told = self.s3.get_bucket_notification_configuration().bucket(bucket).send().await?;
        let queues = told.queue_configurations().to_vec();
        if queues.is_empty() {
            return Err("bronze tells nobody of uploads".into());
        }
        let tell = async |queues| {
            let configuration = NotificationConfiguration::builder().set_queue_configurations(queues).build();
            let put = self.s3.put_bucket_notification_configuration().bucket(bucket);
            put.notification_configuration(configuration).send().await
        };
        tell(None).await?;
        let mut uploads = Vec::with_capacity(files.len());
        for (key, content) in files {
            uploads.push(self.upload(key, content.clone()).await?);
        }
        tell(Some(queues)).await?;
        Ok(uploads)
    }

    /// Sends the event of an upload (once more), as S3 may do.
    ///
    /// # Errors
    /// SQS refuses it.
    pub async fn send_event(&self, object: &ObjectVersion) -> Result<()> {
        let event = json!({ "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-west-1",
            "eventTime": "2026-07-01T06:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": { "principalId": "test" },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": {},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "uploads",
                "bucket": {
                    "name": object.bucket,
                    "ownerIdentity": { "principalId": "test" },
                    "arn": format!("arn:aws:s3:::{}", object.bucket),
                },
                "object": { "key": url_encoded(&object.key), "versionId": object.version_id, "sequencer": "00" },
            },
        }] });
        self.sqs
            .send_message()
            .queue_url(&self.outputs.uploads_queue_url)
            .message_body(event.to_string())
            .send()
            .await?;
        Ok(())
    }

    /// For how many seconds a message of an upload is not given to another taker; returns what it was.
    ///
    /// # Errors
    /// SQS refuses it.
    pub async fn give_again_after(&self, seconds: u32) -> Result<u32> {
        let attribute = QueueAttributeName::VisibilityTimeout;
        let queue = &self.outputs.uploads_queue_url;
        let request = self.sqs.get_queue_attributes().queue_url(queue).attribute_names(attribute.clone());
        let attributes = request.send().await?;
        let before = attributes.attributes().and_then(|all| all.get(&attribute)).ok_or("no visibility time-out")?;
        let set = self.sqs.set_queue_attributes().queue_url(queue).attributes(attribute, seconds.to_string());
        set.send().await?;
        Ok(before.parse()?)
    }

    /// Messages of the queue of uploads that are waiting or being worked on.
    ///
    /// # Errors
    /// SQS does not answer.
    pub async fn queued(&self) -> Result<u64> {
        self.messages(&self.outputs.uploads_queue_url).await
    }

    /// Messages that could not be worked off.
    ///
    /// # Errors
    /// SQS does not answer.
    pub async fn dead_letters(&self) -> Result<u64> {
        self.messages(&self.outputs.dead_letter_queue_url).await
    }

    async fn messages(&self, queue: &str) -> Result<u64> {
        use QueueAttributeName::{
            ApproximateNumberOfMessages as Waiting, ApproximateNumberOfMessagesNotVisible as Taken,
        };
        let request = self.sqs.get_queue_attributes().queue_url(queue);
        let attributes = request.attribute_names(Waiting).attribute_names(Taken).send().await?;
        let mut messages = 0;
        for count in attributes.attributes().ok_or("the queue has no attributes")?.values() {
            messages += count.parse::<u64>()?;
        }
        Ok(messages)
    }

    /// Waits until the queue of uploads is empty.
    ///
    /// # Errors
    /// It does not become so.
    pub async fn wait_until_drained(&self) -> Result<()> {
        let limit = Instant::now() + EXECUTION;
        while self.queued().await? > 0 {
            if Instant::now() > limit {
                return Err("the queue of uploads was not worked off".into());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

/// A key as S3 writes it in an event: as in a form, so that a space is a plus sign.
fn url_encoded(key: &str) -> String {
    let mut encoded = String::new();
    for byte in key.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'/' | b'-' | b'_' | b'.' | b'*' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_s3_does() {
        assert_eq!(url_encoded("facturation/Facturé n°1+2.csv"), "facturation/Factur%C3%A9+n%C2%B01%2B2.csv");
    }
}
