//! Who is let in: whoever has the superuser's password, by the socket and by the network.
//!
//! The password belongs to the data directory and lies in it, in a file of mode 0600, so that a directory that is moved or copied
//! keeps it. A directory without one (a new one, or one of a version that asked for none) is given one by PostgreSQL's
//! single-user mode, which needs no connection.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::ServerError;
use crate::account::Account;
use crate::binaries::Binaries;
use crate::options::ServerOptions;

/// The superuser of every server that this crate makes.
pub(crate) const USER: &str = "fonderie";
/// The file in the data directory that says who is asked for what.
pub(crate) const RULES: &str = "fonderie_hba.conf";
/// Bytes of a password; twice as many digits.
const PASSWORD_BYTES: usize = 32;

/// The file of the password, as libpq reads it.
pub(crate) fn password_file(data: &Path) -> PathBuf {
    data.join("fonderie.pgpass")
}

/// Writes the rules, and sees to it that there is a password, which it returns. The server does not run.
pub(crate) fn prepare(
    data: &Path,
    binaries: &Binaries,
    account: &Account,
    options: &ServerOptions,
) -> Result<String, ServerError> {
    let network = if options.tls.is_some() { "hostssl" } else { "host" };
    let rules = format!("local all all scram-sha-256\n{network} all all 127.0.0.1/32 scram-sha-256\n");
    account.write(&data.join(RULES), &rules)?;
    let file = password_file(data);
    if let Some(password) = std::fs::read_to_string(&file).ok().as_deref().and_then(read) {
        // written anew for its mode, which a copy may have lost
        account.write(&file, &line(password))?;
        return Ok(password.to_owned());
    }
    let password = new_password()?;
    set(&password, data, binaries, account, options)?;
    account.write(&file, &line(&password))?;
    Ok(password)
}

/// The password in libpq's own format: host, port, database, user, password.
fn line(password: &str) -> String {
    format!("*:*:*:{USER}:{password}\n")
}

fn read(file: &str) -> Option<&str> {
    let password = file.strip_suffix('\n')?.rsplit_once(':')?.1;
    (password.len() == 2 * PASSWORD_BYTES && line(password) == file).then_some(password)
}

fn new_password() -> Result<String, ServerError> {
    let mut bytes = [0_u8; PASSWORD_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| ServerError::new(format!("this machine gives no random bytes for a password: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Gives the superuser a password without a connection. No log shows it.
fn set(
    password: &str,
    data: &Path,
    binaries: &Binaries,
    account: &Account,
    options: &ServerOptions,
) -> Result<(), ServerError> {
    let mut command = account.command(&binaries.program("postgres"));
    command.arg("--single").arg("-D").arg(data);
    for setting in [
        "password_encryption=scram-sha-256",
        "log_statement=none",
        "log_min_error_statement=panic",
        "exit_on_error=on",
        if options.is_quick() { "fsync=off" } else { "fsync=on" },
    ] {
        command.arg("-c").arg(setting);
    }
    let failed = |error| ServerError::io("postgres cannot be run to set its password", error);
    let command = command.arg("postgres").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // one that ended at its start says below why
        let _ = writeln!(input, "ALTER ROLE {USER} PASSWORD '{password}'");
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    Err(ServerError::new(format!(
        "the password of the database in {} cannot be set: {}",
        data.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_password_is_read_back_and_a_damaged_file_holds_none() {
        let password = new_password().unwrap();
        let file = line(&password);
        assert_eq!(read(&file), Some(password.as_str()));
        assert_ne!(new_password().unwrap(), password);
        for damaged in ["", "*:*:*:fonderie:", file.trim_end(), &file[..40], &file.replace("fonderie", "postgres")] {
            assert_eq!(read(damaged), None, "{damaged:?}");
        }
    }
}
