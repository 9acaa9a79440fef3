//! A request's body, received and verified before it is visible.

use bytes::BytesMut;
use futures::StreamExt;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{Checksum, ChecksumAlgorithm, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::fault::{fault, io_fault};
use crate::layout::Layout;
use crate::objects::Received;

const CHUNK: usize = 256 * 1024;
/// What S3 accepts in one request.
pub(crate) const LARGEST: u64 = 5 * 1024 * 1024 * 1024;

/// Receives a body, and verifies it against the checksums that came with it, before it is visible.
pub(crate) async fn receive(
    layout: &Layout,
    body: Option<StreamingBlob>,
    sent: Sent,
) -> S3Result<(Received, [u8; 16], u64, Checksum)> {
    let Some(mut body) = body else { return Err(fault(S3ErrorCode::IncompleteBody, "there is no body")) };
    let received = Received(layout.incoming());
    let path = received.0.clone();
    let mut file = File::create(&path).await.map_err(|error| io_fault(&path, error))?;
    let mut hash = Md5::new();
    let mut checksums = sent.hasher();
    let mut buffer = BytesMut::with_capacity(CHUNK);
    let mut size = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| match error.downcast::<S3Error>() {
            Ok(fault) => *fault,
            Err(error) => {
                let mut broken = fault(S3ErrorCode::IncompleteBody, "the body broke off");
                broken.set_source(error);
                broken
            }
        })?;
        size += chunk.len() as u64;
        if size > LARGEST {
            return Err(fault(S3ErrorCode::EntityTooLarge, "one request brings at most 5 GiB; send parts"));
        }
        hash.update(&chunk);
        checksums.update(&chunk);
        buffer.extend_from_slice(&chunk);
        if buffer.len() >= CHUNK {
            file.write_all(&buffer).await.map_err(|error| io_fault(&path, error))?;
            buffer.clear();
        }
    }
    file.write_all(&buffer).await.map_err(|error| io_fault(&path, error))?;
    // tokio reports the last write's error only here: a full disk must not pass for success.
    file.flush().await.map_err(|error| io_fault(&path, error))?;
    let md5 = hash.finalize();
    let checksums = checksums.finalize();
    sent.verify(&md5, &checksums)?;
    Ok((received, md5, size, checksums))
}

/// The checksums of a body that its client announced, in headers or in trailers.
#[derive(Default)]
pub(crate) struct Sent {
    pub(crate) md5: Option<String>,
    pub(crate) algorithm: Option<ChecksumAlgorithm>,
    pub(crate) headers: Checksum,
    pub(crate) trailers: Option<TrailingHeaders>,
}

impl Sent {
    fn hasher(&self) -> ChecksumHasher {
        let named = |name: &str| self.algorithm.as_ref().is_some_and(|algorithm| algorithm.as_str() == name);
        let mut hasher = ChecksumHasher::default();
        if named(ChecksumAlgorithm::CRC32) || self.headers.checksum_crc32.is_some() || self.trailers.is_some() {
            hasher.crc32 = Some(Default::default());
        }
        if named(ChecksumAlgorithm::CRC32C) || self.headers.checksum_crc32c.is_some() {
            hasher.crc32c = Some(Default::default());
        }
        if named(ChecksumAlgorithm::SHA1) || self.headers.checksum_sha1.is_some() {
            hasher.sha1 = Some(Default::default());
        }
        if named(ChecksumAlgorithm::SHA256) || self.headers.checksum_sha256.is_some() {
            hasher.sha256 = Some(Default::default());
        }
        if named(ChecksumAlgorithm::CRC64NVME) || self.headers.checksum_crc64nvme.is_some() {
            hasher.crc64nvme = Some(Default::default());
        }
        hasher
    }

    /// Call after the body's end: the trailers come with it.
    fn verify(&self, md5: &[u8; 16], computed: &Checksum) -> S3Result<()> {
        if self.md5.as_deref().is_some_and(|announced| announced != base64(md5)) {
            return Err(fault(S3ErrorCode::BadDigest, "the body does not have the Content-MD5 that was announced"));
        }
        let trailers = self.trailers.as_ref().and_then(TrailingHeaders::take);
        let trailer = |name: &str| {
            let value = trailers.as_ref()?.get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let same = |name: &str, header: &Option<String>, computed: &Option<String>| {
            let announced = header.clone().or_else(|| trailer(&format!("x-amz-checksum-{name}")));
            match (announced, computed) {
                (Some(announced), Some(computed)) if announced != *computed => {
                    Err(fault(S3ErrorCode::BadDigest, format!("the body does not have the {name} that was announced")))
                }
                _ => Ok(()),
            }
        };
        same("crc32", &self.headers.checksum_crc32, &computed.checksum_crc32)?;
        same("crc32c", &self.headers.checksum_crc32c, &computed.checksum_crc32c)?;
        same("sha1", &self.headers.checksum_sha1, &computed.checksum_sha1)?;
        same("sha256", &self.headers.checksum_sha256, &computed.checksum_sha256)?;
        same("crc64nvme", &self.headers.checksum_crc64nvme, &computed.checksum_crc64nvme)
    }
}

/// Sixteen bytes as Content-MD5 has them.
fn base64(bytes: &[u8; 16]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(24);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_usize, |bits, &byte| bits << 8 | usize::from(byte)) << (8 * (3 - group.len()));
        for digit in 0..4 {
            let known = digit <= group.len();
            text.push(if known { char::from(DIGITS[bits >> (18 - 6 * digit) & 63]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_of_nothing_in_base64() {
        assert_eq!(base64(&Md5::new().finalize()), "1B2M2Y8AsgTpgAmY7PhCfg==");
    }
}
