//! What the scenarios called, against the policies of prod: LocalStack asks none.

use std::fs;
use std::process::Command;

use fonderie_tests::configuration::Configuration;
use fonderie_tests::scenarios::{self, Outcome};
use fonderie_tests::{Result, in_ci, node, run};
use serde_json::json;

use crate::world::World;

/// Evaluates each call that LocalStack received in the name of a role or a service, and what AWS adds to it, against prod as an apply makes it
/// (with a mocked provider, and the datasets that are deployed here). `tests/node/iam` has the rules.
pub(crate) async fn every_call(world: &mut World) -> Result<Outcome> {
    let checks = match node::checks() {
        Err(missing) if !in_ci() => return Ok(Outcome::Skipped(missing.to_string())),
        found => found?,
    };
    let configuration = Configuration::copy()?;
    let prod = configuration.folder("environments/prod");
    let variables = json!({ "datasets": world.stack.datasets() });
    fs::write(prod.join("deployed.auto.tfvars.json"), variables.to_string())?;
    configuration.init(&prod)?;
    let resources = configuration.applied_with_arns(&prod, "apply")?;
    let planned = prod.join("resources.json");
    fs::write(&planned, serde_json::to_vec(&resources)?)?;

    let mut evaluation = Command::new("node");
    evaluation.arg(checks.join("iam/evaluate.mjs")).arg(planned).arg(world.stack.localstack().calls());
    if scenarios::are_filtered() {
        evaluation.arg("--some");
    }
    let table = String::from_utf8(run(&mut evaluation)?.stdout)?;
    eprintln!("{table}");
    Ok(Outcome::Passed(table.lines().last().unwrap_or_default().to_owned()))
}
