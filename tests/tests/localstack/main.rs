//! The deployed pipeline, end to end: real S3 events, real `bootstrap` binaries, a real PostgreSQL that takes passwords over TLS.
//!
//! `cargo test --release -p fonderie-tests --test localstack [part of a scenario's name]…` runs it; scenarios follow each other
//! on one deployment, and each can be run alone.

mod arrival;
mod backfills;
mod datasets;
mod deployment;
mod inactive;
mod kills;
mod order;
mod outage;
mod paused;
mod rebuilds;
mod refusals;
mod reruns;
mod secrecy;
mod speed;
mod withdrawals;
mod world;

use std::pin::Pin;
use std::process::ExitCode;
use std::time::Instant;

use fonderie_tests::scenarios::{Outcome, Scenarios};
use fonderie_tests::{Result, in_ci, localstack, packages, python, terraform};

use crate::world::World;

/// A scenario on a deployment.
type Scenario = for<'a> fn(&'a mut World) -> Pin<Box<dyn Future<Output = Result<Outcome>> + 'a>>;

/// In this order: the first begins with a warehouse of its own, the last read what all have left behind.
const SCENARIOS: &[(&str, Scenario)] = &[
    ("five files: the warehouse of one machine", |world| Box::pin(arrival::five_files(world))),
    ("2,000 rows: upload to SUCCEEDED", |world| Box::pin(speed::upload_to_succeeded(world))),
    ("cold starts", |world| Box::pin(speed::cold_starts(world))),
    ("the same event three times", |world| Box::pin(arrival::event_repeated(world))),
    ("the same bytes as a new version", |world| Box::pin(arrival::same_bytes_again(world))),
    ("twenty uploads at once", |world| Box::pin(arrival::twenty_at_once(world))),
    ("keys: spaces, accents, plus signs, 900 bytes", |world| Box::pin(arrival::unusual_keys(world))),
    ("a header alone", |world| Box::pin(arrival::header_alone(world))),
    ("a corrected version, in both orders", |world| Box::pin(order::corrected_version(world))),
    ("extraction dates, in both orders", |world| Box::pin(order::extraction_dates(world))),
    ("the console: bucket and key", |world| Box::pin(reruns::minimal_input(world))),
    ("the console: no request", |world| Box::pin(reruns::no_request(world))),
    ("the daily run, and a missing file", |world| Box::pin(reruns::daily(world))),
    ("a file that no contract knows", |world| Box::pin(refusals::unknown_source(world))),
    ("an empty file", |world| Box::pin(refusals::empty_file(world))),
    ("a missing column", |world| Box::pin(refusals::missing_column(world))),
    ("a halted file", |world| Box::pin(refusals::halted_file(world))),
    ("poison workbooks", |world| Box::pin(refusals::poison_workbooks(world))),
    ("an object deleted before transform", |world| Box::pin(refusals::deleted_object(world))),
    ("a backfill of thirty objects", |world| Box::pin(backfills::thirty_objects(world))),
    ("a backfill with a broken object", |world| Box::pin(backfills::broken_object(world))),
    ("a rebuild: tables dropped, a file unread, the ledger dropped", |world| Box::pin(rebuilds::dropped(world))),
    ("a rebuild that lacks a version", |world| Box::pin(rebuilds::lost_version(world))),
    ("a file that was sent by mistake, and restored", |world| Box::pin(withdrawals::sent_by_mistake(world))),
    ("PostgreSQL away for ten seconds", |world| Box::pin(outage::ten_seconds(world))),
    ("PostgreSQL away for good, and back", |world| Box::pin(outage::for_good(world))),
    ("the password rotated between two files", |world| Box::pin(secrecy::rotation(world))),
    ("killed in mid-run, at every stage", |world| Box::pin(kills::every_stage(world))),
    ("killed: record-failure", |world| Box::pin(kills::record_failure(world))),
    ("killed: ingest", |world| Box::pin(kills::ingest(world))),
    ("inactive: each stage's first call refused", |world| Box::pin(inactive::every_stage(world))),
    ("inactive: record-failure", |world| Box::pin(inactive::record_failure(world))),
    ("paused: an upload waits", |world| Box::pin(paused::uploads_wait(world))),
    ("a second dataset: files of both in one burst", |world| Box::pin(datasets::mixed_burst(world))),
    ("files that hold two records", |world| Box::pin(datasets::several_records(world))),
    ("three businesses beside billing", |world| Box::pin(datasets::businesses(world))),
    ("one changed contract, and a run under way", |world| Box::pin(deployment::changed_contract(world))),
    ("a declaration that grew, and a run under way", |world| Box::pin(deployment::grown_declaration(world))),
    ("notifications: one each, nothing personal", |world| Box::pin(secrecy::notifications(world))),
    ("executions: nothing personal", |world| Box::pin(secrecy::executions(world))),
    ("logs: JSON, run and stage, nothing personal", |world| Box::pin(secrecy::logs(world))),
];

fn main() -> ExitCode {
    let started = Instant::now();
    let mut scenarios = Scenarios::from_arguments();
    if !SCENARIOS.iter().any(|(name, _)| scenarios.wants(name)) {
        return scenarios.finish();
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Err(missing) = python::interpreter().and(terraform::is_there())
        && !in_ci()
    {
        scenarios.skip("everything", &missing.to_string());
        return scenarios.finish();
    }
    runtime.block_on(async {
        let (mut built, mut world) = (None, None);
        let build = async {
            built = Some(packages::build()?);
            Ok(Outcome::Passed("the functions are those of this checkout".to_owned()))
        };
        scenarios.always("built and packaged", build).await;
        let Some((packages, fonderie)) = built else { return };
        let start = async {
            world = Some(World::start(&packages, fonderie).await?);
            Ok(Outcome::Passed("PostgreSQL and LocalStack up, terraform/environments/local applied".to_owned()))
        };
        scenarios.always("deployed", start).await;
        let Some(mut world) = world else { return };
        for (name, scenario) in SCENARIOS {
            scenarios.run(name, scenario(&mut world)).await;
        }
        if scenarios.any_failed() {
            eprintln!("---- the functions' log\n{}", localstack::tail(&world.stack.localstack().function_log()));
        }
    });
    scenarios.finish_after(started)
}
