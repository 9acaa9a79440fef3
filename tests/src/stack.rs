//! The deployed pipeline: LocalStack with `terraform/environments/local` applied to it, and what a facility, an operator or
//! a test does with it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::Credentials;
use aws_sdk_sfn::types::ExecutionStatus;
use fonderie_core::stage::Failure;
use fonderie_core::{ObjectVersion, RunRequest};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::localstack::LocalStack;
use crate::terraform::Terraform;
use crate::{Result, workspace};

/// How long one execution may take; a few seconds are usual.
const EXECUTION: Duration = Duration::from_secs(90);

/// Between two looks at an execution.
const POLL: Duration = Duration::from_millis(100);

/// How the functions reach the database: the parts of the secret.
#[derive(Clone, Debug)]
pub struct Database {
    /// Address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub username: String,
    /// Password; any where the server trusts this machine.
    pub password: String,
    /// Database.
    pub dbname: String,
}

/// The outputs of `terraform/environments/local`.
#[derive(Debug, Deserialize)]
pub struct Outputs {
    /// Bucket names, by role.
    pub buckets: BTreeMap<String, String>,
    /// The state machine `pipeline`.
    pub state_machine_arn: String,
    /// The queue of uploads.
    pub uploads_queue_url: String,
}

/// How an execution ended.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Its name: the run's id.
    pub name: String,
    /// `SUCCEEDED`, `FAILED`, ...
    pub status: ExecutionStatus,
    /// The code, where it failed.
    pub error: Option<String>,
    /// One sentence, where it failed.
    pub cause: Option<String>,
    /// The final state, where it succeeded.
    pub output: Value,
}

