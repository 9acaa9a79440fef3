//! How long a function's process takes until it asks for its first work: against a bare Runtime API, without LocalStack.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::runtime_api::Ended;

/// Starts of which the median is taken.
const STARTS: usize = 9;

/// How long one start may take: what Lambda allows.
const LIMIT: Duration = Duration::from_secs(10);

/// What any of the functions is told; none of it is asked anything before there is work.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    ("AWS_LAMBDA_FUNCTION_NAME", "cold-start"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "cold-start"),
    ("AWS_LAMBDA_LOG_STREAM_NAME", "cold-start"),
    ("AWS_REGION", "eu-west-1"),
    ("AWS_ACCESS_KEY_ID", "test"),
    ("AWS_SECRET_ACCESS_KEY", "test"),
    ("METRICS_NAMESPACE", "cold-start"),
    ("DATASETS", "facturation"),
    ("DATASETS_BUCKET", "datasets"),
    ("BRONZE_BUCKET", "bronze"),
    ("LARGEST_FILE_MB", "256"),
    ("QUARANTINE_BUCKET", "quarantine"),
    ("SILVER_BUCKET", "silver"),
    ("REPORTS_BUCKET", "reports"),
    ("STATE_MACHINE_ARN", "arn:aws:states:eu-west-1:000000000000:stateMachine:pipeline"),
    ("TOPIC_ARN", "arn:aws:sns:eu-west-1:000000000000:notifications"),
    ("DATABASE_SECRET_ARN", "arn:aws:secretsmanager:eu-west-1:000000000000:secret:database-AbCdEf"),
    ("MASTER_SECRET_ARN", "arn:aws:secretsmanager:eu-west-1:000000000000:secret:master-AbCdEf"),
    ("DATABASE_HOST", "localhost"),
    ("DATABASE_PORT", "5432"),
    ("DATABASE_NAME", "warehouse"),
    ("DATABASE_TLS", "verify-full"),
];

/// The median of some starts: from the process's start to its first request for work.
///
/// # Errors
/// The binary does not start, or does not ask for work; with what it wrote where it complains of its settings.
pub fn median(binary: &Path) -> Result<Duration> {
    let mut starts = (0..STARTS).map(|_| start(binary)).collect::<Result<Vec<_>>>()?;
    starts.sort_unstable();
    Ok(starts[STARTS / 2])
}

fn start(binary: &Path) -> Result<Duration> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let mut command = Command::new(binary);
    command.env_clear().envs(SETTINGS.iter().copied());
    command.env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string());
    let started = Instant::now();
    let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut process = Ended(process);
    let stream = loop {
        match listener.accept() {
            Ok((stream, _)) => break stream,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(error.into()),
            Err(_) if started.elapsed() > LIMIT => {
                return Err(format!("{} did not ask for work", binary.display()).into());
            }
            Err(_) => std::thread::sleep(Duration::from_micros(50)),
        }
    };
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut request = String::new();
    BufReader::new(stream).read_line(&mut request)?;
    let elapsed = started.elapsed();
    if !request.starts_with("GET /2018-06-01/runtime/invocation/next ") {
        return Err(format!("{} asked for {request:?}", binary.display()).into());
    }
    // A context that cannot be made is logged before the first request, and measures nothing.
    process.0.kill()?;
    let mut log = String::new();
    if let Some(out) = process.0.stdout.take() {
        std::io::Read::read_to_string(&mut BufReader::new(out), &mut log)?;
    }
    if log.contains("SettingsInvalid") {
        return Err(format!("{} lacks settings: {log}", binary.display()).into());
    }
    Ok(elapsed)
}
