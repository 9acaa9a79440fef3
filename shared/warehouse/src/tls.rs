//! TLS to the database: the server's certificate and its host name are verified, or there is no TLS at all.

use std::fmt;
use std::sync::Arc;

use fonderie_core::{ErrorCode, Result, StageError};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The certificate authorities of Amazon RDS; `certificates/README.md` says where they come from.
const RDS_ROOTS: &str = include_str!("../certificates/rds-roots.pem");

/// How connections are protected. The authorities are read once, when this is made, and shared by all connections.
#[derive(Clone)]
pub struct Tls {
    connector: Option<MakeRustlsConnect>,
}

impl Tls {
    /// No TLS: for a database on this machine.
    pub fn disable() -> Self {
        Self { connector: None }
    }

    /// TLS, with the server's certificate and host name verified against the authorities of Amazon RDS.
    ///
    /// # Errors
    /// None in practice: the authorities are compiled in.
    pub fn verify_full() -> Result<Self> {
        Self::verify_full_with(RDS_ROOTS)
    }

    /// TLS, with the server's certificate and host name verified against these authorities, certificates as PEM. An authority
    /// that has expired still vouches for what it signed, as everywhere.
    ///
    /// # Errors
    /// `SettingsInvalid` where they are no certificates.
    pub fn verify_full_with(roots_pem: &str) -> Result<Self> {
        let unusable = || {
            invalid(
                "the database's certificate authorities cannot be read: they must be certificates in PEM form".into(),
            )
        };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(roots_pem.as_bytes()) {
            let certificate = certificate.map_err(|error| unusable().caused_by(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable().caused_by(error))?;
        }
        if roots.is_empty() {
            return Err(unusable());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable().caused_by(error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { connector: Some(MakeRustlsConnect::new(config)) })
    }

    /// What `DATABASE_TLS` says: `verify-full`, against the authorities of `DATABASE_ROOTS_FILE` where there is one and else
    /// those of Amazon RDS, or `disable`.
    ///
    /// # Errors
    /// `SettingsInvalid` for another word, or a file that cannot be read.
    pub fn from_settings(word: &str, roots_file: Option<&str>) -> Result<Self> {
        match (word, roots_file) {
            ("disable", _) => Ok(Self::disable()),
            ("verify-full", None) => Self::verify_full(),
            ("verify-full", Some(path)) => {
                let roots = std::fs::read_to_string(path)
                    .map_err(|error| invalid(format!("DATABASE_ROOTS_FILE, {path}, cannot be read: {error}")))?;
                Self::verify_full_with(&roots)
            }
            (other, _) => Err(invalid(format!(
                "DATABASE_TLS is `{other}`: set it to `verify-full`, or to `disable` for a local database"
            ))),
        }
    }

    pub(crate) fn connector(&self) -> Option<MakeRustlsConnect> {
        self.connector.clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.connector.is_some() { "verify-full" } else { "disable" })
    }
}

fn invalid(message: String) -> StageError {
    StageError::new(ErrorCode::SettingsInvalid, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_authorities_of_all_regions_are_compiled_in() {
        let certificates = CertificateDer::pem_slice_iter(RDS_ROOTS.as_bytes());
        assert_eq!(certificates.map(Result::unwrap).count(), 81);
        for region in ["eu-west-1", "eu-west-3", "eu-central-1", "eu-central-2", "eu-north-1", "eu-south-2"] {
            for kind in ["RSA2048", "RSA4096", "ECC384"] {
                let name = format!("# Amazon RDS {region} Root CA {kind} G1\n");
                assert!(RDS_ROOTS.contains(&name), "{name}");
            }
        }
        assert_eq!(format!("{:?}", Tls::verify_full().unwrap()), "verify-full");
    }

    #[test]
    fn the_settings_have_two_words_and_the_file_must_be_certificates() {
        assert_eq!(format!("{:?}", Tls::from_settings("disable", Some("/absent")).unwrap()), "disable");
        assert_eq!(format!("{:?}", Tls::from_settings("verify-full", None).unwrap()), "verify-full");
        let error = Tls::from_settings("require", None).unwrap_err();
        assert!(error.code == ErrorCode::SettingsInvalid && error.message.contains("`require`"), "{error}");
        let error = Tls::from_settings("verify-full", Some("/absent")).unwrap_err();
        assert!(error.code == ErrorCode::SettingsInvalid && error.message.contains("/absent"), "{error}");
        for roots in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert_eq!(Tls::verify_full_with(roots).unwrap_err().code, ErrorCode::SettingsInvalid);
        }
    }
}
