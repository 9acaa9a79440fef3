//! A server's life on a real PostgreSQL.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use fonderie_postgres_server::{Server, ServerOptions};

/// Root hands the directory to an unprivileged user, who must be able to reach it.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    directory
}

/// Whether a PostgreSQL answers there: it refuses TLS with one letter.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
    let mut letter = [0];
    stream.read_exact(&mut letter).is_ok() && letter == *b"N"
}

#[test]
fn it_starts_stops_and_starts_again_on_its_data() {
    let root = directory();
    let options = ServerOptions::for_tests(root.path().join("data"));
    let server = Server::start(&options).unwrap();
    assert!(answers(server.port()));
    assert_eq!(server.url("d"), format!("postgresql://fonderie@127.0.0.1:{}/d", server.port()));
    let port = server.port();
    server.stop().unwrap();
    assert!(!answers(port));
    assert!(!root.path().join("data/postmaster.pid").exists());
    let again = Server::start(&options).unwrap();
    assert!(answers(again.port()));
}

#[test]
fn a_killed_server_does_not_block_the_next_start() {
    let root = directory();
    let options = ServerOptions::for_tests(root.path().join("data"));
    let server = Server::start(&options).unwrap();
    let pid =
        std::fs::read_to_string(root.path().join("data/postmaster.pid")).unwrap().lines().next().unwrap().to_owned();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    // dropping it finds it gone
    drop(server);
    let again = Server::start(&options).unwrap();
    assert!(answers(again.port()));
    again.stop().unwrap();
    // the number of a process that is alive and no server
    std::fs::write(root.path().join("data/postmaster.pid"), format!("{}\n", std::process::id())).unwrap();
    let third = Server::start(&options).unwrap();
    assert!(answers(third.port()));
}

#[test]
fn a_wrong_setting_or_directory_is_told_in_its_own_words() {
    let root = directory();
    let mut options = ServerOptions::for_tests(root.path().join("data"));
    options.settings.push(("no_such_setting".into(), "1".into()));
    let error = Server::start(&options).unwrap_err().to_string();
    assert!(error.contains("ended at its start") && error.contains("no_such_setting"), "{error}");
    let other = root.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("file"), "mine").unwrap();
    let error = Server::start(&ServerOptions::for_tests(&other)).unwrap_err().to_string();
    assert!(error.contains("is not empty"), "{error}");
    assert_eq!(std::fs::read_to_string(other.join("file")).unwrap(), "mine");
}

#[test]
fn the_data_directory_is_private() {
    let root = directory();
    let options = ServerOptions::for_tests(root.path().join("data"));
    let server = Server::start(&options).unwrap();
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(Path::new(server.data_dir())).unwrap());
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_relative_directory_is_the_callers() {
    let root = directory();
    // Up from the working directory to `/`, and down again.
    let up: std::path::PathBuf = std::env::current_dir().unwrap().components().skip(1).map(|_| "..").collect();
    let relative = up.join(root.path().strip_prefix("/").unwrap()).join("data");
    assert!(relative.is_relative());
    let server = Server::start(&ServerOptions::for_tests(&relative)).unwrap();
    assert!(answers(server.port()));
    server.stop().unwrap();
    assert!(root.path().join("data/PG_VERSION").exists());
}
