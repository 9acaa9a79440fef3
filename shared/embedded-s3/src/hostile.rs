//! Clients that a local server meets: without a key, with too much to send, with nothing to send.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use chrono::Utc;
use proptest::prelude::*;

use crate::layout::Layout;
use crate::listing::{Query, list};
use crate::policy::{Account, sign};
use crate::port::Port;
use crate::server::{EmbeddedS3, Limits};

const LIMITS: Limits = Limits { connections: 4, head: Duration::from_millis(400), silence: Duration::from_millis(400) };

fn serve(limits: Limits) -> (EmbeddedS3, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (EmbeddedS3::start_within(folder.path(), &["bronze"], Port::Any, limits).unwrap(), folder)
}

fn lenient() -> Limits {
    Limits { connections: 64, head: Duration::from_secs(30), silence: Duration::from_secs(30) }
}

fn connect(server: &EmbeddedS3) -> TcpStream {
    let stream = TcpStream::connect(server.endpoint().strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// An answer's head and as much of its body as comes with it.
fn answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => answer.extend_from_slice(&buffer[..read]),
        }
    }
    String::from_utf8(answer).unwrap()
}

fn head(method: &str, path: &str, length: u64, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{more}\r\n")
}

fn field(name: &str, value: &str) -> String {
    format!("--cut\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

const FILE: &str = "--cut\r\ncontent-disposition: form-data; name=\"file\"; filename=\"C:\\in\\a.csv\"\r\n\r\n";
const END: &str = "\r\n--cut--\r\n";

/// Sends a form with a file of so many bytes, and returns the answer.
fn post(server: &EmbeddedS3, fields: &str, size: u64, filler: &[u8]) -> String {
    let mut stream = connect(server);
    let length = fields.len() + FILE.len() + END.len();
    let kind = "content-type: multipart/form-data; boundary=cut\r\n";
    write!(stream, "{}{fields}{FILE}", head("POST", "/bronze", length as u64 + size, kind)).unwrap();
    let mut writing = stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut left = size;
            while left > 0 {
                let piece = filler.len().min(usize::try_from(left).unwrap());
                // A server that has refused may close.
                if writing.write_all(&filler[..piece]).is_err() {
                    return;
                }
                left -= piece as u64;
            }
            let _ = writing.write_all(END.as_bytes());
        });
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        answer(&mut stream)
    })
}

/// The fields of an upload that the server's key has signed.
fn signed(server: &EmbeddedS3, key: &str, conditions: &str) -> String {
    let account = Account { access_key: server.access_key().to_owned(), secret_key: server.secret_key().to_owned() };
    let now = Utc::now();
    let (day, expires) = (now.format("%Y%m%d"), (now + chrono::TimeDelta::days(1)).format("%Y-%m-%dT%H:%M:%SZ"));
    let policy = format!(
        r#"{{"expiration": "{expires}", "conditions": [{{"bucket": "bronze"}}, ["starts-with", "$key", "in/"],
        ["starts-with", "$x-amz-credential", ""], ["starts-with", "$x-amz-date", ""],
        ["eq", "$x-amz-algorithm", "AWS4-HMAC-SHA256"]{conditions}]}}"#
    );
    let fields = sign(&policy, &day.to_string(), &account);
    fields.iter().map(|(name, value)| field(name, value)).collect::<String>() + &field("key", key)
}

/// The memory that this process holds, in megabytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// What the process held more than before, at most, during some work.
fn growth(work: impl FnOnce() + Send) -> u64 {
    let before = resident();
    std::thread::scope(|scope| {
        let working = scope.spawn(work);
        let mut peak = before;
        while !working.is_finished() {
            peak = peak.max(resident());
            std::thread::sleep(Duration::from_millis(5));
        }
        working.join().unwrap();
        peak - before
    })
}

