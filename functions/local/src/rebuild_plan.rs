//! What a rebuild has to load, and from where: the runs that the ledger knows as loaded, and those that say so beside their silver.
//!
//! Both count: a ledger that is there may be younger than the silver, because somebody ran a file after all was lost.

use std::collections::{BTreeMap, HashMap, HashSet};

use fonderie_core::run::output_key;
use fonderie_core::stage::{Loaded, Transformed, Validated, Verdict};
use fonderie_core::{BesideSilver, BundleRef, ErrorCode, LoadRecord, ObjectRef, ObjectVersion, Result, Run, RunRecord};
use fonderie_storage::{Datasets, Storage};
use fonderie_warehouse::LedgerLoad;

use crate::state::{BRONZE, DATASETS, QUARANTINE, SILVER};

/// More objects than a state folder can hold in practice.
const LISTED: usize = 5_000_000;

/// Where a run's rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// It changed no table.
    Nowhere,
    /// Its accepted records.
    Silver,
    /// The file, read and validated once more.
    Bronze,
}

/// A run to be loaded again.
pub(crate) struct Step {
    pub(crate) record: RunRecord,
    pub(crate) load: Option<LoadRecord>,
    pub(crate) from: From,
}

/// A version that was loaded and cannot be loaded again.
pub(crate) struct Lost {
    pub(crate) object: ObjectVersion,
    pub(crate) because: &'static str,
}

/// What is to be done.
#[derive(Default)]
pub(crate) struct Plan {
    /// In the order of the loads.
    pub(crate) steps: Vec<Step>,
    pub(crate) lost: Vec<Lost>,
    /// How many loads the ledger knows.
    pub(crate) in_ledger: usize,
    /// Keys in bronze of which no record and no failure is known: whether they were loaded is not known either.
    pub(crate) unknown: Vec<String>,
    /// Runs whose bundle is gone, and that are loaded under the present one.
    pub(crate) under_present: usize,
}

/// What the ledger knows of a dataset.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Its loads.
    pub(crate) loads: Vec<LedgerLoad>,
    /// Its object versions, whatever became of them.
    pub(crate) versions: Vec<ObjectVersion>,
}

/// Finds what can be loaded again.
///
/// # Errors
/// The store's; `ObjectChanged` if a record was changed.
pub(crate) async fn plan(storage: &Storage, present: &BundleRef, ledger: Ledger) -> Result<Plan> {
    let mut finder = Finder { storage, bundles: Datasets::new(storage.clone()), found: HashMap::new(), present };
    let mut plan = Plan { in_ledger: ledger.loads.len(), ..Plan::default() };
    let runs = finder.runs(ledger.loads).await?;
    let recorded = runs.iter().map(|(record, _)| record.run.object.clone());
    plan.unknown = finder.unknown(&recorded.chain(ledger.versions).collect()).await?;
    // the last load of a version decides what the tables have of it: the ones before matter only if it can be had
    let mut last: HashMap<ObjectVersion, String> = HashMap::new();
    for (record, load) in &runs {
        if load.as_ref().is_some_and(|load| !load.load.already_loaded) {
            last.insert(record.run.object.clone(), record.run.run_id.clone());
        }
    }
    let mut steps = Vec::with_capacity(runs.len());
    let mut lost = HashSet::new();
    for (mut record, load) in runs {
        let changes = load.as_ref().is_some_and(|load| !load.load.already_loaded);
        let from = if changes { finder.source(&mut record, &mut plan.under_present).await? } else { Ok(From::Nowhere) };
        match from {
            Ok(From::Nowhere) => {
                // only the ledger is concerned, which takes whatever bundle is named
                finder.bundle(&mut record.run, true, &mut 0).await?;
                steps.push(Step { record, load, from: From::Nowhere });
            }
            Ok(from) => steps.push(Step { record, load, from }),
            Err(because) if last.get(&record.run.object) == Some(&record.run.run_id) => {
                lost.insert(record.run.object.clone());
                plan.lost.push(Lost { object: record.run.object, because });
            }
            Err(_) => {}
        }
    }
    steps.retain(|step| !lost.contains(&step.record.run.object) || step.from == From::Nowhere);
    plan.steps = steps;
    Ok(plan)
}

