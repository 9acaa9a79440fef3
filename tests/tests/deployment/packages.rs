//! The functions' packages: small, the same twice, and made for Amazon Linux 2023.

use std::collections::BTreeSet;
use std::fs;

use fonderie_tests::packages;
use xtask::{FUNCTIONS, package};

/// Amazon Linux 2023 has this glibc.
const GLIBC: (u32, u32) = (2, 34);

/// A function loads as fast as its package is small.
const LIMIT: u64 = 8_500_000;

#[test]
fn each_package_is_small_and_the_same_twice() {
    let (folder, fonderie) = packages::build().unwrap();
    let again = tempfile::tempdir().unwrap();
    let binaries = FUNCTIONS.map(|name| (name.to_owned(), fonderie.with_file_name(name)));
    let made = package::package_all(&binaries, again.path()).unwrap();
    let manifest = fs::read(again.path().join(package::MANIFEST)).unwrap();
    assert_eq!(manifest, fs::read(folder.join(package::MANIFEST)).unwrap(), "another manifest the second time");
    for path in made {
        let (name, bytes) = (path.file_name().unwrap(), fs::read(&path).unwrap());
        assert!((bytes.len() as u64) < LIMIT, "{} has {} bytes", name.display(), bytes.len());
        assert_eq!(bytes, fs::read(folder.join(name)).unwrap(), "{} is another the second time", name.display());
    }
}

#[test]
fn each_function_runs_with_the_c_library_of_amazon_linux_2023() {
    let (_, fonderie) = packages::build().unwrap();
    for name in FUNCTIONS {
        let versions = glibc_versions(&fs::read(fonderie.with_file_name(name)).unwrap());
        let newest = versions.last().copied().unwrap();
        assert!(newest >= (2, 14), "{name} asks for glibc {newest:?}: have its versions been read at all?");
        assert!(newest <= GLIBC, "{name} asks for glibc {newest:?}, Amazon Linux 2023 has {GLIBC:?}");
    }
}

/// The versions of glibc's symbols that a binary refers to: their names stand in its string table as `GLIBC_<major>.<minor>`.
fn glibc_versions(binary: &[u8]) -> BTreeSet<(u32, u32)> {
    const PREFIX: &[u8] = b"\0GLIBC_";
    let places = memchr::memmem::find_iter(binary, PREFIX);
    let versions = places.filter_map(|at| {
        let text = &binary[at + PREFIX.len()..];
        let text = std::str::from_utf8(&text[..text.iter().position(|byte| *byte == 0)?]).ok()?;
        let mut parts = text.split('.').map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    });
    versions.collect()
}

#[test]
fn versions_are_read_where_they_stand() {
    let table = b"\x01\0GLIBC_2.17\0GLIBC_2.2.5\0xGLIBC_2.99\0GLIBC_2.34\0GLIBC_PRIVATE\0";
    assert_eq!(glibc_versions(table), BTreeSet::from([(2, 17), (2, 2), (2, 34)]));
}
