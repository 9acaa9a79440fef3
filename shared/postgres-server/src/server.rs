//! A server's life: prepared, started, ready, stopped.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::binaries::Binaries;
use crate::options::ServerOptions;
use crate::socket::Socket;
use crate::{ServerError, access, leftover, ownership};

/// The server's own words, in the data directory.
const LOG: &str = "server.log";
/// The port in the socket's name if there is no network.
const NO_NETWORK: u16 = 5432;
/// Of a server with TLS, in its data directory.
const CERTIFICATE: &str = "fonderie.crt";
const KEY: &str = "fonderie.key";

/// How long a server may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    binaries: Binaries,
    account: Account,
    data: PathBuf,
    socket: Socket,
    port: u16,
    network: bool,
    password: String,
    child: Option<Child>,
    /// Dropped to let the thread end that started the server.
    _keeper: mpsc::Sender<()>,
}

impl Server {
    /// Starts a server on a data directory, which is made where there is none. Returns once it takes connections.
    ///
    /// # Errors
    /// A sentence that says what is missing, or holds the last lines of the server's log.
    pub fn start(options: &ServerOptions) -> Result<Self, ServerError> {
        let binaries = Binaries::find()?;
        let account = Account::choose()?;
        // absolute, for the server's programs run in a directory of their own
        let data = &std::path::absolute(&options.data_dir)
            .map_err(|error| ServerError::io(format!("{} cannot be resolved", options.data_dir.display()), error))?;
        if data.join("PG_VERSION").exists() {
            account.own_directory(data)?;
            ownership::repair(data, &account)?;
            leftover::clear(data, &binaries, &account)?;
        } else {
            initialise(data, &binaries, &account, options)?;
        }
        leftover::claim(data, &account)?;
        let password = access::prepare(data, &binaries, &account, options)?;
        if let Some(tls) = &options.tls {
            account.write(&data.join(CERTIFICATE), &tls.certificate_pem)?;
            account.write(&data.join(KEY), &tls.key_pem)?;
        }
        let data = data
            .canonicalize()
            .map_err(|error| ServerError::io(format!("{} cannot be resolved", data.display()), error))?;
        let socket = Socket::in_directory(&data)?;
        // the port is free when it is asked for; that another takes it before the server does is rare, and tried again
        let mut attempts = 3;
        // the backends of a killed server end by themselves
        let leaving = Instant::now() + Duration::from_secs(10);
        loop {
            attempts -= 1;
            match launch(options, &binaries, &account, &data) {
                Err(error) if attempts > 0 && options.port == Some(0) && error.message.contains("could not bind") => {}
                Err(error)
                    if Instant::now() < leaving && error.message.contains("pre-existing shared memory block") =>
                {
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(error) => return Err(error),
                Ok((child, port, keeper)) => {
                    let (child, network) = (Some(child), options.port.is_some());
                    return Ok(Self {
                        binaries,
                        account,
                        data,
                        socket,
                        port,
                        network,
                        password,
                        child,
                        _keeper: keeper,
                    });
                }
            }
        }
    }

    /// A URL of one of its databases, for its superuser, through the socket and with the password: a secret. `postgres` is
    /// there from the start.
    pub fn url(&self, database: &str) -> String {
        let (user, password, host) = (access::USER, &self.password, self.socket.host());
        format!("postgresql://{user}:{password}@{host}:{}/{database}", self.port)
    }

    /// The same over the network, without the password, which [`Self::password_file`] holds.
    pub fn network_url(&self, database: &str) -> Option<String> {
        self.network.then(|| format!("postgresql://{}@127.0.0.1:{}/{database}", access::USER, self.port))
    }

    /// The port on the loopback interface; without a network, the number in the socket's name.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser's password, as `PGPASSFILE` names it to PostgreSQL's clients. Readable to those who own the data.
    pub fn password_file(&self) -> PathBuf {
        access::password_file(&self.data)
    }

    /// Where its data are.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// Stops the server and waits until it has written everything down.
    ///
    /// # Errors
    /// Where it had to be killed; it repairs itself at the next start.
    pub fn stop(mut self) -> Result<(), ServerError> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<(), ServerError> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let mut stop = self.account.command(&self.binaries.program("pg_ctl"));
        let asked = stop.args(["stop", "-m", "fast", "-W", "-s", "-D"]).arg(&self.data).stderr(Stdio::null()).status();
        // pg_ctl's own waiting takes a child that died, and was not yet waited for, for one that is alive
        let deadline = Instant::now() + STOP_TIMEOUT;
        let mut end = child.try_wait();
        while matches!(end, Ok(None))
            && asked.as_ref().is_ok_and(std::process::ExitStatus::success)
            && Instant::now() < deadline
        {
            std::thread::sleep(Duration::from_millis(5));
            end = child.try_wait();
        }
        let clean = matches!(end, Ok(Some(status)) if status.success());
        if matches!(end, Ok(None)) {
            let _ = child.kill();
        }
        let _ = child.wait();
        if clean {
            Ok(())
        } else {
            Err(ServerError::new(
                "PostgreSQL did not stop by itself and was killed: it repairs its data at the next start",
            ))
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::warn!(%error, "stopping PostgreSQL");
        }
    }
}

