//! S3's POST: the upload of an HTML form, streamed to the disk once its policy is verified.
//!
//! `s3s` collects such a file in memory before it asks who sends it, so it never gets to see one.

use std::sync::Arc;
use std::time::SystemTime;

use fonderie_core::hex;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{PostResponse, StreamingBlob};
use s3s::xml::{Serialize, Serializer};
use s3s::{Body, HttpResponse, S3Error, S3ErrorCode, S3Result};

use crate::attributes::Attributes;
use crate::drain::Shared;
use crate::fault::fault;
use crate::form::Form;
use crate::objects::{Conditions, Objects};
use crate::policy::{Account, verify};
use crate::receive::{LARGEST, Sent, receive};

const IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Answers a form upload.
pub(crate) async fn post(
    objects: &Arc<Objects>,
    account: &Account,
    head: &Parts,
    body: Shared,
) -> S3Result<HttpResponse> {
    let bucket = head.uri.path().trim_matches('/').to_owned();
    let kind = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut form = Form::read(body, kind).await?;
    if let Some(key) = form.fields.get_mut("key") {
        *key = key.replace("${filename}", &form.file_name);
    }
    let allowed = verify(&form.fields, &bucket, account, SystemTime::now())?;
    let fields = std::mem::take(&mut form.fields);
    if fields.contains_key("success_action_redirect") || fields.contains_key("redirect") {
        return Err(fault(S3ErrorCode::NotImplemented, "this store redirects nobody: use success_action_status"));
    }
    let Some(key) = fields.get("key").cloned() else {
        return Err(fault(S3ErrorCode::InvalidArgument, "the form has no field key"));
    };
    // Before the file is received: a mistake shows at once.
    objects.layout.object(&bucket, &key)?;
    let file = StreamingBlob::wrap(form.file(LARGEST.min(*allowed.end())));
    let (received, md5, size, _) = receive(&objects.layout, Some(file), Sent::default()).await?;
    if size < *allowed.start() {
        return Err(fault(S3ErrorCode::EntityTooSmall, "the file is smaller than the policy allows"));
    }
    let etag = hex(md5);
    let field = |name: &str| fields.get(name).cloned();
    let metadata = fields.iter().filter_map(|(name, value)| Some((name.strip_prefix("x-amz-meta-")?, value)));
    let attributes = Attributes {
        etag: etag.clone(),
        content_type: field("content-type"),
        content_encoding: field("content-encoding"),
        content_disposition: field("content-disposition"),
        metadata: metadata.map(|(name, value)| (name.to_owned(), value.clone())).collect(),
        ..Attributes::default()
    };
    let (there, to_bucket, to_key) = (objects.clone(), bucket.clone(), key.clone());
    tokio::task::spawn_blocking(move || {
        there.commit(&to_bucket, &to_key, received, &Conditions::default(), attributes)
    })
    .await
    .map_err(S3Error::internal_error)??;
    respond(fields.get("success_action_status").map(String::as_str), &bucket, &key, &format!("\"{etag}\""))
}

fn respond(status: Option<&str>, bucket: &str, key: &str, etag: &str) -> S3Result<HttpResponse> {
    let location = format!("/{bucket}/{}", utf8_percent_encode(key, IN_PATHS));
    let (status, body) = match status {
        Some("200") => (StatusCode::OK, Body::empty()),
        Some("201") => {
            let mut xml = Vec::new();
            let mut serializer = Serializer::new(&mut xml);
            serializer.decl().map_err(S3Error::internal_error)?;
            let answer = PostResponse { location: &location, bucket, key, etag };
            answer.serialize(&mut serializer).map_err(S3Error::internal_error)?;
            (StatusCode::CREATED, Body::from(xml))
        }
        _ => (StatusCode::NO_CONTENT, Body::empty()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if status == StatusCode::CREATED {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    }
    for (name, value) in [(LOCATION, location.as_str()), (ETAG, etag)] {
        response.headers_mut().insert(name, HeaderValue::from_str(value).map_err(S3Error::internal_error)?);
    }
    Ok(response)
}
