//! Multipart uploads. They live as long as the process: its parts are kept where received contents are, and a part that a
//! killed process leaves is removed on the next start.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fonderie_core::hex;
use s3s::crypto::{Checksum as _, Md5};
use s3s::{S3Error, S3ErrorCode, S3Result};

use crate::attributes::Attributes;
use crate::fault::{fault, io_fault};
use crate::layout::Layout;
use crate::objects::Received;

/// S3 refuses smaller parts, the last one excepted; so a client's mistake shows here too.
const SMALLEST_PART: u64 = 5 * 1024 * 1024;

/// The uploads under way.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    next: AtomicU64,
    by_id: Mutex<HashMap<String, Upload>>,
}

#[derive(Debug)]
struct Upload {
    bucket: String,
    key: String,
    attributes: Attributes,
    parts: BTreeMap<i32, Arc<Part>>,
}

/// One part; its file goes with the last reference.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) received: Received,
    pub(crate) md5: [u8; 16],
    pub(crate) size: u64,
}

impl Uploads {
    /// Begins an upload and returns its id.
    pub(crate) fn begin(&self, bucket: String, key: String, attributes: Attributes) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // The process is part of it, so that an id of an earlier one is not taken for one of ours.
        let id = format!("{}-{number}", std::process::id());
        self.uploads().insert(id.clone(), Upload { bucket, key, attributes, parts: BTreeMap::new() });
        id
    }

    /// Fails unless the upload is under way for this object.
    pub(crate) fn check(&self, id: &str, bucket: &str, key: &str) -> S3Result<()> {
        find(&mut self.uploads(), id, bucket, key).map(|_| ())
    }

    /// Adds a part, replacing an earlier one of the same number.
    pub(crate) fn add(&self, id: &str, bucket: &str, key: &str, number: i32, part: Part) -> S3Result<()> {
        find(&mut self.uploads(), id, bucket, key)?.parts.insert(number, Arc::new(part));
        Ok(())
    }

    /// The parts so far.
    pub(crate) fn parts(&self, id: &str, bucket: &str, key: &str) -> S3Result<Vec<(i32, Arc<Part>)>> {
        let mut uploads = self.uploads();
        Ok(find(&mut uploads, id, bucket, key)?.parts.iter().map(|(number, part)| (*number, part.clone())).collect())
    }

    /// Ends an upload: its parts are removed.
    pub(crate) fn end(&self, id: &str, bucket: &str, key: &str) -> S3Result<()> {
        let mut uploads = self.uploads();
        find(&mut uploads, id, bucket, key)?;
        uploads.remove(id);
        Ok(())
    }

    /// Puts the named parts (number, ETag) together; the upload goes on, for the case that the commit fails.
    pub(crate) fn assemble(
        &self,
        layout: &Layout,
        id: &str,
        bucket: &str,
        key: &str,
        named: &[(i32, Option<String>)],
    ) -> S3Result<(Received, Attributes)> {
        let (parts, mut attributes) = {
            let mut uploads = self.uploads();
            let upload = find(&mut uploads, id, bucket, key)?;
            (chosen(upload, named)?, upload.attributes.clone())
        };
        let received = Received(layout.incoming());
        let path = &received.0;
        let mut target = File::create(path).map_err(|error| io_fault(path, error))?;
        let mut hash = Md5::new();
        for part in &parts {
            let source = &part.received.0;
            let mut file = File::open(source).map_err(|error| io_fault(source, error))?;
            io::copy(&mut file, &mut target).map_err(|error| io_fault(path, error))?;
            hash.update(&part.md5);
        }
        attributes.etag = format!("{}-{}", hex(hash.finalize()), parts.len());
        Ok((received, attributes))
    }

    fn uploads(&self) -> std::sync::MutexGuard<'_, HashMap<String, Upload>> {
        // Every change is one insertion or removal: there is no half-done state that a panic could leave.
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find<'a>(uploads: &'a mut HashMap<String, Upload>, id: &str, bucket: &str, key: &str) -> S3Result<&'a mut Upload> {
    uploads
        .get_mut(id)
        .filter(|upload| upload.bucket == bucket && upload.key == key)
        .ok_or_else(|| fault(S3ErrorCode::NoSuchUpload, "this upload is over, or never began"))
}

fn chosen(upload: &Upload, named: &[(i32, Option<String>)]) -> Result<Vec<Arc<Part>>, S3Error> {
    if named.is_empty() {
        return Err(fault(S3ErrorCode::InvalidPart, "an upload has at least one part"));
    }
    if named.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err(fault(S3ErrorCode::InvalidPartOrder, "the parts are not in the order of their numbers"));
    }
    let mut parts = Vec::with_capacity(named.len());
    for (index, (number, etag)) in named.iter().enumerate() {
        let part = upload
            .parts
            .get(number)
            .filter(|part| etag.as_ref().is_none_or(|etag| *etag == hex(part.md5)))
            .ok_or_else(|| {
                fault(S3ErrorCode::InvalidPart, format!("part {number} was not sent, or has another ETag"))
            })?;
        if index + 1 < named.len() && part.size < SMALLEST_PART {
            return Err(fault(S3ErrorCode::EntityTooSmall, format!("part {number} has less than 5 MiB")));
        }
        parts.push(part.clone());
    }
    Ok(parts)
}
