//! Which port of 127.0.0.1 the server listens on.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use fonderie_core::{ErrorCode, Result, StageError};

/// How many ports [`Port::From`] tries before it leaves the choice to the system.
const TRIES: u16 = 100;

/// The port that a server listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Any free one; the system chooses.
    Any,
    /// This one or none. 0 is the same as [`Port::Any`].
    Exactly(u16),
    /// This one if it is free, else the next free one.
    From(u16),
}

/// Listens. A busy port is `StorageUnavailable`, one that this user may not have is `SettingsInvalid`.
pub(crate) fn listen(port: Port) -> Result<TcpListener> {
    let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    match port {
        Port::Any => bind(0).map_err(|error| unbound(0, error)),
        Port::Exactly(port) => bind(port).map_err(|error| unbound(port, error)),
        Port::From(first) => (first..=first.saturating_add(TRIES))
            .chain([0])
            .map(bind)
            .find(|bound| !bound.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse))
            .unwrap_or_else(|| bind(0))
            .map_err(|error| unbound(first, error)),
    }
}

fn unbound(port: u16, error: io::Error) -> StageError {
    let (code, message) = if error.kind() == io::ErrorKind::AddrInUse {
        (
            ErrorCode::StorageUnavailable,
            format!("Port {port} of 127.0.0.1 is in use; choose another one, or 0 for any that is free"),
        )
    } else {
        (
            ErrorCode::SettingsInvalid,
            format!("Port {port} of 127.0.0.1 cannot be used; choose another one, or 0 for any that is free"),
        )
    };
    StageError::new(code, message).caused_by(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_port_is_an_error_if_it_was_asked_for_and_passed_over_if_not() {
        let busy = listen(Port::Any).unwrap();
        let port = busy.local_addr().unwrap().port();
        let error = listen(Port::Exactly(port)).unwrap_err();
        assert_eq!(error.code, ErrorCode::StorageUnavailable);
        assert_eq!(
            error.message,
            format!("Port {port} of 127.0.0.1 is in use; choose another one, or 0 for any that is free")
        );
        let next = listen(Port::From(port)).unwrap().local_addr().unwrap().port();
        assert!(next != port && next != 0, "{next}");
        assert_ne!(listen(Port::Exactly(0)).unwrap().local_addr().unwrap().port(), 0);
    }
}
