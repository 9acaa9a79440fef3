//! `fonderie upload-link`: a form with which a sender uploads its files, without an account of its own.
//!
//! The form is S3's browser upload: its policy is signed here (signature version 4), and no call is made. Whoever has the form
//! may do what its policy says, in the name of whoever signed it: put files of one source into one bucket, up to a size, until it expires.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Duration, Utc};
use fonderie_contract::{Dataset, Source};
use fonderie_core::{ErrorCode, Result, StageError, hex};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::cli::UploadLinkArguments;
use crate::dataset::DatasetFolder;
use crate::print::{document, escaped};
use crate::{Ending, out};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Where a pattern of names stops being a text.
const WILDCARDS: [char; 5] = ['*', '?', '[', '{', '\\'];

/// Who signs.
struct Credentials {
    access_key: String,
    secret_key: String,
    /// Of a role that somebody took for some hours.
    session_token: Option<String>,
}

/// Where files of a source may lie.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// What the form's key is before the file's name.
    folder: String,
    /// What each key begins with.
    prefix: String,
}

/// A form that is ready to be sent, in the order of its fields.
struct Form {
    url: String,
    fields: Vec<(String, String)>,
    expires_at: DateTime<Utc>,
    largest_bytes: u64,
}

pub(crate) fn run(arguments: &UploadLinkArguments) -> Result<Ending> {
    let UploadLinkArguments { source, bucket, region, endpoint, hours, largest_mb, json, dataset } = arguments;
    let dataset = DatasetFolder::read(dataset)?.compile()?;
    let place = place(&dataset.name, source_of(&dataset, source)?);
    let credentials = Credentials::from_environment(&|name| std::env::var(name).ok())?;
    let url = endpoint.as_ref().map_or_else(
        || format!("https://{bucket}.s3.{region}.amazonaws.com/"),
        |endpoint| format!("{}/{bucket}", endpoint.trim_end_matches('/')),
    );
    let now = Utc::now();
    let expires_at = now + Duration::hours(i64::from(*hours));
    let largest_bytes = u64::from(*largest_mb) << 20;
    let fields = sign(&place, bucket, region, largest_bytes, (now, expires_at), &credentials)?;
    let form = Form { url, fields, expires_at, largest_bytes };
    if *json {
        document(&form.to_json())?;
    } else {
        let session = if credentials.session_token.is_some() { ", or the end of the signer's session" } else { "" };
        let text = format!(
            "# Files of {source}: names that begin with `{}`, {largest_mb} MB at most, until {}{session}.\n{}",
            place.prefix.strip_prefix(&place.folder).unwrap_or_default(),
            expires_at.format("%Y-%m-%d %H:%M UTC"),
            form.command(),
        );
        let _ = out::write(text.as_bytes());
    }
    Ok(Ending::Good)
}

fn invalid(message: String) -> StageError {
    StageError::new(ErrorCode::SettingsInvalid, message)
}

fn source_of<'d>(dataset: &'d Dataset, id: &str) -> Result<&'d Source> {
    dataset.sources.iter().find(|source| source.id == id).ok_or_else(|| {
        let known = dataset.sources.iter().map(|source| source.id.as_str()).collect::<Vec<_>>().join(", ");
        invalid(format!("the dataset `{}` has no source `{}`: it has {known}", dataset.name, escaped(id)))
    })
}

/// The folder of the source below the dataset's, unless its patterns name folders, and what all patterns begin with.
fn place(dataset: &str, source: &Source) -> Place {
    let folder = format!("{dataset}/{}/", source.id);
    let patterns = source.formats.iter().flat_map(|format| format.files.texts());
    let begins = patterns.map(|pattern| {
        let text = pattern.trim().split(WILDCARDS).next().unwrap_or_default();
        if pattern.contains('/') { format!("{dataset}/{text}") } else { format!("{folder}{text}") }
    });
    let prefix = begins.reduce(|one, other| common(&one, &other)).unwrap_or_else(|| folder.clone());
    let end = prefix.rfind('/').map_or(0, |slash| slash + 1);
    Place { folder: prefix[..end].to_owned(), prefix }
}

