//! The four steps. Secrets Manager calls each until it succeeds, so that each looks first whether it is done already.

use fonderie_core::failpoint::step;
use fonderie_core::measure::{Measured, Subject};
use fonderie_core::{Deadline, ErrorCode, Result, StageError};
use fonderie_warehouse::{
    ConnectOptions, DatabaseSettings, Label, Login, SecretStore, Warehouse, is_login_refused, new_password,
};
use serde::{Deserialize, Serialize};

use crate::Context;

/// One step of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// A new password, as the pending version.
    CreateSecret,
    /// The role gets the pending password.
    SetSecret,
    /// The pending password is tried.
    TestSecret,
    /// The pending version is put in force.
    FinishSecret,
}

/// What Secrets Manager calls with.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    /// What is to be done.
    pub step: Step,
    /// The secret's ARN (or its name, as LocalStack has it).
    pub secret_id: String,
    /// The version that the rotation makes.
    pub client_request_token: String,
}

/// What was done, for the log of whoever invoked the function; Secrets Manager asks for nothing but success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// The step.
    pub step: Step,
    /// Whether it changed anything; if not, an earlier call of it had.
    pub changed: bool,
}

impl Subject for Input {}

impl Measured for Rotated {}

/// Does a step.
///
/// # Errors
/// `RequestInvalid` for another secret, or a version that is not the one being rotated in; the secret's, the database's.
pub async fn run<S: SecretStore>(context: &Context<S>, input: Input, deadline: Deadline) -> Result<Rotated> {
    let Input { step, secret_id, client_request_token: version } = input;
    if !names(context.secret.arn(), &secret_id) {
        return Err(refused("the secret to rotate is not the one of this function: correct the secret's rotation"));
    }
    let versions = context.secret.versions().await?;
    let has = |labels: &[String], label: Label| labels.iter().any(|name| name == label.name());
    let Some(labels) = versions.get(&version) else {
        return Err(refused("the secret has no such version: begin a rotation in Secrets Manager"));
    };
    if has(labels, Label::Current) {
        return Ok(Rotated { step, changed: false });
    }
    if !has(labels, Label::Pending) {
        return Err(refused(
            "the version is not the one that is being rotated in: begin a rotation in Secrets Manager",
        ));
    }
    let changed = match step {
        Step::CreateSecret => create(&context.secret, &version).await?,
        Step::SetSecret => set(context, deadline).await?,
        Step::TestSecret => test(context, deadline).await?,
        Step::FinishSecret => {
            let current = versions.iter().find(|(_, labels)| has(labels, Label::Current));
            finish(&context.secret, &version, current.map(|(version, _)| version.as_str())).await?
        }
    };
    tracing::info!(?step, changed, "the secret's rotation");
    Ok(Rotated { step, changed })
}

async fn create<S: SecretStore>(secret: &S, version: &str) -> Result<bool> {
    if secret.value(Label::Pending).await?.is_some() {
        return Ok(false);
    }
    let login = Login::from_json(&secret.current().await?)?.with_password(new_password()?);
    step("before the pending secret was written");
    secret.put(version, Label::Pending, &login.to_json()?).await?;
    step("after the pending secret was written");
    Ok(true)
}

async fn set<S: SecretStore>(context: &Context<S>, deadline: Deadline) -> Result<bool> {
    let pending = pending(&context.secret).await?;
    if let Some(warehouse) = connect(context, &pending, deadline).await? {
        warehouse.close().await;
        return Ok(false);
    }
    // the previous one: a rotation that did not end may have left the database with it
    for label in [Label::Current, Label::Previous] {
        let Some(text) = context.secret.value(label).await? else { continue };
        let login = Login::from_json(&text)?;
        if (&login.username, login.place()) != (&pending.username, pending.place()) {
            return Err(refused(
                "the pending secret is of another user or another database than the one in force: cancel the rotation and begin another",
            ));
        }
        if let Some(warehouse) = connect(context, &login, deadline).await? {
            let set = warehouse.set_own_password(&pending.password).await;
            warehouse.close().await;
            return set.map(|()| true);
        }
    }
    Err(StageError::new(
        ErrorCode::AccessDenied,
        "the database refuses the pending, the current and the previous password: invoke prepare-database, which gives the role the current one, then rotate again",
    ))
}

async fn test<S: SecretStore>(context: &Context<S>, deadline: Deadline) -> Result<bool> {
    let pending = pending(&context.secret).await?;
    let Some(warehouse) = connect(context, &pending, deadline).await? else {
        return Err(StageError::new(
            ErrorCode::AccessDenied,
            "the database refuses the pending password: the rotation's second step has to be done again",
        ));
    };
    let answer = warehouse.query("SELECT current_user, current_database()").await;
    warehouse.close().await;
    answer.map(|_| false)
}

async fn finish<S: SecretStore>(secret: &S, version: &str, current: Option<&str>) -> Result<bool> {
    step("before the secret was put in force");
    secret.make_current(version, current).await?;
    step("after the secret was put in force");
    Ok(true)
}

async fn pending<S: SecretStore>(secret: &S) -> Result<Login> {
    let text = secret.value(Label::Pending).await?.ok_or_else(|| {
        refused("the pending version has no value yet: the rotation's first step has to be done before this one")
    })?;
    Login::from_json(&text)
}

/// A connection; `None` where the user or the password is refused.
async fn connect<S>(context: &Context<S>, login: &Login, deadline: Deadline) -> Result<Option<Warehouse>> {
    let options = ConnectOptions::of_stage("rotate-secret", deadline);
    match Warehouse::connect(&DatabaseSettings::from_login(login, context.tls.clone()), &options).await {
        Ok(warehouse) => Ok(Some(warehouse)),
        Err(error) if is_login_refused(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an id, which is the ARN or the name in it, is this secret's. Six random characters follow the name in the ARN.
fn names(arn: &str, id: &str) -> bool {
    let name = arn.rsplit(':').next().and_then(|last| last.rsplit_once('-')).map(|(name, _)| name);
    id == arn || name == Some(id)
}

fn refused(message: &str) -> StageError {
    StageError::new(ErrorCode::RequestInvalid, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_by_its_arn_or_its_name() {
        let arn = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:fonderie-dev-pipeline-Ab12Cd";
        assert!(names(arn, arn));
        assert!(names(arn, "fonderie-dev-pipeline"));
        for other in ["fonderie-dev", "fonderie-dev-pipeline-Ab12Cd", "fonderie-prod-pipeline", "", "secret"] {
            assert!(!names(arn, other), "{other}");
        }
    }
}
