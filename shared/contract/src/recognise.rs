//! From a key to the dataset and the source whose contract reads it.

use chrono::NaiveDate;
use fonderie_core::{ErrorCode, Result, StageError};

use crate::compiled::{Dataset, DateFormat, DatePart, FileFormat, Source};

/// The dataset that a bronze key belongs to: its first part, where that names one of `datasets`, else the first dataset.
pub fn dataset_of_key<'a>(datasets: &'a [String], key: &str) -> Option<&'a str> {
    let first = key.split_once('/').map(|(first, _)| first);
    datasets.iter().find(|name| Some(name.as_str()) == first).or(datasets.first()).map(String::as_str)
}

impl Dataset {
    /// The one source that recognises a key.
    ///
    /// # Errors
    /// `SourceUnknown` where none does, `SourceAmbiguous` where several do.
    pub fn source_of_key(&self, key: &str) -> Result<&Source> {
        let (path, file_name) = self.path_of_key(key);
        let fits = |source: &&Source| source.formats.iter().any(|format| format.fits(path, file_name));
        let ids = |sources: &[&Source]| sources.iter().map(|source| source.id.as_str()).collect::<Vec<_>>().join(", ");
        let fitting: Vec<&Source> = self.sources.iter().filter(fits).collect();
        match fitting.as_slice() {
            [source] => Ok(source),
            [] => Err(StageError::new(
                ErrorCode::SourceUnknown,
                format!(
                    "no source of dataset `{}` recognises the file `{file_name}`: name it as one of the contracts \
                     expects ({}), or add a contract for it under `sources/`",
                    self.name,
                    ids(&self.sources.iter().collect::<Vec<_>>()),
                ),
            )),
            several => Err(StageError::new(
                ErrorCode::SourceAmbiguous,
                format!(
                    "several sources of dataset `{}` recognise the file `{file_name}` ({}): narrow the `files` patterns \
                     in their contracts",
                    self.name,
                    ids(several),
                ),
            )),
        }
    }

    /// The format of a source in which a key's file is written.
    ///
    /// # Errors
    /// `SourceUnknown` where the source has none for it.
    pub fn format_of_key<'a>(&self, source: &'a Source, key: &str) -> Result<&'a FileFormat> {
        let (path, file_name) = self.path_of_key(key);
        source.formats.iter().find(|format| format.fits(path, file_name)).ok_or_else(|| {
            let message = format!("the source `{}` has no format for the file `{file_name}`", source.id);
            StageError::new(ErrorCode::SourceUnknown, message)
        })
    }

    /// A key below the dataset's name, and its last part.
    fn path_of_key<'k>(&self, key: &'k str) -> (&'k str, &'k str) {
        let path = key.strip_prefix(&format!("{}/", self.name)).unwrap_or(key);
        (path, path.rsplit('/').next().unwrap_or(path))
    }

    /// A source by its id.
    ///
    /// # Errors
    /// `ContractInvalid` where the bundle has no such source.
    pub fn source(&self, id: &str) -> Result<&Source> {
        self.sources.iter().find(|source| source.id == id).ok_or_else(|| {
            let message = format!("the bundle of dataset `{}` has no source `{id}`", self.name);
            StageError::new(ErrorCode::ContractInvalid, message)
        })
    }
}

impl FileFormat {
    fn fits(&self, path: &str, file_name: &str) -> bool {
        self.files.is_match(file_name) || self.files.is_match(path)
    }
}

impl Source {
    /// The extraction date in a key's file name, where the contract says that one stands there and exactly one does.
    pub fn extraction_date_of_key(&self, key: &str) -> Option<NaiveDate> {
        let format = self.extraction_date.as_ref()?;
        let name = key.rsplit('/').next().unwrap_or(key);
        let boundary = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_digit());
        let mut dates = name.char_indices().filter_map(|(start, _)| {
            let (date, length) = date_at(format, &name[start..])?;
            let whole = boundary(name[..start].chars().next_back()) && boundary(name[start + length..].chars().next());
            whole.then_some(date)
        });
        let date = dates.next()?;
        dates.next().is_none().then_some(date)
    }
}

/// A date of full width (two digits for day and month) at the beginning of a text, and how many bytes it takes.
fn date_at(format: &DateFormat, text: &str) -> Option<(NaiveDate, usize)> {
    let (mut year, mut month, mut day, mut at) = (0, 0, 0, 0);
    for (index, part) in format.parts.iter().enumerate() {
        if index > 0 {
            text.get(at..)?.starts_with(&format.separator).then_some(())?;
            at += format.separator.len();
        }
        let width = if *part == DatePart::Year { 4 } else { 2 };
        let digits = text.get(at..at + width).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        let number: u32 = digits.parse().ok()?;
        match part {
            DatePart::Year => year = i32::try_from(number).ok()?,
            DatePart::Month => month = number,
            DatePart::Day => day = number,
        }
        at += width;
    }
    Some((NaiveDate::from_ymd_opt(year, month, day)?, at))
}
