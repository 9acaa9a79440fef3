//! What a killed run left in a data directory: a server that is about to stop, one that does not know that its parent died,
//! or only a file that says so.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::ServerError;
use crate::account::Account;
use crate::binaries::Binaries;

/// The process that started the server, in a file in the data directory.
const OWNER: &str = "fonderie.owner";

/// Makes way for a new server in the data directory.
///
/// # Errors
/// Where a living process uses it, or a server there cannot be stopped.
pub(crate) fn clear(data: &Path, binaries: &Binaries, account: &Account) -> Result<(), ServerError> {
    let Some(server) = server_pid(data) else { return Ok(()) };
    if let Some(owner) = owner(data).filter(|owner| *owner != std::process::id() && is_alive(*owner))
        && serves(server, data)
    {
        return Err(ServerError::new(format!(
            "{} is in use by process {owner}: wait for it or end it, or choose another directory",
            data.display()
        )));
    }
    // a server whose parent died is on its way out
    let deadline = Instant::now() + Duration::from_secs(5);
    while serves(server, data) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    if serves(server, data) {
        tracing::warn!(pid = server, "stopping a PostgreSQL that an earlier run left behind");
        let mut stop = account.command(&binaries.program("pg_ctl"));
        let status = stop.args(["stop", "-m", "fast", "-w", "-t", "60", "-s", "-D"]).arg(data).status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(ServerError::new(format!(
                "an earlier PostgreSQL (process {server}) still uses {} and does not stop: end it",
                data.display()
            )));
        }
    }
    // another process may have that number by now, which PostgreSQL itself would take for its predecessor
    match std::fs::remove_file(data.join("postmaster.pid")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(ServerError::io("an earlier server's postmaster.pid cannot be removed", error))
        }
        _ => Ok(()),
    }
}

/// Writes down who the server belongs to.
pub(crate) fn claim(data: &Path) -> Result<(), ServerError> {
    std::fs::write(data.join(OWNER), std::process::id().to_string())
        .map_err(|error| ServerError::io(format!("{} cannot be written", data.display()), error))
}

/// The server's process, as its own file says.
fn server_pid(data: &Path) -> Option<u32> {
    std::fs::read_to_string(data.join("postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
}

fn owner(data: &Path) -> Option<u32> {
    std::fs::read_to_string(data.join(OWNER)).ok()?.trim().parse().ok()
}

/// Whether there is a process of that number.
pub(crate) fn is_alive(pid: u32) -> bool {
    process(pid).exists()
}

/// Whether that process is a server at work in this directory, which is then its working directory.
fn serves(pid: u32, data: &Path) -> bool {
    match (std::fs::read_link(process(pid).join("cwd")), data.canonicalize()) {
        (Ok(cwd), Ok(data)) => cwd == data,
        _ => false,
    }
}

fn process(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}
