//! The policy of a form upload: its signature (version 4), its times, its conditions.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use s3s::dto::{Timestamp, TimestampFormat};
use s3s::post_policy::{PostPolicy, PostPolicyCondition};
use s3s::{S3Error, S3ErrorCode, S3Result};
use sha2::Sha256;

use crate::fault::fault;

/// As in AWS, a signature is good for 7 days, however late its policy expires.
const LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// What clocks may differ by.
const SKEW: Duration = Duration::from_secs(15 * 60);

/// Who may sign.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

/// Verifies everything but the file's size, and returns the sizes that are allowed.
pub(crate) fn verify(
    fields: &BTreeMap<String, String>,
    bucket: &str,
    account: &Account,
    now: SystemTime,
) -> S3Result<RangeInclusive<u64>> {
    let field = |name: &str| {
        let missing = || denied(format!("the form has no field {name}: a form upload needs a signed policy"));
        fields.get(name).map(String::as_str).ok_or_else(missing)
    };
    let encoded = field("policy")?;
    check_signature(encoded, field("x-amz-credential")?, field("x-amz-date")?, field("x-amz-signature")?, account)?;
    if field("x-amz-algorithm")? != "AWS4-HMAC-SHA256" {
        return Err(denied("x-amz-algorithm is AWS4-HMAC-SHA256"));
    }
    let signed_at = field("x-amz-date").map(timestamp)?.ok_or_else(|| denied("x-amz-date is no time"))?;
    if signed_at < Timestamp::from(now - LIFE) || signed_at > Timestamp::from(now + SKEW) {
        return Err(denied("the policy was signed more than 7 days ago, or in the future"));
    }
    let policy = PostPolicy::from_base64(encoded).map_err(|error| {
        let mut invalid = fault(S3ErrorCode::InvalidPolicyDocument, format!("the policy cannot be read: {error}"));
        invalid.set_source(Box::new(error));
        invalid
    })?;
    if policy.expiration <= Timestamp::from(now) {
        return Err(denied("the policy has expired"));
    }
    check_conditions(&policy.conditions, fields, bucket)
}

/// `YYYYMMDDTHHMMSSZ`.
fn timestamp(text: &str) -> Option<Timestamp> {
    if !text.is_ascii() || text.len() != 16 {
        return None;
    }
    let (year, month, day) = (&text[..4], &text[4..6], &text[6..8]);
    let (hour, minute, second) = (&text[8..11], &text[11..13], &text[13..]);
    Timestamp::parse(TimestampFormat::DateTime, &format!("{year}-{month}-{day}{hour}:{minute}:{second}")).ok()
}

fn check_signature(policy: &str, credential: &str, date: &str, signature: &str, account: &Account) -> S3Result<()> {
    let wrong =
        || fault(S3ErrorCode::SignatureDoesNotMatch, "the policy does not have the signature of this store's key");
    let [access_key, day, region, "s3", "aws4_request"] = credential.split('/').collect::<Vec<_>>()[..] else {
        return Err(denied("x-amz-credential is KEY/DAY/REGION/s3/aws4_request"));
    };
    if access_key != account.access_key {
        return Err(fault(S3ErrorCode::InvalidAccessKeyId, "there is no such access key"));
    }
    if date.get(..8) != Some(day) {
        return Err(wrong());
    }
    let start = format!("AWS4{}", account.secret_key).into_bytes();
    let key = [day, region, "s3", "aws4_request"]
        .iter()
        .try_fold(start, |key, part| Some(mac(&key, part)?.finalize().into_bytes().to_vec()));
    let expected = key.and_then(|key| mac(&key, policy)).ok_or_else(wrong)?;
    // In constant time.
    expected.verify_slice(&unhex(signature).ok_or_else(wrong)?).map_err(|_| wrong())
}

