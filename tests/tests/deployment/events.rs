//! The sample payloads of `events/<function>/<case>.json` against the types that the functions read.

use std::collections::BTreeSet;

use aws_lambda_events::s3::S3Event;
use aws_lambda_events::sqs::SqsEvent;
use fonderie_core::RunRequest;
use fonderie_core::replay::{LoadRequest, RebuildInput, ReplayFrom};
use fonderie_core::stage::{
    AdmitInput, PublishInput, RecordFailureInput, Request, ScoreInput, SummarizeInput, TransformInput, ValidateInput,
    Verdict,
};
use fonderie_core::tally::check_conserved;
use fonderie_rotate_secret::Step;
use fonderie_tests::workspace;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Every sample, and what a function must find in it.
/// A sample, and what it must say.
type Sample = (&'static str, fn(&str));

const SAMPLES: &[Sample] = &[
    ("ingest/sqs-upload", |path| {
        let [event] = &bodies::<S3Event>(path)[..] else { panic!("not one message") };
        assert_eq!(event.records[0].s3.object.key.as_deref(), Some("facturation/etablissement_A.csv"));
        assert_eq!(event.records[0].s3.object.version_id.as_deref(), Some("3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"));
    }),
    ("ingest/sqs-two-messages", |path| {
        let keys: Vec<_> =
            bodies::<S3Event>(path).into_iter().map(|event| event.records[0].s3.object.key.clone().unwrap()).collect();
        assert_eq!(keys, ["facturation/etablissement_A.csv", "facturation/etablissement_B.csv"]);
    }),
    ("ingest/sqs-test-event", |path| {
        assert_eq!(bodies::<Value>(path)[0]["Event"], "s3:TestEvent");
        assert_eq!(bodies::<Value>(path)[0]["Records"], Value::Null);
    }),
    ("ingest/upload", |path| {
        let event: S3Event = read(path);
        assert_eq!(event.records[0].event_name.as_deref(), Some("ObjectCreated:Put"));
        assert_eq!(event.records[0].s3.object.size, Some(318_204));
    }),
    ("ingest/encoded-key", |path| {
        let event: S3Event = read(path);
        assert_eq!(event.records[0].s3.object.key.as_deref(), Some("facturation/Factur%C3%A9+n%C2%B01.csv"));
    }),
    ("ingest/delete-marker", |path| {
        let event: S3Event = read(path);
        assert_eq!(event.records[0].event_name.as_deref(), Some("ObjectRemoved:DeleteMarkerCreated"));
    }),
    ("ingest/s3-test-event", |path| {
        assert_eq!(read::<Value>(path)["Event"], "s3:TestEvent");
    }),
    ("admit/upload", |path| {
        let request = object_request(path);
        assert_eq!(request.version_id.as_deref(), Some("3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"));
        assert_eq!(request.dataset.as_deref(), Some("facturation"));
    }),
    ("admit/console-minimal", |path| {
        let request = object_request(path);
        assert_eq!((request.version_id, request.as_of), (None, None));
    }),
    ("admit/console-as-of", |path| {
        let request = object_request(path);
        assert_eq!(request.as_of.unwrap().to_string(), "2026-06-30");
    }),
    ("admit/daily", |path| {
        let Request::Dataset(request) = read::<AdmitInput>(path).request().unwrap() else { panic!("no dataset's run") };
        assert_eq!((request.dataset.as_str(), request.as_of), ("facturation", None));
    }),
    ("admit/backfill", |path| {
        let Request::Backfill(request) = read::<AdmitInput>(path).request().unwrap() else { panic!("no backfill") };
        assert_eq!((request.prefix.as_str(), request.dataset), ("facturation/2026/", None));
    }),
    ("admit/rebuild", |path| {
        let Request::Rebuild(request) = read::<AdmitInput>(path).request().unwrap() else { panic!("no rebuild") };
        assert_eq!((request.rebuild.as_str(), request.partial, request.as_of), ("facturation", false, None));
    }),
    ("admit/withdraw", |path| {
        let Request::Withdraw(request) = read::<AdmitInput>(path).request().unwrap() else { panic!("no withdrawal") };
        assert_eq!((request.withdraw.version_id, request.undo, request.dataset), (None, false, None));
    }),
    ("admit/withdraw-undo", |path| {
        let Request::Withdraw(request) = read::<AdmitInput>(path).request().unwrap() else { panic!("no withdrawal") };
        assert_eq!(request.withdraw.version_id.as_deref(), Some("3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"));
        assert!(request.undo);
    }),
    ("admit/backfill-child", |path| {
        let request = object_request(path);
        assert!(request.load_only);
        assert_eq!(request.as_of.unwrap().to_string(), "2026-07-02");
    }),
    ("transform/upload", |path| {
        let input: TransformInput = read(path);
        assert_eq!(input.run.object.file_name(), "etablissement_A.csv");
        assert_eq!(input.run.source, "etablissement_a");
    }),
    ("validate/upload", |path| {
        let input: ValidateInput = read(path);
        let transformed = &input.transform;
        check_conserved("transform", &transformed.read, &transformed.kept, &transformed.rejected).unwrap();
    }),
    ("load/again", |path| {
        let LoadRequest::Again(again) = read(path) else { panic!("a run's own load") };
        assert_eq!((again.from, again.transform), (ReplayFrom::Silver, None));
        assert_eq!(again.load.unwrap().load.outcomes.rows(), again.record.validate.accepted.rows);
    }),
    ("load/withdraw", |path| {
        let LoadRequest::Withdraw(input) = read(path) else { panic!("no withdrawal") };
        let order = input.run.withdraw.unwrap();
        assert_eq!((order.object.key.as_str(), order.undo), ("facturation/etablissement_A.csv", false));
    }),
    ("rebuild/plan", |path| {
        let input: RebuildInput = read(path);
        assert_eq!((input.run.rebuild.map(|order| order.partial), input.rebuild), (Some(false), None));
        assert_eq!(input.run.items.unwrap().key, "backfills/rebuild-2026.json");
    }),
    ("rebuild/end", |path| {
        let plan = read::<RebuildInput>(path).rebuild.unwrap();
        assert_eq!(plan.items.key, "rebuilds/rebuild-2026.json");
        assert_eq!((plan.from_silver, plan.from_bronze, plan.unknown), (41, 2, 1));
    }),
    ("load/accepted", |path| {
        let LoadRequest::Run(input) = read(path) else { panic!("a load that is done again") };
        let validated = &input.validate;
        assert_eq!(validated.verdict, Verdict::AcceptedWithRejects);
        check_conserved("validate", &validated.read, &validated.accepted, &validated.rejected).unwrap();
    }),
    ("score/loaded", |path| {
        let input: ScoreInput = read(path);
        assert_eq!(input.run.run_id, "etablissement_A-csv-6c4f63a1d1f5a4a6b9e0c1d7f2a83e54");
    }),
    ("score/daily", |path| {
        let input: ScoreInput = read(path);
        assert_eq!(
            (input.run.as_of.to_string().as_str(), input.run.bundle.dataset.as_str()),
            ("2026-07-02", "facturation")
        );
    }),
    ("publish/scored", |path| {
        let input: PublishInput = read(path);
        assert_eq!(input.run.bundle.dataset, "facturation");
    }),
    ("summarize/loaded", |path| {
        let SummarizeInput::Object(input) = read(path) else { panic!("no object's run") };
        assert_eq!(input.load.unwrap().outcomes.rows(), input.validate.accepted.rows);
        assert_eq!(input.score.unwrap().models[0].abnormal(), 491);
        assert_eq!(input.publish.unwrap().marts[0].mart, "relance");
    }),
    ("summarize/daily", |path| {
        let SummarizeInput::Dataset(input) = read(path) else { panic!("no dataset's run") };
        assert_eq!(input.run.as_of.to_string(), "2026-07-02");
        assert_eq!(input.objects, None);
    }),
    ("summarize/withdrawn", |path| {
        let SummarizeInput::Dataset(input) = read(path) else { panic!("no dataset's run") };
        let withdrawal = input.withdrawal.unwrap();
        assert!(withdrawal.changed() && input.run.withdraw.is_some());
        assert!(withdrawal.records[0].left + withdrawal.records[0].reverted <= withdrawal.records[0].rows.rows);
    }),
    ("summarize/backfill", |path| {
        let SummarizeInput::Dataset(input) = read(path) else { panic!("no dataset's run") };
        assert_eq!(input.run.prefix.as_deref(), Some("facturation/2026/"));
        let counts = input.objects.unwrap().counts;
        assert_eq!((counts.total, counts.succeeded, counts.failed), (30, 29, 1));
    }),
    ("summarize/halted", |path| {
        let SummarizeInput::Object(input) = read(path) else { panic!("no object's run") };
        assert_eq!(input.validate.verdict, Verdict::Halted);
        assert_eq!(input.load, None);
    }),
    ("record-failure/source-unknown", |path| {
        let input: RecordFailureInput = read(path);
        assert_eq!(input.state.error.error, "SourceUnknown");
        assert!(input.state.run.is_none());
        assert_eq!(input.state.request["key"], "facturation/lisezmoi.txt");
    }),
    ("record-failure/database-unavailable", |path| {
        let input: RecordFailureInput = read(path);
        assert_eq!(input.state.error.error, "DatabaseUnavailable");
        assert_eq!(input.stage, "load");
    }),
    ("record-failure/killed", |path| {
        let input: RecordFailureInput = read(path);
        assert_eq!(input.state.error.error, "Sandbox.Timedout");
        assert_eq!(input.state.run.unwrap().source.as_deref(), Some("etablissement_a"));
    }),
    ("record-failure/backfill-child", |path| {
        let input: RecordFailureInput = read(path);
        assert_eq!(input.state.error.error, "States.TaskFailed");
        let nested: Value = serde_json::from_str(&input.state.error.cause).unwrap();
        assert_eq!(nested["Error"], "ColumnMissing");
        assert_eq!(input.state.request["dataset"], "facturation");
    }),
    ("prepare-database/deployed", |path| {
        let input: fonderie_prepare_database::Input = read(path);
        assert_eq!((input.datasets.as_slice(), input.next), (["facturation".to_owned()].as_slice(), true));
        assert_eq!(input.max_connections, Some(200));
        assert_eq!(input.fingerprint.map(|fingerprint| fingerprint.len()), Some(64));
    }),
    ("prepare-database/rebuild", |path| {
        let input: fonderie_prepare_database::Input = read(path);
        assert_eq!((input.datasets.len(), input.next, input.rebuild.as_deref()), (0, false, Some("facturation")));
    }),
    ("prepare-database/console", |path| {
        let input: fonderie_prepare_database::Input = read(path);
        assert_eq!((input.datasets.len(), input.fingerprint), (0, None));
    }),
    ("rotate-secret/create", |path| rotates(path, Step::CreateSecret)),
    ("rotate-secret/set", |path| rotates(path, Step::SetSecret)),
    ("rotate-secret/test", |path| rotates(path, Step::TestSecret)),
    ("rotate-secret/finish", |path| rotates(path, Step::FinishSecret)),
];

fn rotates(sample: &str, step: Step) {
    let input: fonderie_rotate_secret::Input = read(sample);
    assert_eq!(input.step, step);
    assert!(input.secret_id.ends_with(":secret:fonderie-dev-pipeline-Ab12Cd"), "{}", input.secret_id);
    assert_eq!(input.client_request_token, "5c1f2a9e-7d34-4b0e-9a61-3f8e2d7c4b10");
}

fn object_request(sample: &str) -> RunRequest {
    match read::<AdmitInput>(sample).request().unwrap() {
        Request::Object(request) => request,
        other => panic!("{sample} asks for {other:?}"),
    }
}

#[test]
fn every_sample_is_what_its_function_reads() {
    for (sample, check) in SAMPLES {
        check(sample);
    }
}

#[test]
fn there_is_no_sample_that_no_test_reads() {
    let mut found = BTreeSet::new();
    for function in workspace().join("events").read_dir().unwrap() {
        let function = function.unwrap();
        for sample in function.path().read_dir().unwrap() {
            let path = sample.unwrap().path();
            assert_eq!(path.extension().unwrap(), "json", "{}", path.display());
            found.insert(format!("{}/{}", function.file_name().display(), path.file_stem().unwrap().display()));
        }
    }
    assert_eq!(found, SAMPLES.iter().map(|(sample, _)| (*sample).to_owned()).collect());
}

fn read<T: DeserializeOwned>(sample: &str) -> T {
    let path = workspace().join("events").join(sample).with_extension("json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap_or_else(|error| panic!("{sample}: {error}"))
}

/// The documents in the messages of an SQS event.
fn bodies<T: DeserializeOwned>(sample: &str) -> Vec<T> {
    let event: SqsEvent = read(sample);
    event.records.iter().map(|message| serde_json::from_str(message.body.as_deref().unwrap()).unwrap()).collect()
}
