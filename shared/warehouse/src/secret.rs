//! One secret of Secrets Manager, with the labels of its versions.

use std::collections::BTreeMap;

use fonderie_core::{ErrorCode, Result, StageError};

/// A label of a version. At most one version has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// The version in force.
    Current,
    /// The version that a rotation is about to put in force.
    Pending,
    /// The version that was in force before.
    Previous,
}

impl Label {
    /// As Secrets Manager writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "AWSCURRENT",
            Self::Pending => "AWSPENDING",
            Self::Previous => "AWSPREVIOUS",
        }
    }
}

/// What is done with a secret. Its errors are `AccessDenied`, `SettingsInvalid`, `ServiceThrottled` and
/// `ServiceUnavailable`.
pub trait SecretStore: Clone + Send + Sync {
    /// The secret's ARN.
    fn arn(&self) -> &str;

    /// The text of the version that has the label; `None` where there is no such version, or it has no text yet.
    fn value(&self, label: Label) -> impl Future<Output = Result<Option<String>>> + Send;

    /// The labels of each version.
    fn versions(&self) -> impl Future<Output = Result<BTreeMap<String, Vec<String>>>> + Send;

    /// Gives a version its text and the label. One that has a text already stays as it is.
    fn put(&self, version: &str, label: Label, text: &str) -> impl Future<Output = Result<()>> + Send;

    /// Puts a version in force instead of the one that is.
    fn make_current(&self, version: &str, instead_of: Option<&str>) -> impl Future<Output = Result<()>> + Send;

    /// The text in force.
    ///
    /// # Errors
    /// `SettingsInvalid` where there is none.
    fn current(&self) -> impl Future<Output = Result<String>> + Send {
        async {
            self.value(Label::Current).await?.ok_or_else(|| {
                let message = format!(
                    "the secret {} is not there or has no value: deploy it, and invoke prepare-database",
                    self.arn()
                );
                StageError::new(ErrorCode::SettingsInvalid, message)
            })
        }
    }
}