fn mac(key: &[u8], text: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

fn check_conditions(
    conditions: &[PostPolicyCondition],
    fields: &BTreeMap<String, String>,
    bucket: &str,
) -> S3Result<RangeInclusive<u64>> {
    if fields.get("bucket").is_some_and(|named| named != bucket) {
        return Err(denied("the form names another bucket than its URL"));
    }
    let value = |name: &str| match name {
        "bucket" => Some(bucket),
        _ => fields.get(name).map(String::as_str),
    };
    let (mut smallest, mut largest) = (0, u64::MAX);
    let mut covered = Vec::new();
    for condition in conditions {
        let (name, holds) = match condition {
            PostPolicyCondition::Eq { field, value: wanted } => (field, value(field) == Some(wanted)),
            PostPolicyCondition::StartsWith { field, prefix } => {
                (field, value(field).unwrap_or_default().starts_with(prefix.as_str()))
            }
            PostPolicyCondition::ContentLengthRange { min, max } => {
                (smallest, largest) = (smallest.max(*min), largest.min(*max));
                continue;
            }
        };
        if !holds {
            return Err(denied(format!("the policy's condition on {name} does not hold")));
        }
        covered.push(name.as_str());
    }
    let free = |name: &str| matches!(name, "policy" | "x-amz-signature" | "submit") || name.starts_with("x-ignore-");
    let names = fields.keys().map(String::as_str).chain(["bucket"]);
    match names.filter(|name| !free(name)).find(|name| !covered.contains(name)) {
        None => Ok(smallest..=largest),
        Some(name) => Err(denied(format!("the policy has no condition on {name}"))),
    }
}

fn denied(message: impl Into<String>) -> S3Error {
    fault(S3ErrorCode::AccessDenied, message)
}

/// A policy with its signature, as the fields of a form.
#[cfg(test)]
pub(crate) fn sign(policy: &str, day: &str, account: &Account) -> BTreeMap<String, String> {
    let encoded = base64(policy);
    let start = format!("AWS4{}", account.secret_key).into_bytes();
    let key = [day, "us-east-1", "s3", "aws4_request"]
        .iter()
        .fold(start, |key, part| mac(&key, part).unwrap().finalize().into_bytes().to_vec());
    let signature = fonderie_core::hex(mac(&key, &encoded).unwrap().finalize().into_bytes());
    let credential = format!("{}/{day}/us-east-1/s3/aws4_request", account.access_key);
    [
        ("policy", encoded),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()),
        ("x-amz-credential", credential),
        ("x-amz-date", format!("{day}T000000Z")),
        ("x-amz-signature", signature),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

#[cfg(test)]
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = text.as_bytes().chunks(3).flat_map(|group| {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | usize::from(*group.get(at).unwrap_or(&0)));
        (0..4).map(move |at| if at > group.len() { '=' } else { char::from(DIGITS[bits >> (18 - 6 * at) & 63]) })
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of AWS's documentation ("Example: Browser-Based Upload using HTTP POST"), line ends included.
    const EXAMPLE: &str = "{ \"expiration\": \"2015-12-30T12:00:00.000Z\",\r
  \"conditions\": [\r
    {\"bucket\": \"sigv4examplebucket\"},\r
    [\"starts-with\", \"$key\", \"user/user1/\"],\r
    {\"acl\": \"public-read\"},\r
    {\"success_action_redirect\": \"http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html\"},\r
    [\"starts-with\", \"$Content-Type\", \"image/\"],\r
    {\"x-amz-meta-uuid\": \"14365123651274\"},\r
    {\"x-amz-server-side-encryption\": \"AES256\"},\r
    [\"starts-with\", \"$x-amz-meta-tag\", \"\"],\r
\r
    {\"x-amz-credential\": \"AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request\"},\r
    {\"x-amz-algorithm\": \"AWS4-HMAC-SHA256\"},\r
    {\"x-amz-date\": \"20151229T000000Z\" }\r
  ]\r
}";
    const DAY: u64 = 24 * 60 * 60;

    fn account() -> Account {
        Account {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        }
    }

    /// 2015-12-29, and so many seconds.
    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_451_347_200 + seconds)
    }

    fn example() -> BTreeMap<String, String> {
        let mut fields = sign(EXAMPLE, "20151229", &account());
        for (name, value) in [
            ("key", "user/user1/a.png"),
            ("acl", "public-read"),
            ("success_action_redirect", "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"),
            ("content-type", "image/png"),
            ("x-amz-meta-uuid", "14365123651274"),
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-meta-tag", "some"),
        ] {
            fields.insert(name.to_owned(), value.to_owned());
        }
        fields
    }

    fn outcome(fields: &BTreeMap<String, String>, now: SystemTime) -> Result<RangeInclusive<u64>, String> {
        verify(fields, "sigv4examplebucket", &account(), now).map_err(|fault| fault.code().as_str().to_owned())
    }

    #[test]
    fn the_published_example_verifies_in_its_time() {
        let fields = example();
        // As published, not as computed here.
        assert_eq!(fields["x-amz-signature"], "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e");
        assert_eq!(outcome(&fields, at(0)), Ok(0..=u64::MAX));
        for late in [at(DAY * 3 / 2), at(8 * DAY)] {
            assert_eq!(outcome(&fields, late), Err("AccessDenied".into()));
        }
        let early = SystemTime::UNIX_EPOCH + Duration::from_secs(1_451_347_200 - 16 * 60);
        assert_eq!(outcome(&fields, early), Err("AccessDenied".into()));
    }

    #[test]
    fn a_policy_that_expires_late_is_good_for_seven_days() {
        let policy = EXAMPLE.replace("2015-12-30", "2030-12-30");
        let mut fields = example();
        fields.extend(sign(&policy, "20151229", &account()));
        assert!(outcome(&fields, at(7 * DAY)).is_ok());
        assert_eq!(outcome(&fields, at(7 * DAY + 1)), Err("AccessDenied".into()));
    }

    #[test]
    fn every_field_keeps_to_the_policy() {
        for (name, value, code) in [
            ("key", "user/user2/a.png", "AccessDenied"),
            ("acl", "private", "AccessDenied"),
            ("content-type", "text/html", "AccessDenied"),
            ("bucket", "another", "AccessDenied"),
            ("x-amz-meta-more", "uncovered", "AccessDenied"),
            ("x-amz-date", "20151229T000001Z", "AccessDenied"),
            ("x-amz-date", "20151230T000000Z", "SignatureDoesNotMatch"),
            ("x-amz-algorithm", "none", "AccessDenied"),
            ("x-amz-credential", "other/20151229/us-east-1/s3/aws4_request", "InvalidAccessKeyId"),
            ("x-amz-credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/sts/aws4_request", "AccessDenied"),
            ("x-amz-signature", "", "SignatureDoesNotMatch"),
            ("x-amz-signature", "8afd", "SignatureDoesNotMatch"),
            ("policy", "e30=", "SignatureDoesNotMatch"),
        ] {
            let mut fields = example();
            fields.insert(name.to_owned(), value.to_owned());
            assert_eq!(outcome(&fields, at(0)), Err(code.into()), "{name}={value}");
        }
        for missing in ["policy", "x-amz-signature", "x-amz-date", "acl"] {
            let mut fields = example();
            fields.remove(missing);
            assert_eq!(outcome(&fields, at(0)), Err("AccessDenied".into()), "{missing}");
        }
        let fields = example();
        let other = verify(&fields, "otherbucket", &account(), at(0)).unwrap_err();
        assert_eq!(*other.code(), S3ErrorCode::AccessDenied);
    }

    #[test]
    fn the_narrowest_range_counts() {
        let ranges = "\"conditions\": [[\"content-length-range\", 3, 100], [\"content-length-range\", 1, 50],";
        let mut fields = example();
        fields.extend(sign(&EXAMPLE.replace("\"conditions\": [", ranges), "20151229", &account()));
        assert_eq!(outcome(&fields, at(0)), Ok(3..=50));
    }
}
