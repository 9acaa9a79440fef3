//! From the SDK's errors to a stage's typed ones.
//!
//! The SDK has already retried what is worth retrying within seconds; what arrives here is sorted by who must act. The
//! SDK's own error goes along as the cause, for the log; the sentence names the object and what to do.

use std::error::Error;
use std::fmt::Display;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use fonderie_core::{ErrorCode, StageError};

/// The error for a request that failed: `doing` is a gerund ("reading"), `place` the object or bucket.
pub(crate) fn failed<E>(doing: &str, place: &dyn Display, bucket: &str, error: SdkError<E, HttpResponse>) -> StageError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let (code, message) = match &error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let name = service.err().code().unwrap_or_default();
            let said = service.err().message().unwrap_or_default();
            answered(doing, place, bucket, status, name, said)
        }
        SdkError::ConstructionFailure(_) => (
            ErrorCode::Internal,
            format!("The request for {doing} {place} could not be built; report this as a defect of Fonderie"),
        ),
        other if lacks_credentials(other) => (
            ErrorCode::SettingsInvalid,
            format!(
                "There are no AWS credentials for {doing} {place}; give the stage a role, or set AWS_ACCESS_KEY_ID"
            ),
        ),
        _ => (
            ErrorCode::StorageUnavailable,
            format!("The object store did not answer while {doing} {place}; try again once it can be reached"),
        ),
    };
    StageError::new(code, message).caused_by(error)
}

/// Sorts what a store answered. HEAD answers carry no body, hence no name: then the status must do.
fn answered(
    doing: &str,
    place: &dyn Display,
    bucket: &str,
    status: u16,
    name: &str,
    said: &str,
) -> (ErrorCode, String) {
    match name {
        "NoSuchBucket" => {
            return (
                ErrorCode::SettingsInvalid,
                format!(
                    "There is no bucket {bucket} (while {doing} {place}); correct the bucket's name in the settings"
                ),
            );
        }
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" => {
            return (
                ErrorCode::SettingsInvalid,
                format!("Bucket {bucket} is in another region (while {doing} {place}); correct AWS_REGION"),
            );
        }
        "RequestTimeTooSkewed" => {
            return (
                ErrorCode::SettingsInvalid,
                format!("The clock differs too much from the store's for {doing} {place}; set the machine's time"),
            );
        }
        "InvalidObjectState" => {
            return (
                ErrorCode::ObjectMissing,
                format!("{place} is in an archive class and cannot be read; restore it, then run it again"),
            );
        }
        "NoSuchUpload" => {
            return (
                ErrorCode::StorageUnavailable,
                format!("The upload of {place} was ended by someone else while {doing} it; run the stage again"),
            );
        }
        "RequestTimeout" => {
            return (
                ErrorCode::StorageUnavailable,
                format!("The object store waited in vain for data while {doing} {place}; try again"),
            );
        }
        "InvalidArgument" if said.to_ascii_lowercase().contains("version") => {
            return (
                ErrorCode::RequestInvalid,
                format!("The store has no version of that form of {place}; correct `version_id`, or leave it out"),
            );
        }
        "KeyTooLongError" | "InvalidURI" => {
            return (
                ErrorCode::RequestInvalid,
                format!("The store cannot hold the key of {place}: {}; choose another key", or(said, name)),
            );
        }
        _ => {}
    }
    if throttled(status, name) {
        let message =
            format!("The object store asked for fewer requests while {doing} {place}; it is tried again later");
        return (ErrorCode::ServiceThrottled, message);
    }
    let denied = matches!(name, "AccessDenied" | "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired");
    if denied || name.starts_with("KMS.") || matches!(status, 401 | 403) {
        let why = or(name, "no reason given");
        return (
            ErrorCode::AccessDenied,
            format!(
                "Access was denied while {doing} {place} ({why}); check the role's rights on the bucket and its key \
                 (without s3:ListBucket, S3 says this of a missing object too)"
            ),
        );
    }
    // 405 is S3's answer for a version that is a delete marker, 404 without a name is HEAD's.
    if matches!(name, "NoSuchKey" | "NoSuchVersion" | "NotFound") || matches!(status, 404 | 405) {
        let message = format!("There is no {place} (while {doing} it); it was deleted, or never written");
        return (ErrorCode::ObjectMissing, message);
    }
    if status == 412 {
        return (ErrorCode::ObjectChanged, changed_message(place));
    }
    if status == 409 {
        let message = format!("Someone else wrote {place} at the same time while {doing} it; try again");
        return (ErrorCode::StorageUnavailable, message);
    }
    if status >= 500 {
        let message = format!(
            "The object store failed while {doing} {place}: {}; try again",
            or(said, or(name, "no reason given"))
        );
        return (ErrorCode::StorageUnavailable, message);
    }
    (
        ErrorCode::Internal,
        format!(
            "The object store refused {doing} {place}: {status} {name} {said}; report this as a defect of Fonderie"
        ),
    )
}

