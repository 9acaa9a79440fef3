//! The topic by which people are told.

use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::error::DisplayErrorContext;
use fonderie_core::Notice;

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

    /// Tells whoever listens. What is told is on record already, so that a failure here is only logged: an alarm on failed
    /// executions does not depend on it.
    pub async fn tell(&self, notice: &Notice) {
        let Notice { subject, body } = notice;
        let sent = self.client.publish().topic_arn(&self.arn).subject(subject).message(body).send().await;
        if let Err(error) = sent {
            let cause = DisplayErrorContext(error).to_string();
            tracing::error!(topic = self.arn, cause, "nobody was told: {subject}");
        }
    }
}