fn common(one: &str, other: &str) -> String {
    one.chars().zip(other.chars()).take_while(|(left, right)| left == right).map(|(left, _)| left).collect()
}

impl Credentials {
    fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self> {
        let optional = |name: &str| variable(name).filter(|value| !value.is_empty());
        let needed = |name: &str| {
            let message = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (`aws configure export-credentials --format env` \
                           prints them): the form is signed with them";
            optional(name).ok_or_else(|| invalid(message.to_owned()))
        };
        Ok(Self {
            access_key: needed("AWS_ACCESS_KEY_ID")?,
            secret_key: needed("AWS_SECRET_ACCESS_KEY")?,
            session_token: optional("AWS_SESSION_TOKEN"),
        })
    }
}

/// The form's fields, the signature included. S3 puts the file's own name into the key before it compares the key with the policy.
fn sign(
    place: &Place,
    bucket: &str,
    region: &str,
    largest_bytes: u64,
    (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
    credentials: &Credentials,
) -> Result<Vec<(String, String)>> {
    let day = now.format("%Y%m%d").to_string();
    let mut fields = vec![
        ("x-amz-algorithm".to_owned(), ALGORITHM.to_owned()),
        ("x-amz-credential".to_owned(), format!("{}/{day}/{region}/s3/aws4_request", credentials.access_key)),
        ("x-amz-date".to_owned(), now.format("%Y%m%dT%H%M%SZ").to_string()),
    ];
    fields.extend(credentials.session_token.clone().map(|token| ("x-amz-security-token".to_owned(), token)));
    let mut conditions = vec![
        json!({ "bucket": bucket }),
        json!(["starts-with", "$key", place.prefix]),
        json!(["content-length-range", 1, largest_bytes]),
    ];
    conditions.extend(fields.iter().map(|(name, value)| json!({ name.as_str(): value })));
    let policy =
        json!({ "expiration": expires_at.format("%Y-%m-%dT%H:%M:%S.000Z").to_string(), "conditions": conditions });
    let policy = BASE64_STANDARD.encode(policy.to_string());
    let signature = signature(&credentials.secret_key, &day, region, &policy)?;
    fields.insert(0, ("key".to_owned(), format!("{}${{filename}}", place.folder)));
    fields.extend([("policy".to_owned(), policy), ("x-amz-signature".to_owned(), signature)]);
    Ok(fields)
}

/// The signature of a policy, version 4: each part of the scope makes the next key.
fn signature(secret_key: &str, day: &str, region: &str, policy: &str) -> Result<String> {
    let start = format!("AWS4{secret_key}").into_bytes();
    let key = [day, region, "s3", "aws4_request"].iter().try_fold(start, |key, part| mac(&key, part))?;
    Ok(hex(mac(&key, policy)?))
}

fn mac(key: &[u8], text: &str) -> Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .map_err(|error| StageError::new(ErrorCode::Internal, "the policy cannot be signed").caused_by(error))?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

impl Form {
    fn to_json(&self) -> Value {
        let fields: serde_json::Map<_, _> =
            self.fields.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        json!({
            "url": self.url,
            "fields": fields,
            "expires_at": self.expires_at,
            "largest_bytes": self.largest_bytes,
        })
    }

    /// A command that sends a file. `FILE` is the sender's; the file is the last field, as S3 wants it.
    fn command(&self) -> String {
        let field = |(name, value): &(String, String)| format!("  -F {} \\\n", quoted(&format!("{name}={value}")));
        let fields: String = self.fields.iter().map(field).collect();
        format!("curl --fail-with-body \\\n{fields}  -F 'file=@FILE' \\\n  {}\n", quoted(&self.url))
    }
}

/// A word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The policy of AWS's documentation ("Example: Browser-Based Upload using HTTP POST") begins so; its key and its signature are published.
    #[test]
    fn the_signing_key_is_that_of_the_published_example() {
        let policy = BASE64_STANDARD.encode(
            "{ \"expiration\": \"2015-12-30T12:00:00.000Z\",\r\n  \"conditions\": [\r\n    {\"bucket\": \"sigv4examplebucket\"},\r\n    \
             [\"starts-with\", \"$key\", \"user/user1/\"],\r\n    {\"acl\": \"public-read\"},\r\n    {\"success_action_redirect\": \
             \"http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html\"},\r\n    [\"starts-with\", \"$Content-Type\", \
             \"image/\"],\r\n    {\"x-amz-meta-uuid\": \"14365123651274\"},\r\n    {\"x-amz-server-side-encryption\": \
             \"AES256\"},\r\n    [\"starts-with\", \"$x-amz-meta-tag\", \"\"],\r\n\r\n    {\"x-amz-credential\": \
             \"AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request\"},\r\n    {\"x-amz-algorithm\": \
             \"AWS4-HMAC-SHA256\"},\r\n    {\"x-amz-date\": \"20151229T000000Z\" }\r\n  ]\r\n}",
        );
        let signed = signature("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20151229", "us-east-1", &policy).unwrap();
        assert_eq!(signed, "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e");
    }

    #[test]
    fn what_a_form_allows_is_in_its_policy() {
        let credentials = Credentials {
            access_key: "KEY".to_owned(),
            secret_key: "SECRET".to_owned(),
            session_token: Some("TOKEN".to_owned()),
        };
        let place = Place { folder: "shop/b/".to_owned(), prefix: "shop/b/orders_".to_owned() };
        let now: DateTime<Utc> = "2026-06-30T10:00:00Z".parse().unwrap();
        let times = (now, now + Duration::hours(2));
        let fields = sign(&place, "bronze", "eu-west-1", 1 << 20, times, &credentials).unwrap();
        let value =
            |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone()).unwrap();
        assert_eq!(value("key"), "shop/b/${filename}");
        let policy: Value = serde_json::from_slice(&BASE64_STANDARD.decode(value("policy")).unwrap()).unwrap();
        let expected = json!({
            "expiration": "2026-06-30T12:00:00.000Z",
            "conditions": [
                { "bucket": "bronze" },
                ["starts-with", "$key", "shop/b/orders_"],
                ["content-length-range", 1, 1_048_576],
                { "x-amz-algorithm": "AWS4-HMAC-SHA256" },
                { "x-amz-credential": "KEY/20260630/eu-west-1/s3/aws4_request" },
                { "x-amz-date": "20260630T100000Z" },
                { "x-amz-security-token": "TOKEN" },
            ],
        });
        assert_eq!(policy, expected);
    }

    #[test]
    fn names_begin_as_all_patterns_of_the_source_do() {
        let with_three = |(path, text): (String, String)| {
            let three = text
                .replace(r#"files = ["lines*.csv"]"#, r#"files = ["lines_A*.csv", "lines_B?.xlsx", "lines_*.txt"]"#);
            (path, three)
        };
        let files = fonderie_test_support::shop_files().into_iter().map(with_three);
        let dataset = fonderie_contract::Bundle::from_files(files).compile().unwrap();
        let found = |id: &str| place(&dataset.name, source_of(&dataset, id).unwrap()).prefix;
        assert_eq!(found("orders"), "shop/orders/orders");
        assert_eq!(found("lines"), "shop/lines/lines_", "of three patterns");
        let error = source_of(&dataset, "unknown").unwrap_err();
        assert!(error.message.contains("it has customers, "), "{error}");
        assert_eq!(common("a/bc", "a/bd"), "a/b");
    }

    #[test]
    fn a_word_of_a_shell_stays_one() {
        assert_eq!(quoted("it's ${filename}"), "'it'\\''s ${filename}'");
    }
}
