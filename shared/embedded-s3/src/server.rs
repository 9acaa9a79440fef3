//! The server's life: a folder, a port, a thread of its own.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fonderie_core::{ErrorCode, Result, StageError};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use crate::front::Front;
use crate::layout::Layout;
use crate::objects::Objects;
use crate::patience::Watched;
use crate::policy::Account;
use crate::port::{Port, listen};

const ACCESS_KEY: &str = "fonderie";
/// A request's line and headers, in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// What clients may take of the machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Connections at a time; further ones wait until others end.
    pub(crate) connections: usize,
    /// The time for a request's head, from the end of the request before it.
    pub(crate) head: Duration,
    /// How long a client may stop in the middle of a body that it sends or receives.
    pub(crate) silence: Duration,
}

const LIMITS: Limits = Limits { connections: 256, head: Duration::from_secs(30), silence: Duration::from_secs(60) };

/// A running S3 server over a folder; it stops when dropped.
///
/// It has threads of its own, so that it answers while the stages of the same process compute, and so that it can outlive
/// the runtime of a single test.
#[derive(Debug)]
pub struct EmbeddedS3 {
    endpoint: String,
    secret_key: String,
    root: PathBuf,
    runtime: Option<Runtime>,
    /// Freed by the system when the process ends, however it ends.
    _lock: File,
}

impl EmbeddedS3 {
    /// Serves a folder on a free port of 127.0.0.1, with these buckets in it (others that are there stay).
    ///
    /// The folder is made if it is not there, for its owner alone.
    ///
    /// # Errors
    /// `SettingsInvalid` if the folder cannot be used or another process serves it; `AccessDenied` if its rights are in the way.
    pub fn start(root: &Path, buckets: &[&str]) -> Result<Self> {
        Self::start_on(root, buckets, Port::Any)
    }

    /// [`EmbeddedS3::start`] on a given port.
    ///
    /// # Errors
    /// Those of [`EmbeddedS3::start`]; `StorageUnavailable` if the port was asked for and is in use.
    pub fn start_on(root: &Path, buckets: &[&str], port: Port) -> Result<Self> {
        Self::start_within(root, buckets, port, LIMITS)
    }

    pub(crate) fn start_within(root: &Path, buckets: &[&str], port: Port, limits: Limits) -> Result<Self> {
        let layout = Layout::open(root).map_err(|error| unusable(root, error))?;
        let lock = lock(&layout)?;
        let prepare = || -> io::Result<String> {
            layout.empty_incoming()?;
            secret(&layout.private("secret"))
        };
        let secret_key = prepare().map_err(|error| unusable(root, error))?;
        for &bucket in buckets {
            if !s3s::path::check_bucket_name(bucket) {
                let message = format!(
                    "{bucket:?} cannot be a bucket's name; use 3 to 63 lower-case letters, digits, dots and hyphens"
                );
                return Err(StageError::new(ErrorCode::SettingsInvalid, message));
            }
            fs::create_dir_all(layout.root().join(bucket)).map_err(|error| unusable(root, error))?;
        }
        let root = layout.root().to_owned();
        let account = Account { access_key: ACCESS_KEY.to_owned(), secret_key: secret_key.clone() };
        let front = Front::new(Objects::new(layout), account, limits.silence);
        // Before there are threads: within another runtime, dropping ours on an error would panic.
        let listener = listen(port)?;
        let address = listener.local_addr().map_err(|error| internal("port", error))?;
        listener.set_nonblocking(true).map_err(|error| internal("port", error))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("embedded-s3")
            .enable_all()
            .build()
            .map_err(|error| internal("threads", error))?;
        let endpoint = format!("http://{address}");
        let server = Self { endpoint, secret_key, root, runtime: Some(runtime), _lock: lock };
        if let Some(runtime) = &server.runtime {
            let _inside = runtime.enter();
            let listener = TcpListener::from_std(listener).map_err(|error| internal("port", error))?;
            runtime.spawn(serve(listener, Arc::new(front), limits));
        }
        Ok(server)
    }

    /// The URL, such as `http://127.0.0.1:40123`. Path style.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The access key id.
    pub fn access_key(&self) -> &str {
        ACCESS_KEY
    }

    /// The secret key: made on a folder's first start, then the same.
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// The folder, with its links resolved; a bucket is a folder in it.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

impl Drop for EmbeddedS3 {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Not waiting is what makes it possible to drop this within another runtime. What is under way is cut off as by
            // a kill, which leaves no object half-written.
            runtime.shutdown_background();
        }
    }
}

async fn serve(listener: TcpListener, front: Arc<Front>, limits: Limits) {
    let free = Arc::new(Semaphore::new(limits.connections));
    // It fails if the semaphore is closed, which nobody does.
    while let Ok(place) = free.clone().acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, usually: it passes when connections end.
                tracing::warn!(%error, "embedded S3 cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        // Many small answers: waiting to fill a packet costs 40 ms each.
        let _ = stream.set_nodelay(true);
        let front = front.clone();
        tokio::spawn(async move {
            let _place = place;
            let answer = service_fn(|request| front.answer(request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head)
                .max_buf_size(HEAD_LIMIT)
                .serve_connection(TokioIo::new(Watched::new(stream, limits.silence)), answer);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the embedded S3 ended early");
            }
        });
    }
}

/// Two servers on one folder would empty each other's incoming contents.
fn lock(layout: &Layout) -> Result<File> {
    let path = layout.private("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| unusable(layout.root(), error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = format!(
                "Another process uses the folder {}; wait until it ends, or choose another folder",
                layout.root().display()
            );
            Err(StageError::new(ErrorCode::SettingsInvalid, message))
        }
        Err(TryLockError::Error(error)) => Err(unusable(layout.root(), error)),
    }
}

/// The secret key of the folder: other users of the machine can reach the port.
fn secret(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(secret) if secret.len() == 40 => return Ok(secret),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut bytes = [0; 20];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let secret = fonderie_core::hex(bytes);
    let mut options = File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    io::Write::write_all(&mut options.open(path)?, secret.as_bytes())?;
    Ok(secret)
}

fn unusable(root: &Path, error: io::Error) -> StageError {
    let at = root.display();
    let (code, message) = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorCode::AccessDenied, format!("The folder {at} cannot be written to; check its owner and rights"))
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorCode::StorageUnavailable, format!("The disk that holds the folder {at} is full; free some space"))
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            (ErrorCode::SettingsInvalid, format!("{at} is a file where a folder is needed; choose another folder"))
        }
        _ => (ErrorCode::SettingsInvalid, format!("The folder {at} cannot be used; choose another one")),
    };
    StageError::new(code, message).caused_by(error)
}

fn internal(what: &str, error: io::Error) -> StageError {
    let message = format!("The system gave no {what} for the embedded S3; close other programs and try again");
    StageError::new(ErrorCode::Internal, message).caused_by(error)
}
