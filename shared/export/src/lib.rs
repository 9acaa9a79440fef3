//! Exports: files for people, made of a query's rows as they arrive from the database.
//!
//! [`Exporting`] runs a dataset's query and gives the file's bytes in pieces; whoever calls it writes them to a bucket or to a file. Memory is
//! bounded: a piece of text, a row group, or what the spreadsheet library keeps of one row, whose sheet is in a temporary file.
//!
//! Nothing is changed to fit a format. A value that a format cannot hold fails the export, with its column and row.

mod csv;
mod exporting;
mod file;
mod parquet;
mod value;
mod xlsx;

pub use exporting::Exporting;
pub use file::{ExportFile, LIMIT};
