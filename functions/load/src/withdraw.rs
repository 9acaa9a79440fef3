//! A file version that was sent by mistake, withdrawn; or such a withdrawal, undone.

use std::time::Instant;

use bytes::Bytes;
use fonderie_contract::{Dataset, Record};
use fonderie_core::run::output_key;
use fonderie_core::withdrawal::{WithdrawOrder, WithdrawalRecord, WithdrawalStatus, Withdrawn};
use fonderie_core::{
    BesideSilver, BundleRef, DatasetRun, Deadline, ErrorCode, ObjectRef, ObjectVersion, Result, Run, RunRecord,
    StageError,
};
use fonderie_storage::Datasets;
use fonderie_warehouse::{ConnectOptions, KnownVersion, LoadPlan, UncommittedWithdrawal, Warehouse, WithdrawPlan};

use crate::Context;
use crate::refill::refill;
use crate::stage::{judged, record_of};

/// Withdraws what a run names, or restores it: each record of the object version, in a transaction of its own. The same run again completes
/// what an earlier attempt began. What is so already is left alone, and reported as unchanged.
///
/// A version is restored from the accepted records of the run that had loaded it. If they are gone it is only released: a run of the file loads
/// it.
///
/// # Errors
/// `RequestInvalid` if the run names no withdrawal, the ledger does not know the version, or it is not loaded; `AsOfEarlier`, `SchemaMismatch`, `DatabaseUnavailable`,
/// `DatabaseBusy`, `NotConserved`, the store's.
pub async fn withdraw(context: &Context, run: &DatasetRun, deadline: Deadline) -> Result<Withdrawn> {
    let Some(order) = &run.withdraw else {
        let message = format!("the run {} names no file to withdraw: start it with {{\"withdraw\": …}}", run.run_id);
        return Err(StageError::new(ErrorCode::RequestInvalid, message));
    };
    let dataset = context.bundles.pinned(&run.bundle).await?;
    let mut warehouse = context.database.connect(&ConnectOptions::of_stage("load", deadline)).await?;
    let done = withdraw_in(context, &mut warehouse, &dataset, (run, order), deadline).await;
    warehouse.close().await;
    done
}

async fn withdraw_in(
    context: &Context,
    warehouse: &mut Warehouse,
    dataset: &Dataset,
    (run, order): (&DatasetRun, &WithdrawOrder),
    deadline: Deadline,
) -> Result<Withdrawn> {
    let started = Instant::now();
    warehouse.ready(&dataset.layout).await?;
    // `score` would refuse it after the withdrawal
    warehouse.check_as_of(run).await?;
    let versions = warehouse.versions_of(&dataset.name, &order.object.bucket, &order.object.key).await?;
    // another attempt of this run may have come first
    let pinned = warehouse.version_of_run(&run.run_id).await?;
    let object = chosen(&versions, order, pinned)?;
    let mut records: Vec<&KnownVersion> =
        versions.iter().filter(|version| version.object == object && is_concerned(version)).collect();
    records.sort_by(|a, b| a.record.cmp(&b.record));
    let mut done = Withdrawn { object, undo: order.undo, records: Vec::new(), notices: Vec::new(), millis: 0 };
    for (at, version) in records.iter().enumerate() {
        // the last one has the run's own id: its time is that of the whole
        let last = at + 1 == records.len();
        let run_id = if last { run.run_id.clone() } else { format!("{}.{}", run.run_id, version.record) };
        let plan = WithdrawPlan { run, run_id: &run_id, layout: &dataset.layout, version };
        let record = record_named(dataset, &version.record)?;
        let uncommitted = match order.undo {
            false => warehouse.withdraw(&plan, record).await?,
            true => restore(context, warehouse, dataset, &plan, &mut done.notices).await?,
        };
        note(context, &plan, &uncommitted).await?;
        done.records.push(uncommitted.commit().await?);
        done.notices.extend(refill(context, warehouse, (dataset, record), &context.silver_bucket, deadline).await);
    }
    done.millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(done)
}

/// Whether a record of a version is in the tables, or was before it was withdrawn.
fn is_concerned(version: &KnownVersion) -> bool {
    version.loaded_or_withdrawn().is_some()
}

