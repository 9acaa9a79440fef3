//! A source's file, row by row.

use std::collections::VecDeque;
use std::io::{self, Write};

use chrono::NaiveDate;
use fonderie_contract::{Dataset, Format, Origin};
use fonderie_core::{ErrorCode, Result, StageError};
use rust_xlsxwriter::XlsxError;

use crate::csv::CsvOutput;
use crate::effect::{Act, Class};
use crate::notation::{Notation, header_line, totals_word};
use crate::plan::{Plan, PlannedFile, Recipe};
use crate::random::{Permutation, Random, purpose};
use crate::row::{Before, Extent, Row};
use crate::spec::{Drawn, Overrides, Scene};
use crate::truth::{FileTruth, Repeats, Tally};
use crate::value::{Value, places};
use crate::workbook::{MOST_ROWS, WorkbookOutput};

/// The header of what is written to [`Sinks::dirty`], for whoever opens that file.
pub const DIRTY_HEADER: &str = "file,record,key,defect\n";
/// The header of what is written to [`Sinks::anomalies`].
pub const ANOMALIES_HEADER: &str = "file,key,kind\n";

/// Plain rows kept at hand, one of which a repeated row repeats.
const RECENT: usize = 64;
/// Members of each source's own stand so far apart that no two sources' meet.
const MEMBERS: u64 = 20_000_000;
/// Rows between two words on how far the work is.
const STEP: u64 = 1_024;

/// What a caller may choose.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Rows of the file, the header excepted.
    pub rows: u64,
    /// The seed.
    pub seed: u64,
    /// No clean date is later.
    pub as_of: NaiveDate,
}

/// Where a file and the notes on it go.
pub struct Sinks<'a> {
    /// The file's bytes.
    pub file: &'a mut (dyn Write + Send),
    /// A line of CSV for each row with a defect: file, record number from 0, key, defect.
    pub dirty: &'a mut dyn Write,
    /// A line of CSV for each anomaly: file, key, kind.
    pub anomalies: &'a mut dyn Write,
    /// Is told each row that must be accepted, as the canonical record has it.
    pub accepted: Option<&'a mut Accepted<'a>>,
}

/// Takes a row's record number and its fields: dates as `2026-06-30`, decimals with all their places, nothing as an empty
/// text. (Where a repeated key refuses its first row too, that row has been told before.)
pub type Accepted<'a> = dyn FnMut(u64, &[String]) + 'a;

