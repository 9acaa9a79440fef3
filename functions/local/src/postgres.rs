//! The PostgreSQL of a state folder: this machine's own programs, or the one inside this program. Each kind has a folder of
//! its own, for neither can read the other's.

use std::path::{Path, PathBuf};

use fonderie_core::{ErrorCode, Result, StageError};
use fonderie_embedded_postgres as embedded;
use fonderie_postgres_server as native;

use crate::cli::PostgresKind;
use crate::print::{path, remark};
use crate::private::close_state;

pub(crate) const NATIVE: &str = "postgres";
pub(crate) const EMBEDDED: &str = "postgres-embedded";

/// A running server of either kind. Dropping it stops it.
pub(crate) enum Postgres {
    Native(native::Server),
    Embedded(embedded::Server),
}

impl Postgres {
    /// Starts the one that was asked for, or else the fitting one, and says which unless `quiet`. It listens on a socket that only its own user
    /// can reach; if `network`, a native one takes its password on the loopback interface too. Blocking.
    ///
    /// # Errors
    /// [`ErrorCode::SettingsInvalid`]: there are no programs for a native one, or it does not start.
    pub(crate) fn start(state: &Path, forced: Option<PostgresKind>, network: bool, quiet: bool) -> Result<Self> {
        let found = native::Binaries::find();
        if let Err(error) = &found
            && !error.is_not_found()
            && forced != Some(PostgresKind::Embedded)
        {
            // PG_BIN is taken at its word
            return Err(invalid(error.to_string()));
        }
        let there = There { programs: found.is_ok(), native: has_native(state), embedded: has_embedded(state) };
        let (kind, remark) = there.choose(forced)?;
        let (name, folder) = match kind {
            PostgresKind::Native => ("this machine's PostgreSQL", state.join(NATIVE)),
            PostgresKind::Embedded => ("embedded PostgreSQL 17", state.join(EMBEDDED)),
        };
        close_state(state)?;
        if !quiet {
            remark!("database: {name} on {}{remark}", path(&folder));
        }
        match kind {
            PostgresKind::Native => {
                let port = network.then_some(0);
                native::Server::start(&native::ServerOptions { port, ..native::ServerOptions::new(folder) })
                    .map(Self::Native)
                    .map_err(|error| invalid(error.to_string()))
            }
            PostgresKind::Embedded => embedded::Server::start(&embedded::ServerOptions::new(folder))
                .map(Self::Embedded)
                .map_err(|error| invalid(error.to_string())),
        }
    }

    /// Whether a state folder holds a database: of the kind that was asked for, or of any.
    pub(crate) fn holds(state: &Path, forced: Option<PostgresKind>) -> bool {
        match forced {
            Some(PostgresKind::Native) => has_native(state),
            Some(PostgresKind::Embedded) => has_embedded(state),
            None => has_native(state) || has_embedded(state),
        }
    }

    /// A URL of one of its databases for this program. It may hold a password.
    pub(crate) fn url(&self, database: &str) -> String {
        match self {
            Self::Native(server) => server.url(database),
            Self::Embedded(server) => server.url(database),
        }
    }

    /// How other programs reach one of its databases, without a secret.
    pub(crate) fn access(&self, database: &str) -> Access {
        match self {
            Self::Native(server) => Access {
                url: server.network_url(database).unwrap_or_default(),
                password_file: Some(server.password_file()),
                note: None,
            },
            // its socket asks for no password, so that its URL holds none
            Self::Embedded(server) => Access {
                url: server.url(database),
                password_file: None,
                note: Some("only for this user, one connection at a time: close yours before you open another"),
            },
        }
    }

    /// Stops it. Blocking.
    ///
    /// # Errors
    /// A sentence, where it did not stop cleanly.
    pub(crate) fn stop(self) -> Result<(), String> {
        match self {
            Self::Native(server) => server.stop().map_err(|error| error.to_string()),
            Self::Embedded(server) => server.stop().map_err(|error| error.to_string()),
        }
    }
}

