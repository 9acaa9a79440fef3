//! The program and its databases: who else reaches them, two programs on one, two databases at once.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Ended;

/// Somebody else on this machine.
const STRANGER: u32 = 54_321;

const ORDERS: &str = "shop;shop name;order;customer;day;paid\nS1;Béziers;O1;C1;2026-03-02;no\n";
const PRODUCTS: &str = "shop;sku;label;price\nS1;A;Apple;12.00\n";
const LINES: &str = "line;shop;sku;quantity;day\nL1;S1;A;2;2026-03-02\n";

/// A file of the shop.
fn input(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn fonderie(state: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fonderie"));
    command.args(arguments).arg("--state").arg(state).env_remove("DATABASE_URL");
    if arguments[0] == "run" {
        command.args(["--as-of", "2026-06-30", "--datasets"]).arg(fonderie_test_support::datasets());
    }
    command
}

/// What `psql` says to somebody else who tries.
fn as_stranger(arguments: &[&str], password_file: Option<&str>) -> String {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-w", "-U", "fonderie", "-c", "SELECT 1"]).args(arguments).env_clear().current_dir("/");
    psql.env("PATH", std::env::var_os("PATH").unwrap());
    if let Some(file) = password_file {
        psql.env("PGPASSFILE", file);
    }
    let Ended { code, error, .. } = Ended::of(psql.uid(STRANGER).gid(STRANGER).output().unwrap());
    assert_ne!(code, Some(0), "a stranger came in by {arguments:?}");
    error
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < limit, "no {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The server's own file, once it is ready.
fn ready(data: &Path) -> Vec<String> {
    wait_for("server", || {
        let lines = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let lines: Vec<String> = lines.lines().map(|line| line.trim().to_owned()).collect();
        (lines.get(7).map(String::as_str) == Some("ready")).then_some(lines)
    })
}

fn end(mut child: Child, data: &Path) {
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    child.wait().unwrap();
    wait_for("end of the server", || (!data.join("postmaster.pid").exists()).then_some(()));
}

#[test]
fn nobody_else_reaches_the_database_while_the_program_runs() {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        println!("skipped: only root can act as another user");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let state = folder.path().join("state");
    // opened by a careless hand
    std::fs::create_dir_all(state.join("s3")).unwrap();
    std::fs::set_permissions(&state, PermissionsExt::from_mode(0o777)).unwrap();
    let data = state.join("postgres");
    let file = input(folder.path(), "orders.csv", ORDERS);

    let run = ["run", file.to_str().unwrap()];
    for (arguments, failpoints) in
        [(run.as_slice(), "before the load was committed=sleep(6000)"), (&["query", "-c", "SELECT pg_sleep(6)"], "")]
    {
        let mut command = fonderie(&state, arguments);
        let child =
            command.env("FAILPOINTS", failpoints).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = ready(&data);
        assert_eq!(lines[5], "", "{arguments:?} listens on no address: {lines:?}");
        let error = as_stranger(&["-h", data.to_str().unwrap(), "-p", &lines[3], "fonderie"], None);
        assert!(error.contains("Permission denied"), "{error}");
        let error = as_stranger(&["-h", "127.0.0.1", "-p", &lines[3], "fonderie"], None);
        assert!(error.contains("Connection refused") || error.contains("password"), "{error}");
        let Ended { code, error, .. } = Ended::of(child.wait_with_output().unwrap());
        assert_eq!(code, Some(0), "{error}");
    }
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!([&state, &state.join("s3"), &data].map(|path| mode(path)), [0o711, 0o700, 0o700]);

    let mut serve = fonderie(&state, &["serve", "--s3-port", "0"]);
    let mut child = serve.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<String> = lines.take_while(|line| !line.starts_with("Stop with")).collect();
    let after = |start: &str| said.iter().find_map(|line| line.trim().strip_prefix(start)).unwrap().trim();
    let (url, passwords) = (after("Database"), after("export PGPASSFILE=").trim_matches('\''));
    assert!(url.starts_with("postgresql://fonderie@127.0.0.1:"), "{url}");
    let error = as_stranger(&[url], None);
    assert!(error.contains("no password supplied"), "{error}");
    let error = as_stranger(&[url], Some(passwords));
    assert!(error.contains("no password supplied"), "{error}");
    let mut owner = Command::new("psql");
    owner.args(["-X", "-w", "-t", "-A", url, "-c", "SELECT current_database()"]).env("PGPASSFILE", passwords);
    let Ended { code, out, error } = Ended::of(owner.output().unwrap());
    assert_eq!((code, out.trim()), (Some(0), "fonderie"), "{error}");
    let password = std::fs::read_to_string(passwords).unwrap();
    assert!(!said.join("\n").contains(password.trim().rsplit(':').next().unwrap()), "the password is not printed");
    end(child, &data);
}

#[tokio::test]
async fn two_programs_on_one_database_both_end_well() {
    let folder = tempfile::tempdir().unwrap();
    let database = fonderie_test_support::database("two_programs").await;
    let start = |name: &str, (file, text): (&str, &str), failpoints: &str| {
        let file = input(folder.path(), file, text);
        let mut command =
            fonderie(&folder.path().join(name), &["run", file.to_str().unwrap(), "--database-url", &database.url]);
        command.env("FAILPOINTS", failpoints).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // The first one loads; the second one loads too and is slow to publish; the first one leaves that to it.
    let first = start("first", ("products_2026-03-01.csv", PRODUCTS), "after the load was committed=sleep(8000)");
    let client = database.connect().await;
    let loaded = async |count: i64| {
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            let row = client.query_one("SELECT count(*) FROM audit.run WHERE status = 'loaded'", &[]).await;
            if row.is_ok_and(|row| row.get::<_, i64>(0) == count) {
                break;
            }
            assert!(Instant::now() < limit, "there are no {count} loads");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    loaded(1).await;
    let second = start("second", ("lines_2026-03-02.csv", LINES), "after the load was committed=sleep(16000)");
    loaded(2).await;
    let Ended { code, out, error } = Ended::of(first.wait_with_output().unwrap());
    assert_eq!(code, Some(0), "{out}{error}");
    let Ended { code, out, error } = Ended::of(second.wait_with_output().unwrap());
    assert_eq!(code, Some(0), "{out}{error}");
    let revenue = client.query_one("SELECT revenue::text FROM shop.revenue", &[]).await.unwrap();
    assert_eq!(revenue.get::<_, &str>(0), "24.00", "the last one publishes the rows of both");
}

#[test]
fn a_state_with_a_database_of_its_own_and_another_one_in_the_environment_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::create_dir_all(state.join("postgres")).unwrap();
    std::fs::write(state.join("postgres/PG_VERSION"), "15\n").unwrap();
    let url = "postgresql://f:hunter2@127.0.0.1:1/d";
    let query = ["query", "-c", "SELECT 1"];
    let Ended { code, error, .. } = Ended::of(fonderie(&state, &query).env("DATABASE_URL", url).output().unwrap());
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("DATABASE_URL names a database, and the state folder"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    // a word on the command line, or another folder, decides
    let other = folder.path().join("other");
    let mut decided = fonderie(&state, &[query.as_slice(), &["--database-url", url]].concat());
    for command in [&mut decided, &mut fonderie(&other, &query)] {
        let Ended { code, error, .. } = Ended::of(command.env("DATABASE_URL", url).output().unwrap());
        assert!(code == Some(1) && error.contains("127.0.0.1:1/d"), "{code:?} {error}");
    }
}

#[tokio::test]
async fn a_file_name_does_not_steer_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let database = fonderie_test_support::database("names").await;
    for name in ["unknown_\u{1b}[2J.csv", "orders_\u{1b}]0;x\u{7}.csv", "unknown\nok.csv"] {
        let file = input(folder.path(), name, ORDERS);
        let arguments = ["run", file.to_str().unwrap(), "--database-url", &database.url];
        let Ended { out, error, .. } = Ended::of(fonderie(&folder.path().join("state"), &arguments).output().unwrap());
        let shown = format!("{out}{error}");
        assert!(!shown.contains(['\u{1b}', '\u{7}']), "{shown:?}");
        assert!(shown.contains(&name.escape_default().to_string()), "{shown:?}");
        assert!(!shown.lines().any(|line| line.starts_with("ok.csv")), "{shown:?}");
    }
}
