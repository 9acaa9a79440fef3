//! `fonderie owed`: what was owed on a day, from the history.

use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_warehouse::Question;

use crate::Ending;
use crate::cli::OwedArguments;
use crate::dataset::DatasetFolder;
use crate::query;
use crate::rows::Rows;

pub(crate) async fn run(arguments: OwedArguments) -> Result<Ending> {
    let folder = DatasetFolder::read(&arguments.dataset)?;
    let dataset = folder.compile()?;
    let sql = dataset.warehouse.owed.as_ref().ok_or_else(|| {
        let message = format!("dataset `{}` does not say what is owed: it has no warehouse/owed.sql", dataset.name);
        StageError::new(ErrorCode::ContractInvalid, message)
    })?;
    let (day, zone) = (arguments.on.to_string(), dataset.time_zone.name());
    let settings = [
        ("fonderie.on", day.as_str()),
        ("fonderie.time_zone", zone),
        ("fonderie.patient", arguments.patient.as_deref().unwrap_or_default()),
        ("fonderie.facility", arguments.facility.as_deref().unwrap_or_default()),
    ];
    let OwedArguments { format, spreadsheet, .. } = arguments;
    let question = Question { sql, settings: &settings, timeout: query::timeout(&arguments.limit), write: false };
    if query::answer(&arguments.state, question, Rows::printed(format, spreadsheet)).await? > 0 {
        return Ok(Ending::Good);
    }
    let asked = [("patient", &arguments.patient), ("facility", &arguments.facility)];
    let asked = asked.iter().filter_map(|(what, id)| Some(format!("{what} {}", id.as_ref()?))).collect::<Vec<_>>();
    let message = format!("nothing is known of {}: ids are written as in the files", asked.join(" or "));
    Err(StageError::new(ErrorCode::SettingsInvalid, message))
}
