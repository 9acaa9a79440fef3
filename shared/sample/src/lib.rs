//! Sample files of a dataset, written through its compiled contracts, with the truth about them.
//!
//! What the fields are drawn from, which defects and anomalies the files carry and how often stands in the dataset's
//! `generate.toml`, compiled to a [`Plan`] against the dataset; this crate knows no word of any business. [`write_file`] writes
//! one source's file row by row and returns what must come out when it is read ([`FileTruth`]): rows accepted and
//! rejected, by rule, and the cents of each money column. A row carries at most one defect, variant or anomaly, so that
//! every count can be attributed.
//!
//! The same plan, settings and version of this crate give the same bytes on every machine: one ChaCha stream per row, no
//! clock, no locale, no order of a hash table, transcendental functions from `libm`.
//!
//! No I/O happens here but on the writers that are passed in; a workbook's rows wait in a temporary file of the library
//! that writes it.

mod compile;
mod csv;
mod effect;
mod effect_compile;
mod file;
mod notation;
mod plan;
mod random;
mod row;
mod spec;
mod spec_compile;
mod truth;
mod value;
mod workbook;

pub use compile::FILE;
pub use file::{ANOMALIES_HEADER, Accepted, DIRTY_HEADER, Settings, Sinks, write_file};
pub use plan::{Defaults, Plan, PlannedFile};
pub use truth::{AmountTruth, FileTruth};
