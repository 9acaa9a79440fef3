//! Datasets and sources are data: TOML and SQL, read raw, checked, compiled.
//!
//! A [`Bundle`] is the dataset's folder as text, whatever carried it here: a folder, or one versioned object in S3. It
//! compiles to a [`Dataset`], which alone can read a file; mistakes come back all at once, each with its file, its key, what
//! was found and what is accepted.

mod bundle;
mod check;
mod columns;
mod compiled;
mod currency;
mod dataset;
mod dates;
mod encoding;
mod export;
mod format;
mod messages;
mod mistakes;
mod model;
mod numbers;
mod pattern;
mod query;
mod reader_rule;
mod recognise;
mod record;
mod source;
mod tables;
mod text;

pub use bundle::Bundle;
pub use compiled::*;
pub use currency::currency_codes;
pub use dates::{DateFormat, DatePart, DatePattern, DateRange, Dates, Fold};
pub use encoding::Encoding;
pub use export::{Export, ExportFormat, ExportTime};
pub use messages::Messages;
pub use mistakes::{Found, Mistake, Mistakes, Section, describe, document};
pub use numbers::NumberFormat;
pub use pattern::{NamePatterns, Patterns, Template};
pub use query::{Absent, Parameter, ParameterType, Queries, Query, TIME_ZONE, setting};
pub use reader_rule::ReaderRule;
pub use recognise::dataset_of_key;
pub use text::{fold_name, fold_space, is_control, is_invisible};
