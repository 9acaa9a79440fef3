//! The real binaries at the end of their time and of their memory: each stops itself with a code of its own.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use fonderie_core::ErrorCode;
use fonderie_tests::runtime_api::{Answer, Limits, invoke, silent_endpoint};
use fonderie_tests::{packages, workspace};

/// `transform` at work on an object whose store never answers.
fn transform(limits: Limits) -> Answer {
    let (_, fonderie) = packages::build().unwrap();
    let event = std::fs::read(workspace().join("events/transform/upload.json")).unwrap();
    invoke(&fonderie.with_file_name("transform"), &event, limits, &silent_endpoint().unwrap()).unwrap()
}

#[test]
fn a_stage_whose_time_is_nearly_over_says_so_in_time() {
    let started = Instant::now();
    let time = Duration::from_secs(3);
    let answer = transform(Limits { memory_mib: 1024, time });
    assert_eq!(answer.kind, "error");
    assert_eq!(answer.document["errorType"], ErrorCode::DeadlineNear.name(), "{}", answer.document);
    assert!(started.elapsed() < time, "Lambda would have killed it");
}

#[test]
fn a_stage_that_has_used_up_its_memory_says_so() {
    let answer = transform(Limits { memory_mib: 4, time: Duration::from_secs(20) });
    assert_eq!(answer.kind, "error");
    assert_eq!(answer.document["errorType"], ErrorCode::MemoryNear.name(), "{}", answer.document);
    let message = answer.document["errorMessage"].as_str().unwrap();
    assert!(message.contains("of its 4 MiB") && message.contains("memory_mb"), "{message}");
}
