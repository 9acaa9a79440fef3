//! The warehouse in PostgreSQL: connection, migrations, COPY BINARY, the load transaction, the ledger.
//!
//! Nothing here knows what a dataset's rows mean. The dataset brings its tables (migrations) and one script that merges a
//! table of new rows into them; this crate brings the rows there, exactly once, counts them on the way, and writes down what
//! became of them.
//!
//! # The dataset's load script
//! `warehouse/load.sql` runs once per object version, inside the load's transaction and under the dataset's lock. It finds
//! two temporary tables and a view:
//! - `incoming`: the accepted records. The canonical fields under their names, `source_line` (where the record begins in the
//!   file) and `source_record` (its number, unique and ascending).
//! - `loading`, one row: `object_version_key`, `dataset`, `source`, `source_file`, `run_id`, `as_of`, `loaded_at`.
//! - `audit.version_order`: each version of each dataset with its `rank` in the order of versions. Ranks are for comparing
//!   within one transaction: a late version shifts those of the newer ones. `order_instant` does not change.
//!
//! It leaves a temporary table `outcome(inserted, updated, unchanged, superseded)` of one row, whose sum is the number of
//! incoming rows; otherwise the load is rolled back as not conserved. It also leaves a temporary table `removed` with the record's
//! money columns: a row for each record that this version showed when it was loaded before and no longer shows. The script is run again for a version that was loaded
//! under another bundle, and must then replace what that version said.
//!
//! It may leave a temporary table `warning(rule text, rows bigint, message text)`: what only the warehouse can see of a file, since it compares
//! it with those before. Rows with a count of 0 are passed over; the others are in the outcome, the line, the report and the ledger.
//!
//! Its tables must come out the same in whatever order the versions arrive.
//!
//! # Staging
//! A table `staging.<dataset>` that is UNLOGGED is empty after a crash, a failover or a restore of the database. The next load fills it
//! again from silver ([`StagingGap`]), so it must hold what is known without the script: of each file's newest loaded version the accepted
//! records, one row each, with the canonical fields that it has columns for, `source_file` (the last part of the key), `load_timestamp`,
//! `object_version_key` and `source_line`.
//!
//! # The dataset's models
//! `models/<id>.sql` is a SELECT of `key` (a row's number, unique), `state` (a number that is another where the row's content
//! is) and the model's features, none of them NULL. It finds a table `scoring` of one row: `as_of`. `models/<id>_write.sql` is
//! one UPDATE; it finds a temporary table `scores(key, state, score, reason)`, and must pass over a row whose state is not
//! that one, and a row that has this score and reason already.
//!
//! # The dataset's marts
//! `marts/<name>.sql` is the SELECT of a materialized view. "Today" is `audit.as_of.as_of` of the dataset.

mod arrivals;
mod as_of;
mod connect;
mod copy;
mod copy_out;
mod database;
mod error;
mod failures;
mod ledger;
mod load;
mod lock;
mod login;
mod migrate;
mod publish;
mod query;
mod reader;
mod rebuild;
mod roles;
mod score;
mod secret;
#[cfg(feature = "secrets-manager")]
mod secrets_manager;
mod settings;
mod sql;
mod staging;
mod tables;
mod tls;

pub use arrivals::NEWEST_ARRIVAL;
pub use connect::{ConnectOptions, Warehouse};
pub use database::{Database, SecretLogin};
pub use error::is_login_refused;
pub use ledger::{LedgerEntry, RunStatus};
pub use load::{LoadPlan, Uncommitted};
pub use login::{Login, Place, new_password};
pub use query::{Part, Question, Session, Table};
pub use rebuild::LedgerLoad;
pub use roles::{ANALYST, OPERATOR, PIPELINE, RolesChanged};
pub use score::{Score, ScorePlan, TrainedModel, Turn};
pub use secret::{Label, SecretStore};
#[cfg(feature = "secrets-manager")]
pub use secrets_manager::SecretsManager;
pub use settings::DatabaseSettings;
pub use staging::StagingGap;
pub use tls::Tls;
