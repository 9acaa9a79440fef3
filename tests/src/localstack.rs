//! LocalStack as a process of this machine, on a port and in a folder of its own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::processes::Processes;
use crate::{Result, cache, python, workspace};

/// The last version that needs no account.
const REQUIREMENT: &str = "localstack-core[runtime]==4.14.0";

/// How long a start may take; two seconds are usual.
const READY: Duration = Duration::from_secs(60);

/// How long an orderly end may take, before it is forced.
const END: Duration = Duration::from_secs(10);

/// A running LocalStack; dropping it ends it and its functions, and removes what it stored.
pub struct LocalStack {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl LocalStack {
    /// Starts one, after installing it where this machine has none yet (a minute), and waits until it serves.
    ///
    /// # Errors
    /// It cannot be installed, or does not become ready: with the end of its log.
    pub fn start() -> Result<Self> {
        let (python, plugin) = install()?;
        let folder = tempfile::Builder::new().prefix("fonderie-localstack-").tempdir()?;
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("tmp"))?;
        let log = File::create(folder.path().join("localstack.log"))?;
        let port = free_port()?;
        let address = format!("127.0.0.1:{port}");
        let process = Command::new(python)
            .args(["-m", "localstack.runtime.main"])
            .env("PYTHONPATH", plugin)
            .env("FILESYSTEM_ROOT", &root)
            .env("TMPDIR", root.join("tmp"))
            .env("XDG_CACHE_HOME", root.join("cache"))
            .env("GATEWAY_LISTEN", &address)
            .env("LOCALSTACK_HOST", &address)
            .env("SQS_ENDPOINT_STRATEGY", "off")
            .env("LAMBDA_RUNTIME_EXECUTOR", "host")
            .env("LAMBDA_IGNORE_ARCHITECTURE", "1")
            // Nothing leaves the machine: no usage data, no certificate from the internet, no DNS server.
            .env("DISABLE_EVENTS", "1")
            .env("SKIP_SSL_CERT_DOWNLOAD", "1")
            .env("DNS_ADDRESS", "0")
            .env("FONDERIE_CALLS", folder.path().join("calls.jsonl"))
            .env("FONDERIE_FUNCTION_LOG", folder.path().join("functions.log"))
            .env("FONDERIE_FUNCTION_SETTINGS", folder.path().join("settings"))
            // It ends when its standard input does, so that even a killed test run leaves none behind.
            .env("FONDERIE_END_WITH_STDIN", "1")
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut started = Self { process, port, folder };
        started.wait_until_ready()?;
        Ok(started)
    }

    /// Where it serves: an address and no name, with which the SDKs use path-style S3 by themselves.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The body that Lambda's API answers a POST with. Whoever asks is known by account and region, and needs no signature.
    ///
    /// # Errors
    /// It does not answer, or not with a status of success.
    pub fn post_to_lambda(&self, path: &str, body: &[u8]) -> Result<Vec<u8>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(READY))?;
        let length = body.len();
        let scope = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/lambda/aws4_request, SignedHeaders=host, Signature=none";
        let header = format!("Host: 127.0.0.1\r\nAuthorization: {scope}\r\nContent-Length: {length}\r\n");
        write!(stream, "POST {path} HTTP/1.0\r\n{header}\r\n")?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = memchr::memmem::find(&answer, b"\r\n\r\n").ok_or("an answer without a header")?;
        let status = String::from_utf8_lossy(&answer[..end]).lines().next().unwrap_or_default().to_owned();
        let body = answer.split_off(end + 4);
        if !status.contains(" 200") {
            return Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&body)).into());
        }
        Ok(body)
    }

    /// Its own log.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("localstack.log")
    }

    /// What the functions wrote, invocation by invocation.
    pub fn function_log(&self) -> PathBuf {
        self.folder.path().join("functions.log")
    }

    /// The calls that were made in the name of a role or of a service: a line of JSON per distinct call.
    pub fn calls(&self) -> PathBuf {
        self.folder.path().join("calls.jsonl")
    }

    /// The functions' processes.
    pub fn processes(&self) -> Processes {
        Processes::new(&self.folder.path().join("root/tmp"), &self.folder.path().join("settings"))
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let limit = Instant::now() + READY;
        while Instant::now() < limit {
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("LocalStack ended with {status}:\n{}", tail(&self.log())).into());
            }
            if is_healthy(self.port) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(format!("LocalStack was not ready after {} s:\n{}", READY.as_secs(), tail(&self.log())).into())
    }
}

impl Drop for LocalStack {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let limit = Instant::now() + END;
        while Instant::now() < limit {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // Nothing can be done about a failure here, and the process is this one's own child.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The interpreter of an environment with LocalStack in it, and the folder of this checkout's plugin.
fn install() -> Result<(PathBuf, PathBuf)> {
    let sources = workspace().join("tests/localstack");
    let constraints = sources.join("constraints.txt");
    let python = python::environment(
        "localstack",
        &[REQUIREMENT, "--constraint", &constraints.to_string_lossy()],
        &[&fs::read(&constraints)?],
    )?;
    let package = "fonderie_localstack";
    let mut files = vec![PathBuf::from("pyproject.toml")];
    for entry in sources.join(package).read_dir()? {
        let name = PathBuf::from(entry?.file_name());
        if name.extension().is_some_and(|extension| extension == "py") {
            files.push(Path::new(package).join(name));
        }
    }
    files.sort();
    let contents = files.iter().map(|file| fs::read(sources.join(file))).collect::<Result<Vec<_>, _>>()?;
    let ingredients: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    // Beside the environment and not in it: several checkouts may share it, and a change of the plugin costs seconds.
    let plugin = cache::made_once("localstack-plugin", &ingredients, |folder| {
        // pip writes beside the sources that it installs: it gets a copy.
        let copy = tempfile::tempdir()?;
        fs::create_dir(copy.path().join(package))?;
        for (file, content) in files.iter().zip(&contents) {
            fs::write(copy.path().join(file), content)?;
        }
        python::pip(&python, &["--no-deps", "--target", &folder.to_string_lossy(), &copy.path().to_string_lossy()])
    })?;
    Ok((python, plugin))
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn is_healthy(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let request = b"GET /_localstack/health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    let mut status = [0; 12];
    let asked = stream.set_read_timeout(Some(Duration::from_secs(5))).and_then(|()| stream.write_all(request));
    asked.and_then(|()| stream.read_exact(&mut status)).is_ok() && status.ends_with(b" 200")
}

/// The last lines of a file, for an error message.
pub fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
