//! How the store is reached: TLS by ring (the AWS default brings a C tool chain), standard retries, and time-outs, so that
//! a stage fails with its own code before Lambda kills it.

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::future;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Credentials, ProvideCredentials, Region, SharedAsyncSleep, SharedCredentialsProvider,
    SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::Builder as HttpClient;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::SdkConfig;

use crate::Storage;

/// A peer that does not answer a connection in this time is down.
const CONNECT: Duration = Duration::from_secs(5);
/// Time to the first byte of an answer: copies within S3 take the longest.
const FIRST_BYTE: Duration = Duration::from_secs(60);
/// A body that stands still for this long is a broken connection.
const STALL: Duration = Duration::from_secs(20);
/// Tries per request, the first included; a stage's own retries come on top, minutes apart.
const ATTEMPTS: u32 = 4;

/// Region, credentials and endpoint for every AWS client of a stage, from the environment alone, where Lambda puts them:
/// `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, and for tests `AWS_ENDPOINT_URL`.
///
/// The SDK's own chain (profiles, instance metadata, single sign-on) would be an eighth of each function's size.
pub fn sdk_config() -> SdkConfig {
    let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let credentials = SharedCredentialsProvider::new(FromEnvironment);
    config(https(), region.map(Region::new), variable("AWS_ENDPOINT_URL"), credentials)
}

/// The same for a server with static credentials, such as the embedded one or LocalStack.
pub fn sdk_config_for(endpoint: &str, region: &'static str, access_key: &str, secret_key: &str) -> SdkConfig {
    let credentials = Credentials::new(access_key, secret_key, None, None, "static");
    // Loading the system's certificates takes time, and they may be absent: only where TLS is used.
    let http = if endpoint.starts_with("https:") { https() } else { HttpClient::new().build_http() };
    let region = Some(Region::from_static(region));
    config(http, region, Some(endpoint.to_owned()), SharedCredentialsProvider::new(credentials))
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Credentials of the environment's variables.
#[derive(Debug)]
struct FromEnvironment;

impl FromEnvironment {
    fn credentials() -> Result<Credentials, CredentialsError> {
        let needed = |name| variable(name).ok_or_else(|| CredentialsError::not_loaded(format!("{name} is not set")));
        let (access, secret) = (needed("AWS_ACCESS_KEY_ID")?, needed("AWS_SECRET_ACCESS_KEY")?);
        Ok(Credentials::new(access, secret, variable("AWS_SESSION_TOKEN"), None, "environment"))
    }
}

impl ProvideCredentials for FromEnvironment {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Self::credentials())
    }
}

fn config(
    http: SharedHttpClient,
    region: Option<Region>,
    endpoint: Option<String>,
    credentials: SharedCredentialsProvider,
) -> SdkConfig {
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(credentials)
        .http_client(http)
        .retry_config(retries())
        .timeout_config(timeouts())
        .stalled_stream_protection(stalls())
        .sleep_impl(SharedAsyncSleep::new(Sleep));
    config.set_region(region).set_endpoint_url(endpoint);
    config.build()
}

impl Storage {
    /// A client with the settings of [`sdk_config`].
    pub fn from_config(config: &SdkConfig) -> Self {
        let own = config.endpoint_url().is_some_and(wants_path_style);
        let settings = aws_sdk_s3::config::Builder::from(config).force_path_style(own).build();
        Self { client: Client::from_conf(settings) }
    }

    /// A client of a server with static credentials, such as the embedded one.
    pub fn for_endpoint(endpoint: &str, access_key: &str, secret_key: &str) -> Self {
        Self::from_config(&sdk_config_for(endpoint, "us-east-1", access_key, secret_key))
    }
}

/// `bucket.host` needs a wildcard name in DNS, which only AWS is sure to have: every other endpoint gets `host/bucket`.
fn wants_path_style(endpoint: &str) -> bool {
    let rest = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let host = rest.split(['/', '?']).next().unwrap_or(rest);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host).to_ascii_lowercase();
    !(host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))
}

fn https() -> SharedHttpClient {
    HttpClient::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS)
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(FIRST_BYTE).build()
}

fn stalls() -> StalledStreamProtectionConfig {
    StalledStreamProtectionConfig::enabled().upload_enabled(true).download_enabled(true).grace_period(STALL).build()
}

/// tokio's timer, which the SDK asks for where its own defaults are not loaded.
#[derive(Debug)]
struct Sleep;

impl aws_sdk_s3::config::AsyncSleep for Sleep {
    fn sleep(&self, duration: Duration) -> aws_sdk_s3::config::Sleep {
        aws_sdk_s3::config::Sleep::new(tokio::time::sleep(duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_aws_itself_gets_virtual_hosts() {
        for endpoint in [
            "http://127.0.0.1:4566",
            "http://localhost:9000/",
            "http://[::1]:9000",
            "https://s3.fr-par.scw.cloud",
            "http://localstack:4566",
        ] {
            assert!(wants_path_style(endpoint), "{endpoint}");
        }
        for endpoint in [
            "https://s3.eu-west-3.amazonaws.com",
            "https://bucket.vpce-1a2b.s3.eu-west-3.vpce.amazonaws.com:443/x",
            "https://s3.cn-north-1.amazonaws.com.cn",
        ] {
            assert!(!wants_path_style(endpoint), "{endpoint}");
        }
    }
}
