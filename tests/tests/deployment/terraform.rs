//! The Terraform configuration: formatted, valid, tested with mocked providers, and without a finding of checkov's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use fonderie_tests::configuration::Configuration;
use fonderie_tests::{in_ci, python, run, terraform, workspace};

/// Checkov, from PyPI.
const CHECKOV: &str = "checkov==3.3.30";

/// Whether Terraform is there; in CI it must be.
pub(crate) fn there_is_terraform() -> bool {
    match terraform::is_there() {
        Err(missing) if !in_ci() => {
            println!("skipped: {missing}");
            false
        }
        found => {
            found.unwrap();
            true
        }
    }
}

#[test]
fn it_is_formatted() {
    if there_is_terraform() {
        let folder = workspace().join("terraform");
        run(Command::new("terraform").args(["fmt", "-check", "-diff", "-recursive"]).arg(folder)).unwrap();
    }
}

#[test]
fn every_environment_is_valid() {
    if !there_is_terraform() {
        return;
    }
    let configuration = Configuration::copy().unwrap();
    let environments = configuration.folders("environments").unwrap();
    let names: Vec<_> = environments.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(names, ["artifacts", "dev", "local", "prod", "staging"]);
    for environment in &environments {
        configuration.init(environment).unwrap();
        configuration.validate(environment).unwrap();
    }
}

/// `zh` is an archive of HashiCorp's as the registry has it: one for each of 14 platforms, and the manifest beside them. `h1` is what
/// an archive contains, for mirrors and caches.
#[test]
fn every_environment_locks_the_same_provider_for_every_platform() {
    let environments = workspace().join("terraform/environments");
    let mut locks: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for entry in fs::read_dir(environments).unwrap() {
        let environment = entry.unwrap().path();
        let lock = environment.join(terraform::LOCK_FILE);
        let text = fs::read_to_string(&lock).unwrap_or_else(|error| panic!("{}: {error}", lock.display()));
        locks.entry(text).or_default().push(environment);
    }
    assert_eq!(locks.len(), 1, "the environments lock different providers: {:?}", locks.values());
    let (lock, _) = locks.pop_first().unwrap();
    let hashes = |scheme: &str| lock.lines().filter(|line| line.trim().starts_with(&format!("\"{scheme}:"))).count();
    assert!(lock.contains("version     = \"5.100.0\"") && hashes("zh") == 15 && hashes("h1") > 0, "{lock}");
}

#[test]
fn every_module_passes_its_tests_on_mocked_providers() {
    passes("modules", &[]);
}

/// `local` is applied for real by the test `localstack`.
#[test]
fn every_environment_of_aws_passes_its_tests_on_mocked_providers() {
    passes("environments", &["local"]);
}

fn passes(kind: &str, untested: &[&str]) {
    if !there_is_terraform() {
        return;
    }
    let configuration = Configuration::copy().unwrap();
    for folder in configuration.folders(kind).unwrap() {
        if untested.iter().any(|name| folder.ends_with(name)) {
            continue;
        }
        configuration.init(&folder).unwrap();
        let passed = configuration.test(&folder).unwrap();
        assert!(passed > 0, "{} has no tests", folder.display());
    }
}

/// Between the two a run would find columns missing; the first upload would find no tables.
#[test]
fn bundles_and_uploads_wait_for_the_database() {
    if !there_is_terraform() {
        return;
    }
    let configuration = Configuration::copy().unwrap();
    let pipeline = configuration.folder("modules/pipeline");
    configuration.init(&pipeline).unwrap();
    let waits = configuration.waits(&pipeline).unwrap();
    let waits_for = |resource: &str, other: &str| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![resource]);
        while let Some(name) = next.pop() {
            if seen.insert(name) {
                next.extend(waits.iter().filter(|(from, _)| from == name).map(|(_, to)| to.as_str()));
            }
        }
        seen.contains(other)
    };
    let prepare = "aws_lambda_invocation.prepare_database";
    assert!(waits_for(prepare, "module.dataset.aws_s3_object.next"), "what the database is prepared for");
    for resource in [
        "aws_s3_object.bundle",
        "aws_lambda_event_source_mapping.uploads",
        "module.schedule.aws_scheduler_schedule.daily",
    ] {
        assert!(waits_for(resource, prepare), "{resource} does not wait for {prepare}");
    }
}

#[test]
fn checkov_finds_nothing() {
    let interpreter = match python::environment("checkov", &[CHECKOV], &[]) {
        Err(missing) if !in_ci() => return println!("skipped: {missing}"),
        found => found.unwrap(),
    };
    let checkov = interpreter.with_file_name("checkov");
    run(Command::new(checkov)
        // It reads `.checkov.yaml`.
        .current_dir(workspace()))
    .unwrap();
}
