//! The state machine's definition against the code: its states are the stages, its retries are the codes' dispositions.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use fonderie_core::{Disposition, ErrorCode};
use fonderie_tests::workspace;
use serde_json::Value;
use xtask::FUNCTIONS;

/// Lambda's own errors that pass by themselves, from AWS's list of those to retry.
const LAMBDA: [&str; 4] = [
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
];

/// Lambda's own way to say that it is busy.
const LAMBDA_BUSY: [&str; 1] = ["Lambda.TooManyRequestsException"];

fn definition() -> Value {
    let path = workspace().join("terraform/modules/state-machine/pipeline.asl.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn tasks(definition: &Value) -> impl Iterator<Item = (&String, &Value)> {
    definition["States"].as_object().unwrap().iter().filter(|(_, state)| state["Type"] == "Task")
}

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

fn codes(disposition: Disposition) -> impl Iterator<Item = &'static str> {
    ErrorCode::ALL.iter().filter(move |code| code.disposition() == disposition).map(|code| code.name())
}

#[test]
fn the_tasks_are_the_stages_and_call_their_functions() {
    let definition = definition();
    let stages: BTreeSet<_> = FUNCTIONS.into_iter().filter(|name| *name != "ingest").collect();
    assert_eq!(tasks(&definition).map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>(), stages);
    for (name, task) in tasks(&definition) {
        assert_eq!(task["Resource"], format!("${{{}_arn}}", name.replace('-', "_")));
    }
    let all: BTreeSet<_> = definition["States"].as_object().unwrap().keys().map(String::as_str).collect();
    let others: BTreeSet<_> = all.difference(&stages).copied().collect();
    assert_eq!(others, BTreeSet::from(["accepted?", "done", "failed", "failed-unrecorded", "halted", "halted?"]));
}

#[test]
fn retries_are_exactly_the_codes_that_pass_by_themselves() {
    let definition = definition();
    for (name, task) in tasks(&definition) {
        let [transient, busy, lambda] = task["Retry"].as_array().unwrap().as_slice() else {
            panic!("{name} has another number of retriers")
        };
        assert_eq!(names(&transient["ErrorEquals"]), codes(Disposition::Transient).collect(), "{name}");
        assert_eq!(transient["MaxAttempts"], 2, "{name}");
        assert_eq!(transient["IntervalSeconds"], "${transient_interval_seconds}", "{name}");

        assert_eq!(names(&busy["ErrorEquals"]), codes(Disposition::Busy).chain(LAMBDA_BUSY).collect(), "{name}");
        assert_eq!(busy["MaxAttempts"], 30, "{name}");
        assert_eq!(busy["JitterStrategy"], "FULL", "{name}");
        assert_eq!(busy["BackoffRate"], 2.0, "{name}");
        assert_eq!(busy["MaxDelaySeconds"], "${busy_max_delay_seconds}", "{name}");

        assert_eq!(names(&lambda["ErrorEquals"]), LAMBDA.into(), "{name}");
    }
}

#[test]
fn every_task_is_caught_and_the_error_goes_where_record_failure_reads_it() {
    let definition = definition();
    for (name, task) in tasks(&definition) {
        let [catch] = task["Catch"].as_array().unwrap().as_slice() else { panic!("{name} has not one catcher") };
        assert_eq!(names(&catch["ErrorEquals"]), BTreeSet::from(["States.ALL"]), "{name}");
        let expected =
            if name == "record-failure" { ("failed-unrecorded", "$.failure") } else { ("record-failure", "$.error") };
        assert_eq!((catch["Next"].as_str().unwrap(), catch["ResultPath"].as_str().unwrap()), expected, "{name}");
    }
    let states = &definition["States"];
    assert_eq!(states["failed"]["ErrorPath"], "$.failure.code");
    assert_eq!(states["failed"]["CausePath"], "$.failure.cause");
    // Where recording fails too, the execution ends with what made the run fail, not with what made the recording fail.
    assert_eq!(states["failed-unrecorded"]["ErrorPath"], "$.error.Error");
    assert_eq!(states["failed-unrecorded"]["CausePath"], "$.error.Cause");
    assert_eq!(states["halted"]["Error"], ErrorCode::FileHalted.name());
}

#[test]
fn results_lie_where_the_stages_read_them() {
    let definition = definition();
    let paths: Vec<_> =
        tasks(&definition).map(|(name, task)| (name.as_str(), task["ResultPath"].as_str().unwrap())).collect();
    assert_eq!(
        paths.into_iter().collect::<BTreeSet<_>>(),
        BTreeSet::from([
            ("admit", "$.run"),
            ("transform", "$.transform"),
            ("validate", "$.validate"),
            ("load", "$.load"),
            ("score", "$.score"),
            ("publish", "$.publish"),
            ("summarize", "$.summary"),
            ("record-failure", "$.failure"),
        ])
    );
}

#[test]
fn the_way_leads_past_every_state_and_a_halted_file_never_reaches_load() {
    let definition = definition();
    let states = definition["States"].as_object().unwrap();
    let mut reached = BTreeSet::new();
    let mut next = vec![definition["StartAt"].as_str().unwrap()];
    while let Some(name) = next.pop() {
        let state = states.get(name).unwrap_or_else(|| panic!("there is no state `{name}`"));
        if !reached.insert(name) {
            continue;
        }
        next.extend(state["Next"].as_str());
        next.extend(state["Default"].as_str());
        for way in ["Choices", "Catch"] {
            next.extend(state[way].as_array().into_iter().flatten().map(|choice| choice["Next"].as_str().unwrap()));
        }
    }
    assert_eq!(reached, states.keys().map(String::as_str).collect());

    for (choice, halted, default) in [("accepted?", "summarize", "load"), ("halted?", "halted", "done")] {
        let state = &states[choice];
        assert_eq!(state["Choices"].as_array().unwrap().len(), 1);
        assert_eq!(state["Choices"][0]["Variable"], "$.validate.verdict");
        assert_eq!(state["Choices"][0]["StringEquals"], "halted");
        assert_eq!(state["Choices"][0]["Next"], halted);
        assert_eq!(state["Default"], default);
    }
    for (stage, next) in [("load", "score"), ("score", "publish"), ("publish", "summarize")] {
        assert_eq!(states[stage]["Next"], next);
    }
    assert_eq!(states["validate"]["Next"], "accepted?");
    assert_eq!(states["summarize"]["Next"], "halted?");
}
