//! Sets `beside_shared` if the folder of third-party files and cases lies beside the checkout: the tests that read it show
//! as ignored without it.
#![allow(clippy::print_stdout)]

use std::path::Path;

fn main() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    println!("cargo::rustc-check-cfg=cfg(beside_shared)");
    println!("cargo::rerun-if-changed=build.rs");
    if shared.is_dir() {
        println!("cargo::rerun-if-changed={}", shared.display());
        println!("cargo::rustc-cfg=beside_shared");
    }
}