/// The object version that an order is about. Without its id, a withdrawal is of the newest version that was loaded, also if that is
/// withdrawn: asked for twice, it does not take the version before too. What undoes one is about the newest withdrawn version.
fn chosen(versions: &[KnownVersion], order: &WithdrawOrder, pinned: Option<ObjectVersion>) -> Result<ObjectVersion> {
    let invalid = |message: String| Err(StageError::new(ErrorCode::RequestInvalid, message));
    let asked = &order.object;
    if let Some(pinned) = pinned {
        return Ok(pinned);
    }
    if versions.is_empty() {
        return invalid(format!(
            "the ledger knows no version of {}/{}; nothing was changed: name the file by its key in bronze",
            asked.bucket, asked.key
        ));
    }
    if let Some(id) = &asked.version_id {
        let mut named = versions.iter().filter(|version| version.object.version_id == *id).peekable();
        if named.peek().is_none() {
            let known = versions.iter().map(|version| version.object.version_id.as_str()).collect::<Vec<_>>();
            return invalid(format!(
                "the ledger knows no version {id} of {}; nothing was changed: known are {}",
                asked.key,
                shown(&known)
            ));
        }
        return match named.find(|version| is_concerned(version)) {
            Some(version) => Ok(version.object.clone()),
            None => invalid(not_loaded(&asked.key, Some(id))),
        };
    }
    let newest = match order.undo {
        true => versions.iter().find(|version| version.withdrawn.is_some()),
        false => None,
    };
    match newest.or_else(|| versions.iter().find(|version| is_concerned(version))) {
        Some(version) => Ok(version.object.clone()),
        None => invalid(not_loaded(&asked.key, None)),
    }
}

fn not_loaded(key: &str, version: Option<&str>) -> String {
    let what = version.map_or_else(|| format!("no version of {key}"), |id| format!("version {id} of {key} is not"));
    let verb = if version.is_some() { "" } else { " is" };
    format!(
        "{what}{verb} in the warehouse, so that there is nothing to withdraw or restore; nothing was changed: its runs in the ledger \
         (`fonderie runs`, audit.run) show why"
    )
}

/// Several ids, the first ones only.
fn shown(ids: &[&str]) -> String {
    const SHOWN: usize = 10;
    let more = if ids.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", ids.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", "))
}

fn record_named<'d>(dataset: &'d Dataset, name: &str) -> Result<&'d Record> {
    dataset.record_named(name).ok_or_else(|| {
        let message = format!(
            "the dataset `{}` no longer declares the record `{name}`, so that its tables cannot be changed; nothing was changed: deploy a bundle \
             that declares it",
            dataset.name
        );
        StageError::new(ErrorCode::ContractInvalid, message)
    })
}

/// Restores one record of a version from silver, or releases it.
async fn restore<'w>(
    context: &Context,
    warehouse: &'w mut Warehouse,
    dataset: &Dataset,
    plan: &WithdrawPlan<'_>,
    notices: &mut Vec<String>,
) -> Result<UncommittedWithdrawal<'w>> {
    // what is not withdrawn is left alone, whatever silver has of it
    let Some(withdrawal) = &plan.version.withdrawn else { return warehouse.release(plan).await };
    let key = output_key(&dataset.name, &plan.version.source, &withdrawal.loaded_by, RunRecord::NAME);
    let place = ObjectRef { bucket: context.silver_bucket.clone(), key };
    let Some(record) = context.storage.beside_silver::<RunRecord>(&place).await? else {
        return warehouse.release(plan).await;
    };
    let accepted = &record.validate.accepted_records;
    match context.storage.head(&accepted.bucket, &accepted.key, None).await {
        Ok(_) => {}
        Err(error) if is_gone(&error) => return warehouse.release(plan).await,
        Err(error) => return Err(error),
    }
    let RunRecord { run, transform, validate } = &record;
    let pinned = bundle(context, run).await?;
    if pinned.is_none() {
        notices.push(format!(
            "the contract under which {} was loaded is gone: it was restored under the present one",
            run.object.file_name()
        ));
    }
    let present;
    let contract = match &pinned {
        Some(dataset) => dataset,
        None => {
            present = context.bundles.pinned(&plan.run.bundle).await?;
            &present
        }
    };
    let owns = &contract.source(&run.source)?.owns;
    let of_source = record_of(contract, run)?;
    let load = LoadPlan { run, transform, validate, record: of_source, owns, layout: &contract.layout };
    // a complete file needs the records of before the rules too
    let judged = match judged(context, &load).await {
        Err(error) if is_gone(&error) => return warehouse.release(plan).await,
        judged => judged?,
    };
    let (columns, batches) = context.storage.records(accepted).await?;
    warehouse.restore(plan, &load, &columns, batches, judged).await
}

