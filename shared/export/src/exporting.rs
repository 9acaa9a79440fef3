//! A query that runs, and its file.

use bytes::Bytes;
use chrono::NaiveDate;
use fonderie_contract::{Dataset, Export};
use fonderie_core::{Result, StageError};
use fonderie_warehouse::{Answer, Warehouse};

use crate::file::{ExportFile, LIMIT, Rest};

/// An export under way: the query's rows come in as fast as the pieces are taken.
pub struct Exporting<'a> {
    export: &'a Export,
    state: State,
    rows: u64,
}

enum State {
    Rows(Answer, ExportFile),
    Rest(Rest),
    Ended,
}

impl<'a> Exporting<'a> {
    /// Runs the export's query in a read-only transaction, which [`Warehouse::end_reading`] ends; `today` is what its parameters take for the
    /// current day.
    ///
    /// # Errors
    /// `ContractInvalid` with PostgreSQL's own message if the SQL is at fault; the database's.
    pub async fn begin(warehouse: &Warehouse, dataset: &Dataset, export: &'a Export, today: NaiveDate) -> Result<Self> {
        let zone = dataset.time_zone.name();
        let settings = export.query.settings(&[], zone, today);
        let answer =
            warehouse.read_rows(&export.query.sql, zone, &settings).await.map_err(|error| of(export, error))?;
        let file = ExportFile::new(export.format, &export.title, answer.columns().to_vec(), LIMIT);
        let file = file.map_err(|error| of(export, error))?;
        Ok(Self { export, state: State::Rows(answer, file), rows: 0 })
    }

    /// The file's next bytes; `None` at its end.
    ///
    /// # Errors
    /// `ContractInvalid` if the format cannot hold a value, or the file gets too large; the database's. The file is not whole then.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let piece = self.piece().await;
        piece.map_err(|error| of(self.export, error))
    }

    /// The rows that it has so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    async fn piece(&mut self) -> Result<Option<Bytes>> {
        loop {
            match &mut self.state {
                State::Rows(answer, file) => {
                    if let Some(row) = answer.next().await? {
                        file.row(&row.values())?;
                        self.rows = file.rows();
                        if let Some(piece) = file.piece() {
                            return Ok(Some(piece));
                        }
                    } else if let State::Rows(_, file) = std::mem::replace(&mut self.state, State::Ended) {
                        self.state = State::Rest(file.finish()?);
                    }
                }
                State::Rest(rest) => return rest.next(),
                State::Ended => return Ok(None),
            }
        }
    }
}

/// Names the export in an error.
fn of(export: &Export, error: StageError) -> StageError {
    let message = format!("the export {}: {}", export.name, error.message);
    StageError { message, ..error }
}
