//! PostgreSQL refuses to run as root: as root, it runs as somebody who has no rights.

use std::fs::{File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, fchown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::ServerError;

/// Who PostgreSQL's programs run as; `None` is who we are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    other: Option<(String, u32, u32)>,
}

impl Account {
    /// Ourselves, or as root the user `postgres`, else `nobody`.
    pub(crate) fn choose() -> Result<Self, ServerError> {
        if !own_user().is_ok_and(|user| user == 0) {
            return Ok(Self::default());
        }
        let users = std::fs::read_to_string("/etc/passwd")
            .map_err(|error| ServerError::io("/etc/passwd cannot be read", error))?;
        let found = ["postgres", "nobody"].into_iter().find_map(|name| lookup(&users, name));
        let other = found.ok_or_else(|| ServerError::new("PostgreSQL does not run as root, and there is neither a user postgres nor nobody to run it as: run as another user"))?;
        Ok(Self { other: Some(other) })
    }

    /// User and group id, if the account is not who we are.
    pub(crate) fn ids(&self) -> Option<(u32, u32)> {
        self.other.as_ref().map(|(_, uid, gid)| (*uid, *gid))
    }

    /// A command that runs as this account.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // what the caller's shell says of another server must not reach this one
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("PG")) {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").stdin(Stdio::null());
        if let Some((_, uid, gid)) = &self.other {
            // the caller's working directory may be closed to it
            command.uid(*uid).gid(*gid).current_dir("/");
        }
        command
    }

    /// Makes a directory that only this account can read, or closes one that is there and is this account's or ours.
    ///
    /// # Errors
    /// It belongs to somebody else, who could open it again, or this account cannot reach it.
    pub(crate) fn own_directory(&self, directory: &Path) -> Result<(), ServerError> {
        let failed = |error| ServerError::io(format!("the directory {} cannot be made", directory.display()), error);
        std::fs::create_dir_all(directory).map_err(failed)?;
        let owner = std::fs::metadata(directory).map_err(failed)?.uid();
        let account = self.other.as_ref().map(|(_, uid, _)| *uid);
        if Some(owner) != account && owner != own_user().map_err(failed)? {
            return Err(ServerError::new(format!(
                "the directory {} belongs to another user (number {owner}), who could read and change the database in it: choose another one, or take it over (chown -R) if it is a copy of yours",
                directory.display()
            )));
        }
        std::fs::set_permissions(directory, Permissions::from_mode(0o700)).map_err(failed)?;
        let Some((name, uid, gid)) = &self.other else { return Ok(()) };
        chown(directory, Some(*uid), Some(*gid)).map_err(failed)?;
        let reachable = self.command(Path::new("/usr/bin/test")).arg("-w").arg(directory).status();
        if reachable.is_ok_and(|status| status.success()) {
            return Ok(());
        }
        Err(ServerError::new(format!(
            "PostgreSQL does not run as root but as {name}, who cannot reach {}: choose a directory whose parents are open to all (such as under /var/tmp), or run as another user",
            directory.display()
        )))
    }

    /// Makes an empty file that only this account and root can open. What had its name is removed, not followed: the
    /// directory is another user's, and we may be root.
    pub(crate) fn own_file(&self, path: &Path) -> Result<File, ServerError> {
        let failed = |error| ServerError::io(format!("the file {} cannot be made", path.display()), error);
        let _ = std::fs::remove_file(path);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
        if let Some((_, uid, gid)) = &self.other {
            fchown(&file, Some(*uid), Some(*gid)).map_err(failed)?;
        }
        Ok(file)
    }

    /// [`Self::own_file`] with this content.
    pub(crate) fn write(&self, path: &Path, content: &str) -> Result<(), ServerError> {
        self.own_file(path)?
            .write_all(content.as_bytes())
            .map_err(|error| ServerError::io(format!("the file {} cannot be written", path.display()), error))
    }
}

/// Who we are: a process's directory in /proc belongs to its effective user.
fn own_user() -> std::io::Result<u32> {
    std::fs::metadata("/proc/self").map(|metadata| metadata.uid())
}

/// Name, user id and group id of a user, from the text of /etc/passwd.
fn lookup(users: &str, name: &str) -> Option<(String, u32, u32)> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let mut ids = fields.skip(1).map(str::parse);
        Some((name.to_owned(), ids.next()?.ok()?, ids.next()?.ok()?))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn users_are_looked_up_by_their_whole_name() {
        let users = "root:x:0:0:root:/root:/bin/bash\npostgresx:x:1:1::/:\npostgres:x:105:108:PostgreSQL:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(lookup(users, "postgres"), Some(("postgres".into(), 105, 108)));
        assert_eq!(lookup(users, "nobody"), None);
    }
}