/// The pipeline in LocalStack. Dropping it ends LocalStack and the functions; nothing has to be destroyed.
pub struct Stack {
    localstack: LocalStack,
    outputs: Outputs,
    s3: aws_sdk_s3::Client,
    sfn: aws_sdk_sfn::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Stack {
    /// Starts LocalStack and applies the local environment (about a minute, most of it the provider's waiting).
    ///
    /// # Errors
    /// LocalStack cannot be installed or started, or Terraform fails.
    pub async fn start(packages: &Path, database: &Database) -> Result<Self> {
        let localstack = LocalStack::start()?;
        let variables = json!({
            "endpoint": localstack.endpoint(),
            "packages": packages,
            "dataset_folder": workspace().join("datasets/facturation").canonicalize()?,
            "database": {
                "host": database.host, "port": database.port, "username": database.username, "dbname": database.dbname,
            },
            "database_password": database.password,
        });
        let variables: Map<String, Value> = serde_json::from_value(variables)?;
        let terraform = Terraform::init("local", &variables)?;
        terraform.apply()?;
        let outputs = serde_json::from_value(serde_json::to_value(terraform.outputs()?)?)?;

        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "static"))
            .endpoint_url(localstack.endpoint())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .load()
            .await;
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Ok(Self {
            localstack,
            outputs,
            s3: aws_sdk_s3::Client::from_conf(s3),
            sfn: aws_sdk_sfn::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
        })
    }

    /// LocalStack itself.
    pub fn localstack(&self) -> &LocalStack {
        &self.localstack
    }

    /// A bucket's name, by its role.
    ///
    /// # Errors
    /// There is no such role.
    pub fn bucket(&self, role: &str) -> Result<&str> {
        Ok(self.outputs.buckets.get(role).ok_or_else(|| format!("there is no bucket `{role}`"))?)
    }

    /// Uploads a file to bronze, as a facility does.
    ///
    /// # Errors
    /// S3 refuses it.
    pub async fn upload(&self, key: &str, content: Vec<u8>) -> Result<ObjectVersion> {
        let bucket = self.bucket("bronze")?;
        let put = self.s3.put_object().bucket(bucket).key(key).body(content.into()).send().await?;
        let version_id = put.version_id().ok_or("bronze keeps no versions")?.to_owned();
        Ok(ObjectVersion { bucket: bucket.to_owned(), key: key.to_owned(), version_id })
    }

    /// Sends the event of an upload (once more), as S3 may do.
    ///
    /// # Errors
    /// SQS refuses it.
    pub async fn send_event(&self, object: &ObjectVersion) -> Result<()> {
        let event = json!({ "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-west-1",
            "eventTime": "2026-07-01T06:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": { "principalId": "test" },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": {},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "uploads",
                "bucket": {
                    "name": object.bucket,
                    "ownerIdentity": { "principalId": "test" },
                    "arn": format!("arn:aws:s3:::{}", object.bucket),
                },
                "object": { "key": url_encoded(&object.key), "versionId": object.version_id, "sequencer": "00" },
            },
        }] });
        self.sqs
            .send_message()
            .queue_url(&self.outputs.uploads_queue_url)
            .message_body(event.to_string())
            .send()
            .await?;
        Ok(())
    }

    /// Messages of the queue of uploads that are waiting or being worked on.
    ///
    /// # Errors
    /// SQS does not answer.
    pub async fn queued(&self) -> Result<u64> {
        use aws_sdk_sqs::types::QueueAttributeName::{
            ApproximateNumberOfMessages as Waiting, ApproximateNumberOfMessagesNotVisible as Taken,
        };
        let request = self.sqs.get_queue_attributes().queue_url(&self.outputs.uploads_queue_url);
        let attributes = request.attribute_names(Waiting).attribute_names(Taken).send().await?;
        let mut messages = 0;
        for count in attributes.attributes().ok_or("the queue has no attributes")?.values() {
            messages += count.parse::<u64>()?;
        }
        Ok(messages)
    }

    /// Waits until the queue of uploads is empty.
    ///
    /// # Errors
    /// It does not become so.
    pub async fn wait_until_drained(&self) -> Result<()> {
        let limit = Instant::now() + EXECUTION;
        while self.queued().await? > 0 {
            if Instant::now() > limit {
                return Err("the queue of uploads was not worked off".into());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Starts an execution, as an operator does at the console; returns its name.
    ///
    /// # Errors
    /// Step Functions refuses it.
    pub async fn start_execution(&self, input: &Value) -> Result<String> {
        let request = self.sfn.start_execution().state_machine_arn(&self.outputs.state_machine_arn);
        let started = request.input(input.to_string()).send().await?;
        let name = started.execution_arn().rsplit(':').next().unwrap_or_default();
        Ok(name.to_owned())
    }

    /// Waits for the end of the execution that an upload starts.
    ///
    /// # Errors
    /// It does not start, or does not end.
    pub async fn run_of(&self, object: &ObjectVersion) -> Result<Execution> {
        self.wait_for(&run_id(object)).await
    }

    /// Waits for the end of an execution.
    ///
    /// # Errors
    /// It does not start, or does not end.
    pub async fn wait_for(&self, name: &str) -> Result<Execution> {
        let limit = Instant::now() + EXECUTION;
        let arn = format!("{}:{name}", self.outputs.state_machine_arn.replacen(":stateMachine:", ":execution:", 1));
        let mut last = "was not started".to_owned();
        while Instant::now() < limit {
            match self.sfn.describe_execution().execution_arn(&arn).send().await {
                Ok(found) if *found.status() != ExecutionStatus::Running => {
                    return Ok(Execution {
                        name: name.to_owned(),
                        status: found.status().clone(),
                        error: found.error().map(str::to_owned),
                        cause: found.cause().map(str::to_owned),
                        output: found.output().map_or(Ok(Value::Null), serde_json::from_str)?,
                    });
                }
                Ok(_) => last = "did not end".to_owned(),
                Err(error) if error.as_service_error().is_some_and(|error| error.is_execution_does_not_exist()) => {}
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(POLL).await;
        }
        Err(format!("execution {name} {last} within {} s", EXECUTION.as_secs()).into())
    }

    /// The names of all executions so far.
    ///
    /// # Errors
    /// Step Functions does not answer.
    pub async fn executions(&self) -> Result<Vec<String>> {
        let mut pages = self
            .sfn
            .list_executions()
            .state_machine_arn(&self.outputs.state_machine_arn)
            .into_paginator()
            .items()
            .send();
        let mut names = Vec::new();
        while let Some(execution) = pages.try_next().await? {
            names.push(execution.name);
        }
        Ok(names)
    }

    /// The keys of a bucket below a prefix.
    ///
    /// # Errors
    /// S3 does not answer.
    pub async fn keys(&self, role: &str, prefix: &str) -> Result<Vec<String>> {
        let request = self.s3.list_objects_v2().bucket(self.bucket(role)?).prefix(prefix);
        let mut pages = request.into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.try_next().await? {
            keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        Ok(keys)
    }

    /// An object's content.
    ///
    /// # Errors
    /// It is not there.
    pub async fn read(&self, role: &str, key: &str) -> Result<Vec<u8>> {
        let object = self.s3.get_object().bucket(self.bucket(role)?).key(key).send().await?;
        Ok(object.body.collect().await?.to_vec())
    }

    /// The record of a run that failed, or of an object that `ingest` put in quarantine, if there is one.
    ///
    /// # Errors
    /// S3 does not answer, or a record cannot be read.
    pub async fn failure(&self, run_id: &str) -> Result<Option<Failure>> {
        let key = format!("failures/{run_id}.json");
        if !self.keys("quarantine", &key).await?.contains(&key) {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&self.read("quarantine", &key).await?)?))
    }
}

/// The name of the execution that an upload starts.
pub fn run_id(object: &ObjectVersion) -> String {
    let request = RunRequest {
        bucket: object.bucket.clone(),
        key: object.key.clone(),
        version_id: Some(object.version_id.clone()),
        dataset: None,
        as_of: None,
        strict: false,
        load_only: false,
    };
    request.execution_name()
}

/// A key as S3 writes it in an event: as in a form, so that a space is a plus sign.
fn url_encoded(key: &str) -> String {
    let mut encoded = String::new();
    for byte in key.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'/' | b'-' | b'_' | b'.' | b'*' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_s3_does() {
        assert_eq!(url_encoded("facturation/Facturé n°1+2.csv"), "facturation/Factur%C3%A9+n%C2%B01%2B2.csv");
    }
}
