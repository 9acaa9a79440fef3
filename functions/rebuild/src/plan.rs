//! What a rebuild has to load, and from where: the runs that the ledger knows as loaded, and those that say so beside their silver.
//!
//! Both count: a ledger that is there may be younger than the silver, because somebody ran a file after all was lost.

use std::collections::{BTreeMap, HashMap, HashSet};

use fonderie_core::rebuild::RebuildPlan;
use fonderie_core::replay::{ReplayFrom, ReplayInput};
use fonderie_core::run::output_key;
use fonderie_core::stage::{Loaded, Transformed, Validated, Verdict};
use fonderie_core::withdrawal::WithdrawalRecord;
use fonderie_core::{
    BesideSilver, BundleRef, ErrorCode, LoadRecord, ObjectRef, ObjectVersion, Result, Run, RunRecord, StageError,
};
use fonderie_storage::{Datasets, Storage};
use fonderie_warehouse::{KnownVersion, LedgerLoad, Warehouse};
use futures::{StreamExt, TryStreamExt, stream};

use crate::context::Buckets;

/// More objects than one listing is asked for in practice.
const LISTED: usize = 5_000_000;

/// Records that are read at once.
const AT_ONCE: usize = 16;

/// A version that was loaded and cannot be loaded again.
#[derive(Debug)]
pub struct Lost {
    /// The version.
    pub object: ObjectVersion,
    /// A sentence's end.
    pub because: &'static str,
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order of the loads.
    pub steps: Vec<ReplayInput>,
    /// What cannot be loaded.
    pub lost: Vec<Lost>,
    /// How many loads the ledger knows.
    pub in_ledger: usize,
    /// Keys in bronze of which no record and no failure is known: whether they were loaded is not known either.
    pub unknown: Vec<String>,
    /// Runs whose bundle is gone, and that are loaded under the present one.
    pub under_present: usize,
}

impl Plan {
    /// How many runs are loaded from there.
    pub fn loads(&self, from: ReplayFrom) -> usize {
        self.steps.iter().filter(|step| step.from == from).count()
    }

    /// How much there is to do, with the place of the runs.
    pub(crate) fn summary(&self, items: ObjectRef) -> RebuildPlan {
        RebuildPlan {
            items,
            from_silver: self.loads(ReplayFrom::Silver) as u64,
            from_bronze: self.loads(ReplayFrom::Bronze) as u64,
            lost: self.lost.len() as u64,
            under_present: self.under_present as u64,
            unknown: self.unknown.len() as u64,
        }
    }
}

/// Finds what can be loaded again. `present` is the dataset's bundle as it is now.
///
/// # Errors
/// The store's and the database's; `ObjectChanged` if a record was changed.
pub async fn plan(storage: &Storage, buckets: &Buckets, warehouse: &Warehouse, present: &BundleRef) -> Result<Plan> {
    let loads = warehouse.ledger_loads(&present.dataset).await?;
    let versions = warehouse.ledger_versions(&present.dataset).await?;
    let bundles = Datasets::new(storage.clone());
    let mut finder =
        Finder { storage, buckets, bundles, found: HashMap::new(), present, silver: HashSet::new(), under_present: 0 };
    let mut plan = Plan { in_ledger: loads.len(), ..Plan::default() };
    let runs = finder.runs(loads).await?;
    let withdrawn = finder.withdrawn(&runs, warehouse.all_versions(&present.dataset).await?).await?;
    let recorded = runs.iter().map(|(record, _)| record.run.object.clone());
    plan.unknown = finder.unknown(&recorded.chain(versions).collect()).await?;
    // the last load of a version's record decides what the tables have of it: the ones before matter only if it can be had
    let mut last: HashMap<(ObjectVersion, String), String> = HashMap::new();
    let of = version_record;
    for (record, load) in &runs {
        if is_in_tables(load.as_ref()) {
            last.insert(of(record), record.run.run_id.clone());
        }
    }
    let mut steps = Vec::with_capacity(runs.len());
    let mut lost = HashSet::new();
    for (mut record, load) in runs {
        let withdrawal = withdrawn.get(&of(&record));
        let changes = withdrawal.is_none() && is_in_tables(load.as_ref());
        let from = if changes { finder.source(&mut record).await? } else { Ok(ReplayFrom::Nowhere) };
        match from {
            Ok(ReplayFrom::Nowhere) => {
                // only the ledger is concerned, which takes whatever bundle is named
                finder.bundle_or_present(&mut record.run).await?;
                let withdrawn = withdrawal.cloned().flatten();
                steps.push(ReplayInput { withdrawn, ..step(record, load, ReplayFrom::Nowhere) });
            }
            Ok(from) => steps.push(step(record, load, from)),
            Err(because) if last.get(&of(&record)) == Some(&record.run.run_id) => {
                lost.insert(of(&record));
                plan.lost.push(Lost { object: record.run.object, because });
            }
            Err(_) => {}
        }
    }
    steps.retain(|step| !lost.contains(&of(&step.record)) || step.from == ReplayFrom::Nowhere);
    plan.steps = steps;
    plan.under_present = finder.under_present;
    Ok(plan)
}

