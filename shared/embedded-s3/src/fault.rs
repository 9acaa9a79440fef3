//! What went wrong with a file, as an S3 error that a person understands.

use std::io;
use std::path::Path;

use s3s::{S3Error, S3ErrorCode};

/// HTTP 507: unlike the other 5xx, clients do not retry it, which a full disk does not deserve.
const INSUFFICIENT_STORAGE: u16 = 507;

/// The S3 error for a file operation that failed.
pub(crate) fn io_fault(path: &Path, error: io::Error) -> S3Error {
    let at = path.display();
    let (code, status, message) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (
            S3ErrorCode::Custom("InsufficientStorage".into()),
            Some(INSUFFICIENT_STORAGE),
            format!("the disk is full at {at}; free some space"),
        ),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => (
            S3ErrorCode::AccessDenied,
            None,
            format!("the file system denies access to {at}; check its owner and rights"),
        ),
        // The last one is what making a folder says where a file has its name.
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::DirectoryNotEmpty
        | io::ErrorKind::AlreadyExists => (
            S3ErrorCode::InvalidURI,
            None,
            format!("on disk, {at} would have to be a file and a folder at once; choose another key"),
        ),
        io::ErrorKind::InvalidFilename => (
            S3ErrorCode::KeyTooLongError,
            None,
            format!("the file system does not accept the name {at}; choose another key"),
        ),
        _ => (S3ErrorCode::InternalError, None, format!("{at}: {error}")),
    };
    let mut fault = S3Error::with_message(code, message);
    if let Some(status) = status.and_then(|status| hyper::StatusCode::from_u16(status).ok()) {
        fault.set_status_code(status);
    }
    fault.set_source(Box::new(error));
    fault
}

/// An error with a code and a sentence.
pub(crate) fn fault(code: S3ErrorCode, message: impl Into<String>) -> S3Error {
    S3Error::with_message(code, message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_and_not_retried() {
        let error = io_fault(Path::new("/state/x"), io::ErrorKind::StorageFull.into());
        assert_eq!(error.status_code().map(|status| status.as_u16()), Some(507));
        assert_eq!(error.message(), Some("the disk is full at /state/x; free some space"));
    }
}
