//! From a key to the dataset and the source whose contract reads it.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use fonderie_core::{DatasetRun, ErrorCode, Result, RunRequest, StageError};

use crate::compiled::{Dataset, ExtractionMissing, FileFormat, Source};
use crate::dates::{DatePart, DatePattern};

/// The dataset that a bronze key belongs to: its first part, where that names one of `datasets`, else the first dataset.
pub fn dataset_of_key<'a>(datasets: &'a [String], key: &str) -> Option<&'a str> {
    let first = key.split_once('/').map(|(first, _)| first);
    datasets.iter().find(|name| Some(name.as_str()) == first).or(datasets.first()).map(String::as_str)
}

impl Dataset {
    /// The source that reads a record from a key's file; without a record, the only one that reads the file.
    ///
    /// # Errors
    /// Those of [`Self::sources_of_key`]; `RequestInvalid` if no source reads this record, or sources read several and none is named.
    pub fn source_of_key(&self, key: &str, record: Option<&str>) -> Result<&Source> {
        let sources = self.sources_of_key(key)?;
        let of_record = |source: &&&Source| record.is_none_or(|record| self.record(source).name == record);
        let fitting: Vec<&&Source> = sources.iter().filter(of_record).collect();
        match fitting.as_slice() {
            [source] => Ok(source),
            _ => {
                let names =
                    sources.iter().map(|source| self.record(source).name.as_str()).collect::<Vec<_>>().join(", ");
                let message = format!("the file holds the records {names}: name one of them as `record`");
                Err(StageError::new(ErrorCode::RequestInvalid, message))
            }
        }
    }

    /// The sources that recognise a key: one for each record that its file holds.
    ///
    /// # Errors
    /// `SourceUnknown` if none does, `SourceAmbiguous` if several of one record do.
    pub fn sources_of_key(&self, key: &str) -> Result<Vec<&Source>> {
        let (path, file_name) = self.path_of_key(key);
        let fits = |source: &&Source| source.formats.iter().any(|format| format.fits(path, file_name));
        let ids = |sources: &[&Source]| sources.iter().map(|source| source.id.as_str()).collect::<Vec<_>>().join(", ");
        let fitting: Vec<&Source> = self.sources.iter().filter(fits).collect();
        let of_record = |record: usize| fitting.iter().filter(move |source| source.record == record);
        let ambiguous = (0..self.records.len()).find(|record| of_record(*record).count() > 1);
        match (fitting.as_slice(), ambiguous) {
            ([], _) => Err(StageError::new(
                ErrorCode::SourceUnknown,
                format!(
                    "no source of dataset `{}` recognises the file `{file_name}`: name it as one of the contracts \
                     expects ({}), or add a contract for it under `sources/`",
                    self.name,
                    ids(&self.sources.iter().collect::<Vec<_>>()),
                ),
            )),
            (fitting, None) => Ok(fitting.to_vec()),
            (_, Some(record)) => Err(StageError::new(
                ErrorCode::SourceAmbiguous,
                format!(
                    "several sources of dataset `{}` recognise the file `{file_name}` ({}): narrow the `files` patterns \
                     in their contracts",
                    self.name,
                    ids(&of_record(record).copied().collect::<Vec<_>>()),
                ),
            )),
        }
    }

    /// The records that are read from a key's file, each by a run of its own, as the run's request names them: a dataset's only record is not named.
    ///
    /// # Errors
    /// Those of [`Self::sources_of_key`].
    pub fn records_of_key(&self, key: &str) -> Result<Vec<Option<&str>>> {
        let several = self.records.len() > 1;
        let sources = self.sources_of_key(key)?;
        Ok(sources.into_iter().map(|source| several.then(|| self.record(source).name.as_str())).collect())
    }

