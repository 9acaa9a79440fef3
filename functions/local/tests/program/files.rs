//! One bad path among good ones.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::{Trial, outcome};

#[test]
fn a_bad_path_fails_with_its_sentence_and_the_others_run() {
    let trial = Trial::new();
    trial.order("in/orders_z.csv", true);
    fs::hard_link(trial.at("in/orders_z.csv"), trial.at("in/orders_zz.csv")).unwrap();
    symlink("nowhere", trial.at("in/orders_lien.csv")).unwrap();
    symlink("/proc/self/mem", trial.at("in/orders_illisible.csv")).unwrap();
    symlink("..", trial.at("in/up")).unwrap();
    assert!(Command::new("mkfifo").arg(trial.at("in/orders_pipe.csv")).status().unwrap().success());
    let _socket = UnixListener::bind(trial.at("in/socket")).unwrap();
    // No contract knows it: it is copied to quarantine.
    trial.order(&format!("in/{}", "u".repeat(255)), true);
    // Each name is short enough, and the key is not.
    let long = format!("in/{}orders_long.csv", format!("{}/", "a".repeat(250)).repeat(5));
    trial.order(&long, true);
    trial.order(&format!("in/orders_{}.csv", "n".repeat(255 - 11)), true);
    let state = trial.at("state");
    let run = trial.run(&[trial.at("absent.csv"), trial.at("in")], &state);
    run.check(
        3,
        &[
            "ok       orders_z.csv",
            "absent.csv cannot be read",
            "orders_lien.csv is a link that leads nowhere",
            "orders_illisible.csv cannot be read: reading it failed",
            "a key has at most 1024 bytes",
            "skipped: ",
            "orders_pipe.csv is a pipe, no file",
            "socket is a socket, no file",
            "orders_zz.csv is the file ",
        ],
    );
    assert_eq!(run.out.matches("FAILED").count(), 5, "{}", run.out);
    assert_eq!(trial.paid(&state), "t");
}

#[test]
fn nothing_is_started_for_paths_that_lead_to_no_file() {
    let trial = Trial::new();
    assert!(Command::new("mkfifo").arg(trial.at("pipe.csv")).status().unwrap().success());
    let run = trial.run(&[trial.at("pipe.csv"), trial.at("absent.csv")], &trial.at("state"));
    run.check(2, &["pipe.csv is a pipe, no file", "absent.csv cannot be read"]);
    assert!(!trial.at("state").exists());
}

#[test]
fn a_file_that_grows_fails_and_the_next_one_runs() {
    let trial = Trial::new();
    let growing = trial.order("orders_grows.csv", false);
    let next = trial.order("orders_next.csv", true);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (stop, path) = (stop.clone(), growing.clone());
        move || {
            let mut file = fs::File::options().append(true).open(path).unwrap();
            for _ in 0..60_000 {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                file.write_all(b"x\n").unwrap();
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    });
    // Large enough for the writer to have its turn while it is read.
    fs::File::options().append(true).open(&growing).unwrap().write_all(&vec![b'\n'; 32 << 20]).unwrap();
    let state = trial.at("state");
    let run = outcome(&mut trial.run_command(&[growing.clone(), next], &state));
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    run.check(3, &["orders_grows.csv is still being written: run it again when it is complete", "ok "]);
    assert_eq!(trial.paid(&state), "t");
    assert!(!state.join("s3/bronze/shop/orders_grows.csv").exists());
}
