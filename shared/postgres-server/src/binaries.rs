//! Where PostgreSQL's programs are.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ServerError;

/// A directory with `postgres`, `initdb` and `pg_ctl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    directory: PathBuf,
}

impl Binaries {
    /// Finds them: the directory in `PG_BIN`, else what `pg_config --bindir` says, else the newest under
    /// `/usr/lib/postgresql`, where Debian puts them.
    ///
    /// # Errors
    /// Where none has all the programs; `PG_BIN` is taken at its word, so that a wrong one is not passed over in silence.
    pub fn find() -> Result<Self, ServerError> {
        if let Some(directory) = std::env::var_os("PG_BIN") {
            let directory = PathBuf::from(directory);
            return Self::at(&directory).ok_or_else(|| {
                ServerError::new(format!(
                    "PG_BIN is {}, which does not have postgres, initdb and pg_ctl: correct it or unset it",
                    directory.display()
                ))
            });
        }
        let configured =
            Command::new("pg_config").arg("--bindir").output().ok().filter(|output| output.status.success());
        let configured = configured.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
        configured.as_deref().and_then(Self::at).or_else(|| newest_under(Path::new("/usr/lib/postgresql"))).ok_or_else(|| ServerError {
            not_found: true,
            ..ServerError::new("no PostgreSQL server is installed here: install one (Debian: apt-get install postgresql) or set PG_BIN to the directory of its programs")
        })
    }

    fn at(directory: &Path) -> Option<Self> {
        let complete = ["postgres", "initdb", "pg_ctl"].iter().all(|program| directory.join(program).is_file());
        complete.then(|| Self { directory: directory.to_owned() })
    }

    /// The path of one program.
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// `<root>/<version>/bin` of the greatest version.
fn newest_under(root: &Path) -> Option<Binaries> {
    let mut found: Vec<(u32, Binaries)> = std::fs::read_dir(root)
        .ok()?
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, Binaries::at(&entry.path().join("bin"))?))
        })
        .collect();
    found.sort_by_key(|(version, _)| *version);
    found.pop().map(|(_, binaries)| binaries)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_newest_complete_version_is_taken() {
        let root = tempfile::tempdir().unwrap();
        for (version, programs) in [
            ("9", vec!["postgres", "initdb", "pg_ctl"]),
            ("15", vec!["postgres", "initdb", "pg_ctl"]),
            ("17", vec!["pg_ctl"]),
        ] {
            let bin = root.path().join(version).join("bin");
            std::fs::create_dir_all(&bin).unwrap();
            for program in programs {
                std::fs::write(bin.join(program), "").unwrap();
            }
        }
        assert_eq!(newest_under(root.path()).unwrap().program("postgres"), root.path().join("15/bin/postgres"));
        assert_eq!(newest_under(&root.path().join("absent")), None);
    }
}