    /// What a backfill's run of the dataset asks for: for each key a run of each of its records. A file that no contract knows gets a run too, whose
    /// `admit` fails with the reason.
    pub fn backfill<'k>(&self, run: &DatasetRun, bucket: &str, keys: impl Iterator<Item = &'k str>) -> Vec<RunRequest> {
        let request = |key: &str, record: Option<&str>| RunRequest {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version_id: None,
            dataset: Some(self.name.clone()),
            record: record.map(str::to_owned),
            as_of: Some(run.as_of),
            force: run.force,
            strict: false,
            load_only: true,
        };
        keys.flat_map(|key| {
            let records = self.records_of_key(key).unwrap_or_else(|_| vec![None]);
            records.into_iter().map(move |record| request(key, record)).collect::<Vec<_>>()
        })
        .collect()
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
        self.files.fit(file_name) || self.files.fit(path)
    }
}

impl Source {
    /// The extraction date in a key's file name; `None` where the source declares none, or takes the upload's time instead.
    /// The same date twice is one date.
    ///
    /// # Errors
    /// `ExtractionUnclear` if the name has no date, or two, or one that is no day: such a file would be ordered by the time of its
    /// upload, and correct newer ones.
    pub fn extraction_date_of_key(&self, key: &str) -> Result<Option<NaiveDate>> {
        let Some(format) = &self.extraction_date else { return Ok(None) };
        let name = key.rsplit('/').next().unwrap_or(key);
        let boundary = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_digit());
        let (mut days, mut impossible) = (BTreeSet::new(), None);
        for (start, _) in name.char_indices() {
            let Some((day, length)) = date_at(format, &name[start..]) else { continue };
            let whole = boundary(name[..start].chars().next_back()) && boundary(name[start + length..].chars().next());
            match day {
                _ if !whole => {}
                Some(day) => {
                    days.insert(day);
                }
                None => impossible = Some(&name[start..start + length]),
            }
        }
        // Without a separator, a number of as many digits is not meant as a date.
        let impossible =
            impossible.filter(|_| days.is_empty() || format.separators.iter().any(|separator| !separator.is_empty()));
        let found = match (impossible, days.first(), days.len()) {
            (Some(text), ..) => format!("`{text}` in its name is no day"),
            (None, Some(day), 1) => return Ok(Some(*day)),
            (None, Some(_), _) => {
                let days: Vec<String> = days.iter().map(NaiveDate::to_string).collect();
                format!("its name has several days: {}", days.join(", "))
            }
            (None, None, _) if self.extraction_date_missing == ExtractionMissing::UploadTime => return Ok(None),
            (None, None, _) => "its name has none".to_owned(),
        };
        let message = format!(
            "the source `{}` declares an extraction date in the name of each file, and {found}: rename the file and send it again; if a \
             file without a date is to be ordered by the time of its upload, write extraction_date_missing = \"upload_time\" in the contract",
            self.id
        );
        Err(StageError::new(ErrorCode::ExtractionUnclear, message))
    }
}

/// What has the shape of a date of full width (two digits for day and month) at the beginning of a text, the day if there is
/// such a one, and how many bytes it takes.
fn date_at(format: &DatePattern, text: &str) -> Option<(Option<NaiveDate>, usize)> {
    let (mut year, mut month, mut day, mut at) = (0, 0, 0, 0);
    for (index, part) in format.parts.iter().enumerate() {
        if index > 0 {
            let separator = &format.separators[index - 1];
            text.get(at..)?.starts_with(separator).then_some(())?;
            at += separator.len();
        }
        let width = if *part == DatePart::Year { 4 } else { 2 };
        let digits = text.get(at..at + width).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        let number: u32 = digits.parse().ok()?;
        match part {
            DatePart::Year | DatePart::ShortYear => year = i32::try_from(number).ok()?,
            DatePart::Month | DatePart::MonthName => month = number,
            DatePart::Day => day = number,
        }
        at += width;
    }
    Some((NaiveDate::from_ymd_opt(year, month, day).filter(|_| year >= 1900), at))
}
