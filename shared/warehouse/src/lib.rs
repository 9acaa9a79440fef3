//! The warehouse in PostgreSQL: connection, migrations, COPY BINARY, the load transaction, the ledger.
//!
//! Nothing here knows what a dataset's rows mean. The dataset declares its tables, whose SQL [`fonderie_tables`] makes; this crate brings the
//! tables and the rows there, exactly once, counts them on the way, and writes down what became of them. [`statements()`] prints it all.
//!
//! # Staging
//! A record's table in staging is UNLOGGED, and empty after a crash, a failover or a restore of the database. The next load fills it again from
//! silver ([`StagingGap`]).
//!
//! # The dataset's models
//! `models/<id>.sql` is a SELECT of `key` (the surrogate of the scored table's row) and the model's features, none of them NULL. It finds a table
//! `scoring` of one row: `as_of`. Scores go to rows whose state is the one that was read.
//!
//! # The dataset's marts
//! `preparation/<name>.sql` is the SELECT of a view, `marts/<name>.sql` that of a materialized view or a view; they may read each other. "Today" is `audit.as_of.as_of` of the dataset.

mod arrivals;
mod as_of;
mod checks;
mod complete;
mod connect;
mod copy;
mod copy_out;
mod database;
mod declare;
mod error;
mod evolve;
mod failures;
mod follow;
mod followers;
mod generation;
mod later;
mod layers;
mod ledger;
mod load;
mod lock;
mod login;
mod migrate;
mod publish;
mod query;
mod reader;
mod reading;
mod rebuild;
mod roles;
mod score;
mod secret;
#[cfg(feature = "secrets-manager")]
mod secrets_manager;
mod settings;
mod sql;
mod staging;
mod statements;
mod tables;
mod tls;
mod withdraw;

pub use arrivals::NEWEST_ARRIVAL;
pub use complete::Judged;
pub use connect::{ConnectOptions, Warehouse};
pub use database::{Database, SecretLogin};
pub use error::is_login_refused;
pub use generation::{Batch, RawScores, Scale};
pub use ledger::{LedgerEntry, RunStatus};
pub use load::{LoadPlan, Uncommitted};
pub use login::{Login, Place, new_password};
pub use migrate::ledger;
pub use query::{Part, Question, Session, Table};
pub use reading::{Answer, AnswerRow, ColumnKind, TypedColumn};
pub use rebuild::LedgerLoad;
pub use roles::{ANALYST, OPERATOR, PIPELINE, RolesChanged};
pub use score::{Done, InForce, ScorePlan, Scoring, TrainedModel, Turn, Work};
pub use secret::{Label, SecretStore};
#[cfg(feature = "secrets-manager")]
pub use secrets_manager::SecretsManager;
pub use settings::DatabaseSettings;
pub use staging::StagingGap;
pub use statements::statements;
pub use tls::Tls;
pub use withdraw::{KnownVersion, UncommittedWithdrawal, WithdrawPlan, Withdrawal};
