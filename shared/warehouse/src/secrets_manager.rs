//! A secret of AWS Secrets Manager.

use std::collections::BTreeMap;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_types::SdkConfig;
use fonderie_core::{ErrorCode, Result, StageError};

use crate::secret::{Label, SecretStore};

/// A secret in Secrets Manager.
#[derive(Clone, Debug)]
pub struct SecretsManager {
    client: Client,
    arn: String,
}

impl SecretsManager {
    /// The secret of that ARN.
    pub fn new(config: &SdkConfig, arn: String) -> Self {
        Self { client: Client::new(config), arn }
    }

    fn failed<E>(&self, doing: &str, error: SdkError<E>) -> StageError
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let code = match (&error, error.code()) {
            (SdkError::ServiceError(_), Some("ResourceNotFoundException" | "InvalidRequestException")) => {
                ErrorCode::SettingsInvalid
            }
            (SdkError::ServiceError(_), Some("AccessDeniedException" | "DecryptionFailure" | "EncryptionFailure")) => {
                ErrorCode::AccessDenied
            }
            (SdkError::ServiceError(_), Some("ThrottlingException")) => ErrorCode::ServiceThrottled,
            _ => ErrorCode::ServiceUnavailable,
        };
        let message = format!(
            "the secret {} could not be {doing}: check that it is there and that the function has access to it",
            self.arn
        );
        StageError::new(code, message).caused_by(DisplayErrorContext(error).to_string())
    }
}

impl SecretStore for SecretsManager {
    fn arn(&self) -> &str {
        &self.arn
    }

    async fn value(&self, label: Label) -> Result<Option<String>> {
        match self.client.get_secret_value().secret_id(&self.arn).version_stage(label.name()).send().await {
            Ok(answer) if answer.secret_binary.is_some() => {
                let message = format!("the secret {} is binary, where JSON text is expected", self.arn);
                Err(StageError::new(ErrorCode::SettingsInvalid, message))
            }
            Ok(answer) => Ok(answer.secret_string),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(self.failed("read", error)),
        }
    }

    async fn versions(&self) -> Result<BTreeMap<String, Vec<String>>> {
        let answer = self.client.describe_secret().secret_id(&self.arn).send().await;
        let answer = answer.map_err(|error| self.failed("described", error))?;
        Ok(answer.version_ids_to_stages.unwrap_or_default().into_iter().collect())
    }

    async fn put(&self, version: &str, label: Label, text: &str) -> Result<()> {
        let request = self.client.put_secret_value().secret_id(&self.arn).client_request_token(version);
        match request.version_stages(label.name()).secret_string(text).send().await {
            Err(error) if error.code() == Some("ResourceExistsException") => Ok(()),
            Err(error) => Err(self.failed("written", error)),
            Ok(_) => Ok(()),
        }
    }

    async fn make_current(&self, version: &str, instead_of: Option<&str>) -> Result<()> {
        let request = self.client.update_secret_version_stage().secret_id(&self.arn);
        let request = request.version_stage(Label::Current.name()).move_to_version_id(version);
        let answer = request.set_remove_from_version_id(instead_of.map(str::to_owned)).send().await;
        answer.map(|_| ()).map_err(|error| self.failed("put in force", error))
    }
}
