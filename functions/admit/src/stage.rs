//! Pins everything that could change during the run: object version, order, as-of date, bundle, source, record.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use fonderie_contract::dataset_of_key;
use fonderie_core::rebuild::{RebuildOrder, RebuildRequest};
use fonderie_core::run::{BackfillRequest, DatasetRequest};
use fonderie_core::stage::{AdmitInput, Admitted, Request};
use fonderie_core::withdrawal::{WithdrawOrder, WithdrawRequest};
use fonderie_core::{DatasetRun, ErrorCode, ObjectVersion, Order, Result, Run, RunRequest, StageError};

use crate::Context;
use crate::backfill::{items, list};

/// Admits a run.
///
/// # Errors
/// `RequestInvalid`, `ObjectMissing`, `SourceUnknown`, `SourceAmbiguous`, `FileEmpty`, `LimitExceeded`, `ExtractionUnclear`, `ExtractionInFuture`, the bundle's and the store's.
pub async fn run(context: &Context, input: AdmitInput) -> Result<Admitted> {
    let AdmitInput { execution_name: run_id, started_at, .. } = &input;
    match input.request()? {
        Request::Object(request) => object(context, run_id, *started_at, request).await.map(Admitted::Object),
        Request::Dataset(DatasetRequest { dataset, as_of, force, retrain }) => {
            let name = named(context, Some(&dataset), "")?;
            let run = self::dataset(context, run_id, *started_at, name, as_of, force).await?;
            Ok(Admitted::Dataset(DatasetRun { retrain, ..run }))
        }
        Request::Withdraw(WithdrawRequest { withdraw, undo, dataset, as_of, force }) => {
            let name = named(context, dataset.as_deref(), &withdraw.key)?;
            let run = self::dataset(context, run_id, *started_at, name, as_of, force).await?;
            let order = WithdrawOrder { object: withdraw, undo };
            Ok(Admitted::Dataset(DatasetRun { withdraw: Some(order), ..run }))
        }
        Request::Backfill(BackfillRequest { prefix, dataset, as_of, force }) => {
            let name = named(context, dataset.as_deref(), &prefix)?;
            let run = self::dataset(context, run_id, *started_at, name, as_of, force).await?;
            let items = items(context, run_id);
            list(context, &run, &prefix, &items).await?;
            Ok(Admitted::Dataset(DatasetRun { prefix: Some(prefix), items: Some(items), ..run }))
        }
        Request::Rebuild(RebuildRequest { rebuild, partial, as_of, force }) => {
            let name = named(context, Some(&rebuild), "")?;
            let run = self::dataset(context, run_id, *started_at, name, as_of, force).await?;
            // the plan lists the files of which no run is known, and a backfill takes them
            let (prefix, items) = (Some(format!("{name}/")), Some(items(context, run_id)));
            Ok(Admitted::Dataset(DatasetRun { prefix, items, rebuild: Some(RebuildOrder { partial }), ..run }))
        }
    }
}

/// Admits a run of one object version.
///
/// # Errors
/// As [`run`].
pub async fn object(context: &Context, run_id: &str, started_at: DateTime<Utc>, request: RunRequest) -> Result<Run> {
    let name = named(context, request.dataset.as_deref(), &request.key)?;
    plausible(request.as_of, request.force, started_at)?;
    let meta = context.storage.head(&request.bucket, &request.key, request.version_id.as_deref()).await?;
    let object = ObjectVersion { bucket: request.bucket, key: request.key, version_id: meta.version_id };
    let (bundle, dataset) = context.bundles.newest(&context.datasets_bucket, name).await?;
    let source = dataset.source_of_key(&object.key, request.record.as_deref())?;
    if meta.size == 0 {
        let message = format!("the file {} is empty: have it sent again", object.file_name());
        return Err(StageError::new(ErrorCode::FileEmpty, message));
    }
    not_too_large(meta.size, context.largest, object.file_name())?;
    let extracted = source.extraction_date_of_key(&object.key)?;
    if let Some(date) = extracted {
        not_in_future(date, meta.last_modified.with_timezone(&dataset.time_zone).date_naive())?;
    }
    let extracted = extracted.map(|date| midnight(date.and_time(NaiveTime::MIN), dataset.time_zone));
    let position = context.storage.position(&object.bucket, &object.key, &object.version_id).await?;
    let order = Order { instant: extracted.unwrap_or(meta.last_modified), modified: meta.last_modified, position };
    Ok(Run {
        run_id: run_id.to_owned(),
        started_at,
        order,
        size: meta.size,
        as_of: request.as_of.unwrap_or_else(|| started_at.with_timezone(&dataset.time_zone).date_naive()),
        force: request.force || request.as_of.is_none(),
        strict: request.strict,
        load_only: request.load_only,
        source: source.id.clone(),
        record: dataset.record(source).name.clone(),
        bundle,
        object,
    })
}

/// A file that no stage could read in its time is refused before the first one tries.
fn not_too_large(size: u64, largest: Option<u64>, name: &str) -> Result<()> {
    let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
    match largest {
        Some(largest) if size > largest => {
            let message = format!(
                "the file {name} has {} MB, and the largest that is accepted has {}: have it sent in parts, each under its own name",
                megabytes(size),
                megabytes(largest)
            );
            Err(StageError::new(ErrorCode::LimitExceeded, message))
        }
        _ => Ok(()),
    }
}