struct Finder<'a> {
    storage: &'a Storage,
    bundles: Datasets,
    /// By a bundle's hash, where it was found.
    found: HashMap<String, Option<BundleRef>>,
    present: &'a BundleRef,
}

type Found = (RunRecord, Option<LoadRecord>);

impl Finder<'_> {
    /// All runs of the dataset, in the order of their loads: those whose records lie in silver, and those that only the ledger knows.
    async fn runs(&self, loads: Vec<LedgerLoad>) -> Result<Vec<Found>> {
        let prefix = format!("{}/", self.present.dataset);
        let listing = self.storage.list(SILVER, &prefix, LISTED).await?;
        let ending = format!("/{}", RunRecord::NAME);
        let mut runs = BTreeMap::new();
        for folder in listing.objects.iter().filter_map(|object| object.key.strip_suffix(&ending)) {
            let Some(record) = self.document::<RunRecord>(format!("{folder}{ending}")).await? else { continue };
            let load = self.document::<LoadRecord>(format!("{folder}/{}", LoadRecord::NAME)).await?;
            runs.insert(record.run.run_id.clone(), (record, load));
        }
        for load in loads {
            let known = runs.entry(load.entry.run_id.clone()).or_insert_with(|| (of_entry(&load), None));
            known.1 = Some(LoadRecord {
                load: Loaded {
                    outcomes: load.entry.outcomes.unwrap_or_default(),
                    removed: load.entry.removed,
                    already_loaded: false,
                    warnings: Vec::new(),
                    notices: Vec::new(),
                    millis: 0,
                },
                at: load.entry.finished_at,
            });
        }
        let mut runs: Vec<Found> = runs.into_values().collect();
        // equal times stay in the order of the runs' ids
        runs.sort_by_key(|(record, load)| load.as_ref().map_or(record.run.started_at, |load| load.at));
        Ok(runs)
    }

    async fn document<T: BesideSilver>(&self, key: String) -> Result<Option<T>> {
        let place = ObjectRef { bucket: SILVER.to_owned(), key };
        match self.storage.read(&place.bucket, &place.key, None, T::LIMIT).await {
            Ok(json) => T::from_json(&place, &json).map(Some),
            Err(error) if error.code == ErrorCode::ObjectMissing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where a run's rows can be had, or why they cannot. Its bundle is put where it lies now.
    async fn source(
        &mut self,
        record: &mut RunRecord,
        under_present: &mut usize,
    ) -> Result<Result<From, &'static str>> {
        if self.is_there(&record.validate.accepted_records, None).await? {
            self.bundle(&mut record.run, true, under_present).await?;
            return Ok(Ok(From::Silver));
        }
        let ObjectVersion { bucket, key, version_id } = &record.run.object;
        let bronze = ObjectRef { bucket: bucket.clone(), key: key.clone() };
        if !self.is_there(&bronze, Some(version_id)).await? {
            return Ok(Err("neither its silver nor this version of the file is there"));
        }
        Ok(match self.bundle(&mut record.run, false, under_present).await? {
            true => Ok(From::Bronze),
            false => Err("its silver is gone, and so is the contract under which the file was read"),
        })
    }

    async fn is_there(&self, object: &ObjectRef, version: Option<&str>) -> Result<bool> {
        match self.storage.head(&object.bucket, &object.key, version).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.code, ErrorCode::ObjectMissing | ErrorCode::ObjectChanged) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Puts into a run where its bundle lies: as it pinned it, or the copy that is kept under its hash. `or_present` takes the present
    /// one else, for the load alone. Returns whether there is one.
    async fn bundle(&mut self, run: &mut Run, or_present: bool, under_present: &mut usize) -> Result<bool> {
        if !self.found.contains_key(&run.bundle.sha256) {
            let key = bundle_copy(&run.bundle.dataset, &run.bundle.sha256);
            let copy = ObjectVersion { bucket: DATASETS.to_owned(), key, version_id: "null".to_owned() };
            let mut found = None;
            for object in [run.bundle.object.clone(), copy] {
                let candidate = BundleRef { object, ..run.bundle.clone() };
                // one that this release no longer understands is of no use either
                match self.bundles.pinned(&candidate).await {
                    Ok(_) => {
                        found = Some(candidate);
                        break;
                    }
                    Err(error)
                        if matches!(
                            error.code,
                            ErrorCode::BundleMissing | ErrorCode::ObjectChanged | ErrorCode::ContractInvalid
                        ) => {}
                    Err(error) => return Err(error),
                }
            }
            self.found.insert(run.bundle.sha256.clone(), found);
        }
        match self.found.get(&run.bundle.sha256).cloned().flatten() {
            Some(found) => run.bundle = found,
            None if or_present => {
                *under_present += 1;
                run.bundle = self.present.clone();
            }
            None => return Ok(false),
        }
        Ok(true)
    }

    /// Keys of bronze whose present version no run and no failure names.
    async fn unknown(&self, known: &HashSet<ObjectVersion>) -> Result<Vec<String>> {
        let failures = self.storage.list(QUARANTINE, Storage::FAILURES, LISTED).await?;
        let mut failed = HashSet::new();
        for object in &failures.objects {
            let Some(id) = object.key.strip_prefix(Storage::FAILURES).and_then(|name| name.strip_suffix(".json"))
            else {
                continue;
            };
            if let Some(failure) = self.storage.recorded_failure(QUARANTINE, id).await? {
                failed.extend(failure.key.zip(failure.version_id));
            }
        }
        let prefix = format!("{}/", self.present.dataset);
        let mut unknown = Vec::new();
        for object in self.storage.list(BRONZE, &prefix, LISTED).await?.objects {
            let version_id = self.storage.head(BRONZE, &object.key, None).await?.version_id;
            let version = ObjectVersion { bucket: BRONZE.to_owned(), key: object.key, version_id };
            if !known.contains(&version) && !failed.contains(&(version.key.clone(), version.version_id.clone())) {
                unknown.push(version.key);
            }
        }
        Ok(unknown)
    }
}

