//! The state machines' definitions against the code: their tasks are the stages, their retries are the codes' dispositions.

use std::collections::{BTreeMap, BTreeSet};

use fonderie_core::{Disposition, ErrorCode};
use fonderie_tests::workspace;
use serde_json::{Value, json};
use xtask::FUNCTIONS;

const MACHINES: [&str; 2] = ["pipeline", "backfill"];

/// Functions that `pipeline` does not call.
const OTHERS: [&str; 4] = ["ingest", "rebuild", "prepare-database", "rotate-secret"];

/// Lambda's own errors that pass by themselves, from AWS's list of those to retry.
const LAMBDA: [&str; 4] = [
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
];

/// Lambda's own way to say that it is busy.
const LAMBDA_BUSY: [&str; 1] = ["Lambda.TooManyRequestsException"];

/// What Lambda answers until a function is ready again that nobody has called for weeks.
const LAMBDA_INACTIVE: [&str; 6] = [
    "Lambda.CodeArtifactUserDeletedException",
    "Lambda.CodeArtifactUserPendingException",
    "Lambda.EC2ThrottledException",
    "Lambda.ENINotReadyException",
    "Lambda.ResourceConflictException",
    "Lambda.ResourceNotReadyException",
];

fn definition(machine: &str) -> Value {
    let path = workspace().join(format!("terraform/modules/state-machine/{machine}.asl.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The definition, and those of the child executions within it: each has states of its own and a first one.
fn scopes(definition: &Value) -> Vec<&Value> {
    let mut scopes = vec![definition];
    for state in definition["States"].as_object().unwrap().values() {
        if state["Type"] == "Map" {
            scopes.extend(self::scopes(&state["ItemProcessor"]));
        }
    }
    scopes
}

fn states_of_type<'a>(scope: &'a Value, kinds: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a Value)> {
    scope["States"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, state)| kinds.contains(&state["Type"].as_str().unwrap()))
        .map(|(name, state)| (name.as_str(), state))
}

/// The tasks that call a function, rather than a service of AWS.
fn stages(scope: &Value) -> impl Iterator<Item = (&str, &Value)> {
    states_of_type(scope, &["Task"]).filter(|(_, task)| task["Resource"].as_str().unwrap().starts_with("${"))
}

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

fn codes(disposition: Disposition) -> impl Iterator<Item = &'static str> {
    ErrorCode::ALL.iter().filter(move |code| code.disposition() == disposition).map(|code| code.name())
}

/// What a state of a backfill's child does for one object, or one load, is called so within the machine: the name without that.
fn of_a_child(name: &str) -> String {
    ["object", "load"]
        .iter()
        .fold(name.to_owned(), |name, what| name.replace(&format!("-{what}-"), "-").replace(&format!("{what}-"), ""))
}

/// The function that a task calls.
fn function(task: &str) -> String {
    match task {
        "plan-rebuild" | "end-rebuild" => "rebuild".to_owned(),
        "begin-rebuild" => "prepare-database".to_owned(),
        "withdraw" => "load".to_owned(),
        name => of_a_child(name),
    }
}

fn all_states(scope: &Value) -> BTreeSet<&str> {
    scope["States"].as_object().unwrap().keys().map(String::as_str).collect()
}

/// The states but those that name the one that failed, of which each task has one.
fn own_states(scope: &Value) -> BTreeSet<&str> {
    all_states(scope).into_iter().filter(|name| !name.starts_with("stage-")).collect()
}

#[test]
fn the_tasks_are_the_stages_and_call_their_functions() {
    let pipeline = definition("pipeline");
    let functions = FUNCTIONS.into_iter().filter(|name| !OTHERS.contains(name));
    let expected: BTreeSet<_> = functions.chain(["withdraw"]).collect();
    assert_eq!(stages(&pipeline).map(|(name, _)| name).collect::<BTreeSet<_>>(), expected);
    let others =
        ["accepted?", "done", "failed", "failed-unrecorded", "halted", "halted?", "load-only?", "object?", "request"];
    assert_eq!(own_states(&pipeline).difference(&expected).copied().collect::<BTreeSet<_>>(), others.into());

    let backfill = definition("backfill");
    let [machine, load, object] = scopes(&backfill)[..] else { panic!("backfill has two kinds of children") };
    assert_eq!(
        own_states(machine),
        BTreeSet::from([
            "admit",
            "begin-rebuild",
            "counts",
            "done",
            "end-rebuild",
            "failed",
            "failed-unrecorded",
            "loads",
            "objects",
            "plan-rebuild",
            "publish",
            "rebuild?",
            "record-failure",
            "request",
            "score",
            "summarize",
            "unknown?",
        ])
    );
    assert_eq!(
        own_states(load),
        BTreeSet::from([
            "load",
            "load-done",
            "load-failed",
            "load-failed-unrecorded",
            "record-load-failure",
            "silver?",
            "transform",
            "validate",
        ])
    );
    assert_eq!(
        own_states(object),
        BTreeSet::from([
            "object-done",
            "object-failed",
            "object-failed-unrecorded",
            "pipeline",
            "record-object-failure",
        ])
    );

    for definition in [&pipeline, &backfill] {
        for (name, task) in scopes(definition).into_iter().flat_map(stages) {
            assert_eq!(task["Resource"], format!("${{{}_arn}}", function(name).replace('-', "_")));
        }
    }
}

