//! The dataset's exports, each replaced whole in the bucket of reports.

use chrono::NaiveDate;
use fonderie_contract::{Dataset, Export, ExportTime};
use fonderie_core::stage::ExportWritten;
use fonderie_core::{Disposition, ObjectRef, Result};
use fonderie_export::Exporting;
use fonderie_warehouse::Warehouse;

use crate::Context;

/// Writes all that are made when the marts are published. One whose query or values are at fault leaves the file that is there, and is reported
/// with its sentence.
pub(crate) async fn write(
    context: &Context,
    warehouse: &Warehouse,
    dataset: &Dataset,
    today: NaiveDate,
) -> Result<Vec<ExportWritten>> {
    let mut written = Vec::new();
    for export in dataset.exports.iter().filter(|export| export.when == ExportTime::Publish) {
        let key = format!("{}/exports/{}", dataset.name, export.file);
        let object = ObjectRef { bucket: context.reports_bucket.clone(), key };
        let mut outcome =
            ExportWritten { export: export.name.clone(), object: object.clone(), rows: 0, bytes: 0, failure: None };
        match one(context, warehouse, dataset, export, object, today).await {
            Ok((rows, bytes)) => (outcome.rows, outcome.bytes) = (rows, bytes),
            Err(error) if matches!(error.disposition(), Disposition::Transient | Disposition::Busy) => {
                return Err(error);
            }
            Err(error) => outcome.failure = Some(error.message),
        }
        written.push(outcome);
    }
    Ok(written)
}

/// Writes one; returns its rows and bytes.
async fn one(
    context: &Context,
    warehouse: &Warehouse,
    dataset: &Dataset,
    export: &Export,
    object: ObjectRef,
    today: NaiveDate,
) -> Result<(u64, u64)> {
    let mut writer = context.storage.writer(object, export.format.content_type());
    let copied = async {
        let mut exporting = Exporting::begin(warehouse, dataset, export, today).await?;
        while let Some(piece) = exporting.next().await? {
            writer.write(piece).await?;
        }
        Ok(exporting.rows())
    };
    let copied = copied.await;
    let ended = warehouse.end_reading().await;
    match copied {
        Ok(rows) => {
            ended?;
            Ok((rows, writer.finish().await?))
        }
        Err(error) => {
            writer.abort().await?;
            Err(error)
        }
    }
}
