//! The topic by which people are told.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::DisplayErrorContext;
use fonderie_core::{ErrorCode, Notice, Result, StageError};

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

    /// Tells whoever listens.
    ///
    /// # Errors
    /// `ServiceUnavailable` where SNS does not take it.
    pub async fn send(&self, notice: &Notice) -> Result<()> {
        let Notice { subject, body } = notice;
        let sent = self.client.publish().topic_arn(&self.arn).subject(subject).message(body).send().await;
        sent.map(drop).map_err(|error| {
            let message = format!("nobody was told by {}: {subject}", self.arn);
            StageError::new(ErrorCode::ServiceUnavailable, message).caused_by(DisplayErrorContext(error).to_string())
        })
    }

    /// Tells whoever listens. What is told is on record already, so that a failure here is only logged: an alarm on failed
    /// executions does not depend on it.
    pub async fn tell(&self, notice: &Notice) {
        if let Err(error) = self.send(notice).await {
            tracing::error!(code = error.code.name(), cause = error.chain(), "{}", error.message);
        }
    }
}
