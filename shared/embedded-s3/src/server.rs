//! The server's life: a folder, a port, a thread of its own.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use fonderie_core::{ErrorCode, Result, StageError};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::drain::answer;
use crate::layout::Layout;
use crate::objects::Objects;
use crate::service::FolderS3;

const ACCESS_KEY: &str = "fonderie";

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
    /// The folder is made where it is not there, for its owner alone. Fails with `SettingsInvalid` where the folder cannot be
    /// used or another process serves it, with `AccessDenied` where its rights are in the way.
    pub fn start(root: &Path, buckets: &[&str]) -> Result<Self> {
        Self::start_on(root, buckets, 0)
    }

    /// [`EmbeddedS3::start`] on a given port.
    pub fn start_on(root: &Path, buckets: &[&str], port: u16) -> Result<Self> {
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
            fs::create_dir_all(layout.bucket(bucket)).map_err(|error| unusable(root, error))?;
        }
        let root = layout.root().to_owned();
        let mut service = S3ServiceBuilder::new(FolderS3::new(Objects::new(layout)));
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, secret_key.clone()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("embedded-s3")
            .enable_all()
            .build()
            .map_err(|error| internal("threads", error))?;
        let listener =
            std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| unbound(port, error))?;
        let address = listener.local_addr().map_err(|error| internal("port", error))?;
        listener.set_nonblocking(true).map_err(|error| internal("port", error))?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener).map_err(|error| internal("port", error))?
        };
        runtime.spawn(serve(listener, service.build()));
        Ok(Self { endpoint: endpoint(address), secret_key, root, runtime: Some(runtime), _lock: lock })
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

fn endpoint(address: SocketAddr) -> String {
    format!("http://{address}")
}

async fn serve(listener: TcpListener, service: S3Service) {
    loop {
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
        let service = service.clone();
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(service.clone(), request));
            let connection =
                http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer);
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

fn unbound(port: u16, error: io::Error) -> StageError {
    let message = format!("Port {port} of 127.0.0.1 cannot be used for the embedded S3; choose another one");
    StageError::new(ErrorCode::SettingsInvalid, message).caused_by(error)
}

fn internal(what: &str, error: io::Error) -> StageError {
    let message = format!("The system gave no {what} for the embedded S3; close other programs and try again");
    StageError::new(ErrorCode::Internal, message).caused_by(error)
}
