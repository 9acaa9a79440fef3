//! One zip per Lambda function, with the function's binary as its single entry, `bootstrap`.
//!
//! The same binary gives the same bytes, whenever and wherever it is packaged, so that Terraform, which compares hashes,
//! sees a change only where there is one: the entry has a fixed time, and no name or owner of the machine.
//!
//! Beside them lies `manifest.json`, all that Terraform reads: where each package lies in the bucket of packages, and its hash.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The only entry, and the file that Lambda's `provided` runtimes execute.
pub const ENTRY: &str = "bootstrap";

/// Lambda (and LocalStack) takes the file's mode from the entry: without the executable bits it does not start.
const MODE: u32 = 0o755;

/// The file that names the packages of one build.
pub const MANIFEST: &str = "manifest.json";

/// The packages of one build: what is promoted from environment to environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The processor for which they are built, as Lambda names it.
    pub architecture: String,
    /// Each function's package.
    pub packages: BTreeMap<String, Package>,
}

/// One package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its key in the bucket of packages. The hash is part of it, so that no other bytes ever lie there.
    pub key: String,
    /// The SHA-256 of the zip in base64, as Lambda states it.
    pub hash: String,
}

/// Packages each (name, binary), and writes the manifest beside the packages.
///
/// # Errors
/// Those of [`package`]; `InvalidData` if the binaries are no Linux programs for one processor of Lambda's.
pub fn package_all(binaries: &[(String, PathBuf)], out: &Path) -> io::Result<Vec<PathBuf>> {
    let packages = package(binaries, out)?;
    let mut architectures = BTreeMap::new();
    for (name, binary) in binaries {
        let head = std::fs::read(binary).map_err(|error| at(binary, error))?;
        let found = architecture(&head).ok_or_else(|| {
            let message = format!("{}: this is no Linux program for arm64 or x86_64", binary.display());
            io::Error::new(io::ErrorKind::InvalidData, message)
        })?;
        architectures.insert(found, name);
    }
    let Some((architecture, _)) = architectures.pop_first().filter(|_| architectures.is_empty()) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the functions are built for several processors, or for none",
        ));
    };
    let mut manifest = Manifest { architecture: architecture.to_owned(), packages: BTreeMap::new() };
    for ((name, _), path) in binaries.iter().zip(&packages) {
        let hash = Sha256::digest(std::fs::read(path).map_err(|error| at(path, error))?);
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let package = Package { key: format!("functions/{name}/{hex}.zip"), hash: BASE64_STANDARD.encode(hash) };
        manifest.packages.insert(name.clone(), package);
    }
    let path = out.join(MANIFEST);
    let json = serde_json::to_string_pretty(&manifest)? + "\n";
    replace(&path, json.as_bytes()).map_err(|error| at(&path, error))?;
    Ok(packages)
}

/// The processor that an ELF file is for, as Lambda names it.
fn architecture(binary: &[u8]) -> Option<&'static str> {
    const MACHINE: std::ops::Range<usize> = 18..20;
    match (binary.get(..4)?, binary.get(MACHINE)?) {
        (b"\x7fELF", [0x3e, 0]) => Some("x86_64"),
        (b"\x7fELF", [0xb7, 0]) => Some("arm64"),
        _ => None,
    }
}

/// Writes `<out>/<name>.zip` for each (name, binary), and returns their paths in the same order.
///
/// A package is moved into place when it is complete, and left alone when it is already there with the same content.
///
/// # Errors
/// With the path in the message: a binary cannot be read, a package cannot be written.
pub fn package(binaries: &[(String, PathBuf)], out: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(out).map_err(|error| at(out, error))?;
    let mut packages = Vec::with_capacity(binaries.len());
    for (name, binary) in binaries {
        let content = std::fs::read(binary).map_err(|error| at(binary, error))?;
        let package = out.join(format!("{name}.zip"));
        replace(&package, &archive(&content)?).map_err(|error| at(&package, error))?;
        packages.push(package);
    }
    Ok(packages)
}

