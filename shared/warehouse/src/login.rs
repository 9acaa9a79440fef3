//! A login as a secret holds it: where the database is, who logs in, and with which password.

use std::fmt;

use fonderie_core::{ErrorCode, Result, StageError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Letters and digits alone: they need no quotes in a URL, a shell or SQL. 40 of them are 238 bits.
const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const PASSWORD_LENGTH: usize = 40;

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name in DNS, which its certificate has too.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database's name.
    pub dbname: String,
}

/// The secret's JSON, as RDS makes it. Its `Debug` form has no password.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Login {
    /// The server's host name.
    pub host: String,
    /// The server's port; 5432 where the secret has none.
    #[serde(default = "default_port")]
    pub port: u16,
    /// The role.
    pub username: String,
    /// The role's password.
    pub password: String,
    /// The database.
    pub dbname: String,
    /// What else the secret says (its `engine`), kept when it is written anew.
    #[serde(flatten)]
    others: Map<String, Value>,
}

fn default_port() -> u16 {
    5432
}

impl Login {
    /// A new login.
    pub fn new(place: &Place, username: &str, password: String) -> Self {
        let Place { host, port, dbname } = place.clone();
        Self { host, port, username: username.to_owned(), password, dbname, others: Map::new() }
    }

    /// Reads a secret as RDS makes it: JSON with `host`, `port` (5432 if absent), `username`, `password`, `dbname`.
    ///
    /// # Errors
    /// [`ErrorCode::SettingsInvalid`] where a key is missing; the message never holds a value of the secret.
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|error| unreadable(&error, "host, port, username, password and dbname"))
    }

    /// Reads a secret of which the user and the password alone are taken: RDS's own of its master user has no more.
    ///
    /// # Errors
    /// [`ErrorCode::SettingsInvalid`] where one of the two is missing; the message never holds a value of the secret.
    pub fn from_json_at(json: &str, place: &Place) -> Result<Self> {
        #[derive(Deserialize)]
        struct User {
            username: String,
            password: String,
        }
        let User { username, password } =
            serde_json::from_str(json).map_err(|error| unreadable(&error, "username and password"))?;
        Ok(Self::new(place, &username, password))
    }

    /// The secret's JSON.
    ///
    /// # Errors
    /// None in practice: it has only texts and a number.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| StageError::new(ErrorCode::Internal, "a secret cannot be written").caused_by(error))
    }

    /// The same login with another password.
    #[must_use]
    pub fn with_password(mut self, password: String) -> Self {
        self.password = password;
        self
    }

    /// Where the database is.
    pub fn place(&self) -> Place {
        Place { host: self.host.clone(), port: self.port, dbname: self.dbname.clone() }
    }

    /// The same login at another place.
    #[must_use]
    pub fn moved_to(mut self, place: &Place) -> Self {
        let Place { host, port, dbname } = place.clone();
        (self.host, self.port, self.dbname) = (host, port, dbname);
        self
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("place", &self.place()).field("username", &self.username).finish_non_exhaustive()
    }
}

/// A new random password.
///
/// # Errors
/// `Internal` where the machine has no randomness.
pub fn new_password() -> Result<String> {
    let mut password = String::with_capacity(PASSWORD_LENGTH);
    let mut bytes = [0_u8; 64];
    while password.len() < PASSWORD_LENGTH {
        getrandom::fill(&mut bytes)
            .map_err(|error| StageError::new(ErrorCode::Internal, "there is no randomness here").caused_by(error))?;
        // what is above the greatest multiple of 62 would make the first letters likelier
        let letters = bytes.iter().filter(|byte| **byte < 248).map(|byte| char::from(ALPHABET[usize::from(byte % 62)]));
        password.extend(letters.take(PASSWORD_LENGTH - password.len()));
    }
    Ok(password)
}

/// serde's message may quote a value of the wrong type, so that only its place is told.
fn unreadable(error: &serde_json::Error, keys: &str) -> StageError {
    let (line, column) = (error.line(), error.column());
    let message =
        format!("the database's secret cannot be read (line {line}, column {column}): it must be JSON with {keys}");
    StageError::new(ErrorCode::SettingsInvalid, message)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;
    use crate::{DatabaseSettings, Tls};

    const SECRET: &str = r#"{"engine":"postgres","host":"db.example","port":5433,"username":"loader","password":"hunter2","dbname":"fonderie"}"#;

    #[test]
    fn a_secret_is_read_and_its_password_is_never_shown() {
        let login = Login::from_json(SECRET).unwrap();
        assert_eq!((login.username.as_str(), login.password.as_str()), ("loader", "hunter2"));
        let settings = DatabaseSettings::from_login(&login, Tls::disable());
        assert_eq!(settings.place(), "db.example:5433/fonderie");
        assert_eq!(settings.config.get_password(), Some(&b"hunter2"[..]));
        assert!(!format!("{settings:?} {login:?}").contains("hunter2"));
        for damaged in [SECRET.replace("5433", "\"hunter2\""), SECRET.replace("host", "hots")] {
            let error = Login::from_json(&damaged).unwrap_err();
            assert_eq!(error.code, ErrorCode::SettingsInvalid);
            assert!(!error.message.contains("hunter2") && !error.chain().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_secret_that_is_written_anew_keeps_what_else_it_said() {
        let login = Login::from_json(SECRET).unwrap().with_password("correct horse".into());
        let written: Value = serde_json::from_str(&login.to_json().unwrap()).unwrap();
        let mut expected: Value = serde_json::from_str(SECRET).unwrap();
        expected["password"] = "correct horse".into();
        assert_eq!(written, expected);
    }

    #[test]
    fn the_masters_secret_has_a_user_and_a_password_alone() {
        let place = Place { host: "db.example".into(), port: 5432, dbname: "entrepot".into() };
        let login = Login::from_json_at(r#"{"username":"master","password":"hunter2"}"#, &place).unwrap();
        assert_eq!((login.username.as_str(), login.place()), ("master", place.clone()));
        let error = Login::from_json_at(r#"{"username":"master","password":["hunter2"]}"#, &place).unwrap_err();
        assert!(!error.message.contains("hunter2") && error.message.contains("username and password"), "{error}");
    }

    #[test]
    fn passwords_are_letters_and_digits_and_differ() {
        let passwords: BTreeSet<String> = (0..50).map(|_| new_password().unwrap()).collect();
        assert_eq!(passwords.len(), 50);
        assert!(passwords.iter().all(|p| p.len() == 40 && p.bytes().all(|byte| byte.is_ascii_alphanumeric())));
        let letters: BTreeSet<u8> = passwords.iter().flat_map(|password| password.bytes()).collect();
        assert_eq!(letters.len(), 62, "all letters occur in 2000 draws");
    }
}
