//! `fonderie datasets`: which datasets there are, and where they come from.

use fonderie_core::{Result, StageError};
use serde::Serialize;

use crate::Ending;
use crate::cli::{DatasetsArguments, Shape};
use crate::dataset::Origin;
use crate::print::{document, escaped, escaped_lines, remark, say, table};

/// A dataset of the list.
#[derive(Serialize)]
struct Entry {
    name: String,
    description: String,
    /// The folder of datasets; `null` for the program itself.
    folder: Option<String>,
    sources: Vec<String>,
}

pub(crate) fn run(arguments: &DatasetsArguments) -> Result<Ending> {
    let origin = Origin::of(&arguments.folder);
    let (mut entries, mut mistakes) = (Vec::new(), Vec::new());
    for name in &origin.names()? {
        match entry(&origin, name) {
            Ok(entry) => entries.push(entry),
            Err(error) => mistakes.push(error),
        }
    }
    match arguments.format {
        Shape::Json => document(&entries)?,
        Shape::Text => {
            let mut shown = table(&["dataset", "what it is", "from", "sources"]);
            for Entry { name, description, folder, sources } in &entries {
                let from = folder.as_deref().unwrap_or("the program");
                let sources: Vec<_> = sources.iter().map(|source| escaped(source)).collect();
                shown.add_row([escaped(name), escaped(description), escaped(from), sources.join("\n").into()]);
            }
            say!("{shown}");
        }
    }
    // The others are shown all the same.
    let last = mistakes.pop();
    mistakes.iter().for_each(|error| remark!("error: {}", escaped_lines(&error.to_string())));
    last.map_or(Ok(Ending::Good), Err)
}

fn entry(origin: &Origin, name: &str) -> Result<Entry, StageError> {
    let dataset = origin.read(name)?.compile()?;
    let folder = match origin {
        Origin::Folder(folder) => Some(folder.display().to_string()),
        Origin::Carried => None,
    };
    let sources = dataset.sources.into_iter().map(|source| source.id).collect();
    Ok(Entry { name: dataset.name, description: dataset.description, folder, sources })
}
