//! A server's life on a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::path::Path;
use std::process::Command;

use fonderie_postgres_server::{Binaries, Server, ServerOptions};

/// Root hands the directory to an unprivileged user, who must be able to reach it.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    directory
}

/// `psql` on a URL, without what the caller's shell says of another server.
fn psql(url: &str) -> Command {
    let mut psql = Command::new(Binaries::find().unwrap().program("psql"));
    psql.args(["-X", "-A", "-t", "-w", "-c", "SELECT current_user", url]).env_clear().current_dir("/");
    psql
}

/// What came of it: standard output, or the error.
fn said(mut psql: Command) -> Result<String, String> {
    let output = psql.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

/// Whether the server answers those who have its URL.
fn answers(url: &str) -> bool {
    said(psql(url)).is_ok_and(|user| user == "fonderie")
}

#[test]
fn it_starts_stops_and_starts_again_on_its_data() {
    let root = directory();
    let options = ServerOptions::for_tests(root.path().join("data"));
    let server = Server::start(&options).unwrap();
    let url = server.url("postgres");
    assert!(answers(&url));
    server.stop().unwrap();
    assert!(!answers(&url));
    assert!(!root.path().join("data/postmaster.pid").exists());
    let again = Server::start(&options).unwrap();
    assert!(answers(&url), "its place and its password are those of before");
    drop(again);
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
    assert!(answers(&again.url("postgres")));
    again.stop().unwrap();
    // the number of a process that is alive and no server
    std::fs::write(root.path().join("data/postmaster.pid"), format!("{}\n", std::process::id())).unwrap();
    let third = Server::start(&options).unwrap();
    assert!(answers(&third.url("postgres")));
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
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(server.password_file()).unwrap());
    assert_eq!(mode & 0o777, 0o600);
    server.stop().unwrap();
    // a copy or a careless hand opened both
    for (path, open) in [("data/fonderie.pgpass", 0o644), ("data", 0o755)] {
        std::fs::set_permissions(root.path().join(path), std::os::unix::fs::PermissionsExt::from_mode(open)).unwrap();
    }
    let server = Server::start(&options).unwrap();
    for (path, closed) in [(server.password_file(), 0o600), (server.data_dir().to_owned(), 0o700)] {
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o777, closed, "{}", path.display());
    }
}

#[test]
fn another_user_does_not_come_in_without_the_password() {
    if !std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        println!("skipped: only root can act as another user");
        return;
    }
    let root = directory();
    let stranger = |mut psql: Command| {
        std::os::unix::process::CommandExt::uid(&mut psql, 54_321);
        std::os::unix::process::CommandExt::gid(&mut psql, 54_321);
        said(psql)
    };
    let mut options = ServerOptions::for_tests(root.path().join("data"));
    options.port = Some(0);
    let server = Server::start(&options).unwrap();
    // with the very password: the directory is closed
    let error = stranger(psql(&server.url("postgres"))).unwrap_err();
    assert!(error.contains("Permission denied"), "{error}");
    let network = server.network_url("postgres").unwrap();
    let error = stranger(psql(&network)).unwrap_err();
    assert!(error.contains("no password supplied"), "{error}");
    for user in ["postgres", "nobody", "root"] {
        let error = stranger(psql(&network.replace("fonderie", user))).unwrap_err();
        assert!(error.contains("no password supplied"), "{error}");
    }
    let with = |file: &Path| {
        let mut psql = psql(&network);
        psql.env("PGPASSFILE", file);
        psql
    };
    let error = stranger(with(&server.password_file())).unwrap_err();
    assert!(error.contains("no password supplied"), "{error}");
    let wrong = root.path().join("wrong");
    std::fs::write(&wrong, format!("*:*:*:fonderie:{}\n", "0".repeat(64))).unwrap();
    std::fs::set_permissions(&wrong, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::os::unix::fs::chown(&wrong, Some(54_321), None).unwrap();
    let error = stranger(with(&wrong)).unwrap_err();
    assert!(error.contains("password authentication failed"), "{error}");
    assert_eq!(said(with(&server.password_file())), Ok("fonderie".into()), "its owner has the file");
    // the file given away, they may
    std::fs::copy(server.password_file(), &wrong).unwrap();
    assert_eq!(stranger(with(&wrong)), Ok("fonderie".into()));
    let log = std::fs::read_to_string(root.path().join("data/server.log")).unwrap();
    let password = std::fs::read_to_string(server.password_file()).unwrap();
    assert!(!log.contains(password.trim().rsplit(':').next().unwrap()), "{log}");
}

