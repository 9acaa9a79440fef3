//! `fonderie export`: one of a dataset's exports as a file, on request.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::Utc;
use fonderie_contract::{Dataset, Export, ExportTime};
use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_export::Exporting;
use fonderie_warehouse::Warehouse;
use tempfile::NamedTempFile;

use crate::Ending;
use crate::cli::ExportArguments;
use crate::dataset::DatasetFolder;
use crate::print::{escaped, say, table};
use crate::state::{Database, connect};

/// Writes the export that is named; without a name, lists the dataset's.
pub(crate) async fn run(arguments: ExportArguments) -> Result<Ending> {
    let ExportArguments { name, to, dataset, state } = arguments;
    let dataset = DatasetFolder::read(&dataset)?.compile()?;
    let Some(name) = name else {
        list(&dataset);
        return Ok(Ending::Good);
    };
    let Some(export) = dataset.exports.iter().find(|export| export.name == name) else {
        let known: Vec<&str> = dataset.exports.iter().map(|export| export.name.as_str()).collect();
        let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        let message = format!("the dataset `{}` has no export `{}`: {known}", dataset.name, escaped(&name));
        return Err(StageError::new(ErrorCode::SettingsInvalid, message));
    };
    let path = if to.is_dir() { to.join(&export.file) } else { to };
    let database = Database::open_existing(&state).await?;
    let written = async {
        let warehouse = connect(&database.settings).await?;
        let written = write(&warehouse, &dataset, export, &path).await;
        warehouse.close().await;
        written
    };
    let written = written.await;
    database.close().await;
    let rows = written?;
    say!("{}: {rows} rows", path.display());
    Ok(Ending::Good)
}

fn list(dataset: &Dataset) {
    if dataset.exports.is_empty() {
        say!("the dataset `{}` declares no exports", dataset.name);
        return;
    }
    let mut shown = table(&["export", "query", "file", "made"]);
    for Export { name, query, file, when, .. } in &dataset.exports {
        let when = match when {
            ExportTime::Publish => "after each publication",
            ExportTime::Request => "on request",
        };
        shown.add_row([name, &query.name, file, when]);
    }
    say!("{shown}");
}

/// Where an export goes.
enum Target {
    /// Into a file beside its place, which takes the place when it is whole.
    File(NamedTempFile, PathBuf),
    /// Straight into what is no file: a pipe, a terminal.
    Stream(File),
}

impl Target {
    /// Of a link, what it leads to; a file that is there keeps its rights.
    fn open(path: &Path) -> io::Result<Self> {
        let there = fs::metadata(path).ok();
        if there.as_ref().is_some_and(|there| !there.is_file()) {
            return OpenOptions::new().write(true).open(path).map(Self::Stream);
        }
        let place = if there.is_some() { fs::canonicalize(path)? } else { path.to_owned() };
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_owned);
        let mut builder = tempfile::Builder::new();
        builder.prefix(".export");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder)?;
        if let Some(there) = there {
            fs::set_permissions(file.path(), there.permissions())?;
        }
        Ok(Self::File(file, place))
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file, _) => file.write_all(bytes),
            Self::Stream(stream) => stream.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::File(file, place) => {
                file.as_file().sync_all()?;
                file.persist(place).map(drop).map_err(|error| error.error)
            }
            Self::Stream(mut stream) => stream.flush(),
        }
    }
}

/// Writes an export. Returns its rows.
async fn write(warehouse: &Warehouse, dataset: &Dataset, export: &Export, path: &Path) -> Result<u64> {
    let unwritable = |error: std::io::Error| {
        let message = format!("the file {} cannot be written", path.display());
        StageError::new(ErrorCode::SettingsInvalid, message).caused_by(error)
    };
    let mut target = Target::open(path).map_err(unwritable)?;
    let today = match warehouse.published_as_of(&dataset.name).await? {
        Some(published) => published,
        None => Utc::now().with_timezone(&dataset.time_zone).date_naive(),
    };
    let copied = async {
        let mut exporting = Exporting::begin(warehouse, dataset, export, today).await?;
        while let Some(piece) = exporting.next().await? {
            target.write_all(&piece).map_err(unwritable)?;
        }
        Ok::<_, StageError>(exporting.rows())
    };
    let copied = copied.await;
    warehouse.end_reading().await?;
    let rows = copied?;
    target.finish().map_err(unwritable)?;
    Ok(rows)
}
