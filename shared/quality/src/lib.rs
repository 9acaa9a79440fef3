//! Rules, verdict and rejects: what a file's canonical records are held against before the warehouse.
//!
//! Synchronous and without I/O, like the reader. A file is read twice: once over its key columns to learn which keys are
//! repeated ([`KeyScan`], in as many passes as bound the memory), once over everything ([`Validator`]).

mod facility_csv;
mod keys;
mod rules;
mod spreadsheet;
mod validator;
mod verdict;

pub use facility_csv::{HEADER as FACILITY_CSV_HEADER, write_row as write_facility_row};
pub use keys::{KeyScan, RepeatedKeys, inputs, passes, unique_fields};
pub use spreadsheet::push_spreadsheet_cell;
pub use validator::{KeyCount, RuleCount, Validation, Validator};
pub use verdict::{Judgement, Reading, judge};
