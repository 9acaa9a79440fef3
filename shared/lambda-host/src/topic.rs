//! The topic by which people are told.

use aws_sdk_sns::Client;
use aws_sdk_sns::error::DisplayErrorContext;
use aws_types::SdkConfig;
use fonderie_core::{ErrorCode, Notice, Sending, StageError, Tell};

/// An SNS topic.
#[derive(Clone, Debug)]
pub struct Topic {
    client: Client,
    arn: String,
}

impl Topic {
    /// A topic by its ARN.
    pub fn new(config: &SdkConfig, arn: String) -> Self {
        Self { client: Client::new(config), arn }
    }
}

impl Tell for Topic {
    fn send<'a>(&'a self, notice: &'a Notice) -> Sending<'a> {
        let Notice { subject, body } = notice;
        Box::pin(async move {
            let sent = self.client.publish().topic_arn(&self.arn).subject(subject).message(body).send().await;
            sent.map(drop).map_err(|error| {
                let message = format!("nobody was told by {}: {subject}", self.arn);
                StageError::new(ErrorCode::ServiceUnavailable, message)
                    .caused_by(DisplayErrorContext(error).to_string())
            })
        })
    }
}
