//! A copy of the Terraform configuration with what it reads beside it, so that a check leaves no provider or state in the
//! checkout, and changes no lock file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

use crate::terraform::{LOCK_FILE, command, copy};
use crate::{Result, run, workspace};

/// The copy: `terraform/`, and beside it what its modules name.
pub struct Configuration {
    folder: TempDir,
}

impl Configuration {
    /// Copies the configuration, without what Terraform left in it.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn copy() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("fonderie-configuration-").tempdir()?;
        for part in ["terraform", "datasets", "docs"] {
            copy(&workspace().join(part), &folder.path().join(part))?;
        }
        Ok(Self { folder })
    }

    /// Folders below `terraform/`: `modules` or `environments`, by name.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn folders(&self, kind: &str) -> Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for entry in self.folder.path().join("terraform").join(kind).read_dir()? {
            folders.push(entry?.path());
        }
        folders.sort();
        Ok(folders)
    }

    /// One of them.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.path().join("terraform").join(name)
    }

    /// `terraform init` without a backend; an environment takes the provider that its lock file names, and no other.
    ///
    /// # Errors
    /// Terraform fails.
    pub fn init(&self, folder: &Path) -> Result<()> {
        // Terraform's cache of providers takes one `init` at a time.
        static CACHE: Mutex<()> = Mutex::new(());
        let _cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        let lock: &[&str] = if folder.join(LOCK_FILE).exists() { &["-lockfile=readonly"] } else { &[] };
        run(command(folder)?.args(["init", "-backend=false", "-input=false", "-no-color"]).args(lock))?;
        Ok(())
    }

    /// `terraform validate`.
    ///
    /// # Errors
    /// The configuration is not valid; with what Terraform says.
    pub fn validate(&self, folder: &Path) -> Result<()> {
        run(command(folder)?.args(["validate", "-no-color"]))?;
        Ok(())
    }

    /// `terraform test`; how many of its runs passed.
    ///
    /// # Errors
    /// One failed; with what Terraform says.
    pub fn test(&self, folder: &Path) -> Result<u64> {
        let events = events(&run(command(folder)?.args(["test", "-json"]))?.stdout)?;
        let summary = events.iter().find_map(|event| event.get("test_summary")).ok_or("the tests have no summary")?;
        Ok(summary["passed"].as_u64().unwrap_or_default())
    }

    /// What each resource waits for: pairs of addresses without instances, as `terraform graph` draws them.
    ///
    /// # Errors
    /// Terraform fails.
    pub fn waits(&self, folder: &Path) -> Result<Vec<(String, String)>> {
        let graph = String::from_utf8(run(command(folder)?.arg("graph"))?.stdout)?;
        let quoted = |text: &str| text.split('"').nth(1).map(str::to_owned);
        let edges = graph.lines().filter_map(|line| line.split_once(" -> "));
        Ok(edges.filter_map(|(from, to)| Some((quoted(from)?, quoted(to)?))).collect())
    }

    /// The resources of a mocked apply: the run named, of the tests of a folder.
    ///
    /// # Errors
    /// The tests fail, or have no such run.
    pub fn applied(&self, folder: &Path, run_name: &str) -> Result<Vec<Value>> {
        let events = events(&run(command(folder)?.args(["test", "-json", "-verbose"]))?.stdout)?;
        let state = events
            .iter()
            .filter(|event| event["@testrun"] == run_name)
            .find_map(|event| event.get("test_state"))
            .ok_or_else(|| format!("there is no run `{run_name}` that applies"))?;
        let mut resources = Vec::new();
        collect(&state["root_module"], &mut resources);
        Ok(resources)
    }

    /// As [`Self::applied`], each resource with an ARN of its own: a mock gives one ARN to all resources of a type, and policies could not be told
    /// apart.
    ///
    /// # Errors
    /// As [`Self::applied`]; or the names cannot be written.
    pub fn applied_with_arns(&self, folder: &Path, run_name: &str) -> Result<Vec<Value>> {
        let named: String = self.applied(folder, run_name)?.iter().filter_map(named).collect();
        fs::write(self.folder("mocks").join("arns.tfmock.hcl"), named)?;
        self.applied(folder, run_name)
    }
}

/// The block that gives a resource the ARN and the id that AWS would, by its own name, in the account and the region of the mocks.
fn named(resource: &Value) -> Option<String> {
    const HERE: &str = "eu-west-1:123456789012";
    let (address, values) = (resource["address"].as_str()?, &resource["values"]);
    let name = values["name"].as_str().unwrap_or_default();
    let (arn, id) = match resource["type"].as_str()? {
        "aws_cloudwatch_event_rule" => (format!("arn:aws:events:{HERE}:rule/{name}"), Some(name)),
        "aws_cloudwatch_log_group" => (format!("arn:aws:logs:{HERE}:log-group:{name}"), Some(name)),
        "aws_iam_role" => (format!("arn:aws:iam::123456789012:role/{name}"), Some(name)),
        "aws_lambda_function" => {
            let function = values["function_name"].as_str()?;
            (format!("arn:aws:lambda:{HERE}:function:{function}"), Some(function))
        }
        "aws_s3_bucket" => {
            let bucket = values["bucket"].as_str()?;
            (format!("arn:aws:s3:::{bucket}"), Some(bucket))
        }
        "aws_secretsmanager_secret" => (format!("arn:aws:secretsmanager:{HERE}:secret:{name}-AbCdEf"), None),
        "aws_sfn_state_machine" => (format!("arn:aws:states:{HERE}:stateMachine:{name}"), None),
        "aws_sns_topic" => (format!("arn:aws:sns:{HERE}:{name}"), None),
        "aws_sqs_queue" => (format!("arn:aws:sqs:{HERE}:{name}"), None),
        _ => return None,
    };
    let id = id.unwrap_or(&arn);
    Some(format!("override_resource {{\n  target = {address}\n  values = {{ arn = \"{arn}\", id = \"{id}\" }}\n}}\n"))
}

fn collect(module: &Value, resources: &mut Vec<Value>) {
    resources.extend(module["resources"].as_array().into_iter().flatten().cloned());
    for child in module["child_modules"].as_array().into_iter().flatten() {
        collect(child, resources);
    }
}

fn events(output: &[u8]) -> Result<Vec<Value>> {
    let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines.map(serde_json::from_slice).collect::<Result<_, _>>()?)
}
