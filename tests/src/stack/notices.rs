//! Who is told: a queue that is subscribed to the topic, as a person's mailbox is.

use std::time::{Duration, Instant};

use aws_sdk_sqs::types::QueueAttributeName;
use serde::Deserialize;

use super::Stack;
use crate::Result;

/// How long a notice may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A message as a subscriber gets it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Notice {
    /// One line.
    #[serde(default)]
    pub subject: String,
    /// Plain text.
    pub message: String,
}

impl Notice {
    /// Whether it is about a run.
    pub fn names(&self, run_id: &str) -> bool {
        self.message.contains(run_id)
    }
}

/// The mailbox.
pub struct Notices {
    sqs: aws_sdk_sqs::Client,
    queue: String,
    received: Vec<Notice>,
}

impl Stack {
    /// A mailbox that gets what the topic says from now on.
    ///
    /// # Errors
    /// SQS or SNS refuses it.
    pub async fn notices(&self) -> Result<Notices> {
        let made = self.sqs.create_queue().queue_name("mailbox").send().await?;
        let queue = made.queue_url().ok_or("a queue without URL")?.to_owned();
        let arn = QueueAttributeName::QueueArn;
        let asked = self.sqs.get_queue_attributes().queue_url(&queue).attribute_names(arn.clone()).send().await?;
        let arn = asked.attributes().and_then(|all| all.get(&arn)).ok_or("a queue without ARN")?;
        self.sns.subscribe().topic_arn(&self.outputs.topic_arn).protocol("sqs").endpoint(arn).send().await?;
        Ok(Notices { sqs: self.sqs.clone(), queue, received: Vec::new() })
    }
}

impl Notices {
    /// The one notice that names a run.
    ///
    /// # Errors
    /// There is none in time, or more than one.
    pub async fn about(&mut self, run_id: &str) -> Result<Notice> {
        let limit = Instant::now() + LIMIT;
        loop {
            self.receive().await?;
            let found: Vec<_> = self.received.iter().filter(|notice| notice.names(run_id)).collect();
            match found.as_slice() {
                [notice] => return Ok((*notice).clone()),
                [] if Instant::now() < limit => tokio::time::sleep(Duration::from_millis(50)).await,
                [] => {
                    let subjects: Vec<_> = self.received.iter().map(|notice| &notice.subject).collect();
                    return Err(format!("nobody was told of {run_id}; told was {subjects:?}").into());
                }
                several => return Err(format!("{run_id} was told {} times", several.len()).into()),
            }
        }
    }

    /// All notices so far.
    ///
    /// # Errors
    /// SQS does not answer.
    pub async fn all(&mut self) -> Result<&[Notice]> {
        self.receive().await?;
        Ok(&self.received)
    }

    /// Takes what is there.
    async fn receive(&mut self) -> Result<()> {
        loop {
            let taken = self.sqs.receive_message().queue_url(&self.queue).max_number_of_messages(10).send().await?;
            if taken.messages().is_empty() {
                return Ok(());
            }
            for message in taken.messages() {
                self.received.push(serde_json::from_str(message.body().unwrap_or_default())?);
                let handle = message.receipt_handle().unwrap_or_default();
                self.sqs.delete_message().queue_url(&self.queue).receipt_handle(handle).send().await?;
            }
        }
    }
}
