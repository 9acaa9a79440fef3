//! The SQL of tables that are declared: what makes them, what loads a version into them, and what readers see.
//!
//! The tables are a function of a set of loaded versions, whatever the order in which they came. What is kept for it, of each table:
//!
//! - `<table>_rows`: a row per member, the durable pair of natural key and surrogate, with its current state. A member is *open* while it has
//!   no state of its own: another row refers to it. It is *absent* if the newest complete file of its scope does not show it.
//! - `<table>_history`: the earlier intervals, each with the version that opened it and the one that closed it.
//! - `<table>_presence`: per version, the members that it showed, and on which line.
//! - `<table>_snapshots`, `<table>_refused`: per complete file, the scopes that it was complete of, and the keys that it showed in rows that
//!   were refused.
//! - `<table>_changes`: of a table that checks, models or marts follow, what loads wrote since they last looked.
//!
//! Beside them stand staging (each file's newest version as it was accepted), calendars, and what models say of the rows.
//!
//! An interval's state is stored where it opens. The observations merged behind it have the same state by construction, so that a late
//! version, a reload or a withdrawal needs no other state.

mod changes;
mod ddl;
mod description;
mod load;
mod names;
mod references;
mod staging;
mod views;

pub use changes::{changed, changed_keys, drop_all, has_lost, lists, shown, take_all, take_changes};
pub use ddl::{Base, Part, bases, create, names, output_tables, readers};
pub use description::{
    Calendar, Column, Computed, Dataset, Growing, Holder, Index, Kind, Later, Newest, Output, Partitions, ROW_KEY,
    Range, Record, Reference, SqlType, Table,
};
pub use load::{key_hash, load};
pub use names::{name, quote};
pub use references::{REFERS_TO, broken_references};
pub use views::{View, function, functions, in_force_name, views};