/// Where a copy of each bundle is kept on one machine, whose store keeps no versions.
pub(crate) fn bundle_copy(dataset: &str, sha256: &str) -> String {
    format!("bundles/{dataset}/{sha256}.json")
}

/// A run as far as the ledger knows it: what a load needs.
fn of_entry(load: &LedgerLoad) -> RunRecord {
    let LedgerLoad { entry, object, size, order, content_sha256, bundle_version } = load;
    let place = |bucket: &str, name: &str| ObjectRef {
        bucket: bucket.to_owned(),
        key: output_key(&entry.dataset, &entry.source, &entry.run_id, name),
    };
    let bundle = ObjectVersion {
        bucket: DATASETS.to_owned(),
        key: Datasets::key(&entry.dataset),
        version_id: bundle_version.clone(),
    };
    let run = Run {
        run_id: entry.run_id.clone(),
        started_at: entry.started_at,
        object: object.clone(),
        size: *size,
        order: *order,
        as_of: entry.as_of,
        force: true,
        strict: false,
        load_only: false,
        bundle: BundleRef { dataset: entry.dataset.clone(), object: bundle, sha256: entry.bundle_sha256.clone() },
        source: entry.source.clone(),
    };
    let transform = Transformed {
        silver: place(SILVER, "transformed.parquet"),
        rejects: place(QUARANTINE, "transform-rejects.parquet"),
        content_sha256: content_sha256.clone(),
        read: entry.read.clone(),
        kept: entry.read.clone(),
        rejected: Default::default(),
        rules: Default::default(),
        warned: Default::default(),
        skipped: Default::default(),
        units: entry.units.clone(),
        notices: entry.notices.clone(),
        halts: Vec::new(),
        millis: 0,
    };
    let validate = Validated {
        verdict: entry.verdict.unwrap_or(Verdict::AcceptedWithRejects),
        accepted_records: place(SILVER, Run::ACCEPTED),
        rejects: place(QUARANTINE, "validate-rejects.parquet"),
        rejects_csv: None,
        read: entry.read.clone(),
        accepted: entry.accepted.clone(),
        rejected: entry.rejected.clone(),
        rules: entry.rules.clone(),
        halted_because: None,
        millis: 0,
    };
    RunRecord { run, transform, validate }
}