/// The zip of one binary.
///
/// # Errors
/// When the archive cannot be made: it is too large.
pub fn archive(binary: &[u8]) -> io::Result<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default())
        .unix_permissions(MODE);
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    zip.start_file(ENTRY, options)?;
    zip.write_all(binary)?;
    Ok(zip.finish()?.into_inner())
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    if std::fs::read(path).is_ok_and(|existing| existing == content) {
        return Ok(());
    }
    let partial = path.with_extension("partial");
    std::fs::write(&partial, content)?;
    std::fs::rename(&partial, path)
}

fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_package_is_one_executable_entry_and_the_same_bytes_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("transform");
        let content: Vec<u8> = (0..200_000_u32).flat_map(|n| (n % 977).to_le_bytes()).collect();
        std::fs::write(&binary, &content).unwrap();
        let binaries = [("transform".to_owned(), binary.clone())];

        let first = package(&binaries, &folder.path().join("a")).unwrap();
        std::fs::File::open(&binary).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        let second = package(&binaries, &folder.path().join("b")).unwrap();
        assert_eq!(first, [folder.path().join("a/transform.zip")]);
        assert_eq!(std::fs::read(&first[0]).unwrap(), std::fs::read(&second[0]).unwrap());

        let mut zip = zip::ZipArchive::new(std::fs::File::open(&first[0]).unwrap()).unwrap();
        assert_eq!(zip.len(), 1);
        let mut entry = zip.by_index(0).unwrap();
        assert_eq!(entry.name().unwrap(), "bootstrap");
        assert_eq!(entry.unix_mode().map(|mode| mode & 0o7777), Some(0o755));
        let mut unpacked = Vec::new();
        entry.read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, content);
    }

    #[test]
    fn a_package_that_has_not_changed_is_not_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("load");
        std::fs::write(&binary, b"one").unwrap();
        let binaries = [("load".to_owned(), binary.clone())];

        let path = package(&binaries, folder.path()).unwrap().remove(0);
        let early = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(early).unwrap();
        package(&binaries, folder.path()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().modified().unwrap(), early);

        std::fs::write(&binary, b"two").unwrap();
        package(&binaries, folder.path()).unwrap();
        assert_ne!(std::fs::metadata(&path).unwrap().modified().unwrap(), early);
    }

    /// The first bytes of a Linux program.
    fn program(machine: u8) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..4].copy_from_slice(b"\x7fELF");
        bytes[18] = machine;
        bytes
    }

    #[test]
    fn the_manifest_names_the_very_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let binaries = ["load", "admit"].map(|name| (name.to_owned(), folder.path().join(name)));
        for (_, binary) in &binaries {
            std::fs::write(binary, program(0xb7)).unwrap();
        }
        let out = folder.path().join("packages");
        let packages = package_all(&binaries, &out).unwrap();
        let manifest: Manifest = serde_json::from_slice(&std::fs::read(out.join(MANIFEST)).unwrap()).unwrap();
        assert_eq!(manifest.architecture, "arm64");
        assert_eq!(manifest.packages.keys().collect::<Vec<_>>(), ["admit", "load"]);
        let hash = Sha256::digest(std::fs::read(&packages[0]).unwrap());
        let Package { key, hash: stated } = &manifest.packages["load"];
        assert_eq!(BASE64_STANDARD.decode(stated).unwrap(), hash.as_slice());
        let hex = key.strip_prefix("functions/load/").unwrap().strip_suffix(".zip").unwrap();
        assert_eq!(hex, hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        assert_eq!(manifest.packages["admit"].hash, *stated, "the same binary gives the same package");

        // one function of another processor
        std::fs::write(&binaries[0].1, program(0x3e)).unwrap();
        let error = package_all(&binaries, &out).unwrap_err();
        assert!(error.to_string().contains("several processors"), "{error}");
        std::fs::write(&binaries[0].1, b"#!/bin/sh").unwrap();
        let error = package_all(&binaries, &out).unwrap_err();
        assert!(error.to_string().contains("no Linux program"), "{error}");
    }

    #[test]
    fn a_binary_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("absent");
        let error = package(&[("x".to_owned(), missing.clone())], folder.path()).unwrap_err();
        assert!(error.to_string().starts_with(&missing.display().to_string()), "{error}");
    }
}
