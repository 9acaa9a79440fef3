//! A certificate authority of a test.

use fonderie_postgres_server::ServerTls;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// An authority that signs the certificates of one test's servers.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new authority of that name.
    pub fn new(name: &str) -> Self {
        Self::from_params(Self::params(name))
    }

    /// An authority whose own certificate has expired.
    pub fn expired(name: &str) -> Self {
        let mut params = Self::params(name);
        params.not_before = date_time_ymd(2019, 8, 22);
        params.not_after = date_time_ymd(2024, 8, 22);
        Self::from_params(params)
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }

    fn from_params(params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority's certificate") }
    }

    /// Its certificate, as PEM: what those who trust it have.
    pub fn root_pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server's certificate for a host name, and its key.
    pub fn server(&self, host: &str) -> ServerTls {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![host.to_owned()]).expect("a host name");
        let certificate = params.signed_by(&key, &self.issuer).expect("a server's certificate");
        ServerTls { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}