/// How other programs reach a database that was started here.
pub(crate) struct Access {
    /// Its URL, without a password.
    pub(crate) url: String,
    /// What `PGPASSFILE` names to PostgreSQL's clients, if there is a password.
    pub(crate) password_file: Option<PathBuf>,
    /// What a person who connects has to know.
    pub(crate) note: Option<&'static str>,
}

fn has_native(state: &Path) -> bool {
    state.join(NATIVE).join("PG_VERSION").exists()
}

fn has_embedded(state: &Path) -> bool {
    embedded::Server::is_there(&state.join(EMBEDDED))
}

/// What is there to choose from.
struct There {
    /// Programs for a native server.
    programs: bool,
    /// A native database in the state folder.
    native: bool,
    /// An embedded one.
    embedded: bool,
}

impl There {
    /// The kind, and what has to be said about the choice.
    fn choose(&self, forced: Option<PostgresKind>) -> Result<(PostgresKind, &'static str)> {
        use PostgresKind::{Embedded, Native};
        let kind = forced.unwrap_or(match (self.native, self.embedded) {
            (true, false) => Native,
            (false, true) => Embedded,
            _ if self.programs => Native,
            _ => Embedded,
        });
        if kind == Native && !self.programs {
            return Err(invalid(if forced.is_none() {
                "the state folder holds a database of a PostgreSQL server, and none is installed here: install one (Debian: apt-get install postgresql), set PG_BIN to the directory of its programs, or begin another database with --postgres embedded"
                    .to_owned()
            } else {
                "no PostgreSQL server is installed here: install one (Debian: apt-get install postgresql), set PG_BIN to the directory of its programs, name a running one with --database-url, or use --postgres embedded"
                    .to_owned()
            }));
        }
        let remark = match kind {
            Native if self.embedded => {
                "; the embedded database that is there too is left alone (--postgres embedded uses it)"
            }
            Embedded if self.native => {
                "; the native database that is there too is left alone (--postgres native uses it)"
            }
            Embedded if self.programs && forced.is_none() => {
                ", since that is what the state folder holds (--postgres native begins another)"
            }
            _ => "",
        };
        Ok((kind, remark))
    }
}

fn invalid(message: String) -> StageError {
    StageError::new(ErrorCode::SettingsInvalid, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::PostgresKind::{Embedded, Native};
    use super::*;

    #[track_caller]
    fn check(
        programs: bool,
        native: bool,
        embedded: bool,
        forced: Option<PostgresKind>,
        expected: PostgresKind,
        remarked: bool,
    ) {
        let (kind, remark) = There { programs, native, embedded }.choose(forced).unwrap();
        assert_eq!((kind, !remark.is_empty()), (expected, remarked), "{remark}");
    }

    #[test]
    fn a_state_folder_keeps_its_kind_and_a_new_one_prefers_the_machines_own() {
        check(true, false, false, None, Native, false);
        check(false, false, false, None, Embedded, false);
        check(true, true, false, None, Native, false);
        check(true, false, true, None, Embedded, true);
        check(false, false, true, None, Embedded, false);
        check(true, true, true, None, Native, true);
        check(false, true, true, None, Embedded, true);
        check(true, true, false, Some(Embedded), Embedded, true);
        check(true, false, true, Some(Embedded), Embedded, false);
        check(true, false, true, Some(Native), Native, true);
    }

    #[test]
    fn a_native_database_without_programs_is_an_error_that_says_what_to_do() {
        for (native, forced) in [(true, None), (false, Some(Native)), (true, Some(Native))] {
            let error = There { programs: false, native, embedded: false }.choose(forced).unwrap_err();
            assert_eq!(error.code, ErrorCode::SettingsInvalid);
            assert!(error.message.contains("PG_BIN"), "{error}");
        }
    }
}
