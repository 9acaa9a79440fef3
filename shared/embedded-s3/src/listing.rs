//! Listings: the files below a bucket's folder, in the order of their keys.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use s3s::S3Result;

use crate::fault::io_fault;
use crate::layout::check_name;

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Query<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) delimiter: Option<&'a str>,
    /// Only what comes after this key.
    pub(crate) after: &'a str,
    pub(crate) limit: usize,
}

/// A page of a listing.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Entry>,
    pub(crate) prefixes: Vec<String>,
    /// The last key or prefix of this page, where more follow.
    pub(crate) next: Option<String>,
}

/// A page of the objects of a bucket.
pub(crate) fn list(bucket: &Path, query: Query<'_>) -> S3Result<Page> {
    let mut entries = Vec::new();
    // Only the folder that the prefix names can hold what is asked for.
    let start = query.prefix.rfind('/').map_or("", |at| &query.prefix[..=at]);
    if let Some(folder) = folder(bucket, start) {
        walk(&folder, start, query, &mut entries)?;
    }
    entries.sort_by(|a, b| a.key.cmp(&b.key));

    let mut page = Page::default();
    let mut seen = BTreeSet::new();
    let mut last = String::new();
    for entry in entries {
        let grouped = query.delimiter.filter(|delimiter| !delimiter.is_empty()).and_then(|delimiter| {
            let rest = &entry.key[query.prefix.len()..];
            rest.find(delimiter).map(|at| entry.key[..query.prefix.len() + at + delimiter.len()].to_owned())
        });
        let name = grouped.as_deref().unwrap_or(&entry.key);
        if name <= query.after || seen.contains(name) {
            continue;
        }
        if page.objects.len() + page.prefixes.len() == query.limit {
            page.next = Some(last);
            break;
        }
        name.clone_into(&mut last);
        match grouped {
            Some(prefix) => {
                seen.insert(prefix.clone());
                page.prefixes.push(prefix);
            }
            None => page.objects.push(entry),
        }
    }
    Ok(page)
}

/// The folder of the keys that begin with `start`, which is empty or ends with a slash; none if no key can begin so.
fn folder(bucket: &Path, start: &str) -> Option<PathBuf> {
    let mut folder = bucket.to_owned();
    for name in start.strip_suffix('/').into_iter().flat_map(|names| names.split('/')) {
        check_name(name).ok()?;
        folder.push(name);
        if folder.is_symlink() {
            return None;
        }
    }
    Some(folder)
}

fn walk(folder: &Path, key_prefix: &str, query: Query<'_>, entries: &mut Vec<Entry>) -> S3Result<()> {
    let reading = match fs::read_dir(folder) {
        Ok(reading) => reading,
        // Deleted meanwhile, or never there: no object.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        Err(error) => return Err(io_fault(folder, error)),
    };
    for entry in reading {
        let entry = entry.map_err(|error| io_fault(folder, error))?;
        // A key is text; a file with another name cannot have been put here by a request.
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let key = format!("{key_prefix}{name}");
        // Of a link, its own: it is neither a folder nor an object.
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(io_fault(&entry.path(), error)),
        };
        if metadata.is_dir() {
            let inner = format!("{key}/");
            if inner.starts_with(query.prefix) || query.prefix.starts_with(&inner) {
                walk(&entry.path(), &inner, query, entries)?;
            }
        } else if metadata.is_file() && key.starts_with(query.prefix) {
            let modified = metadata.modified().map_err(|error| io_fault(&entry.path(), error))?;
            entries.push(Entry { key, size: metadata.len(), modified });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bucket: &Path, query: Query<'_>) -> (Vec<String>, Vec<String>, Option<String>) {
        let page = list(bucket, query).unwrap();
        (page.objects.into_iter().map(|entry| entry.key).collect(), page.prefixes, page.next)
    }

    #[test]
    fn keys_come_in_the_order_of_their_bytes_by_pages_and_by_groups() {
        let folder = tempfile::tempdir().unwrap();
        for key in ["a/2", "a/1", "a-b", "a/b/c", "b", "\u{e9}"] {
            let path = folder.path().join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let all = Query { limit: 1000, ..Query::default() };
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(keys(folder.path(), all), (names(&["a-b", "a/1", "a/2", "a/b/c", "b", "\u{e9}"]), vec![], None));
        let first = keys(folder.path(), Query { limit: 2, ..all });
        assert_eq!(first, (names(&["a-b", "a/1"]), vec![], Some("a/1".to_owned())));
        assert_eq!(
            keys(folder.path(), Query { limit: 2, after: "a/1", ..all }),
            (names(&["a/2", "a/b/c"]), vec![], Some("a/b/c".to_owned()))
        );
        assert_eq!(
            keys(folder.path(), Query { delimiter: Some("/"), ..all }),
            (names(&["a-b", "b", "\u{e9}"]), names(&["a/"]), None)
        );
        assert_eq!(
            keys(folder.path(), Query { prefix: "a/", delimiter: Some("/"), ..all }),
            (names(&["a/1", "a/2"]), names(&["a/b/"]), None)
        );
        assert_eq!(
            keys(folder.path(), Query { delimiter: Some("/"), after: "a/", ..all }),
            (names(&["b", "\u{e9}"]), vec![], None)
        );
        assert_eq!(keys(folder.path(), Query { prefix: "../", ..all }), (vec![], vec![], None));
        assert_eq!(keys(folder.path(), Query { prefix: "none/", ..all }), (vec![], vec![], None));
    }
}
