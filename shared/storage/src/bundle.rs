//! A dataset's bundle in the store: found once by `admit`, pinned, and read by every later stage.

use std::sync::{Arc, Mutex, PoisonError};

use fonderie_contract::{Bundle, Dataset};
use fonderie_core::{BundleRef, ErrorCode, ObjectVersion, Result, StageError};

use crate::Storage;

/// Far above any dataset's texts.
const LIMIT: u64 = 16 * 1024 * 1024;

/// Reads bundles, and keeps the last one compiled: a function that stays warm reads a bundle once.
#[derive(Debug)]
pub struct Datasets {
    storage: Storage,
    last: Mutex<Option<(BundleRef, Arc<Dataset>)>>,
}

impl Datasets {
    /// Bundles in a store.
    pub fn new(storage: Storage) -> Self {
        Self { storage, last: Mutex::default() }
    }

    /// The bundle's key for a dataset.
    pub fn key(dataset: &str) -> String {
        format!("{dataset}.json")
    }

    /// The key of the bundle that a deployment publishes once the database is ready for it.
    pub fn next_key(dataset: &str) -> String {
        format!("next/{dataset}.json")
    }

    /// The key of the copy that is kept under its hash where the store has no versions: on one machine.
    pub fn kept_key(dataset: &str, sha256: &str) -> String {
        format!("bundles/{dataset}/{sha256}.json")
    }

    /// The newest bundle of a dataset, pinned and compiled.
    ///
    /// # Errors
    /// `BundleMissing`, `ContractInvalid` with all mistakes, the store's.
    pub async fn newest(&self, bucket: &str, dataset: &str) -> Result<(BundleRef, Arc<Dataset>)> {
        self.newest_of(bucket, Self::key(dataset), dataset).await
    }

    /// The bundle of a dataset that is about to be published, compiled.
    ///
    /// # Errors
    /// Those of [`Self::newest`].
    pub async fn next(&self, bucket: &str, dataset: &str) -> Result<Arc<Dataset>> {
        Ok(self.newest_of(bucket, Self::next_key(dataset), dataset).await?.1)
    }

    async fn newest_of(&self, bucket: &str, key: String, dataset: &str) -> Result<(BundleRef, Arc<Dataset>)> {
        let meta = self.storage.head(bucket, &key, None).await.map_err(missing)?;
        let object = ObjectVersion { bucket: bucket.to_owned(), key, version_id: meta.version_id };
        if let Some(last) = self.remembered(|bundle| bundle.object == object) {
            return Ok(last);
        }
        self.read(object, dataset).await
    }

    /// The bundle that a run pinned, compiled.
    ///
    /// # Errors
    /// `BundleMissing`, `ContractInvalid`, `ObjectChanged`, the store's.
    pub async fn pinned(&self, bundle: &BundleRef) -> Result<Arc<Dataset>> {
        if let Some((_, dataset)) = self.remembered(|last| last == bundle) {
            return Ok(dataset);
        }
        let (found, dataset) = self.read(bundle.object.clone(), &bundle.dataset).await?;
        if found.sha256 != bundle.sha256 {
            let message = format!("the bundle {} is not the one with which the run began", bundle.object);
            return Err(StageError::new(ErrorCode::ObjectChanged, message));
        }
        Ok(dataset)
    }

    fn remembered(&self, wanted: impl Fn(&BundleRef) -> bool) -> Option<(BundleRef, Arc<Dataset>)> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone().filter(|(bundle, _)| wanted(bundle))
    }

    async fn read(&self, object: ObjectVersion, dataset: &str) -> Result<(BundleRef, Arc<Dataset>)> {
        let ObjectVersion { bucket, key, version_id } = &object;
        let json = self.storage.read(bucket, key, Some(version_id), LIMIT).await.map_err(missing)?;
        let invalid = |message: String| StageError::new(ErrorCode::ContractInvalid, message);
        let bundle = Bundle::from_json(&json)
            .map_err(|error| invalid(format!("{object} is no bundle (JSON from path to text)")).caused_by(error))?;
        let compiled = bundle.compile().map_err(|mistakes| invalid(format!("{object}: {mistakes}")))?;
        if compiled.name != dataset {
            return Err(invalid(format!("{object} holds dataset `{}`, where `{dataset}` was expected", compiled.name)));
        }
        let found = (BundleRef { dataset: dataset.to_owned(), object, sha256: bundle.sha256() }, Arc::new(compiled));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(found.clone());
        Ok(found)
    }
}

fn missing(error: StageError) -> StageError {
    if error.code != ErrorCode::ObjectMissing {
        return error;
    }
    let message = format!("{}: deploy the dataset's bundle", error.message);
    StageError::new(ErrorCode::BundleMissing, message).caused_by(error)
}
