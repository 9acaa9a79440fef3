//! Where a stage's connection comes from: settings that are known, or a secret whose password changes while stages run.

use std::sync::{Mutex, MutexGuard, PoisonError};

use fonderie_core::{ErrorCode, Result, StageError};

use crate::connect::{ConnectOptions, Warehouse};
use crate::error::is_login_refused;
use crate::login::Login;
use crate::secret::{Label, SecretStore};
#[cfg(feature = "secrets-manager")]
use crate::secrets_manager::SecretsManager;
use crate::settings::DatabaseSettings;
use crate::tls::Tls;

/// The source of a stage's connections.
#[derive(Debug)]
pub enum Database {
    /// Settings that are known.
    Known(DatabaseSettings),
    /// A secret of Secrets Manager.
    #[cfg(feature = "secrets-manager")]
    Secret(SecretLogin<SecretsManager>),
}

impl Database {
    /// A secret; `tls` and `roots_file` as in [`Tls::from_settings`].
    ///
    /// # Errors
    /// Those of [`Tls::from_settings`].
    #[cfg(feature = "secrets-manager")]
    pub fn from_secret(
        config: &aws_types::SdkConfig,
        arn: String,
        tls: &str,
        roots_file: Option<&str>,
    ) -> Result<Self> {
        let tls = Tls::from_settings(tls, roots_file)?;
        Ok(Self::Secret(SecretLogin::new(SecretsManager::new(config, arn), tls)))
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// Those of [`Warehouse::connect`] and [`SecretLogin::connect`].
    pub async fn connect(&self, options: &ConnectOptions) -> Result<Warehouse> {
        match self {
            Self::Known(settings) => Warehouse::connect(settings, options).await,
            #[cfg(feature = "secrets-manager")]
            Self::Secret(secret) => secret.connect(options).await,
        }
    }
}

/// Connections by a secret, which is kept until the database refuses it: reading it takes longer than connecting.
#[derive(Debug)]
pub struct SecretLogin<S> {
    store: S,
    tls: Tls,
    last: Mutex<Option<Known>>,
}

/// A secret's text and what was read from it.
struct Known {
    text: String,
    settings: DatabaseSettings,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.settings.fmt(f)
    }
}

impl<S: SecretStore> SecretLogin<S> {
    /// A secret that is read when it is needed.
    pub fn new(store: S, tls: Tls) -> Self {
        Self { store, tls, last: Mutex::default() }
    }

    /// Opens a connection: with the secret that worked last; where the database refuses it, with the current one; where it
    /// refuses that too, with the pending one. In the middle of a rotation the database knows the pending password alone, and
    /// between two reads the rotation may end, so that the current one is asked for once more.
    ///
    /// # Errors
    /// The secret's, `SettingsInvalid` where it has no value, those of [`Warehouse::connect`].
    pub async fn connect(&self, options: &ConnectOptions) -> Result<Warehouse> {
        let mut refusals = Refusals::default();
        // taken away: where the database is not reached, the secret is read anew, which may say where it is now
        let known = self.last().take();
        if let Some(known) = known
            && let Some(warehouse) = refusals.attempt(&known, options).await?
        {
            *self.last() = Some(known);
            return Ok(warehouse);
        }
        for label in [Label::Current, Label::Pending, Label::Current] {
            let text = match label {
                Label::Current => self.store.current().await?,
                _ => match self.store.value(label).await? {
                    Some(text) => text,
                    None => continue,
                },
            };
            if refusals.texts.contains(&text) {
                continue;
            }
            let settings = DatabaseSettings::from_login(&Login::from_json(&text)?, self.tls.clone());
            let known = Known { text, settings };
            if let Some(warehouse) = refusals.attempt(&known, options).await? {
                *self.last() = Some(known);
                return Ok(warehouse);
            }
        }
        // the loop has tried the current secret, or found it among those that were refused
        Err(refusals.last.unwrap_or_else(|| {
            StageError::new(ErrorCode::Internal, "no secret was tried: report this defect of Fonderie")
        }))
    }

    fn last(&self) -> MutexGuard<'_, Option<Known>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The secrets that the database refused.
#[derive(Default)]
struct Refusals {
    texts: Vec<String>,
    last: Option<StageError>,
}

impl Refusals {
    /// A connection; `None` where the user or the password is refused.
    async fn attempt(&mut self, known: &Known, options: &ConnectOptions) -> Result<Option<Warehouse>> {
        match Warehouse::connect(&known.settings, options).await {
            Ok(warehouse) => Ok(Some(warehouse)),
            Err(error) if is_login_refused(&error) => {
                self.texts.push(known.text.clone());
                self.last = Some(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
