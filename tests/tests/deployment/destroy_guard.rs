//! The guard of a protected environment: `terraform destroy` is refused at the plan, until the guard is taken out of the state on
//! purpose. The root is a small one without a provider, so that Terraform itself refuses, with a real state.

use std::fs;
use std::path::Path;
use std::process::Command;

use fonderie_tests::{Result, run, workspace};
use tempfile::TempDir;

use crate::terraform::there_is_terraform;

const GUARD: &str = "module.destroy_guard.terraform_data.this[0]";

#[test]
fn what_is_protected_is_destroyed_once_its_guard_is_out_of_the_state() {
    if !there_is_terraform() {
        return;
    }
    let root = applied(true);
    let error = terraform(root.path(), &["plan", "-destroy"]).unwrap_err().to_string();
    assert!(error.contains("Instance cannot be destroyed") && error.contains(GUARD), "{error}");
    // Giving up the protection is a plan that destroys the guard.
    declare(root.path(), false);
    terraform(root.path(), &["plan"]).unwrap_err();

    terraform(root.path(), &["state", "rm", GUARD]).unwrap();
    terraform(root.path(), &["plan"]).unwrap();
    terraform(root.path(), &["plan", "-destroy"]).unwrap();
}

#[test]
fn what_is_not_protected_is_destroyed_at_once() {
    if there_is_terraform() {
        terraform(applied(false).path(), &["plan", "-destroy"]).unwrap();
    }
}

fn applied(protected: bool) -> TempDir {
    let root = tempfile::Builder::new().prefix("fonderie-guard-").tempdir().unwrap();
    declare(root.path(), protected);
    terraform(root.path(), &["init"]).unwrap();
    terraform(root.path(), &["apply", "-auto-approve"]).unwrap();
    root
}

fn declare(root: &Path, protected: bool) {
    let module = workspace().canonicalize().unwrap().join("terraform/modules/destroy-guard");
    let configuration = format!(
        "module \"destroy_guard\" {{\n  source    = {module:?}\n  protected = {protected}\n}}\n\
         resource \"terraform_data\" \"guarded\" {{}}\n"
    );
    fs::write(root.join("main.tf"), configuration).unwrap();
}

fn terraform(root: &Path, arguments: &[&str]) -> Result<()> {
    run(Command::new("terraform").current_dir(root).env("TF_IN_AUTOMATION", "1").args(arguments).arg("-no-color"))?;
    Ok(())
}
