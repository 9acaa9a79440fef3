//! A state folder that is moved, copied, saved and restored.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use fonderie_postgres_server::Binaries;

use crate::support::{Trial, has, outcome};

/// A state folder without a database, which a backup does not need.
fn small(state: &Path) {
    fs::create_dir_all(state.join("s3/bronze/d")).unwrap();
    fs::create_dir_all(state.join("postgres/pg_notify")).unwrap();
    fs::write(state.join("s3/bronze/d/a.csv"), "a\n".repeat(300_000)).unwrap();
    fs::write(state.join("s3/bronze/d/secret"), "x").unwrap();
    fs::set_permissions(state.join("s3/bronze/d/secret"), PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(state.join("fonderie-state.json"), r#"{"format":1,"version":"0.0.1"}"#).unwrap();
}

/// Content and mode of all files, and the folders; without the lock.
fn content(folder: &Path) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_owned();
            let mode = path.metadata().unwrap().permissions().mode();
            if path.is_dir() {
                folders.push(path);
                found.push((name, mode, Vec::new()));
            } else if name != Path::new("fonderie.lock") {
                found.push((name, mode, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_old_file_changes_nothing_in_a_state_that_was_moved_copied_or_restored() {
    if let Err(error) = Binaries::find() {
        eprintln!("skipped: {error}");
        return;
    }
    let trial = Trial::new();
    let old = trial.order("orders_old.csv", false);
    let new = trial.order("orders_new.csv", true);
    let state = trial.at("state");
    trial.run(std::slice::from_ref(&old), &state).check(0, &["1 inserted"]);
    // Versions differ by seconds.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    trial.run(std::slice::from_ref(&new), &state).check(0, &["1 updated"]);
    assert_eq!(trial.paid(&state), "t");
    let record = fs::read_to_string(state.join("fonderie-state.json")).unwrap();
    assert_eq!(record, format!(r#"{{"format":1,"version":"{}"}}"#, env!("CARGO_PKG_VERSION")));

    let shell = |script: &str, to: &Path| {
        let status = Command::new("sh").args(["-ec", script, "sh"]).arg(&state).arg(to).status().unwrap();
        assert!(status.success(), "{script}");
    };
    let mut ways = vec![
        ("cp -a", "cp -a \"$1\" \"$2\""),
        ("cp -r", "cp -r \"$1\" \"$2\""),
        ("tar", "mkdir \"$2\"; tar -C \"$1\" -cf - . | tar -C \"$2\" --no-same-owner -xf -"),
        ("backup", ""),
        ("mv", "mv \"$1\" \"$2\""),
    ];
    if has("rsync") {
        ways.insert(0, ("rsync -a", "rsync -a \"$1/\" \"$2\""));
    } else {
        eprintln!("skipped: rsync -a, for it is not installed");
    }
    for (name, script) in ways {
        let copy = trial.at(&format!("copied with {name}"));
        if script.is_empty() {
            let file = trial.at("backup.tar.zst");
            outcome(trial.program("backup", &state).arg(&file)).check(0, &["files, "]);
            outcome(trial.program("restore", &copy).arg(&file)).check(0, &["restored "]);
        } else {
            shell(script, &copy);
        }
        let again = trial.run(&[old.clone(), new.clone()], &copy);
        again.check(0, &["ok "]);
        assert_eq!(again.out.matches("already loaded").count(), 2, "{name}: {}", again.out);
        assert_eq!(trial.paid(&copy), "t", "{name}");
    }
    assert!(!state.exists());
}

#[test]
fn a_backup_holds_the_folder_and_replaces_nothing_unasked() {
    let trial = Trial::new();
    let (state, file) = (trial.at("state"), trial.at("backup.tar.zst"));
    let backup = |arguments: &[&str]| outcome(trial.program("backup", &state).arg(&file).args(arguments));
    backup(&[]).check(2, &["nothing here yet"]);
    assert!(!state.exists());
    small(&state);
    outcome(trial.program("backup", &state).arg(state.join("b"))).check(2, &["is in the state folder"]);
    let lock = fs::File::create(state.join("fonderie.lock")).unwrap();
    lock.lock_shared().unwrap();
    backup(&[]).check(2, &["is in use by another process"]);
    drop(lock);
    backup(&[]).check(0, &["3 files"]);
    backup(&[]).check(2, &["is there already", "--force"]);
    backup(&["--force"]).check(0, &["3 files"]);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let copy = trial.at("copy");
    let restore = |arguments: &[&str]| outcome(trial.program("restore", &copy).arg(&file).args(arguments));
    restore(&[]).check(0, &["3 files", "fonderie"]);
    assert_eq!(content(&copy), content(&state));
    fs::write(copy.join("s3/bronze/d/later.csv"), "x").unwrap();
    restore(&[]).check(2, &["holds something", "--force"]);
    assert!(copy.join("s3/bronze/d/later.csv").exists());
    // The demo's state lies in the ordinary one.
    small(&copy.join("demo"));
    restore(&["--force"]).check(0, &["3 files"]);
    assert!(copy.join("demo/s3/bronze/d/a.csv").exists());
    fs::remove_dir_all(copy.join("demo")).unwrap();
    assert_eq!(content(&copy), content(&state));
    assert_eq!(names(&copy), ["fonderie-state.json", "fonderie.lock", "postgres", "s3"]);
}

#[test]
fn a_damaged_or_later_backup_changes_nothing() {
    let trial = Trial::new();
    let (state, file) = (trial.at("state"), trial.at("backup.tar.zst"));
    small(&state);
    outcome(trial.program("backup", &state).arg(&file)).check(0, &[]);
    let before = content(&state);
    let whole = fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let mut later = zstd::decode_all(whole.as_slice()).unwrap();
    let at = later.windows(10).position(|window| window == br#""format":1"#).unwrap();
    later[at + 9] = b'2';
    let mut altered = zstd::decode_all(whole.as_slice()).unwrap();
    let at = altered.windows(4).position(|window| window == b"a\na\n").unwrap();
    altered[at] = b'b';
    let packed = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    for (name, bytes, words) in [
        ("flipped", flipped, "cannot be restored"),
        ("cut", whole[..whole.len() - 40].to_vec(), "cannot be restored"),
        ("empty", Vec::new(), "cannot be restored"),
        ("text", b"no backup at all".to_vec(), "no backup"),
        ("altered", packed(&altered), "a.csv is not what was saved"),
        ("later", packed(&later), "cannot be restored"),
    ] {
        fs::write(trial.at("bad"), bytes).unwrap();
        let forced = outcome(trial.program("restore", &state).arg(trial.at("bad")).arg("--force"));
        assert_eq!(forced.code, Some(2), "{name}: {}", forced.error);
        forced.check(2, &[words, "nothing was changed"]);
        assert_eq!(content(&state), before, "{name}");
        outcome(trial.program("restore", &trial.at("none")).arg(trial.at("bad"))).check(2, &[words]);
        assert!(!trial.at("none").exists(), "{name}");
    }
    outcome(trial.program("restore", &trial.at("none")).arg(trial.at("absent"))).check(2, &["it is not there"]);
    assert!(!trial.at("none").exists());
}

#[test]
fn a_full_disk_leaves_nothing_behind() {
    let trial = Trial::new();
    let (state, file, disk) = (trial.at("state"), trial.at("backup.tar.zst"), trial.at("disk"));
    small(&state);
    // What cannot be compressed.
    let mixed = |i: u64| (i ^ (i >> 7)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(31).wrapping_mul(i | 1);
    let noise: Vec<u8> = (0..3_000_000).map(|i| mixed(i).to_le_bytes()[7]).collect();
    fs::write(state.join("s3/bronze/d/noise"), noise).unwrap();
    outcome(trial.program("backup", &state).arg(&file)).check(0, &[]);
    fs::create_dir(&disk).unwrap();
    // A small disk of these processes' own; what is left on it is listed before it is gone.
    let on_small = |program: Command| {
        let script = "mount -t tmpfs -o size=400k tmpfs \"$0\"; code=0; \"$@\" || code=$?; echo \"left: $(ls -A \"$0\")\"; exit $code";
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-ec", script]).arg(&disk);
        command.arg(program.get_program()).args(program.get_args());
        outcome(&mut command)
    };
    let mut backup = trial.program("backup", &state);
    backup.arg(disk.join("backup.tar.zst"));
    let full = on_small(backup);
    if full.error.contains("unshare") || full.error.contains("mount") {
        eprintln!("skipped: a full disk, for this user may not mount one: {}", full.error);
        return;
    }
    full.check(1, &["is full", "left: \n"]);
    let mut restore = trial.program("restore", &disk.join("state"));
    restore.arg(&file);
    on_small(restore).check(1, &["is full", "left: \n"]);
}

#[test]
fn a_later_versions_state_is_refused() {
    let trial = Trial::new();
    let state = trial.at("state");
    small(&state);
    fs::write(state.join("fonderie-state.json"), r#"{"format":2,"version":"9.0.0"}"#).unwrap();
    let file = trial.order("orders.csv", false);
    trial.run(&[file], &state).check(2, &["was written by fonderie 9.0.0 (format 2)"]);
    outcome(trial.program("query", &state).args(["-c", "SELECT 1"])).check(2, &["9.0.0"]);
    outcome(trial.program("backup", &state).arg(trial.at("b"))).check(2, &["9.0.0"]);
}
