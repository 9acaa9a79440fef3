//! The identity of an object's content where the store keeps no versions.
//!
//! A store with versioning gives each upload an id. Elsewhere (the embedded server, a bucket without versioning, objects
//! older than the versioning) one is derived as `etag:<etag>:<unix seconds>`. The time is part of it because a sender may
//! send A, then B, then A again: three versions, of which the third must win, though the first has the same content. The
//! content is part of it because two uploads may fall into one second. What is lost: the same content uploaded twice within
//! one second is one version, which changes nothing.
//!
//! A read of a derived version is held to the ETag alone: the same content written again is the same content.

use chrono::{DateTime, Utc};

const PREFIX: &str = "etag:";

/// What a version id asks of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pin {
    /// Whatever is there now.
    Current,
    /// This version of the store's own.
    Version(String),
    /// Whatever is there now, provided that it has this ETag (without quotes).
    Etag(String),
}

impl Pin {
    /// Reads a version id; `null` is S3's name for "written without versioning", and pins nothing.
    pub(crate) fn of(version_id: Option<&str>) -> Self {
        match version_id {
            None | Some("" | "null") => Self::Current,
            Some(id) => match etag_of(id) {
                Some(etag) => Self::Etag(etag.to_owned()),
                None => Self::Version(id.to_owned()),
            },
        }
    }

    /// The id to send along.
    pub(crate) fn version_id(&self) -> Option<String> {
        match self {
            Self::Version(id) => Some(id.clone()),
            Self::Current | Self::Etag(_) => None,
        }
    }

    /// The `If-Match` header to send along.
    pub(crate) fn if_match(&self) -> Option<String> {
        match self {
            Self::Etag(etag) => Some(quoted(etag)),
            Self::Current | Self::Version(_) => None,
        }
    }

    /// Whether an answer with this ETag is what was asked for: a store may ignore `If-Match`.
    pub(crate) fn admits(&self, etag: &str) -> bool {
        match self {
            Self::Etag(expected) => expected == etag,
            Self::Current | Self::Version(_) => true,
        }
    }
}

/// The version id: the store's own, or one derived from the content and the time it was written.
pub fn version_id(own: Option<&str>, etag: &str, last_modified: DateTime<Utc>) -> String {
    match own {
        Some(id) if !id.is_empty() && id != "null" => id.to_owned(),
        _ => format!("{PREFIX}{etag}:{}", last_modified.timestamp()),
    }
}

/// Whether the id was derived, so that the store does not know it.
pub fn is_derived(version_id: &str) -> bool {
    etag_of(version_id).is_some()
}

/// When a derived version was written.
pub(crate) fn derived_time(version_id: &str) -> DateTime<Utc> {
    let seconds = version_id.rsplit_once(':').and_then(|(_, seconds)| seconds.parse().ok()).unwrap_or(0);
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

fn etag_of(version_id: &str) -> Option<&str> {
    let (etag, seconds) = version_id.strip_prefix(PREFIX)?.rsplit_once(':')?;
    seconds.parse::<i64>().is_ok().then_some(etag)
}

/// An ETag as headers carry it.
pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// An ETag without quotes.
pub(crate) fn unquoted(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_carry_content_and_time() {
        let at = DateTime::from_timestamp(1_750_000_000, 999_000_000).unwrap();
        assert_eq!(version_id(None, "abc-2", at), "etag:abc-2:1750000000");
        assert_eq!(version_id(Some("null"), "abc", at), "etag:abc:1750000000");
        assert_eq!(version_id(Some("3HL4"), "abc", at), "3HL4");
        assert!(is_derived("etag:abc:1750000000"));
        assert!(!is_derived("3HL4") && !is_derived("etag:abc") && !is_derived("etag:abc:x"));
    }

    #[test]
    fn a_pin_asks_for_the_version_or_for_the_content() {
        assert_eq!(Pin::of(None), Pin::Current);
        assert_eq!(Pin::of(Some("null")), Pin::Current);
        let own = Pin::of(Some("3HL4"));
        assert_eq!((own.version_id(), own.if_match()), (Some("3HL4".to_owned()), None));
        let derived = Pin::of(Some("etag:abc:1"));
        assert_eq!((derived.version_id(), derived.if_match()), (None, Some("\"abc\"".to_owned())));
        assert!(derived.admits("abc") && !derived.admits("abd") && own.admits("anything"));
    }
}
