//! A business file's bytes to Arrow record batches: decode, split, coerce.
//!
//! Everything here is synchronous and does no I/O: [`Reader`] is fed chunks of bytes as they arrive and gives batches of the
//! canonical record and of rejects as they fill, so memory does not grow with the file. What cannot be read is
//! rejected with its line, column, value and rule; nothing is shifted, cut or coerced in silence.

mod ahead;
mod amount;
mod appearance;
mod batch;
mod builder;
mod cell;
mod column;
mod container;
mod cp850;
mod csv;
mod date;
mod decode;
mod derived;
mod double;
mod evidence;
mod foreign;
mod found;
mod header_error;
mod integer;
mod layout;
mod limits;
mod line_end;
mod memo;
mod merged;
mod month;
mod nothing;
mod problem;
mod read;
mod reader;
mod refused;
mod reject;
mod rows;
mod schema;
mod split;
mod spreadsheet;
mod tally;
mod text;
mod time;
mod timestamp;
mod unit;
mod visible;
mod workbook;

pub use batch::{Batch, ReadSummary};
pub use cell::{Appearance, Cell};
pub use decode::Decoding;
pub use layout::{FileColumn, Layout, Skip};
pub use limits::Limits;
pub use problem::Problem;
pub use reader::Reader;
pub use refused::refused_key_schema;
pub use reject::{Reject, RejectBuffer, reject_rows, reject_schema};
pub use rows::{Rows, SHEET_LINES, Step};
pub use schema::{SOURCE_LINE, SOURCE_RECORD, record_properties, record_schema, reject_properties};
pub use split::{Next, Splitter};
pub use tally::tally_batch;