fn is_gone(error: &StageError) -> bool {
    error.code == ErrorCode::ObjectMissing
}

/// The bundle that a run pinned, or the copy that is kept under its hash; `None` if neither is there.
async fn bundle(context: &Context, run: &Run) -> Result<Option<std::sync::Arc<Dataset>>> {
    let ObjectVersion { bucket, .. } = &run.bundle.object;
    let key = Datasets::kept_key(&run.bundle.dataset, &run.bundle.sha256);
    let copy = ObjectVersion { bucket: bucket.clone(), key, version_id: "null".to_owned() };
    let gone = |code| matches!(code, ErrorCode::BundleMissing | ErrorCode::ObjectChanged | ErrorCode::ContractInvalid);
    match context.bundles.pinned(&run.bundle).await {
        Err(error) if gone(error.code) => {}
        found => return found.map(Some),
    }
    match context.bundles.pinned(&BundleRef { object: copy, ..run.bundle.clone() }).await {
        // only one machine keeps copies, so that no role may read them
        Err(error) if gone(error.code) || error.code == ErrorCode::AccessDenied => Ok(None),
        found => found.map(Some),
    }
}

/// Writes beside the silver of the run that had loaded the version that it is withdrawn, or no longer.
async fn note(context: &Context, plan: &WithdrawPlan<'_>, uncommitted: &UncommittedWithdrawal<'_>) -> Result<()> {
    let Some(at) = uncommitted.at() else { return Ok(()) };
    let (run, done) = (plan.run, uncommitted.done());
    let key = output_key(&run.bundle.dataset, &plan.version.source, &done.loaded_by, WithdrawalRecord::NAME);
    let place = ObjectRef { bucket: context.silver_bucket.clone(), key };
    let record = match done.status {
        WithdrawalStatus::Withdrawn => plan.record(done, at),
        _ => match context.storage.beside_silver::<WithdrawalRecord>(&place).await? {
            Some(record) => WithdrawalRecord { undone_at: Some(at), ..record },
            // it went with the silver
            None => return Ok(()),
        },
    };
    context.storage.put(&place, Bytes::from(record.to_json()?), "application/json").await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use fonderie_core::withdrawal::WithdrawnObject;
    use fonderie_warehouse::Withdrawal;

    use super::*;

    fn version(id: &str, loaded: bool, withdrawn: bool) -> KnownVersion {
        let object = ObjectVersion { bucket: "b".into(), key: "d/a.csv".into(), version_id: id.into() };
        let mut version = KnownVersion::of(object, "lines", "s");
        version.loaded_by = loaded.then(|| "r".to_owned());
        version.withdrawn = withdrawn.then(|| Withdrawal { run_id: "w".into(), loaded_by: "r".into(), at: None });
        version
    }

    fn choice(versions: &[KnownVersion], undo: bool, id: Option<&str>) -> Result<String, String> {
        let object = WithdrawnObject { bucket: "b".into(), key: "d/a.csv".into(), version_id: id.map(str::to_owned) };
        let chosen = chosen(versions, &WithdrawOrder { object, undo }, None);
        chosen.map(|object| object.version_id).map_err(|error| error.message)
    }

    #[test]
    fn the_newest_loaded_version_is_withdrawn_and_the_one_before_it_only_by_its_id() {
        let both = [version("v2", true, false), version("v1", true, false)];
        assert_eq!(choice(&both, false, None).unwrap(), "v2");
        let asked_again = [version("v2", false, true), version("v1", true, false)];
        assert_eq!(choice(&asked_again, false, None).unwrap(), "v2");
        assert_eq!(choice(&asked_again, false, Some("v1")).unwrap(), "v1");
        assert_eq!(choice(&asked_again, true, None).unwrap(), "v2");
        let corrected = [version("v3", false, false), version("v2", true, false), version("v1", false, true)];
        assert_eq!(choice(&corrected, false, None).unwrap(), "v2");
        assert_eq!(choice(&corrected, true, None).unwrap(), "v1");
    }

    #[test]
    fn what_is_not_loaded_is_refused_with_what_is_known() {
        let halted = [version("v1", false, false)];
        for id in [None, Some("v1")] {
            let message = choice(&halted, false, id).unwrap_err();
            assert!(message.contains("in the warehouse") && message.contains("nothing was changed"), "{message}");
        }
        assert!(choice(&halted, false, Some("v9")).unwrap_err().contains("known are v1"));
        assert!(choice(&[], true, None).unwrap_err().contains("knows no version of b/d/a.csv"));
    }
}
