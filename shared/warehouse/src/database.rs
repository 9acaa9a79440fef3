//! Where a stage's connection comes from: settings that are known, or a secret that is read when a connection is made, so
//! that a rotated password is the next connection's.

use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use fonderie_core::{ErrorCode, Result, StageError};

use crate::connect::{ConnectOptions, Warehouse};
use crate::settings::{DatabaseSettings, Tls};

/// The source of a stage's connections.
#[derive(Debug)]
pub enum Database {
    /// Settings that are known.
    Known(DatabaseSettings),
    /// A secret of Secrets Manager.
    Secret {
        /// The client.
        client: Client,
        /// The secret's ARN.
        arn: String,
        /// How connections are protected.
        tls: Tls,
    },
}

impl Database {
    /// A secret; `tls` is `disable`, or `verify-full` with the certificate authorities of a PEM file.
    ///
    /// # Errors
    /// `SettingsInvalid` for another word, or a file that cannot be read.
    pub fn from_secret(config: &SdkConfig, arn: String, tls: &str, roots_file: &str) -> Result<Self> {
        let invalid = |message: String| StageError::new(ErrorCode::SettingsInvalid, message);
        let tls = match tls {
            "verify-full" => Tls::VerifyFull {
                roots_pem: std::fs::read_to_string(roots_file)
                    .map_err(|error| invalid(format!("DATABASE_ROOTS_FILE, {roots_file}, cannot be read: {error}")))?,
            },
            "disable" => Tls::Disable,
            other => {
                let message =
                    format!("DATABASE_TLS is `{other}`: set it to `verify-full`, or to `disable` for a local database");
                return Err(invalid(message));
            }
        };
        Ok(Self::Secret { client: Client::new(config), arn, tls })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// The secret's (`AccessDenied`, `SettingsInvalid`, `ServiceThrottled`, `ServiceUnavailable`) and those of
    /// [`Warehouse::connect`].
    pub async fn connect(&self, options: &ConnectOptions) -> Result<Warehouse> {
        match self {
            Self::Known(settings) => Warehouse::connect(settings, options).await,
            Self::Secret { client, arn, tls } => {
                let settings = DatabaseSettings::from_secret(&read(client, arn).await?, tls.clone())?;
                Warehouse::connect(&settings, options).await
            }
        }
    }
}

async fn read(client: &Client, arn: &str) -> Result<String> {
    let answer = client.get_secret_value().secret_id(arn).send().await.map_err(|error| {
        let code = match (&error, error.code()) {
            (SdkError::ServiceError(_), Some("ResourceNotFoundException")) => ErrorCode::SettingsInvalid,
            (SdkError::ServiceError(_), Some("AccessDeniedException" | "DecryptionFailure")) => ErrorCode::AccessDenied,
            (SdkError::ServiceError(_), Some("ThrottlingException")) => ErrorCode::ServiceThrottled,
            _ => ErrorCode::ServiceUnavailable,
        };
        let message =
            format!("the secret {arn} could not be read: check that it is there and that the function may read it");
        StageError::new(code, message).caused_by(DisplayErrorContext(error).to_string())
    })?;
    answer.secret_string.ok_or_else(|| {
        StageError::new(ErrorCode::SettingsInvalid, format!("the secret {arn} is binary, where JSON text is expected"))
    })
}
