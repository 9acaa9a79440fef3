//! What a request's head alone shows to be refused, before anybody looks at its body.
//!
//! `s3s` verifies signatures in headers and URLs before it reads a body; what it lets through, and this store does not, is
//! refused here: signature version 2 (its URLs live as long as they please), URLs that live longer than AWS's 7 days, and
//! headers that change what a signed URL does without being signed (`x-amz-copy-source` on a signed upload).

use std::borrow::Cow;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use s3s::{S3ErrorCode, S3Result};

use crate::fault::fault;

/// As long as the longest listing request: prefix, start and token of 1,024 encoded bytes each, and a signature.
const URI_LIMIT: usize = 16 * 1024;
/// Seven days, as in AWS.
const LIFE_LIMIT: u32 = 7 * 24 * 60 * 60;
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// They say nothing about what is done, and not every client signs them.
const NEED_NO_SIGNATURE: [&str; 2] = ["x-amz-content-sha256", "x-amz-user-agent"];

/// Where a request's signature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    /// In a header or in the URL; `s3s` verifies it.
    Head,
    /// In the fields of an HTML form.
    Form,
}

/// Refuses what is not signed, or signed in a way that is not accepted.
pub(crate) fn check(head: &Parts) -> S3Result<Signed> {
    let length = head.uri.path_and_query().map_or(0, |uri| uri.as_str().len());
    if length > URI_LIMIT {
        return Err(fault(
            S3ErrorCode::InvalidURI,
            format!("a URL has at most {URI_LIMIT} bytes, this one has {length}"),
        ));
    }
    if is_form(head) {
        return Ok(Signed::Form);
    }
    let query = Query::of(head.uri.query().unwrap_or_default());
    if query.has("Signature") {
        return Err(other_signature());
    }
    let header = match head.headers.get_all(AUTHORIZATION).iter().collect::<Vec<_>>()[..] {
        [] => None,
        [one] => Some(one.to_str().map_err(|_| other_signature())?),
        _ => return Err(fault(S3ErrorCode::InvalidArgument, "a request has one Authorization")),
    };
    let names = match (header, query.has("X-Amz-Signature")) {
        (None, false) => return Err(fault(S3ErrorCode::AccessDenied, "the request is not signed")),
        (Some(_), true) => {
            return Err(fault(
                S3ErrorCode::InvalidArgument,
                "a request is signed in a header or in its URL, not in both",
            ));
        }
        (Some(header), false) => signed_by_header(header)?,
        (None, true) => signed_by_url(&query)?,
    };
    check_signed_headers(&head.headers, &names)?;
    Ok(Signed::Head)
}

/// The headers that a header's signature covers.
fn signed_by_header(header: &str) -> S3Result<String> {
    let parts = header.strip_prefix(ALGORITHM).ok_or_else(other_signature)?;
    let part = |name: &str| parts.split(',').find_map(|part| part.trim().strip_prefix(name));
    // For another service (STS), s3s would read the body before it verifies the signature.
    if !part("Credential=").is_some_and(|credential| credential.ends_with("/s3/aws4_request")) {
        return Err(other_signature());
    }
    part("SignedHeaders=").map(str::to_owned).ok_or_else(other_signature)
}

/// The headers that a URL's signature covers.
fn signed_by_url(query: &Query<'_>) -> S3Result<String> {
    let invalid = |message: String| fault(S3ErrorCode::AuthorizationQueryParametersError, message);
    let one = |name: &str| query.one(name).ok_or_else(|| invalid(format!("a signed URL has one {name}")));
    let expires = one("X-Amz-Expires")?;
    if !expires.parse::<u32>().is_ok_and(|seconds| (1..=LIFE_LIMIT).contains(&seconds)) {
        return Err(invalid(format!("X-Amz-Expires is a number of seconds from 1 to {LIFE_LIMIT} (7 days)")));
    }
    if !one("X-Amz-Credential")?.ends_with("/s3/aws4_request") {
        return Err(other_signature());
    }
    Ok(one("X-Amz-SignedHeaders")?.to_owned())
}

/// As AWS: the host and all `x-amz-` headers are signed.
fn check_signed_headers(headers: &HeaderMap, names: &str) -> S3Result<()> {
    let signed = |name: &str| names.split(';').any(|signed| signed.eq_ignore_ascii_case(name));
    let mut needed = headers
        .keys()
        .map(|name| name.as_str())
        .filter(|name| *name == HOST.as_str() || (name.starts_with("x-amz-") && !NEED_NO_SIGNATURE.contains(name)));
    match needed.find(|name| !signed(name)) {
        None => Ok(()),
        Some(name) => Err(fault(S3ErrorCode::AccessDenied, format!("the header {name} is sent, but not signed"))),
    }
}

