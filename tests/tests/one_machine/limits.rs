//! The real binaries at the end of their time and of their memory: each stops itself with a code of its own.

use std::time::{Duration, Instant};

use fonderie_core::ErrorCode;
use fonderie_tests::runtime_api::{Answer, Limits, invoke, silent_endpoint};
use fonderie_tests::{packages, workspace};

/// `transform` at work on an object whose store never answers; with the time that it took, its start included.
fn transform(limits: Limits) -> (Answer, Duration) {
    let (_, fonderie) = packages::build().unwrap();
    let event = std::fs::read(workspace().join("events/transform/upload.json")).unwrap();
    let (endpoint, started) = (silent_endpoint().unwrap(), Instant::now());
    let answer = invoke(&fonderie.with_file_name("transform"), &event, limits, &endpoint).unwrap();
    (answer, started.elapsed())
}

#[test]
fn a_stage_whose_time_is_nearly_over_says_so_in_time() {
    let time = Duration::from_secs(5);
    let (answer, took) = transform(Limits { memory_mib: 1024, time });
    assert_eq!(answer.kind, "error");
    assert_eq!(answer.document["errorType"], ErrorCode::DeadlineNear.name(), "{}", answer.document);
    // Half a second is kept for the answer; less than its time was not used up by anything else.
    assert!(took > time / 2 && took < time, "after {took:?} of {time:?}");
}

#[test]
fn a_stage_that_has_used_up_its_memory_says_so() {
    let (answer, _) = transform(Limits { memory_mib: 4, time: Duration::from_secs(20) });
    assert_eq!(answer.kind, "error");
    assert_eq!(answer.document["errorType"], ErrorCode::MemoryNear.name(), "{}", answer.document);
    let message = answer.document["errorMessage"].as_str().unwrap();
    assert!(message.contains("of its 4 MiB") && message.contains("memory_mb"), "{message}");
}