#[test]
fn a_signed_form_becomes_an_object_and_an_unsigned_one_nothing() {
    let (server, folder) = serve(lenient());
    let fields = signed(&server, "in/${filename}", "");
    let good = post(&server, &fields, 5, b"\r\n--c");
    assert!(good.starts_with("HTTP/1.1 204") && good.contains("location: /bronze/in/a.csv"), "{good}");
    assert_eq!(fs::read(folder.path().join("bronze/in/a.csv")).unwrap(), b"\r\n--c");

    let whole = ", [\"eq\", \"$success_action_status\", \"201\"], [\"content-length-range\", 3, 10]";
    let sized = signed(&server, "in/b", whole) + &field("success_action_status", "201");
    for (size, expected) in [(2, "400"), (3, "201"), (10, "201"), (11, "400"), (5_000_000, "400")] {
        let answer = post(&server, &sized, size, &[b'x'; 64]);
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{size}: {answer}");
    }
    for (fields, code) in [
        (field("key", "in/c"), "AccessDenied"),
        (String::new(), "AccessDenied"),
        (signed(&server, "out/c", ""), "AccessDenied"),
        (
            signed(&server, "in/c", "").replace("x-amz-signature\"\r\n\r\n", "x-amz-signature\"\r\n\r\n00"),
            "SignatureDoesNotMatch",
        ),
        (signed(&server, "in/../../c", ""), "InvalidURI"),
        (signed(&server, "in/c", "") + &field("x-ignore-me", &"x".repeat(20_000)), "MaxPostPreDataLengthExceeded"),
    ] {
        let answer = post(&server, &fields, 100, b"x");
        assert!(answer.contains(code), "{code}: {answer}");
    }
    let mut names: Vec<_> =
        fs::read_dir(folder.path().join("bronze/in")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.csv", "b"]);
    assert_eq!(fs::read_dir(folder.path().join(".fonderie-s3/incoming")).unwrap().count(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn three_hundred_megabytes_are_not_held() {
    const SIZE: u64 = 300 << 20;
    let (server, folder) = serve(lenient());
    let filler = vec![b'x'; 64 * 1024];
    let anonymous = growth(|| {
        let answer = post(&server, &field("key", "in/a"), SIZE, &filler);
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        let mut stream = connect(&server);
        stream.write_all(head("PUT", "/bronze/a", SIZE, "").as_bytes()).unwrap();
        // The answer comes before a byte of the body is sent.
        assert!(answer_code(&mut stream).starts_with("HTTP/1.1 403"));
    });
    let fields = signed(&server, "in/large", "");
    let signed = growth(|| {
        let answer = post(&server, &fields, SIZE, &filler);
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    });
    assert_eq!(fs::metadata(folder.path().join("bronze/in/large")).unwrap().len(), SIZE);
    assert!(anonymous < 40 && signed < 40, "{anonymous} and {signed} MB");
}

fn answer_code(stream: &mut TcpStream) -> String {
    answer(stream).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn heads_and_urls_are_bounded() {
    let (server, _folder) = serve(lenient());
    let mut stream = connect(&server);
    // To the byte: a server that closes before it has read all loses its answer.
    let start = "GET /bronze HTTP/1.1\r\nhost: localhost\r\nx-amz-meta-a: ";
    stream.write_all(format!("{start}{}", "x".repeat(64 * 1024 - start.len())).as_bytes()).unwrap();
    assert!(answer_code(&mut stream).starts_with("HTTP/1.1 431"));
    let mut stream = connect(&server);
    stream.write_all(head("GET", &format!("/bronze?prefix={}", "x".repeat(20_000)), 0, "").as_bytes()).unwrap();
    assert!(answer(&mut stream).contains("at most 16384 bytes"));
}

#[test]
fn silent_clients_make_way() {
    let (server, folder) = serve(LIMITS);
    let began = Instant::now();
    // Twice as many as there are places: one says nothing, one half a head, one half a body, …
    let silent: Vec<_> = (0..8)
        .map(|number| {
            let mut stream = connect(&server);
            let kind = "content-type: multipart/form-data; boundary=cut\r\n";
            let half = head("POST", "/bronze", 1000, kind) + &field("key", "in/x");
            let said = [0, 20, half.len()][number % 3];
            stream.write_all(&half.as_bytes()[..said]).unwrap();
            stream
        })
        .collect();
    let fields = signed(&server, "in/a", "");
    let answer = post(&server, &fields, 3, b"abc");
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(folder.path().join("bronze/in/a").exists());
    for mut stream in silent {
        // Closed by the server: the end, and no time-out of ours.
        let ended = stream.read_to_end(&mut Vec::new());
        assert!(!ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    }
}

/// A root beside a secret, with links that lead to it.
fn trap() -> (tempfile::TempDir, Layout) {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::open(&folder.path().join("root")).unwrap();
    let bucket = layout.root().join("bronze");
    fs::create_dir_all(bucket.join("a/b")).unwrap();
    fs::create_dir_all(folder.path().join("outside/a")).unwrap();
    for file in ["outside/secret", "outside/a/secret", "root/bronze/a/b/own", "root/bronze/own"] {
        fs::write(folder.path().join(file), "x").unwrap();
    }
    for link in ["link", "a/link"] {
        std::os::unix::fs::symlink(folder.path().join("outside"), bucket.join(link)).unwrap();
    }
    std::os::unix::fs::symlink(folder.path().join("outside/secret"), bucket.join("a/file")).unwrap();
    std::os::unix::fs::symlink("..", bucket.join("a/loop")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("outside"), layout.root().join("linked")).unwrap();
    (folder, layout)
}

fn hostile_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => prop::sample::select(vec![
            "/", "//", "..", "../", "./", ".", "", "a", "b", "a/b/", "own", "link", "link/secret", "a/file", "a/loop",
            "secret", "outside", "root", "bronze", "linked", "\0", "\\", "%2e%2e", "tmp", "etc/passwd", "/tmp/", "\u{e9}",
            "\u{ff0e}\u{ff0e}", ".fonderie-s3",
        ]).prop_map(str::to_owned),
        1 => ".{0,8}",
    ];
    prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_key_and_no_bucket_leaves_the_root(bucket in prop_oneof![Just("bronze".to_owned()), hostile_text()], key in hostile_text()) {
        thread_local!(static TRAP: (tempfile::TempDir, Layout) = trap());
        TRAP.with(|(_folder, layout)| {
            let top = layout.root().join("bronze");
            if let Ok(path) = layout.object(&bucket, &key) {
                prop_assert!(path.starts_with(&top), "{path:?}");
                prop_assert_eq!(path.strip_prefix(&top).unwrap().to_str().unwrap(), &key);
                let there = path.ancestors().find(|ancestor| ancestor.exists()).unwrap();
                prop_assert!(there.canonicalize().unwrap().starts_with(&top), "{path:?}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_listing_shows_its_buckets_files_and_no_other(
        prefix in hostile_text(),
        after in hostile_text(),
        delimiter in prop::option::of(hostile_text()),
    ) {
        thread_local!(static TRAP: (tempfile::TempDir, Layout) = trap());
        TRAP.with(|(_folder, layout)| {
            let bucket = layout.existing_bucket("bronze").unwrap();
            let query = Query { prefix: &prefix, delimiter: delimiter.as_deref(), after: &after, limit: 100 };
            let page = list(&bucket, query).unwrap();
            let expected = |key: &str| ["a/b/own", "own"].contains(&key) && key.starts_with(prefix.as_str());
            for entry in &page.objects {
                prop_assert!(expected(&entry.key), "{:?}", entry.key);
            }
            for group in &page.prefixes {
                prop_assert!("a/b/own".starts_with(group.as_str()) || "own".starts_with(group.as_str()), "{group:?}");
            }
            Ok(())
        })?;
    }
}
