//! The build script of each crate whose tests read third-party files and cases: sets `beside_shared` if their folder lies beside
//! the checkout. Without it, these tests show as ignored.
#![allow(clippy::print_stdout)]

use std::path::Path;

fn main() {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let checkout = folders.find(|folder| folder.join("Cargo.lock").is_file());
    println!("cargo::rustc-check-cfg=cfg(beside_shared)");
    if let Some(shared) = checkout.map(|checkout| checkout.join("../shared/cases")).filter(|shared| shared.is_dir()) {
        println!("cargo::rerun-if-changed={}", shared.display());
        println!("cargo::rustc-cfg=beside_shared");
    }
}
