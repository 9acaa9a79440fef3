//! What lies in the buckets.

use fonderie_core::ObjectVersion;
use fonderie_core::stage::Failure;

use super::Stack;
use crate::Result;

impl Stack {
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

    /// Publishes the bundle of a dataset that was made ready for, as the rest of an apply does. (The apply would end functions' processes,
    /// because it brings back the settings that LocalStack does not keep.)
    ///
    /// # Errors
    /// S3 refuses it.
    pub async fn publish(&self, dataset: &str) -> Result<()> {
        let bucket = self.bucket("datasets")?;
        let copy = self.s3.copy_object().bucket(bucket).key(format!("{dataset}.json"));
        copy.copy_source(format!("{bucket}/next/{dataset}.json")).send().await?;
        Ok(())
    }

    /// Deletes one version for good.
    ///
    /// # Errors
    /// S3 refuses it.
    pub async fn delete(&self, object: &ObjectVersion) -> Result<()> {
        let delete = self.s3.delete_object().bucket(&object.bucket).key(&object.key);
        delete.version_id(&object.version_id).send().await?;
        Ok(())
    }

    /// Deletes an object: a bucket with versions keeps those that there are.
    ///
    /// # Errors
    /// S3 refuses it.
    pub async fn hide(&self, role: &str, key: &str) -> Result<()> {
        self.s3.delete_object().bucket(self.bucket(role)?).key(key).send().await?;
        Ok(())
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