/// A mistyped year would set the file's rows above all that come later, for as long as that. The sender's clock may be a day
/// ahead.
fn not_in_future(extracted: NaiveDate, uploaded: NaiveDate) -> Result<()> {
    if uploaded.succ_opt().is_none_or(|tomorrow| extracted <= tomorrow) {
        return Ok(());
    }
    let message = format!(
        "the file's name says that it was extracted on {extracted}, but it was uploaded on {uploaded}: correct its name and \
         send it again, or take `extraction_date` out of the contract if the name gives another date"
    );
    Err(StageError::new(ErrorCode::ExtractionInFuture, message))
}

/// A mistyped year would stay the marts' date for as long: what is published later takes the greater one.
fn plausible(typed: Option<NaiveDate>, force: bool, started_at: DateTime<Utc>) -> Result<()> {
    const DAYS: u64 = 3653;
    let latest = started_at.date_naive().checked_add_days(chrono::Days::new(DAYS));
    match typed {
        Some(as_of) if !force && latest.is_some_and(|latest| as_of > latest) => {
            let message =
                format!("the as-of date {as_of} is more than ten years ahead: correct it, or force it if you mean it");
            Err(StageError::new(ErrorCode::RequestInvalid, message))
        }
        _ => Ok(()),
    }
}

/// Admits a run of a dataset, without an object.
async fn dataset(
    context: &Context,
    run_id: &str,
    started_at: DateTime<Utc>,
    name: &str,
    typed: Option<NaiveDate>,
    force: bool,
) -> Result<DatasetRun> {
    plausible(typed, force, started_at)?;
    let (bundle, dataset) = context.bundles.newest(&context.datasets_bucket, name).await?;
    let as_of = typed.unwrap_or_else(|| started_at.with_timezone(&dataset.time_zone).date_naive());
    let force = force || typed.is_none();
    Ok(DatasetRun::new(run_id.to_owned(), started_at, as_of, force, bundle))
}

/// The dataset that is asked for by name, or else by the beginning of a key.
fn named<'a>(context: &'a Context, asked: Option<&str>, key: &str) -> Result<&'a str> {
    let Some(asked) = asked else {
        return dataset_of_key(&context.datasets, key)
            .ok_or_else(|| StageError::new(ErrorCode::SettingsInvalid, "no dataset is deployed: set DATASETS"));
    };
    context.datasets.iter().find(|known| *known == asked).map(String::as_str).ok_or_else(|| {
        let message = format!("there is no dataset `{asked}`: deployed are {}", context.datasets.join(", "));
        StageError::new(ErrorCode::RequestInvalid, message)
    })
}

/// The first instant of a day in a time zone (a clock change may leave midnight out).
fn midnight(day: chrono::NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    let instant = (0..24).find_map(|hour| zone.from_local_datetime(&(day + chrono::Duration::hours(hour))).earliest());
    instant.map_or_else(|| day.and_utc(), |instant| instant.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_large_is_refused_with_both_sizes() {
        const MB: u64 = 1 << 20;
        assert!(not_too_large(256 * MB, Some(256 * MB), "a.csv").is_ok());
        assert!(not_too_large(u64::MAX, None, "a.csv").is_ok());
        let error = not_too_large(256 * MB + 1, Some(256 * MB), "a.csv").unwrap_err();
        assert_eq!(error.code, ErrorCode::LimitExceeded);
        assert!(
            error.message.starts_with("the file a.csv has 257 MB, and the largest that is accepted has 256:"),
            "{error}"
        );
    }

    #[test]
    fn an_extraction_is_not_later_than_its_upload() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let code = |extracted, uploaded| not_in_future(day(extracted), day(uploaded)).map_err(|error| error.code);
        assert_eq!(code("2026-06-30", "2026-06-30"), Ok(()));
        assert_eq!(code("2026-07-01", "2026-06-30"), Ok(()));
        assert_eq!(code("2026-07-02", "2026-06-30"), Err(ErrorCode::ExtractionInFuture));
        let error = not_in_future(day("2062-06-30"), day("2026-06-30")).unwrap_err();
        assert!(error.message.contains("2062-06-30") && error.message.contains("2026-06-30"), "{error}");
    }

    #[test]
    fn a_mistyped_year_is_no_as_of_date() {
        let day = |text: &str| Some(text.parse::<NaiveDate>().unwrap());
        let started_at = "2026-11-26T10:00:00Z".parse().unwrap();
        assert!(plausible(day("2999-01-01"), true, started_at).is_ok());
        for fine in [None, day("1999-01-01"), day("2027-06-30"), day("2036-11-26")] {
            assert!(plausible(fine, false, started_at).is_ok(), "{fine:?}");
        }
        let error = plausible(day("2206-06-30"), false, started_at).unwrap_err();
        assert!(error.code == ErrorCode::RequestInvalid && error.message.contains("2206-06-30"), "{error}");
    }

    #[test]
    fn a_day_begins_where_the_sender_is() {
        let day = |text: &str| text.parse::<chrono::NaiveDate>().unwrap().and_time(NaiveTime::MIN);
        let paris = chrono_tz::Europe::Paris;
        assert_eq!(midnight(day("2026-06-30"), paris).to_rfc3339(), "2026-06-29T22:00:00+00:00");
        assert_eq!(midnight(day("2026-01-31"), paris).to_rfc3339(), "2026-01-30T23:00:00+00:00");
        // Midnight did not exist on that day in Beirut.
        assert_eq!(midnight(day("2024-03-31"), chrono_tz::Asia::Beirut).to_rfc3339(), "2024-03-30T22:00:00+00:00");
    }
}
