//! What the storage tests share: a store with an empty bucket, and a server that answers from a script.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use bytes::Bytes;
use fonderie_core::{ObjectRef, ObjectVersion};
use fonderie_embedded_s3::EmbeddedS3;
use fonderie_storage::{ObjectReader, Storage};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A store with a bucket of the test's own: the embedded one, or the one at `FONDERIE_TEST_S3_ENDPOINT`.
pub(crate) struct Store {
    pub(crate) storage: Storage,
    /// The SDK's own client, for what the storage crate does not offer.
    pub(crate) client: aws_sdk_s3::Client,
    pub(crate) bucket: String,
    /// Absent where the store is not ours.
    pub(crate) embedded: Option<(EmbeddedS3, TempDir)>,
}

impl Store {
    pub(crate) async fn new() -> Self {
        if let Ok(endpoint) = std::env::var("FONDERIE_TEST_S3_ENDPOINT") {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let bucket = format!("conformance-{}-{number}", std::process::id());
            let client = client(&endpoint, "test", "test");
            client.create_bucket().bucket(&bucket).send().await.unwrap();
            return Self { storage: Storage::for_endpoint(&endpoint, "test", "test"), client, bucket, embedded: None };
        }
        let folder = tempfile::tempdir().unwrap();
        let server = EmbeddedS3::start(folder.path(), &["bronze"]).unwrap();
        Self {
            storage: storage(&server),
            client: client(server.endpoint(), server.access_key(), server.secret_key()),
            bucket: "bronze".to_owned(),
            embedded: Some((server, folder)),
        }
    }

    pub(crate) fn object(&self, key: &str) -> ObjectRef {
        ObjectRef { bucket: self.bucket.clone(), key: key.to_owned() }
    }

    pub(crate) async fn put(&self, key: &str, content: &'static [u8]) {
        self.storage.put(&self.object(key), Bytes::from_static(content), "text/csv").await.unwrap();
    }

    /// The current version.
    pub(crate) async fn version(&self, key: &str) -> ObjectVersion {
        let version_id = self.storage.head(&self.bucket, key, None).await.unwrap().version_id;
        ObjectVersion { bucket: self.bucket.clone(), key: key.to_owned(), version_id }
    }

    /// The current content.
    pub(crate) async fn content(&self, key: &str) -> Bytes {
        self.storage.read(&self.bucket, key, None, u64::MAX).await.unwrap()
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let listing = self.storage.list(&self.bucket, "", usize::MAX).await.unwrap();
        listing.objects.into_iter().map(|object| object.key).collect()
    }
}

pub(crate) fn storage(server: &EmbeddedS3) -> Storage {
    Storage::for_endpoint(server.endpoint(), server.access_key(), server.secret_key())
}

pub(crate) fn client(endpoint: &str, access_key: &str, secret_key: &str) -> aws_sdk_s3::Client {
    let settings = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .force_path_style(true)
        .build();
    aws_sdk_s3::Client::from_conf(settings)
}

/// Bytes without a pattern, the same for the same seed.
pub(crate) fn noise(length: usize, seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut content = Vec::with_capacity(length + 8);
    while content.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend_from_slice(&state.to_le_bytes());
    }
    content.truncate(length);
    content.into()
}

pub(crate) fn digest(content: &[u8]) -> Vec<u8> {
    Sha256::digest(content).to_vec()
}

/// The rest of a reader: its length and digest.
pub(crate) async fn rest(mut reader: ObjectReader) -> fonderie_core::Result<(u64, Vec<u8>)> {
    let (mut length, mut hash) = (0, Sha256::new());
    while let Some(chunk) = reader.next().await? {
        assert!(!chunk.is_empty());
        length += chunk.len() as u64;
        hash.update(&chunk);
    }
    Ok((length, hash.finalize().to_vec()))
}

/// A server that gives each connection one scripted answer, then closes it; it keeps the requests' heads.
pub(crate) struct Script {
    pub(crate) endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Script {
    pub(crate) async fn serve(answers: Vec<Vec<u8>>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).await.unwrap() == 0 {
                        break;
                    }
                    head.push(byte[0]);
                }
                seen.lock().unwrap().push(String::from_utf8(head).unwrap());
                stream.write_all(&answer).await.unwrap();
                // Half-close, so that what was written arrives before the end.
                stream.shutdown().await.unwrap();
            }
        });
        Self { endpoint, requests }
    }

    pub(crate) fn storage(&self) -> Storage {
        Storage::for_endpoint(&self.endpoint, "a", "b")
    }

    /// The heads of the requests, in lower case.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|head| head.to_lowercase()).collect()
    }
}

/// An answer with a body; `announced` is its Content-Length, which the body may fall short of.
pub(crate) fn answer(status: &str, headers: &str, announced: usize, body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {announced}\r\n{headers}\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}