#[test]
fn without_a_port_there_is_no_network() {
    let root = directory();
    let server = Server::start(&ServerOptions::for_tests(root.path().join("data"))).unwrap();
    assert_eq!(server.network_url("postgres"), None);
    let mut ask = psql(&server.url("postgres"));
    ask.args(["-c", "SELECT inet_server_addr() IS NULL, current_setting('listen_addresses') = ''"]);
    assert_eq!(said(ask).unwrap(), "fonderie\nt|t");
}

#[test]
fn a_directory_of_a_version_that_asked_for_no_password_gets_one() {
    let root = directory();
    let options = ServerOptions::for_tests(root.path().join("data"));
    let first = Server::start(&options).unwrap();
    let before = first.url("postgres");
    first.stop().unwrap();
    std::fs::remove_file(root.path().join("data/fonderie.pgpass")).unwrap();
    std::fs::write(root.path().join("data/pg_hba.conf"), "local all all trust\nhost all all 127.0.0.1/32 trust\n")
        .unwrap();
    let server = Server::start(&options).unwrap();
    assert!(answers(&server.url("postgres")));
    assert_ne!(server.url("postgres"), before);
    let error = said(psql(&before)).unwrap_err();
    assert!(error.contains("password authentication failed"), "{error}");
}

#[test]
fn a_directory_with_a_long_path_has_a_socket_too() {
    let root = directory();
    let long = root.path().join("a".repeat(200));
    let server = Server::start(&ServerOptions::for_tests(long.join("data"))).unwrap();
    assert!(answers(&server.url("postgres")));
    server.stop().unwrap();
}

#[test]
fn a_directory_of_another_user_is_refused() {
    if !std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
        println!("skipped: only root can make another user's directory");
        return;
    }
    let root = directory();
    let data = root.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("PG_VERSION"), "15\n").unwrap();
    std::os::unix::fs::chown(&data, Some(54_321), None).unwrap();
    let error = Server::start(&ServerOptions::for_tests(&data)).unwrap_err().to_string();
    assert!(error.contains("belongs to another user (number 54321)"), "{error}");
}

#[test]
fn what_stands_in_the_place_of_a_file_is_not_followed() {
    let root = directory();
    let options = ServerOptions::for_tests(root.path().join("data"));
    Server::start(&options).unwrap().stop().unwrap();
    let victim = root.path().join("victim");
    std::fs::write(&victim, "mine").unwrap();
    for name in ["server.log", "fonderie.owner", "fonderie_hba.conf"] {
        std::fs::remove_file(root.path().join("data").join(name)).unwrap();
        std::os::unix::fs::symlink(&victim, root.path().join("data").join(name)).unwrap();
    }
    let server = Server::start(&options).unwrap();
    assert!(answers(&server.url("postgres")));
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
}

#[test]
fn a_relative_directory_is_the_callers() {
    let root = directory();
    // Up from the working directory to `/`, and down again.
    let up: std::path::PathBuf = std::env::current_dir().unwrap().components().skip(1).map(|_| "..").collect();
    let relative = up.join(root.path().strip_prefix("/").unwrap()).join("data");
    assert!(relative.is_relative());
    let server = Server::start(&ServerOptions::for_tests(&relative)).unwrap();
    assert!(answers(&server.url("postgres")));
    server.stop().unwrap();
    assert!(root.path().join("data/PG_VERSION").exists());
}
