//! Rules, verdict and rejects: what a file's canonical records are held against before the warehouse.
//!
//! Synchronous and without I/O, like the reader. A file is read twice: once over its key columns to learn which keys are
//! repeated ([`KeyScan`], in as many passes as bound the memory), once over everything ([`Validator`]).

mod keys;
mod rejects_csv;
mod rules;
mod spreadsheet;
mod validator;
mod verdict;

pub use keys::{KeyScan, RepeatedKeys, inputs, passes, unique_fields};
pub use rejects_csv::{header as rejects_header, write as write_reject};
pub use spreadsheet::push_spreadsheet_cell;
pub use validator::{KeyCount, RuleCount, Validation, Validator};
pub use verdict::{Judgement, Reading, judge};