/// Makes a new data directory beside its place and moves it there once it is whole, so that an interrupted run leaves none
/// that is half made.
fn initialise(data: &Path, binaries: &Binaries, account: &Account, options: &ServerOptions) -> Result<(), ServerError> {
    let occupied = std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(ServerError::new(format!(
            "{} is not empty and is no PostgreSQL data directory: choose another",
            data.display()
        )));
    }
    let mut name = data.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = data.with_file_name(name);
    let _ = std::fs::remove_dir_all(&new);
    account.own_directory(&new)?;
    let initdb = |locale: &str| {
        let mut command = account.command(&binaries.program("initdb"));
        // nobody, until `access` opens it
        command.args(["-A", "reject", "-E", "UTF8", "-U", access::USER, "--locale", locale, "-D"]).arg(&new);
        if options.is_quick() {
            command.arg("--no-sync");
        }
        command.output().map_err(|error| ServerError::io("initdb cannot be run", error))
    };
    // not every system has C.UTF-8; plain C sorts the same
    let mut output = initdb("C.UTF-8")?;
    if !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("locale") {
        output = initdb("C")?;
    }
    if !output.status.success() {
        let _ = std::fs::remove_dir_all(&new);
        return Err(ServerError::new(format!(
            "PostgreSQL's data directory {} cannot be made: {}",
            data.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    let _ = std::fs::remove_dir(data);
    std::fs::rename(&new, data)
        .map_err(|error| ServerError::io(format!("{} cannot be put in its place", data.display()), error))
}

fn launch(
    options: &ServerOptions,
    binaries: &Binaries,
    account: &Account,
    data: &Path,
) -> Result<(Child, u16, mpsc::Sender<()>), ServerError> {
    let port = match options.port {
        None => NO_NETWORK,
        Some(0) => free_port()?,
        Some(port) => port,
    };
    let log_path = data.join(LOG);
    let log = account.own_file(&log_path)?;
    let errors = log.try_clone().map_err(|error| ServerError::io("the server's log cannot be opened", error))?;
    let postgres = binaries.program("postgres");
    let setpriv = Path::new("/usr/bin/setpriv");
    let mut command = if setpriv.is_file() {
        let mut command = account.command(setpriv);
        // a fast shutdown when the parent dies
        command.args(["--pdeathsig", "INT"]).arg(&postgres);
        // Ctrl-C is for the parent to hear, which may have to end its work first
        command.process_group(0);
        command
    } else {
        tracing::debug!("no setpriv here: PostgreSQL outlives a parent that is killed, until the next start");
        account.command(&postgres)
    };
    let addresses = if options.port.is_some() { "127.0.0.1" } else { "" };
    let file = |name: &str| data.join(name).display().to_string();
    let mut settings = vec![
        ("listen_addresses", addresses.to_owned()),
        ("port", port.to_string()),
        // the data directory, which is its working directory: however long the path is, that of the socket is short
        ("unix_socket_directories", ".".to_owned()),
        ("hba_file", file(access::RULES)),
        ("password_encryption", "scram-sha-256".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("log_timezone", "UTC".to_owned()),
        ("logging_collector", "off".to_owned()),
    ];
    if options.tls.is_some() {
        settings.push(("ssl", "on".to_owned()));
        settings.push(("ssl_cert_file", file(CERTIFICATE)));
        settings.push(("ssl_key_file", file(KEY)));
    }
    command.arg("-D").arg(data);
    for (name, value) in settings {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    for (name, value) in &options.settings {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    command.stdout(log).stderr(errors);
    let (mut child, keeper) = spawn(command)?;
    match wait_until_ready(&mut child, data, options.start_timeout) {
        Ok(()) => Ok((child, port, keeper)),
        Err(reason) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(ServerError::new(format!(
                "PostgreSQL {reason}. The end of its log, {}:\n{}",
                log_path.display(),
                tail(&log_path)
            )))
        }
    }
}

/// Starts the child from a thread that lives as long as the server: the signal for a parent's death comes when the thread
/// ends that started the child, and a test's thread ends with its test.
fn spawn(mut command: std::process::Command) -> Result<(Child, mpsc::Sender<()>), ServerError> {
    let (keeper, ended) = mpsc::channel::<()>();
    let (give, take) = mpsc::channel();
    std::thread::Builder::new()
        .name("postgres-keeper".into())
        .spawn(move || {
            let _ = give.send(command.spawn());
            let _ = ended.recv();
        })
        .map_err(|error| ServerError::io("a thread for PostgreSQL cannot be started", error))?;
    let child = take.recv().map_err(|_| ServerError::new("the thread that starts PostgreSQL ended"))?;
    Ok((child.map_err(|error| ServerError::io("postgres cannot be run", error))?, keeper))
}

/// Waits for the line that the server writes into its own file once it takes connections.
fn wait_until_ready(child: &mut Child, data: &Path, limit: Duration) -> Result<(), String> {
    let deadline = Instant::now() + limit;
    let pid = child.id().to_string();
    loop {
        let status = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        let mut lines = status.lines();
        // process, directory, start, port, sockets, address, shared memory, status
        if lines.next() == Some(pid.as_str()) && lines.nth(6).is_some_and(|status| status.trim() == "ready") {
            return Ok(());
        }
        match child.try_wait() {
            Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) => return Err(format!("was not ready within {} s", limit.as_secs())),
            Ok(Some(status)) => return Err(format!("ended at its start ({status})")),
            Err(error) => return Err(format!("cannot be watched ({error})")),
        }
    }
}

fn free_port() -> Result<u16, ServerError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| ServerError::io("no port is free on 127.0.0.1", error))
}

/// The last lines of the log.
fn tail(path: &Path) -> String {
    let Ok(file) = std::fs::File::open(path) else { return String::new() };
    let lines: Vec<String> = BufReader::new(file).lines().map_while(Result::ok).collect();
    lines.iter().skip(lines.len().saturating_sub(8)).map(|line| format!("  {line}\n")).collect()
}
