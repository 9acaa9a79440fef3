//! People who are told.

use std::fmt::Debug;
use std::pin::Pin;

use crate::{Notice, Result};

/// What is under way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Whoever is told by a stage: in the cloud a topic, on one machine nobody.
pub trait Tell: Debug + Send + Sync {
    /// Tells them. Its error is `ServiceUnavailable`.
    fn send<'a>(&'a self, notice: &'a Notice) -> Sending<'a>;
}

impl dyn Tell {
    /// Tells them. What is told is on record already, so that a failure here is only logged: an alarm on failed executions does not
    /// depend on it.
    pub async fn tell(&self, notice: &Notice) {
        if let Err(error) = self.send(notice).await {
            tracing::error!(code = error.code.name(), cause = error.chain(), "{}", error.message);
        }
    }
}