fn other_signature() -> s3s::S3Error {
    fault(S3ErrorCode::AccessDenied, "requests are signed with signature version 4, for the service s3")
}

/// Whether `s3s` would take this for an HTML form: `form` does so instead.
fn is_form(head: &Parts) -> bool {
    const FORM: &[u8] = b"multipart/form-data";
    let starts = |value: &[u8]| value.len() >= FORM.len() && value[..FORM.len()].eq_ignore_ascii_case(FORM);
    head.method == Method::POST
        && head.headers.get_all(CONTENT_TYPE).iter().any(|value| starts(value.as_bytes().trim_ascii()))
}

/// A decoded query.
struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    fn of(query: &'a str) -> Self {
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(pairs.map(|(name, value)| (decoded(name), decoded(value))).collect())
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|pair| pair.0 == name)
    }

    /// The value, if there is exactly one.
    fn one(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|pair| pair.0 == name);
        values.next().filter(|_| values.next().is_none()).map(|pair| pair.1.as_ref())
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    const SCOPE: &str = "fonderie/20260101/eu-west-1/s3/aws4_request";

    fn checked(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<Signed, String> {
        let mut request = Request::builder().method(method).uri(uri).header("host", "127.0.0.1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        check(&request.body(()).unwrap().into_parts().0).map_err(|fault| fault.message().unwrap().to_owned())
    }

    fn url(expires: &str) -> String {
        format!("/b/k?X-Amz-Credential={SCOPE}&X-Amz-Expires={expires}&X-Amz-SignedHeaders=host&X-Amz-Signature=0")
    }

    #[test]
    fn urls_live_from_a_second_to_seven_days() {
        for good in ["1", "604800", "60480%30"] {
            assert_eq!(checked("GET", &url(good), &[]), Ok(Signed::Head), "{good}");
        }
        for bad in ["604801", "0", "-1", "", "1e3", "99999999999999999999", "4294967296", "60&X-Amz-Expires=60"] {
            let error = checked("GET", &url(bad), &[]).unwrap_err();
            assert!(error.contains("X-Amz-Expires"), "{bad}: {error}");
        }
        assert!(checked("GET", &url("604801").replace("X-Amz-E", "X%2DAmz%2DE"), &[]).is_err());
        let second = checked("GET", "/b/k?AWSAccessKeyId=fonderie&Expires=9999999999&Signature=x", &[]).unwrap_err();
        assert!(second.contains("signature version 4"), "{second}");
    }

    #[test]
    fn what_a_header_must_sign() {
        let authorization = |names: &str| format!("{ALGORITHM} Credential={SCOPE}, SignedHeaders={names}, Signature=0");
        let copy = ("x-amz-copy-source", "/b/secret");
        let with = |names: &str| checked("PUT", "/b/k", &[("authorization", &authorization(names)), copy]);
        assert_eq!(with("host;x-amz-copy-source"), Ok(Signed::Head));
        assert_eq!(with("host"), Err("the header x-amz-copy-source is sent, but not signed".into()));
        assert_eq!(with("x-amz-copy-source"), Err("the header host is sent, but not signed".into()));
        assert_eq!(
            checked("PUT", &url("60"), &[copy]),
            Err("the header x-amz-copy-source is sent, but not signed".into())
        );
        for other in ["AWS fonderie:x", "Basic eDp5", &authorization("host").replace("/s3/", "/sts/")] {
            assert!(checked("PUT", "/b/k", &[("authorization", other)]).is_err(), "{other}");
        }
        let both = checked("GET", &url("60"), &[("authorization", &authorization("host"))]).unwrap_err();
        assert!(both.contains("not in both"), "{both}");
    }

    #[test]
    fn forms_go_their_own_way_and_the_rest_is_signed() {
        for form in ["multipart/form-data; boundary=x", "Multipart/Form-Data", "multipart/form-data"] {
            assert_eq!(checked("POST", "/b", &[("content-type", form)]), Ok(Signed::Form));
        }
        for (method, kind) in [("PUT", "multipart/form-data"), ("POST", "multipart/mixed"), ("POST", "text/csv")] {
            let unsigned = checked(method, "/b", &[("content-type", kind)]).unwrap_err();
            assert_eq!(unsigned, "the request is not signed");
        }
        let long = format!("/b?list-type=2&prefix={}", "x".repeat(URI_LIMIT));
        assert!(checked("GET", &long, &[]).unwrap_err().contains("at most 16384 bytes"));
    }
}
