//! Settings from environment variables; what is missing is told all together.

use std::cell::RefCell;

use fonderie_core::{ErrorCode, Result, StageError};

/// Reads variables and remembers which ones were not there.
pub struct Settings<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    missing: RefCell<Vec<String>>,
}

/// What [`Settings::database`] reads.
#[derive(Clone, Debug)]
pub struct DatabaseSecret {
    /// The secret in Secrets Manager.
    pub arn: String,
    /// `verify-full` or `disable`.
    pub tls: String,
    /// The file of the certificate authorities; without it, those of Amazon RDS.
    pub roots_file: Option<String>,
}

impl Settings<'_> {
    /// Reads the process's environment: `read` takes what it needs, and [`SettingsInvalid`](ErrorCode::SettingsInvalid)
    /// names every variable that it asked for in vain.
    ///
    /// # Errors
    /// When a variable is missing or empty.
    pub fn read<T>(read: impl FnOnce(&Settings<'_>) -> T) -> Result<T> {
        Self::read_from(&|name| std::env::var(name).ok(), read)
    }

    fn read_from<T>(variable: &dyn Fn(&str) -> Option<String>, read: impl FnOnce(&Settings<'_>) -> T) -> Result<T> {
        let settings = Settings { variable, missing: RefCell::default() };
        let value = read(&settings);
        let missing = settings.missing.into_inner();
        if missing.is_empty() {
            return Ok(value);
        }
        let message = format!("set the environment variables {}, which the function needs", missing.join(", "));
        Err(StageError::new(ErrorCode::SettingsInvalid, message))
    }

    /// A variable that must be there.
    pub fn text(&self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.missing.borrow_mut().push(name.to_owned());
            String::new()
        })
    }

    /// A variable that may be absent.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// The database's secret, and how it is reached: `DATABASE_SECRET_ARN`, `DATABASE_TLS` (`verify-full`, or `disable` for a
    /// local database) and, optional, `DATABASE_ROOTS_FILE`, certificate authorities as PEM.
    pub fn database(&self) -> DatabaseSecret {
        DatabaseSecret {
            arn: self.text("DATABASE_SECRET_ARN"),
            tls: self.optional("DATABASE_TLS").unwrap_or_else(|| "verify-full".to_owned()),
            roots_file: self.optional("DATABASE_ROOTS_FILE"),
        }
    }

    /// A list, separated by commas, of at least one.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.text(name).split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_missing_variables_are_named_together() {
        let environment = |name: &str| match name {
            "A" => Some("one, two".to_owned()),
            "B" => Some(String::new()),
            _ => None,
        };
        let read = |settings: &Settings<'_>| {
            (settings.list("A"), settings.text("B"), settings.text("C"), settings.optional("D"))
        };
        let error = Settings::read_from(&environment, read).unwrap_err();
        assert_eq!(error.code, ErrorCode::SettingsInvalid);
        assert!(error.message.contains("B, C,"), "{error}");
        let list = Settings::read_from(&environment, |settings| settings.list("A")).unwrap();
        assert_eq!(list, ["one", "two"]);
    }
}
