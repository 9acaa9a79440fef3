//! The deployed pipeline: LocalStack with `terraform/environments/local` applied to it, and what a facility, an operator or
//! a test does with it.

mod executions;
mod functions;
mod notices;
mod objects;
mod secret;
mod uploads;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

pub use executions::{Execution, run_id};
pub use notices::{Notice, Notices};

use crate::localstack::LocalStack;
use crate::processes::Processes;
use crate::terraform::{Change, Terraform};
use crate::{Result, copy_folder, workspace};

/// The database that is deployed for, and its master.
#[derive(Clone, Debug)]
pub struct Database {
    /// The name in the server's certificate.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Database.
    pub name: String,
    /// Who makes the roles: no superuser, as on RDS.
    pub master: String,
    /// The master's password.
    pub password: String,
    /// The certificate of the authority that signed the server's, as PEM.
    pub root_pem: String,
}

/// The outputs of `terraform/environments/local`.
#[derive(Debug, Deserialize)]
struct Outputs {
    buckets: BTreeMap<String, String>,
    state_machine_arn: String,
    backfill_state_machine_arn: String,
    uploads_queue_url: String,
    dead_letter_queue_url: String,
    functions: BTreeMap<String, String>,
    database_secret_arn: String,
    topic_arn: String,
}

/// The pipeline in LocalStack. Dropping it ends LocalStack and the functions; nothing has to be destroyed.
pub struct Stack {
    localstack: LocalStack,
    terraform: Terraform,
    variables: Map<String, Value>,
    outputs: Outputs,
    // What the deployment reads: the authority's certificate, and the datasets, of which a test may change a contract.
    folder: TempDir,
    s3: aws_sdk_s3::Client,
    secrets: aws_sdk_secretsmanager::Client,
    sfn: aws_sdk_sfn::Client,
    sns: aws_sdk_sns::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Stack {
    /// Starts LocalStack and applies the local environment (a minute or two, most of it the provider's waiting).
    ///
    /// # Errors
    /// LocalStack cannot be installed or started, or Terraform fails.
    pub async fn start(packages: &Path, database: &Database) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("fonderie-deployed-").tempdir()?;
        let roots = folder.path().join("roots.pem");
        fs::write(&roots, &database.root_pem)?;
        copy_folder(&workspace().join("datasets/facturation"), &dataset(&folder, "facturation"))?;
        let localstack = LocalStack::start()?;
        let variables = json!({
            "endpoint": localstack.endpoint(),
            "packages": packages,
            "datasets": { "facturation": dataset(&folder, "facturation") },
            "database": { "host": database.host, "port": database.port, "name": database.name },
            "master": { "username": database.master, "password": database.password },
            "database_tls": "verify-full",
            "database_roots_file": roots,
        });
        let variables: Map<String, Value> = serde_json::from_value(variables)?;
        let terraform = Terraform::init("local", &variables)?;
        terraform.apply(&[])?;
        let outputs = serde_json::from_value(serde_json::to_value(terraform.outputs()?)?)?;

        let config = fonderie_storage::sdk_config_for(&localstack.endpoint(), "eu-west-1", "test", "test");
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Ok(Self {
            localstack,
            terraform,
            variables,
            outputs,
            folder,
            s3: aws_sdk_s3::Client::from_conf(s3),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            sfn: aws_sdk_sfn::Client::new(&config),
            sns: aws_sdk_sns::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
        })
    }

    /// LocalStack itself.
    pub fn localstack(&self) -> &LocalStack {
        &self.localstack
    }

    /// The functions' processes.
    pub fn processes(&self) -> Processes {
        self.localstack.processes()
    }

    /// A function's name, by its key.
    ///
    /// # Errors
    /// There is no such function.
    pub fn function(&self, key: &str) -> Result<&str> {
        Ok(self.outputs.functions.get(key).ok_or_else(|| format!("there is no function `{key}`"))?)
    }

    /// The functions' keys and names.
    pub fn functions(&self) -> &BTreeMap<String, String> {
        &self.outputs.functions
    }

    /// A bucket's name, by its role.
    ///
    /// # Errors
    /// There is no such role.
    pub fn bucket(&self, role: &str) -> Result<&str> {
        Ok(self.outputs.buckets.get(role).ok_or_else(|| format!("there is no bucket `{role}`"))?)
    }

    /// The folders of the datasets that are deployed, by name.
    pub fn datasets(&self) -> &Value {
        &self.variables["datasets"]
    }

    /// A file of a dataset that is deployed; a change of it is deployed by [`Self::apply`].
    pub fn dataset_file(&self, name: &str, path: &str) -> PathBuf {
        dataset(&self.folder, name).join(path)
    }

    /// Deploys one more dataset, as an operator does: its folder with further files (path and text), in the environment's `datasets`. Nothing is done if
    /// it is deployed.
    ///
    /// # Errors
    /// A file cannot be copied, or Terraform fails.
    pub fn add_dataset(&mut self, name: &str, from: &Path, files: &[(&str, &str)]) -> Result<()> {
        let folder = dataset(&self.folder, name);
        if folder.exists() {
            return Ok(());
        }
        copy_folder(from, &folder)?;
        for (path, text) in files {
            fs::write(folder.join(path), text)?;
        }
        self.variables["datasets"][name] = json!(folder);
        self.terraform.set(&self.variables)?;
        self.terraform.apply(&[])
    }

    /// Gives one of the environment's variables another value, and applies it.
    ///
    /// # Errors
    /// Terraform fails.
    pub fn set(&mut self, variable: &str, value: Value) -> Result<()> {
        self.variables.insert(variable.to_owned(), value);
        self.terraform.set(&self.variables)?;
        self.terraform.apply(&[])
    }

    /// One of the environment's outputs, as it is now.
    ///
    /// # Errors
    /// Terraform fails, or has no such output.
    pub fn output(&self, name: &str) -> Result<Value> {
        Ok(self.terraform.outputs()?.remove(name).ok_or_else(|| format!("there is no output `{name}`"))?)
    }

    /// What `terraform apply` would change now.
    ///
    /// # Errors
    /// Terraform fails.
    pub fn changes(&self) -> Result<Vec<Change>> {
        self.terraform.changes()
    }

    /// `terraform apply` of one resource and what it stands on.
    ///
    /// # Errors
    /// Terraform fails.
    pub fn apply(&self, address: &str) -> Result<()> {
        self.terraform.apply(&[&format!("-target={address}")])
    }
}

fn dataset(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}
