//! What a killed run left in a data directory: a server that is about to stop, one that does not know that its parent died,
//! or only a file that says so.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::ServerError;
use crate::account::Account;
use crate::binaries::Binaries;

/// The process that started the server, in a file in the data directory.
const OWNER: &str = "fonderie.owner";
/// How the names of a server's socket and of its lock file begin.
const SOCKET: &[u8] = b".s.PGSQL.";

/// Makes way for a new server in the data directory.
///
/// # Errors
/// Where a living process uses it, or a server there cannot be stopped.
pub(crate) fn clear(data: &Path, binaries: &Binaries, account: &Account) -> Result<(), ServerError> {
    if let Some(server) = server_pid(data) {
        make_way(server, data, binaries, account)?;
    }
    // another process may have that number by now, which PostgreSQL itself would take for its predecessor
    let entries = std::fs::read_dir(data).into_iter().flatten().flatten().map(|entry| entry.path());
    let sockets =
        entries.filter(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(SOCKET)));
    for path in sockets.chain([data.join("postmaster.pid")]) {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let message = format!("{}, which an earlier server left, cannot be removed", path.display());
                return Err(ServerError::io(message, error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Waits for a server that is about to stop, or stops it.
fn make_way(server: u32, data: &Path, binaries: &Binaries, account: &Account) -> Result<(), ServerError> {
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
    Ok(())
}

/// Writes down who the server belongs to.
pub(crate) fn claim(data: &Path, account: &Account) -> Result<(), ServerError> {
    account.write(&data.join(OWNER), &std::process::id().to_string())
}

/// The server's process, as its own file says.
fn server_pid(data: &Path) -> Option<u32> {
    std::fs::read_to_string(data.join("postmaster.pid")).ok()?.lines().next()?.trim().parse().ok()
}

fn owner(data: &Path) -> Option<u32> {
    std::fs::read_to_string(data.join(OWNER)).ok()?.trim().parse().ok()
}

/// Whether there is a process of that number.
fn is_alive(pid: u32) -> bool {
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
