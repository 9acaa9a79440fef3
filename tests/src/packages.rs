//! The functions' packages, from the binaries of this very checkout.

use std::path::PathBuf;
use std::sync::Mutex;

use xtask::{FUNCTIONS, cargo, package};

use crate::{Result, run, workspace};

/// Builds the workspace and packages the functions. Returns the folder of the packages and their manifest, and the
/// one-machine binary.
///
/// All targets at once: the features of a shared dependency depend on what is built together, and each set of them is
/// another build.
///
/// # Errors
/// Cargo fails, or a package cannot be written.
pub fn build() -> Result<(PathBuf, PathBuf)> {
    // The tests of one program call it at once.
    static BUILT: Mutex<Option<(PathBuf, PathBuf)>> = Mutex::new(None);
    let mut built = BUILT.lock().map_err(|_| "another test of this program failed to build the packages")?;
    if let Some(paths) = &*built {
        return Ok(paths.clone());
    }
    // `cargo xtask test` has built everything just before.
    if std::env::var_os("FONDERIE_BUILT").is_none() {
        run(cargo().args(["build", "--release", "--workspace", "--all-targets", "--quiet"]).current_dir(workspace()))?;
    }
    let release = target()?.join("release");
    let binaries = FUNCTIONS.map(|name| (name.to_owned(), release.join(name)));
    let packages = release.with_file_name("packages");
    package::package_all(&binaries, &packages)?;
    Ok(built.insert((packages, release.join("fonderie"))).clone())
}

/// Cargo's target folder: two above the test's own binary (`target/release/deps/…`).
fn target() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.ancestors().nth(3).ok_or("the test is not in Cargo's target folder")?;
    Ok(folder.to_path_buf())
}