fn throttled(status: u16, name: &str) -> bool {
    matches!(name, "SlowDown" | "RequestLimitExceeded" | "TooManyRequestsException" | "RequestThrottled")
        || name.contains("Throttling")
        || status == 429
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// No provider had credentials: the SDK reports it as a failed dispatch, though no request was ever sent.
fn lacks_credentials(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<aws_credential_types::provider::error::CredentialsError>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// The object is there, but is not what the run pinned.
pub(crate) fn changed(place: &dyn Display) -> StageError {
    StageError::new(ErrorCode::ObjectChanged, changed_message(place))
}

fn changed_message(place: &dyn Display) -> String {
    format!("The content of {place} is no longer what the run was started for; run the object's new version instead")
}

/// The connection broke too often, or what arrived is not what was sent.
pub(crate) fn broken(place: &dyn Display, what: &str) -> StageError {
    StageError::new(ErrorCode::StorageUnavailable, format!("Reading {place} broke off: {what}; try again"))
}

/// The object is larger than its reader allows.
pub(crate) fn too_large(place: &dyn Display, size: u64, limit: u64) -> StageError {
    StageError::new(
        ErrorCode::LimitExceeded,
        format!("{place} has {size} bytes where at most {limit} are read; make it smaller"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(status: u16, name: &str) -> ErrorCode {
        answered("reading", &"s3://b/k", "b", status, name, "").0
    }

    #[test]
    fn answers_are_sorted_by_who_must_act() {
        for (status, name, expected) in [
            (404, "NoSuchKey", ErrorCode::ObjectMissing),
            (404, "NoSuchVersion", ErrorCode::ObjectMissing),
            (404, "", ErrorCode::ObjectMissing),
            (405, "MethodNotAllowed", ErrorCode::ObjectMissing),
            (403, "InvalidObjectState", ErrorCode::ObjectMissing),
            (404, "NoSuchBucket", ErrorCode::SettingsInvalid),
            (301, "PermanentRedirect", ErrorCode::SettingsInvalid),
            (403, "RequestTimeTooSkewed", ErrorCode::SettingsInvalid),
            (403, "AccessDenied", ErrorCode::AccessDenied),
            (403, "", ErrorCode::AccessDenied),
            (400, "ExpiredToken", ErrorCode::AccessDenied),
            (400, "KMS.DisabledException", ErrorCode::AccessDenied),
            (400, "KMS.ThrottlingException", ErrorCode::ServiceThrottled),
            (503, "SlowDown", ErrorCode::ServiceThrottled),
            (429, "", ErrorCode::ServiceThrottled),
            (503, "ServiceUnavailable", ErrorCode::StorageUnavailable),
            (500, "InternalError", ErrorCode::StorageUnavailable),
            (404, "NoSuchUpload", ErrorCode::StorageUnavailable),
            (409, "ConditionalRequestConflict", ErrorCode::StorageUnavailable),
            (412, "PreconditionFailed", ErrorCode::ObjectChanged),
            (400, "KeyTooLongError", ErrorCode::RequestInvalid),
            (400, "MalformedXML", ErrorCode::Internal),
        ] {
            assert_eq!(code(status, name), expected, "{status} {name}");
        }
    }

    #[test]
    fn a_version_that_can_be_none_is_the_askers_mistake() {
        let code = |said| answered("reading", &"s3://b/k", "b", 400, "InvalidArgument", said).0;
        assert_eq!(code("Invalid version id specified"), ErrorCode::RequestInvalid);
        assert_eq!(code("Argument must be an integer"), ErrorCode::Internal);
    }

    #[test]
    fn a_missing_bucket_is_named() {
        let (_, message) = answered("reading", &"s3://b/k", "b", 404, "NoSuchBucket", "");
        assert_eq!(message, "There is no bucket b (while reading s3://b/k); correct the bucket's name in the settings");
    }
}
