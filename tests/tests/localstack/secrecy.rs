//! Passwords and personal data: where they must change, and where they must not be.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use fonderie_core::Deadline;
use fonderie_tests::invoices::unpaid;
use fonderie_tests::scenarios::Outcome;
use fonderie_tests::{Result, ensure, ensure_eq, workspace};
use fonderie_warehouse::{ConnectOptions, DatabaseSettings, Login, Tls, Warehouse, is_login_refused};
use serde_json::Value;

use crate::world::{World, outcomes};

pub(crate) async fn rotation(world: &mut World) -> Result<Outcome> {
    outcomes(&world.load("etablissement_B_avant_rotation.csv", &[unpaid(98_001)]).await?, 1, 0, 0, 0)?;
    let load = world.stack.function("load")?.to_owned();
    let (before, warm) = (world.stack.login().await?, world.stack.processes().of(&load)?);
    world.stack.rotate().await?;
    let after = world.stack.login().await?;
    ensure!(before.password != after.password, "the password in the secret is the one of before");
    ensure_eq!((&after.username, after.place()), (&before.username, before.place()), "the rest of the secret");
    ensure!(refused(world, &before).await?, "PostgreSQL still takes the password of before");
    ensure!(!refused(world, &after).await?, "PostgreSQL refuses the secret's password");

    outcomes(&world.load("etablissement_B_apres_rotation.csv", &[unpaid(98_002)]).await?, 1, 0, 0, 0)?;
    let now = world.stack.processes().of(&load)?;
    ensure!(warm.iter().any(|process| now.contains(process)), "no process of `load` lived through the rotation");
    Ok(Outcome::Passed(
        "another password, the old one refused, and warm functions that asked for the new one".to_owned(),
    ))
}

/// Whether PostgreSQL refuses a login.
async fn refused(world: &World, login: &Login) -> Result<bool> {
    let tls = Tls::verify_full_with(&world.authority.root_pem())?;
    let settings = DatabaseSettings::from_login(login, tls);
    match Warehouse::connect(&settings, &ConnectOptions::of_stage("tests", Deadline::default())).await {
        Ok(warehouse) => {
            warehouse.close().await;
            Ok(false)
        }
        Err(error) if is_login_refused(&error) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

pub(crate) async fn notifications(world: &mut World) -> Result<Outcome> {
    let notices = world.notices.all().await?.to_vec();
    for notice in &notices {
        impersonal(world, "a notice", &format!("{}\n{}", notice.subject, notice.message))?;
    }
    let records = world.stack.keys("quarantine", "failures/").await?;
    for record in &records {
        let run_id = record.trim_start_matches("failures/").trim_end_matches(".json");
        let told = notices.iter().filter(|notice| notice.names(run_id)).count();
        // `ingest` was killed between telling of this one and recording it.
        let times = if run_id.starts_with("inconnu") { 2 } else { 1 };
        ensure_eq!(told, times, "notices of {run_id}");
    }
    Ok(Outcome::Passed(format!("{} notices, {} of them of recorded failures", notices.len(), records.len())))
}

pub(crate) async fn executions(world: &mut World) -> Result<Outcome> {
    let names = world.stack.executions().await?;
    for name in &names {
        let execution = world.stack.wait_for(name).await?;
        let texts = [&execution.input, &execution.output.to_string(), &execution.cause.unwrap_or_default()];
        for text in texts {
            impersonal(world, &format!("the execution {name}"), text)?;
        }
    }
    Ok(Outcome::Passed(format!("{} inputs, outputs and causes", names.len())))
}

/// Functions that work for no run: whoever starts one does not know of it yet, or of any.
const WITHOUT_RUN: [&str; 3] = ["ingest", "prepare-database", "rotate-secret"];
/// Stages that work for an object version alone; others have dataset runs and backfills too.
const ON_OBJECTS: [&str; 3] = ["transform", "validate", "load"];

pub(crate) async fn logs(world: &mut World) -> Result<Outcome> {
    let log = fs::read_to_string(world.stack.localstack().function_log())?;
    impersonal(world, "the functions' log", &log)?;
    let keys: BTreeMap<_, _> =
        world.stack.functions().iter().map(|(key, name)| (name.as_str(), key.as_str())).collect();
    let (mut lines, mut seen, mut function, mut within) = (0, BTreeSet::new(), "", false);
    for line in log.lines() {
        if let Some(name) = line.strip_prefix("==== ") {
            function = keys.get(name).copied().ok_or_else(|| format!("the log names a function {name}"))?;
            continue;
        }
        match line.split(' ').next() {
            Some("START") => within = true,
            Some("END") => within = false,
            _ if !within => {}
            _ => {
                let document: Value =
                    serde_json::from_str(line).map_err(|error| format!("{function} logs no JSON ({error}): {line}"))?;
                check(function, &document).map_err(|missing| format!("{function} logs no {missing}: {line}"))?;
                lines += 1;
                seen.insert(function);
            }
        }
    }
    ensure!(lines > 0, "nothing was logged");
    Ok(Outcome::Passed(format!("{lines} lines of {} functions", seen.len())))
}

/// A line of a function's log: its own, its metrics, or the error that Lambda writes.
fn check(function: &str, line: &Value) -> Result<()> {
    let has_run = !WITHOUT_RUN.contains(&function);
    if let Some(metrics) = line["_aws"]["CloudWatchMetrics"].as_array() {
        ensure!(!metrics.is_empty(), "metric");
        ensure!(!has_run || line["run"].is_string(), "run beside its metrics");
        return Ok(());
    }
    if line["errorType"].is_string() {
        return Ok(());
    }
    ensure!(line["level"].is_string(), "level");
    // What is said while the process starts belongs to no invocation.
    let Some(span) = line.get("span") else { return Ok(()) };
    ensure!(span["stage"] == function, "stage");
    ensure!(!has_run || span["run"].is_string(), "run");
    ensure!(!ON_OBJECTS.contains(&function) || span["version"].is_string(), "object version");
    Ok(())
}

/// Fails where one of the files' personal words stands in a text.
fn impersonal(world: &World, what: &str, text: &str) -> Result<()> {
    // Words that the dataset itself has: a patient's name may be that of a time zone's city.
    let known = fs::read_to_string(workspace().join("datasets/facturation/dataset.toml"))?;
    for word in world.personal.iter().filter(|word| !known.contains(word.as_str())) {
        for (at, _) in text.match_indices(word.as_str()) {
            let around = [text[..at].chars().next_back(), text[at + word.len()..].chars().next()];
            if around.iter().flatten().any(|beside| beside.is_alphanumeric()) {
                continue;
            }
            let line = text[..at].rsplit('\n').next().unwrap_or_default();
            return Err(format!("{what} holds `{word}`, a patient's: {line}{word}…").into());
        }
    }
    Ok(())
}
