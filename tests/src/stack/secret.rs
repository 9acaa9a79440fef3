//! The pipeline's secret: how the functions log in to the database.

use std::time::{Duration, Instant};

use fonderie_warehouse::Login;

use super::Stack;
use crate::Result;

/// How long the four steps of a rotation may take.
const ROTATION: Duration = Duration::from_secs(60);

impl Stack {
    /// The login in force.
    ///
    /// # Errors
    /// Secrets Manager does not answer.
    pub async fn login(&self) -> Result<Login> {
        Ok(self.current_login().await?.1)
    }

    async fn current_login(&self) -> Result<(String, Login)> {
        let secret = self.secrets.get_secret_value().secret_id(&self.outputs.database_secret_arn).send().await?;
        let version = secret.version_id().ok_or("a secret without version")?.to_owned();
        Ok((version, Login::from_json(secret.secret_string().ok_or("a secret without text")?)?))
    }

    /// Rotates the password, as Secrets Manager does by itself from time to time: it calls `rotate-secret` for each step.
    ///
    /// # Errors
    /// Secrets Manager refuses it, or the new password is not in force in time.
    pub async fn rotate(&self) -> Result<()> {
        let (before, _) = self.current_login().await?;
        self.secrets.rotate_secret().secret_id(&self.outputs.database_secret_arn).send().await?;
        let limit = Instant::now() + ROTATION;
        while self.current_login().await?.0 == before {
            if Instant::now() > limit {
                return Err(format!("the rotation was not done within {} s", ROTATION.as_secs()).into());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }
}
