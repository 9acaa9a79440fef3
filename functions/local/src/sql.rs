//! `fonderie sql`: the statements that the program makes of a dataset's declaration.

use fonderie_core::{ErrorCode, Result, StageError};

use crate::cli::SqlArguments;
use crate::dataset::Origin;
use crate::print::escaped;
use crate::{Ending, out};

pub(crate) fn run(arguments: &SqlArguments) -> Result<Ending> {
    let SqlArguments { name, record, folder } = arguments;
    let dataset = Origin::of(folder).read(name)?.compile()?;
    if let Some(record) = record.as_ref().filter(|record| dataset.record_named(record).is_none()) {
        let known = dataset.records.iter().map(|record| record.name.as_str()).collect::<Vec<_>>().join(", ");
        let message = format!("the dataset `{}` has no record `{}`: it has {known}", dataset.name, escaped(record));
        return Err(StageError::new(ErrorCode::SettingsInvalid, message));
    }
    let _ = out::write(fonderie_warehouse::statements(&dataset, record.as_deref()).as_bytes());
    Ok(Ending::Good)
}
