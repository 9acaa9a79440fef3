//! As much of PostgreSQL's protocol as the gate needs: a client's first packet, a refusal, and a greeting of our own.

use std::io::{self, Read, Write};

const VERSION_3: u32 = 196_608;
const CANCEL: u32 = 80_877_102;
const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
/// PostgreSQL's own limit of a first packet.
const FIRST_PACKET_LIMIT: usize = 10_000;
/// SQLSTATE `too_many_connections`.
pub(crate) const TOO_MANY_CONNECTIONS: &str = "53300";
/// SQLSTATE `cannot_connect_now`.
pub(crate) const CANNOT_CONNECT_NOW: &str = "57P03";

/// The superuser that is there from the start.
pub(crate) const USER: &str = "postgres";
/// The database that is there from the start.
const DATABASE: &str = "postgres";

/// Reads up to a client's start-up packet, which is given whole; requests for encryption are declined on the way. `None`
/// where the client wants something else, or nothing.
pub(crate) fn read_startup(client: &mut (impl Read + Write)) -> io::Result<Option<Vec<u8>>> {
    loop {
        let mut head = [0; 8];
        client.read_exact(&mut head)?;
        let [a, b, c, d, e, f, g, h] = head;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        match u32::from_be_bytes([e, f, g, h]) {
            TLS | GSS if length == head.len() => client.write_all(b"N")?,
            VERSION_3 if (head.len()..=FIRST_PACKET_LIMIT).contains(&length) => {
                let mut packet = head.to_vec();
                packet.resize(length, 0);
                client.read_exact(packet.get_mut(head.len()..).unwrap_or_default())?;
                return Ok(Some(packet));
            }
            // the engine cannot be interrupted
            CANCEL => return Ok(None),
            _ => return Ok(None),
        }
    }
}

/// An error that ends the connection.
pub(crate) fn fatal(sqlstate: &str, message: &str) -> Vec<u8> {
    let mut fields = Vec::new();
    for (kind, value) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', sqlstate), (b'M', message)] {
        fields.push(kind);
        fields.extend_from_slice(value.as_bytes());
        fields.push(0);
    }
    fields.push(0);
    [b"E".as_slice(), &length(fields.len()), &fields].concat()
}

/// Opens a connection and closes it, to know that the server takes them: the first one after a crash repairs the data.
///
/// # Errors
/// The server's own words where it refuses.
pub(crate) fn greet(server: &mut (impl Read + Write)) -> io::Result<()> {
    let mut body = VERSION_3.to_be_bytes().to_vec();
    for text in ["user", USER, "database", DATABASE, ""] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    server.write_all(&[length(body.len()).as_slice(), &body].concat())?;
    loop {
        let mut head = [0; 5];
        server.read_exact(&mut head)?;
        let [kind, a, b, c, d] = head;
        let rest = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(0).saturating_sub(4);
        let mut body = vec![0; rest];
        server.read_exact(&mut body)?;
        match kind {
            b'E' => return Err(io::Error::other(told(&body))),
            b'Z' => break,
            _ => {}
        }
    }
    server.write_all(&[b'X', 0, 0, 0, 4])?;
    server.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// An error's message, from its fields.
fn told(fields: &[u8]) -> String {
    let message = fields.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"M"));
    String::from_utf8_lossy(message.unwrap_or(b"no reason given")).into_owned()
}

/// The length before a body, which counts itself.
fn length(body: usize) -> [u8; 4] {
    u32::try_from(body + 4).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What a client says, and what it is told.
    struct Client {
        says: io::Cursor<Vec<u8>>,
        told: Vec<u8>,
    }

    impl Client {
        fn new(says: &[&[u8]]) -> Self {
            Self { says: io::Cursor::new(says.concat()), told: Vec::new() }
        }
    }

    impl Read for Client {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.says.read(buffer)
        }
    }

    impl Write for Client {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.told.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_start_up_packet_comes_through_whole_after_encryption_is_declined() {
        let startup = b"\0\0\0\x11\0\x03\0\0user\0me\0\0";
        let mut client = Client::new(&[b"\0\0\0\x08\x04\xd2\x16\x2f", b"\0\0\0\x08\x04\xd2\x16\x30", startup, b"Q"]);
        assert_eq!(read_startup(&mut client).unwrap().as_deref(), Some(startup.as_slice()));
        assert_eq!(client.told, b"NN");
    }

    #[test]
    fn a_cancellation_or_noise_is_no_start_up_packet() {
        for says in
            [b"\0\0\0\x10\x04\xd2\x16\x2eabcdefgh".as_slice(), b"GET / HTTP/1.1\r\n", b"\xff\xff\xff\xff\0\x03\0\0"]
        {
            assert_eq!(read_startup(&mut Client::new(&[says])).unwrap(), None);
        }
        assert!(read_startup(&mut Client::new(&[b"\0\0"])).is_err());
    }

    #[test]
    fn a_refusal_is_understood_by_our_own_greeting() {
        let refusal = fatal(TOO_MANY_CONNECTIONS, "one at a time");
        assert_eq!(refusal, b"E\0\0\0\x29SFATAL\0VFATAL\0C53300\0Mone at a time\0\0");
        assert_eq!(greet(&mut Client::new(&[&refusal])).unwrap_err().to_string(), "one at a time");
        let mut ready = Client::new(&[b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I"]);
        greet(&mut ready).unwrap();
        assert_eq!(ready.told, b"\0\0\0\x29\0\x03\0\0user\0postgres\0database\0postgres\0\0X\0\0\0\x04");
    }
}
