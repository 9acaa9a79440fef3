//! A package with a profile of its own is linked without the workspace's `strip`: a fifth of the function would be symbols.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-link-arg-bins=-s");
}