/// Step Functions takes no name twice in one machine, those within a Map included; LocalStack does.
#[test]
fn no_two_states_have_one_name() {
    for machine in MACHINES {
        let definition = definition(machine);
        let mut seen = BTreeSet::new();
        for name in scopes(&definition).into_iter().flat_map(all_states) {
            assert!(seen.insert(name), "{machine}: `{name}` is there twice");
        }
    }
}

#[test]
fn retries_are_exactly_the_codes_that_pass_by_themselves() {
    for machine in MACHINES {
        let definition = definition(machine);
        for (name, task) in scopes(&definition).into_iter().flat_map(stages) {
            let [inactive, transient, busy, lambda] = task["Retry"].as_array().unwrap().as_slice() else {
                panic!("{machine}: {name} has another number of retriers")
            };
            assert_eq!(names(&inactive["ErrorEquals"]), LAMBDA_INACTIVE.into(), "{name}");
            assert_eq!(inactive["MaxAttempts"], 8, "{name}");
            assert_eq!(inactive["IntervalSeconds"], "${inactive_interval_seconds}", "{name}");
            assert_eq!(inactive["BackoffRate"], 2.0, "{name}");
            assert_eq!(inactive["MaxDelaySeconds"], "${inactive_max_delay_seconds}", "{name}");
            // Each attempt waits as long as it says: a function needs its time to wake up.
            assert_eq!(inactive["JitterStrategy"], Value::Null, "{name}");

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
}

#[test]
fn step_functions_own_calls_are_retried_on_its_own_throttling_alone() {
    let backfill = definition("backfill");
    let calls: BTreeMap<_, _> = scopes(&backfill)
        .into_iter()
        .flat_map(|scope| states_of_type(scope, &["Task"]))
        .filter(|(_, task)| !task["Resource"].as_str().unwrap().starts_with("${"))
        .map(|(name, task)| {
            let retriers = task["Retry"].as_array().unwrap().iter();
            (name, retriers.flat_map(|retrier| names(&retrier["ErrorEquals"])).collect::<Vec<_>>())
        })
        .collect();
    assert_eq!(
        calls,
        BTreeMap::from([
            ("counts", vec!["Sfn.SdkClientException", "Sfn.SfnException"]),
            (
                "pipeline",
                vec![
                    // AWS's documents and its service differ in the name.
                    "StepFunctions.ExecutionLimitExceeded",
                    "StepFunctions.ExecutionLimitExceededException",
                    "StepFunctions.AWSStepFunctionsException",
                ],
            ),
        ])
    );
}

#[test]
fn every_task_is_caught_and_the_error_goes_where_record_failure_reads_it() {
    for machine in MACHINES {
        let definition = definition(machine);
        for scope in scopes(&definition) {
            for (name, state) in states_of_type(scope, &["Task", "Map"]) {
                let [catch] = state["Catch"].as_array().unwrap().as_slice() else {
                    panic!("{name} has not one catcher")
                };
                assert_eq!(names(&catch["ErrorEquals"]), BTreeSet::from(["States.ALL"]), "{name}");
                let next = catch["Next"].as_str().unwrap();
                if of_a_child(name) == "record-failure" {
                    assert_eq!(
                        (of_a_child(next).as_str(), &catch["ResultPath"]),
                        ("failed-unrecorded", &"$.failure".into())
                    );
                    continue;
                }
                assert_eq!(catch["ResultPath"], "$.error", "{name}");
                // The state that failed is told by its name; of an object's child there is one.
                let record = if name == "pipeline" {
                    assert_eq!(scope["States"][next]["Parameters"]["stage"], name);
                    next
                } else {
                    assert_eq!(next, format!("stage-{name}"));
                    let stage = &scope["States"][next];
                    assert_eq!((&stage["Result"], &stage["ResultPath"]), (&name.into(), &"$.stage".into()));
                    let record = stage["Next"].as_str().unwrap();
                    assert_eq!(scope["States"][record]["Parameters"]["stage.$"], "$.stage");
                    record
                };
                assert_eq!(of_a_child(record), "record-failure", "{name}");
            }
            let states: BTreeMap<_, _> =
                scope["States"].as_object().unwrap().iter().map(|(name, state)| (of_a_child(name), state)).collect();
            assert_eq!(of_a_child(states["record-failure"]["Next"].as_str().unwrap()), "failed");
            assert_eq!(states["failed"]["ErrorPath"], "$.failure.code");
            assert_eq!(states["failed"]["CausePath"], "$.failure.cause");
            // Where recording fails too, the execution ends with what made the run fail, not with what made the recording fail. The error's
            // beginning is what the rule on unrecorded failures looks for.
            let unrecorded = "States.Format('Unrecorded.{}', $.error.Error)";
            assert_eq!(states["failed-unrecorded"]["ErrorPath"], unrecorded);
            assert_eq!(states["failed-unrecorded"]["CausePath"], "$.error.Cause");
        }
    }
    // A halted file is the sender's, and no failure of the pipeline.
    assert_eq!(definition("pipeline")["States"]["halted"]["Type"], "Succeed");
}

#[test]
fn results_lie_where_the_stages_read_them() {
    let paths = BTreeMap::from([
        ("admit", "$.run"),
        ("transform", "$.transform"),
        ("validate", "$.validate"),
        ("load", "$.load"),
        ("score", "$.score"),
        ("publish", "$.publish"),
        ("summarize", "$.summary"),
        ("record-failure", "$.failure"),
        ("plan-rebuild", "$.rebuild"),
        ("end-rebuild", "$.rebuild"),
        ("withdraw", "$.withdrawal"),
    ]);
    for machine in MACHINES {
        let definition = definition(machine);
        for (name, task) in scopes(&definition).into_iter().flat_map(stages) {
            // What was moved aside is said by the function's log.
            let expected = paths.get(of_a_child(name).as_str()).map_or(Value::Null, |path| Value::from(*path));
            assert!(expected.is_string() || name == "begin-rebuild", "{name}");
            assert_eq!(task["ResultPath"], expected, "{machine}: {name}");
        }
        let admit = &definition["States"]["admit"]["Parameters"];
        assert_eq!(
            *admit,
            json!({
                "execution_name.$": "$$.Execution.Name",
                "started_at.$": "$$.Execution.StartTime",
                "machine": machine,
                "request.$": "$.request",
            })
        );
        // An input that is no object could take no result, and no error either: it gets a field.
        assert_eq!(definition["StartAt"], "request");
        let request = &definition["States"]["request"];
        assert_eq!(
            *request,
            json!({
                "Comment": request["Comment"],
                "Type": "Pass",
                "Parameters": { "request.$": "$" },
                "Next": "admit",
            })
        );
    }
    let backfill = definition("backfill");
    assert_eq!(backfill["States"]["objects"]["ResultPath"], "$.objects");
    assert_eq!(backfill["States"]["counts"]["ResultPath"], "$.objects.counts");
}

#[test]
fn the_way_leads_past_every_state() {
    for machine in MACHINES {
        let definition = definition(machine);
        for scope in scopes(&definition) {
            let mut reached = BTreeSet::new();
            let mut next = vec![scope["StartAt"].as_str().unwrap()];
            while let Some(name) = next.pop() {
                let state = &scope["States"][name];
                assert!(state.is_object(), "there is no state `{name}`");
                if !reached.insert(name) {
                    continue;
                }
                next.extend(["Next", "Default"].into_iter().filter_map(|way| state[way].as_str()));
                for way in ["Choices", "Catch"] {
                    next.extend(
                        state[way].as_array().into_iter().flatten().map(|choice| choice["Next"].as_str().unwrap()),
                    );
                }
            }
            assert_eq!(reached, all_states(scope));
        }
    }
}

#[test]
fn each_kind_of_run_takes_its_own_way() {
    let present = |path: &str| json!({ "Variable": path, "IsPresent": true });
    let choice = |choices: Value, default: &str| (choices, Value::from(default));
    let halted = json!({ "Variable": "$.validate.verdict", "StringEquals": "halted" });
    let load_only = json!({ "Variable": "$.run.load_only", "BooleanEquals": true });
    let mut object = present("$.run.object");
    object["Next"] = "transform".into();
    let mut withdraw = present("$.run.withdraw");
    withdraw["Next"] = "withdraw".into();
    let mut refused = halted.clone();
    refused["Next"] = "summarize".into();
    let expected = BTreeMap::from([
        ("object?", choice(json!([object, withdraw]), "score")),
        // A halted file never reaches `load`.
        ("accepted?", choice(json!([refused]), "load")),
        (
            "load-only?",
            choice(json!([{ "And": [present("$.run.load_only"), load_only], "Next": "summarize" }]), "score"),
        ),
        ("halted?", choice(json!([{ "And": [present("$.validate.verdict"), halted], "Next": "halted" }]), "done")),
    ]);
    let pipeline = definition("pipeline");
    let found: BTreeMap<_, _> = states_of_type(&pipeline, &["Choice"])
        .map(|(name, state)| (name, (state["Choices"].clone(), state["Default"].clone())))
        .collect();
    assert_eq!(found, expected);

    let next = |definition: &Value, stage: &str| definition["States"][stage]["Next"].as_str().unwrap().to_owned();
    for (stage, after) in [
        ("admit", "object?"),
        ("transform", "validate"),
        ("validate", "accepted?"),
        ("load", "load-only?"),
        ("withdraw", "score"),
        ("score", "publish"),
        ("publish", "summarize"),
        ("summarize", "halted?"),
    ] {
        assert_eq!(next(&pipeline, stage), after, "{stage}");
    }
    let backfill = definition("backfill");
    for (stage, after) in [
        ("admit", "rebuild?"),
        ("plan-rebuild", "begin-rebuild"),
        ("begin-rebuild", "loads"),
        ("loads", "end-rebuild"),
        ("end-rebuild", "unknown?"),
        ("objects", "counts"),
        ("counts", "score"),
        ("score", "publish"),
        ("publish", "summarize"),
        ("summarize", "done"),
    ] {
        assert_eq!(next(&backfill, stage), after, "{stage}");
    }
    for (state, choice, default) in [
        ("rebuild?", json!({ "Variable": "$.run.rebuild", "IsPresent": true, "Next": "plan-rebuild" }), "objects"),
        ("unknown?", json!({ "Variable": "$.rebuild.unknown", "NumericGreaterThan": 0, "Next": "objects" }), "score"),
    ] {
        let state = &backfill["States"][state];
        assert_eq!((&state["Choices"], &state["Default"]), (&json!([choice]), &Value::from(default)));
    }
}

#[test]
fn a_rebuilds_children_load_what_was_planned_and_none_may_fail() {
    let backfill = definition("backfill");
    let loads = &backfill["States"]["loads"];
    assert_eq!(
        loads["ItemProcessor"]["ProcessorConfig"],
        json!({ "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" })
    );
    assert_eq!(loads["Label"], "loads");
    assert_eq!(loads["ToleratedFailurePercentage"], 0.0);
    assert_eq!(loads["ItemReader"]["ReaderConfig"], json!({ "InputType": "JSON" }));
    let child = &loads["ItemProcessor"]["States"];
    assert_eq!(loads["ItemProcessor"]["StartAt"], "silver?");
    let bronze = json!({ "Variable": "$.from", "StringEquals": "bronze", "Next": "transform" });
    assert_eq!((&child["silver?"]["Choices"], &child["silver?"]["Default"]), (&json!([bronze]), &"load".into()));
    // `load` gets the item as it is, with what the two before it said.
    assert_eq!(child["transform"]["Parameters"], json!({ "run.$": "$.record.run" }));
    assert_eq!(child["validate"]["Parameters"], json!({ "run.$": "$.record.run", "transform.$": "$.transform" }));
    assert_eq!(child["load"]["Parameters"], Value::Null);
    for (stage, after) in [("transform", "validate"), ("validate", "load"), ("load", "load-done")] {
        assert_eq!(child[stage]["Next"], after);
    }
}

#[test]
fn a_backfills_children_run_pipeline_as_far_as_the_load() {
    let backfill = definition("backfill");
    let objects = &backfill["States"]["objects"];
    assert_eq!(
        objects["ItemProcessor"]["ProcessorConfig"],
        json!({ "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" })
    );
    // The role names the children and the Map run by this label.
    assert_eq!(objects["Label"], "objects");
    // The items are whole requests, which `admit` has listed.
    assert_eq!(objects["ItemReader"]["ReaderConfig"], json!({ "InputType": "JSON" }));
    assert_eq!(
        objects["ItemReader"]["Parameters"],
        json!({ "Bucket.$": "$.run.items.bucket", "Key.$": "$.run.items.key" })
    );
    assert_eq!(objects["ItemSelector"], Value::Null);
    assert_eq!(objects["ItemProcessor"]["StartAt"], "pipeline");
    let child = &objects["ItemProcessor"]["States"];
    assert_eq!(child["pipeline"]["Resource"], "arn:aws:states:::states:startExecution.sync:2");
    assert_eq!(child["pipeline"]["Parameters"], json!({ "StateMachineArn": "${pipeline_arn}", "Input.$": "$" }));
}