/// Writes the file of one source, telling every so often how many rows are done.
///
/// # Errors
/// `SettingsInvalid` for more rows than a sheet has; `ContractInvalid` for a header that the file's encoding or a workbook
/// cannot have; `StorageUnavailable` where a sink fails.
pub fn write_file(
    plan: &Plan,
    dataset: &Dataset,
    file: &PlannedFile,
    settings: Settings,
    mut sinks: Sinks<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<FileTruth> {
    let source = &dataset.sources[file.source_index];
    let format = &source.formats[file.format_index];
    let notation = Notation { record: dataset.sampled(), source, format };
    let as_of = settings.as_of.to_epoch_days();
    let name = &file.name;
    let mut output = match &format.format {
        Format::Csv(csv) => Output::Csv(CsvOutput::new(csv, file.line_end, file.mark, sinks.file)),
        Format::Workbook(workbook) => {
            if settings.rows + header_line(format) + 1 > u64::from(MOST_ROWS) {
                let message = format!("{name} is a workbook, and a sheet has {MOST_ROWS} rows, the header among them");
                return Err(StageError::new(ErrorCode::SettingsInvalid, message));
            }
            let output = WorkbookOutput::new(
                workbook.sheets.first(),
                &dataset.sampled().name,
                header_line(format),
                source.dates.formats.first(),
                sinks.file,
            );
            Output::Workbook(Box::new(output.map_err(|error| failed(name, Failure::Workbook(error)))?))
        }
    };
    let kind = if matches!(output, Output::Csv(_)) { "csv" } else { "xlsx" };
    let mut tally = Tally::new(dataset.sampled(), source, kind, as_of);
    let places = Places::new(plan, notation, file, settings);
    let members = |pool: usize, random: &mut Random| member(plan, file, pool, settings, as_of, random);
    let rows_purpose = purpose(&format!("rows/{}", source.id));
    let mut recent: VecDeque<Row> = VecDeque::with_capacity(RECENT);

    output.begin(notation, file).map_err(|error| failed(name, error))?;
    for number in 0..settings.rows {
        let mut random = Random::new(settings.seed, rows_purpose, number);
        let mut place = places.at(number);
        let mut first = None;
        if let Some((effect, _)) = place
            && matches!(plan.effects[effect].act, Act::Repeat | Act::RepeatChanged(_))
        {
            let chosen = random.index(recent.len().max(1));
            first = recent.remove(chosen);
            // Without a row before it that could be repeated, the row is plain.
            place = place.filter(|_| first.is_some());
        }
        let effect = place.map(|(effect, _)| &plan.effects[effect]);
        let act = effect.map_or(&Act::Nothing, |effect| &effect.act);
        let scene = Scene { number, as_of, pool: &members };
        let mut row = match &first {
            Some(first) => first.clone(),
            None => {
                let recipe = place.map_or(&places.plain, |(_, recipe)| recipe);
                Row::draw(notation, recipe, &plan.fields, act, &scene, &mut random)
            }
        };
        row.change(notation, act, file.columns.len(), &mut random);
        let repeats = first.as_ref().map(|first| Repeats { changed: row.values != first.values, first });
        let accepted = tally.add(&row, repeats);
        if let Some(tell) = sinks.accepted.as_mut().filter(|_| accepted) {
            let fields = dataset.sampled().fields.iter().zip(&row.values);
            tell(number, &fields.map(|(field, value)| value.canonical(field.kind)).collect::<Vec<_>>());
        }
        let note = |class, names: &mut std::collections::BTreeMap<String, u64>| {
            if let Some(effect) = effect.filter(|effect| effect.class == class) {
                *names.entry(effect.name.clone()).or_default() += 1;
            }
        };
        note(Class::Defect, &mut tally.truth.defects);
        note(Class::Variant, &mut tally.truth.variants);
        note(Class::Anomaly, &mut tally.truth.anomalies);
        let noted = match effect {
            Some(effect) if effect.class == Class::Defect => {
                writeln!(sinks.dirty, "{},{number},{},{}", cell(name), cell(&row.key), cell(&effect.name))
            }
            Some(effect) if effect.class == Class::Anomaly => {
                writeln!(sinks.anomalies, "{},{},{}", cell(name), cell(&row.key), cell(&effect.name))
            }
            _ => Ok(()),
        };
        noted.map_err(|error| failed(name, Failure::Io(error)))?;
        output.row(notation, file, &row, &mut random).map_err(|error| failed(name, error))?;
        if effect.is_none() && accepted {
            if recent.len() == RECENT {
                recent.pop_front();
            }
            recent.push_back(row);
        }
        if number % STEP == 0 {
            progress(number);
        }
    }
    let totals = totals_word(format);
    if totals.is_some() {
        tally.truth.skipped.insert("totals_lines".to_owned(), 1);
    }
    output.finish(totals.as_deref()).map_err(|error| failed(name, error))?;
    progress(settings.rows);
    Ok(tally.truth)
}

/// Which rows are other than plain, in exact number: a permutation of the rows is cut into pieces, one for each effect.
struct Places {
    permutation: Permutation,
    /// For each effect that applies: where its piece ends, the effect, and what its rows are drawn from.
    pieces: Vec<(u64, usize, Recipe)>,
    plain: Recipe,
}

impl Places {
    fn new(plan: &Plan, notation: Notation<'_>, file: &PlannedFile, settings: Settings) -> Self {
        let Settings { rows, seed, .. } = settings;
        let none = Overrides::new();
        // That no draw hangs on itself was checked when the plan was compiled.
        let recipe = |of_effect: &Overrides| {
            let recipe = plan.scope.recipe(&[&file.overrides, of_effect]);
            recipe.unwrap_or(Recipe { specs: Vec::new(), order: Vec::new() })
        };
        let mut pieces = Vec::new();
        let mut end = 0;
        for (index, effect) in plan.effects.iter().enumerate() {
            if !effect.applies(notation.record, notation.source, notation.format) {
                continue;
            }
            let share = crate::spec::rounded(rows as f64 * effect.rate);
            let share = u64::try_from(share).unwrap_or(0).min(rows - end);
            if share > 0 {
                end += share;
                pieces.push((end, index, recipe(&effect.overrides)));
            }
        }
        let mut random = Random::new(seed, purpose(&format!("places/{}", file.source)), 0);
        Self { permutation: Permutation::new(rows, &mut random), pieces, plain: recipe(&none) }
    }

    /// The effect on a row, with what it is drawn from.
    fn at(&self, number: u64) -> Option<(usize, &Recipe)> {
        let place = self.permutation.at(number);
        let piece = self.pieces.partition_point(|(end, ..)| *end <= place);
        self.pieces.get(piece).map(|(_, effect, recipe)| (*effect, recipe))
    }
}

/// Draws a member of a pool: mostly one of the source's own, now and then one that other sources know too. What a member is
/// hangs on its number alone.
fn member(
    plan: &Plan,
    file: &PlannedFile,
    pool: usize,
    settings: Settings,
    as_of: i32,
    random: &mut Random,
) -> Vec<Value> {
    let pool = &plan.pools[pool];
    let own = u64::try_from(crate::spec::rounded(settings.rows as f64 * pool.per_row)).unwrap_or(0).clamp(10, MEMBERS);
    let shared = random.unit() < pool.shared;
    let number = if shared {
        random.below((own / 5).max(10))
    } else {
        MEMBERS * (file.source_index as u64 + 1) + random.below(own)
    };
    let mut random = Random::new(settings.seed, purpose(&format!("pool/{}", pool.name)), number);
    let mut drawn = vec![Drawn::plain(Value::Empty); pool.scope.specs.len()];
    let scene = Scene { number, as_of, pool: &|_, _| Vec::new() };
    for &draw in &pool.order {
        drawn[draw] = pool.scope.specs[draw].draw(&drawn, &scene, &mut random);
    }
    drawn.into_iter().map(|drawn| drawn.value).collect()
}

/// A file under way.
enum Output<'a> {
    Csv(CsvOutput<'a>),
    Workbook(Box<WorkbookOutput<'a>>),
}

/// Why a file could not be written.
enum Failure {
    Io(io::Error),
    Workbook(XlsxError),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

impl From<XlsxError> for Failure {
    fn from(error: XlsxError) -> Self {
        Failure::Workbook(error)
    }
}

fn failed(name: &str, failure: Failure) -> StageError {
    let unwritten = |error: io::Error| {
        let message = format!("{name} could not be written: the disk is full, or its rights do not allow it");
        StageError::new(ErrorCode::StorageUnavailable, message).caused_by(error)
    };
    match failure {
        Failure::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            let message = format!("the contract of {name} cannot be written: {error}");
            StageError::new(ErrorCode::ContractInvalid, message)
        }
        Failure::Io(error) | Failure::Workbook(XlsxError::IoError(error)) => unwritten(error),
        Failure::Workbook(error) => {
            let message = format!("the workbook {name} cannot be written as its contract has it");
            StageError::new(ErrorCode::ContractInvalid, message).caused_by(error)
        }
    }
}

impl Output<'_> {
    fn begin(&mut self, notation: Notation<'_>, file: &PlannedFile) -> Result<(), Failure> {
        if let Output::Csv(csv) = self {
            for _ in 1..header_line(notation.format) {
                csv.end_line()?;
            }
        }
        self.header(notation, file)
    }

    fn header(&mut self, notation: Notation<'_>, file: &PlannedFile) -> Result<(), Failure> {
        for &field in &file.columns {
            if let Origin::Column { column, .. } = &notation.source.columns[field] {
                match self {
                    Output::Csv(csv) => csv.field(&column.to_string()),
                    Output::Workbook(workbook) => workbook.text(&column.to_string())?,
                }
            }
        }
        match self {
            Output::Csv(csv) => csv.end_line()?,
            Output::Workbook(workbook) => workbook.end_row(),
        }
        Ok(())
    }

    fn row(
        &mut self,
        notation: Notation<'_>,
        file: &PlannedFile,
        row: &Row,
        random: &mut Random,
    ) -> Result<(), Failure> {
        match row.before {
            Before::Nothing => {}
            Before::Header => self.header(notation, file)?,
            Before::BlankLine => {
                if let Output::Csv(csv) = self {
                    csv.end_line()?;
                }
            }
        }
        let mut text = String::new();
        for (place, &field) in file.columns.iter().enumerate() {
            if row.extent == Extent::Short(place) {
                break;
            }
            let shown = row.shown.iter().find(|(of, _)| *of == field).map(|(_, shown)| shown.as_str());
            let value = &row.values[field];
            match self {
                Output::Csv(csv) => {
                    if row.extent == Extent::Long(place) {
                        csv.field("?");
                    }
                    match shown {
                        Some(shown) => csv.field(shown),
                        None => {
                            text.clear();
                            notation.write(field, value, &mut text);
                            csv.field(&text);
                        }
                    }
                }
                Output::Workbook(workbook) => {
                    let typed = file.text_cells > 0.0 && random.unit() < file.text_cells;
                    match (shown, value) {
                        (Some(shown), _) => workbook.text(shown)?,
                        (None, Value::Text(_)) => {
                            text.clear();
                            notation.write(field, value, &mut text);
                            workbook.text(&text)?;
                        }
                        (None, value) if typed => {
                            text.clear();
                            notation.write(field, value, &mut text);
                            workbook.text(&text)?;
                        }
                        (None, value) => {
                            workbook.value(value, places(notation.record.fields[field].kind))?;
                        }
                    }
                }
            }
        }
        match self {
            Output::Csv(csv) => {
                if row.extent == Extent::Long(file.columns.len()) {
                    csv.field("?");
                }
                if let Extent::Short(_) = row.extent { csv.end_line()? } else { csv.end_record()? }
            }
            Output::Workbook(workbook) => workbook.end_row(),
        }
        Ok(())
    }

    /// Ends the file, with the line of totals that its contract knows.
    fn finish(self, totals: Option<&str>) -> Result<(), Failure> {
        match self {
            Output::Csv(mut csv) => {
                if let Some(word) = totals {
                    csv.field(word);
                    csv.end_line()?;
                }
                csv.finish()?;
            }
            Output::Workbook(mut workbook) => {
                if let Some(word) = totals {
                    workbook.text(word)?;
                    workbook.end_row();
                }
                workbook.finish()?;
            }
        }
        Ok(())
    }
}

/// A cell of the notes, quoted where it must be.
fn cell(text: &str) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}
