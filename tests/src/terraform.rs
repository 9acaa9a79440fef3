//! Terraform on a copy of the configuration, so that a run leaves no state, provider or lock file in the checkout.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::configuration::Configuration;
use crate::{Result, cache, run};

/// The versions and checksums of an environment's providers.
pub const LOCK_FILE: &str = ".terraform.lock.hcl";

/// Whether there is a Terraform to run.
///
/// # Errors
/// There is none; with what to do.
pub fn is_there() -> Result<()> {
    Command::new("terraform")
        .arg("version")
        .output()
        .map_err(|error| format!("Terraform 1.11 or later is needed: {error}"))?;
    Ok(())
}

/// One environment with its own state.
pub struct Terraform {
    configuration: Configuration,
    environment: String,
}

/// What is to be done with a resource.
#[derive(Clone, Debug, Deserialize)]
pub struct Change {
    /// The resource's address.
    pub address: String,
    change: Actions,
}

#[derive(Clone, Debug, Deserialize)]
struct Actions {
    actions: Vec<String>,
    #[serde(default)]
    before: Value,
    #[serde(default)]
    after: Value,
}

impl Change {
    /// What is done: `update`, or `delete`, then `create`.
    pub fn actions(&self) -> &[String] {
        &self.change.actions
    }

    /// The arguments that get another value, of a resource that is updated.
    pub fn arguments(&self) -> Vec<&str> {
        let (Value::Object(before), Value::Object(after)) = (&self.change.before, &self.change.after) else {
            return Vec::new();
        };
        after.iter().filter(|(name, value)| before.get(*name) != Some(value)).map(|(name, _)| name.as_str()).collect()
    }
}

impl Terraform {
    /// `terraform init` of an environment, with these variables for all that follows.
    ///
    /// # Errors
    /// The configuration cannot be copied, or Terraform fails.
    pub fn init(environment: &str, variables: &Map<String, Value>) -> Result<Self> {
        let terraform = Self { configuration: Configuration::copy()?, environment: environment.to_owned() };
        terraform.set(variables)?;
        terraform.configuration.init(&terraform.root())?;
        Ok(terraform)
    }

    /// Gives other variables for all that follows.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn set(&self, variables: &Map<String, Value>) -> Result<()> {
        fs::write(self.root().join("test.auto.tfvars.json"), serde_json::to_vec(variables)?)?;
        Ok(())
    }

    /// `terraform apply`, with these options.
    ///
    /// # Errors
    /// Terraform fails.
    pub fn apply(&self, options: &[&str]) -> Result<()> {
        run(self.command("apply")?.args(["-auto-approve", "-parallelism=30"]).args(options))?;
        Ok(())
    }

    /// What an apply would do now, reading excepted.
    ///
    /// # Errors
    /// Terraform fails.
    pub fn changes(&self) -> Result<Vec<Change>> {
        #[derive(Deserialize)]
        struct Plan {
            #[serde(default)]
            resource_changes: Vec<Change>,
        }
        run(self.command("plan")?.args(["-out=changes.tfplan", "-parallelism=30"]))?;
        let plan: Plan =
            serde_json::from_slice(&run(command(&self.root())?.args(["show", "-json", "changes.tfplan"]))?.stdout)?;
        let nothing = ["no-op", "read"];
        let changes = plan.resource_changes.into_iter();
        Ok(changes
            .filter(|found| !found.change.actions.iter().all(|action| nothing.contains(&action.as_str())))
            .collect())
    }

    /// The outputs, by name.
    ///
    /// # Errors
    /// Terraform fails.
    pub fn outputs(&self) -> Result<BTreeMap<String, Value>> {
        #[derive(Deserialize)]
        struct Output {
            value: Value,
        }
        let outputs: BTreeMap<String, Output> =
            serde_json::from_slice(&run(command(&self.root())?.args(["output", "-json"]))?.stdout)?;
        Ok(outputs.into_iter().map(|(name, output)| (name, output.value)).collect())
    }

    fn root(&self) -> PathBuf {
        self.configuration.folder("environments").join(&self.environment)
    }

    fn command(&self, verb: &str) -> Result<Command> {
        let mut command = command(&self.root())?;
        command.arg(verb).args(["-input=false", "-no-color"]);
        Ok(command)
    }
}

/// Terraform in a folder, its providers kept between runs.
///
/// # Errors
/// The cache cannot be made.
pub(crate) fn command(folder: &Path) -> Result<Command> {
    let mut command = Command::new("terraform");
    command.arg(format!("-chdir={}", folder.display())).env("TF_IN_AUTOMATION", "1");
    if std::env::var_os("TF_PLUGIN_CACHE_DIR").is_none() {
        let plugins = cache::folder().join("terraform-providers");
        fs::create_dir_all(&plugins)?;
        command.env("TF_PLUGIN_CACHE_DIR", plugins.canonicalize()?);
        // A module has no lock file, and takes the provider from the cache all the same.
        command.env("TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE", "1");
    }
    Ok(command)
}

/// Copies a folder, hidden entries and states excepted; an environment's lock file goes with it.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text.starts_with('.') && text != LOCK_FILE || text.contains(".tfstate") {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to.join(name))?;
        } else {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}
