//! A function's own process behind the barest Lambda Runtime API: one event, and what the function answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::Result;
use crate::cold_start::SETTINGS;

/// What a function is given for its one event.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of its memory, in MiB.
    pub memory_mib: u64,
    /// Until Lambda would kill it.
    pub time: Duration,
}

/// What a function answers: its response, or the document of its error.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `response` or `error`.
    pub kind: String,
    /// The document.
    pub document: Value,
}

/// Invokes a binary once; its AWS clients talk to `endpoint`.
///
/// # Errors
/// It does not start, or answers nothing in twice its time.
pub fn invoke(binary: &Path, event: &[u8], limits: Limits, endpoint: &str) -> Result<Answer> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?.to_string();
    let (sender, answers) = channel();
    let (event, time) = (event.to_vec(), limits.time);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (event, sender) = (event.clone(), sender.clone());
            std::thread::spawn(move || serve(stream, &event, time, &sender));
        }
    });
    let process = Command::new(binary)
        .env_clear()
        .envs(SETTINGS.iter().copied())
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", limits.memory_mib.to_string())
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_ENDPOINT_URL", endpoint)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let _process = Ended(process);
    first(&answers, limits.time * 2, binary)
}

fn first(answers: &Receiver<Answer>, time: Duration, binary: &Path) -> Result<Answer> {
    let answer = answers.recv_timeout(time);
    Ok(answer.map_err(|_| format!("{} answered nothing in {} s", binary.display(), time.as_secs()))?)
}

/// An address that takes connections and never answers.
///
/// # Errors
/// No port is free.
pub fn silent_endpoint() -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || listener.incoming().flatten().collect::<Vec<_>>());
    Ok(format!("http://{address}"))
}

/// Serves a connection: the event for the first request for work, silence for the next one.
fn serve(stream: TcpStream, event: &[u8], time: Duration, answers: &Sender<Answer>) -> Option<()> {
    let mut out = stream.try_clone().ok()?;
    let mut requests = BufReader::new(stream);
    let mut given = false;
    loop {
        let mut line = String::new();
        if requests.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let path = line.split(' ').nth(1)?.to_owned();
        let body = body(&mut requests)?;
        if path.ends_with("/invocation/next") {
            if given {
                std::thread::park();
            }
            given = true;
            let deadline = (SystemTime::now() + time).duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis();
            write!(
                out,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nLambda-Runtime-Aws-Request-Id: 1\r\n\
                 Lambda-Runtime-Deadline-Ms: {deadline}\r\nLambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:x\r\n\r\n",
                event.len()
            )
            .ok()?;
            out.write_all(event).ok()?;
        } else {
            let kind = path.rsplit('/').next()?.to_owned();
            answers.send(Answer { kind, document: serde_json::from_slice(&body).ok()? }).ok()?;
            out.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").ok()?;
        }
    }
}

/// The rest of a request's head is passed over, its body read.
fn body(requests: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        requests.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    requests.read_exact(&mut body).ok()?;
    Some(body)
}

/// Ends with the test that started it.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the process is this one's own child.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
