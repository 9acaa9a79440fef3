//! The gate: connections one after another, refusals in words.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::ServerError;
use crate::engine::Engine;
use crate::protocol::{CANNOT_CONNECT_NOW, TOO_MANY_CONNECTIONS, fatal, read_startup};
use crate::turn::Turns;

/// How long a client may take to say who it is.
const GREETING: Duration = Duration::from_secs(10);

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Gate {
    engine: Engine,
    turns: Turns,
    patience: Duration,
    closed: AtomicBool,
    /// The client that has its turn.
    open: Mutex<Option<UnixStream>>,
}

impl Gate {
    /// A gate before an engine; a connection waits as long as `patience` for its turn.
    pub(crate) fn new(engine: Engine, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            engine,
            turns: Turns::default(),
            patience,
            closed: AtomicBool::new(false),
            open: Mutex::default(),
        })
    }

    /// Takes connections until the gate is closed.
    pub(crate) fn serve(self: &Arc<Self>, listener: UnixListener) -> Result<JoinHandle<()>, ServerError> {
        let gate = Arc::clone(self);
        let take = move || {
            for client in listener.incoming() {
                if gate.closed.load(Ordering::SeqCst) {
                    break;
                }
                let gate = Arc::clone(&gate);
                let handle = move |client| {
                    if let Err(error) = gate.admit(client) {
                        tracing::debug!(%error, "a connection to the embedded PostgreSQL ended");
                    }
                };
                let spawned = client.and_then(|client| {
                    std::thread::Builder::new().name("postgres-client".into()).spawn(move || handle(client))
                });
                if let Err(error) = spawned {
                    tracing::warn!(%error, "a connection to the embedded PostgreSQL was not taken");
                }
            }
        };
        std::thread::Builder::new()
            .name("postgres-gate".into())
            .spawn(take)
            .map_err(|error| ServerError::io("a thread for PostgreSQL's connections cannot be started", error))
    }

    /// One connection, from its first packet to its end.
    fn admit(&self, mut client: UnixStream) -> io::Result<()> {
        client.set_read_timeout(Some(GREETING))?;
        let Some(startup) = read_startup(&mut client)? else { return Ok(()) };
        client.set_read_timeout(None)?;
        let Some(turn) = self.turns.take(self.patience) else {
            let message = format!(
                "the embedded PostgreSQL serves one connection at a time, and another one was open for {} s: close that \
                 one, or use a PostgreSQL server of its own",
                self.patience.as_secs_f32()
            );
            return client.write_all(&fatal(TOO_MANY_CONNECTIONS, &message));
        };
        if self.closed.load(Ordering::SeqCst) {
            return client.write_all(&fatal(CANNOT_CONNECT_NOW, "the embedded PostgreSQL is stopping"));
        }
        let (engine, answer) = match self.begin(&startup) {
            Ok(begun) => begun,
            Err(error) => return client.write_all(&fatal(CANNOT_CONNECT_NOW, &error.to_string())),
        };
        self.note(Some(client.try_clone()?));
        if self.closed.load(Ordering::SeqCst) {
            client.shutdown(Shutdown::Both)?;
        }
        let ended = pump(client, engine, &answer);
        self.note(None);
        drop(turn);
        ended
    }

    /// A connection to the engine, and the beginning of its answer. An engine that an earlier connection broke may take the
    /// next one and end before it answers.
    fn begin(&self, startup: &[u8]) -> Result<(UnixStream, Vec<u8>), ServerError> {
        let mut answer = vec![0; 64 * 1024];
        let mut ended = io::Error::from(io::ErrorKind::UnexpectedEof);
        for _ in 0..3 {
            let mut engine = self.engine.connect()?;
            match engine.write_all(startup).and_then(|()| engine.read(&mut answer)) {
                Ok(0) => {}
                Ok(read) => {
                    answer.truncate(read);
                    return Ok((engine, answer));
                }
                Err(error) => ended = error,
            }
        }
        Err(ServerError::io("the embedded PostgreSQL ends as soon as it is asked", ended))
    }

    fn note(&self, open: Option<UnixStream>) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = open;
    }

    /// Ends the open connection, takes no further one, and stops the engine.
    ///
    /// # Errors
    /// The engine does not stop in time.
    pub(crate) fn close(&self, limit: Duration) -> Result<(), ServerError> {
        self.closed.store(true, Ordering::SeqCst);
        if let Some(client) = &*self.open.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = client.shutdown(Shutdown::Both);
        }
        // the engine rolls back and writes down what it has
        let turn = self.turns.take(limit);
        let stopped = self.engine.stop(limit);
        drop(turn);
        stopped
    }
}

/// Carries bytes both ways until the engine has closed its end, so that the next connection finds it free.
fn pump(mut client: UnixStream, engine: UnixStream, answer: &[u8]) -> io::Result<()> {
    let (from, to) = (client.try_clone()?, engine.try_clone()?);
    let requests = std::thread::Builder::new().name("postgres-requests".into()).spawn(move || {
        let ended = carry(&from, &to);
        // a client that went away without a word is one that closes
        let _ = to.shutdown(Shutdown::Write);
        ended
    })?;
    let answered = client.write_all(answer).and_then(|()| carry(&engine, &client));
    if answered.is_err() {
        // The engine would not outlive an answer that nobody takes.
        let _ = client.shutdown(Shutdown::Both);
        io::copy(&mut &engine, &mut io::sink())?;
    }
    let _ = client.shutdown(Shutdown::Both);
    let _ = requests.join();
    answered
}

fn carry(mut from: &UnixStream, mut to: &UnixStream) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            read => to.write_all(buffer.get(..read).unwrap_or_default())?,
        }
    }
}