fn step(record: RunRecord, load: Option<LoadRecord>, from: ReplayFrom) -> ReplayInput {
    ReplayInput { record, load, from, withdrawn: None, transform: None, validate: None }
}

struct Finder<'a> {
    storage: &'a Storage,
    buckets: &'a Buckets,
    bundles: Datasets,
    /// By a bundle's hash, where it was found.
    found: HashMap<String, Option<BundleRef>>,
    present: &'a BundleRef,
    /// All keys of the dataset in silver.
    silver: HashSet<String>,
    /// Runs whose rows are in silver, and whose bundle is gone.
    under_present: usize,
}

type Found = (RunRecord, Option<LoadRecord>);

/// An object version and the name of a record.
type VersionRecord = (ObjectVersion, String);

fn version_record(record: &RunRecord) -> VersionRecord {
    (record.run.object.clone(), record.run.record.clone())
}

/// Whether a run brought its rows into the tables.
fn is_in_tables(load: Option<&LoadRecord>) -> bool {
    load.is_some_and(|load| load.load.is_in_tables())
}

impl Finder<'_> {
    /// All runs of the dataset, in the order of their loads: those whose records lie in silver, and those that only the ledger knows.
    async fn runs(&mut self, loads: Vec<LedgerLoad>) -> Result<Vec<Found>> {
        let prefix = format!("{}/", self.present.dataset);
        let listing = self.storage.list(&self.buckets.silver, &prefix, LISTED).await?;
        let ending = format!("/{}", RunRecord::NAME);
        let folders = listing.objects.iter().filter_map(|object| object.key.strip_suffix(&ending));
        let this = &*self;
        let records = folders.map(|folder| async move {
            let Some(record) = this.document::<RunRecord>(format!("{folder}/{}", RunRecord::NAME)).await? else {
                return Ok(None);
            };
            let load = this.document::<LoadRecord>(format!("{folder}/{}", LoadRecord::NAME)).await?;
            Ok::<_, StageError>(Some((record.run.run_id.clone(), (record, load))))
        });
        let records: Vec<_> = stream::iter(records).buffered(AT_ONCE).try_collect().await?;
        let mut runs: BTreeMap<String, Found> = records.into_iter().flatten().collect();
        self.silver = listing.objects.into_iter().map(|object| object.key).collect();
        for load in loads {
            let known = runs.entry(load.entry.run_id.clone()).or_insert_with(|| (of_entry(&load, self.buckets), None));
            known.1 = Some(LoadRecord {
                load: Loaded {
                    outcomes: load.entry.outcomes.unwrap_or_default(),
                    removed: load.entry.removed,
                    already_loaded: false,
                    withdrawn: false,
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

    /// The versions that are withdrawn, each with the record of its withdrawal if there is one beside its silver. The last of what happened to a version
    /// counts: a load, a withdrawal, or what undid it. The ledger is asked if silver has no record of it.
    async fn withdrawn(
        &self,
        runs: &[Found],
        versions: Vec<KnownVersion>,
    ) -> Result<HashMap<VersionRecord, Option<WithdrawalRecord>>> {
        let mut withdrawn: HashMap<_, _> = versions
            .into_iter()
            .filter(|version| version.withdrawn.is_some())
            .map(|version| ((version.object, version.record), None))
            .collect();
        let mut last_load = HashMap::new();
        for (record, load) in runs {
            if is_in_tables(load.as_ref()) {
                let at = load.as_ref().map(|load| load.at);
                let last = last_load.entry(version_record(record)).or_insert(at);
                *last = at.max(*last);
            }
        }
        let mut last: HashMap<VersionRecord, WithdrawalRecord> = HashMap::new();
        for (record, _) in runs {
            let key = record.run.key(WithdrawalRecord::NAME);
            if !self.silver.contains(&key) {
                continue;
            }
            let Some(found) = self.document::<WithdrawalRecord>(key).await? else { continue };
            let newer = |known: &WithdrawalRecord| known.changed_at() >= found.changed_at();
            if !last.get(&version_record(record)).is_some_and(newer) {
                last.insert(version_record(record), found);
            }
        }
        for (version, record) in last {
            let loaded_since = last_load.get(&version).is_some_and(|load| *load > Some(record.changed_at()));
            if record.undone_at.is_some() || loaded_since {
                withdrawn.remove(&version);
            } else {
                withdrawn.insert(version, Some(record));
            }
        }
        Ok(withdrawn)
    }

    async fn document<T: BesideSilver>(&self, key: String) -> Result<Option<T>> {
        let place = ObjectRef { bucket: self.buckets.silver.clone(), key };
        self.storage.beside_silver(&place).await
    }

    /// Where a run's rows can be had, or why they cannot. Its bundle is put where it lies now.
    async fn source(&mut self, record: &mut RunRecord) -> Result<Result<ReplayFrom, &'static str>> {
        if self.silver.contains(&record.validate.accepted_records.key) {
            let found = self.bundle_or_present(&mut record.run).await?;
            self.under_present += usize::from(!found);
            return Ok(Ok(ReplayFrom::Silver));
        }
        let ObjectVersion { bucket, key, version_id } = &record.run.object;
        let bronze = ObjectRef { bucket: bucket.clone(), key: key.clone() };
        if !self.is_there(&bronze, version_id).await? {
            return Ok(Err("neither its silver nor this version of the file is there"));
        }
        Ok(match self.bundle(&mut record.run).await? {
            true => Ok(ReplayFrom::Bronze),
            false => Err("its silver is gone, and so is the contract under which the file was read"),
        })
    }

    async fn is_there(&self, object: &ObjectRef, version: &str) -> Result<bool> {
        match self.storage.head(&object.bucket, &object.key, Some(version)).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.code, ErrorCode::ObjectMissing | ErrorCode::ObjectChanged) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The same as [`Self::bundle`]; a run without one gets the present one, which is enough for its load.
    async fn bundle_or_present(&mut self, run: &mut Run) -> Result<bool> {
        let found = self.bundle(run).await?;
        if !found {
            run.bundle = self.present.clone();
        }
        Ok(found)
    }

    /// Puts into a run where its bundle lies: as it pinned it, or the copy that is kept under its hash. Returns whether there is one.
    async fn bundle(&mut self, run: &mut Run) -> Result<bool> {
        if !self.found.contains_key(&run.bundle.sha256) {
            let key = Datasets::kept_key(&run.bundle.dataset, &run.bundle.sha256);
            let copy = ObjectVersion { bucket: self.buckets.datasets.clone(), key, version_id: "null".to_owned() };
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
        let Some(found) = self.found.get(&run.bundle.sha256).cloned().flatten() else { return Ok(false) };
        run.bundle = found;
        Ok(true)
    }

    /// Keys of bronze whose present version no run and no failure names.
    async fn unknown(&self, known: &HashSet<ObjectVersion>) -> Result<Vec<String>> {
        let Buckets { bronze, quarantine, .. } = self.buckets;
        let failures = self.storage.failed_runs(quarantine, "", LISTED).await?;
        let failures = failures.iter().map(|id| self.storage.recorded_failure(quarantine, id));
        let failures: Vec<_> = stream::iter(failures).buffered(AT_ONCE).try_collect().await?;
        let failed: HashSet<_> =
            failures.into_iter().flatten().filter_map(|failure| failure.key.zip(failure.version_id)).collect();
        let prefix = format!("{}/", self.present.dataset);
        let files = self.storage.list(bronze, &prefix, LISTED).await?.objects;
        let versions = files.into_iter().map(|object| async move {
            let version_id = self.storage.head(bronze, &object.key, None).await?.version_id;
            Ok::<_, StageError>(ObjectVersion { bucket: bronze.clone(), key: object.key, version_id })
        });
        let mut versions: Vec<_> = stream::iter(versions).buffered(AT_ONCE).try_collect().await?;
        versions.retain(|version| {
            // the console marks a folder by an empty object
            !version.key.ends_with('/')
                && !known.contains(version)
                && !failed.contains(&(version.key.clone(), version.version_id.clone()))
        });
        Ok(versions.into_iter().map(|version| version.key).collect())
    }
}

/// A run as far as the ledger knows it: what a load needs.
fn of_entry(load: &LedgerLoad, buckets: &Buckets) -> RunRecord {
    let LedgerLoad { entry, object, size, order, content_sha256, bundle_version } = load;
    let place = |bucket: &str, name: &str| ObjectRef {
        bucket: bucket.to_owned(),
        key: output_key(&entry.dataset, &entry.source, &entry.run_id, name),
    };
    let bundle = ObjectVersion {
        bucket: buckets.datasets.clone(),
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
        record: entry.record.clone(),
    };
    let transform = Transformed {
        silver: place(&buckets.silver, Run::TRANSFORMED),
        rejects: place(&buckets.quarantine, Run::TRANSFORM_REJECTS),
        refused_keys: None,
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
        accepted_records: place(&buckets.silver, Run::ACCEPTED),
        rejects: place(&buckets.quarantine, Run::VALIDATE_REJECTS),
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
