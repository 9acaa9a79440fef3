//! A form for a facility, signed by the program and used against an S3 server that verifies it.

use std::io::{Read, Write};
use std::net::TcpStream;

use fonderie_embedded_s3::EmbeddedS3;
use serde_json::Value;

use crate::program;
use crate::support::Ended;

/// The status with which a store answers a form with a file.
fn status(store: &EmbeddedS3, form: &Value, file_name: &str, content: &[u8]) -> String {
    let mut body = Vec::new();
    for (name, value) in form["fields"].as_object().unwrap() {
        let value = value.as_str().unwrap();
        write!(body, "--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").unwrap();
    }
    let file = format!("--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\r\n");
    body.extend_from_slice(file.as_bytes());
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--edge--\r\n");
    let authority = store.endpoint().strip_prefix("http://").unwrap();
    let path = form["url"].as_str().unwrap().strip_prefix(store.endpoint()).unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: multipart/form-data; boundary=edge\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The store may refuse the file before it has come as a whole.
    let _ = stream.write_all(&body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or_default().to_owned()
}

fn link(store: &EmbeddedS3, more: &[&str]) -> Ended {
    let mut command = program(&["upload-link", "--dataset", "facturation", "--source", "etablissement_b"]);
    command.args(["--bucket", "bronze", "--region", "eu-west-1", "--endpoint", store.endpoint()]).args(more);
    command.env("AWS_ACCESS_KEY_ID", store.access_key()).env("AWS_SECRET_ACCESS_KEY", store.secret_key());
    Ended::of(command.env_remove("AWS_SESSION_TOKEN").output().unwrap())
}

#[tokio::test]
async fn a_form_takes_files_of_its_source_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedS3::start(folder.path(), &["bronze"]).unwrap();
    let told = link(&store, &["--largest-mb", "1", "--json"]);
    told.check(0, &[]);
    let form: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(form["largest_bytes"], 1 << 20);

    assert_eq!(status(&store, &form, "etablissement_B_2026-06-30.csv", b"a;b\n"), "204");
    let key = folder.path().join("bronze/facturation/etablissement_b/etablissement_B_2026-06-30.csv");
    assert_eq!(std::fs::read(key).unwrap(), b"a;b\n");
    assert_eq!(status(&store, &form, "etablissement_A_2026-06-30.csv", b"a;b\n"), "403", "another facility's name");
    assert_eq!(status(&store, &form, "etablissement_B.csv", &vec![b'x'; (1 << 20) + 1]), "400", "too large");
    assert_eq!(status(&store, &form, "etablissement_B.csv", b""), "400", "empty");
    let mut moved = form.clone();
    moved["fields"]["key"] = "facturation/etablissement_a/${filename}".into();
    assert_eq!(status(&store, &moved, "etablissement_B.csv", b"a;b\n"), "403", "another facility's folder");
}

#[tokio::test]
async fn a_form_is_printed_as_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedS3::start(folder.path(), &["bronze"]).unwrap();
    link(&store, &["--hours", "168"]).check(
        0,
        &[
            "# Files of etablissement_b: names that begin with `etablissement_B`, 256 MB at most, until ",
            "  -F 'key=facturation/etablissement_b/${filename}' \\",
            "  -F 'file=@FILE' \\",
        ],
    );
    link(&store, &["--hours", "169"]).check(2, &["--hours"]);
    link(&store, &["--source", "etablissement_z"]).check(2, &["--source"]);
    let mut unsigned = program(&["upload-link", "--dataset", "facturation", "--source", "etablissement_b"]);
    unsigned.args(["--bucket", "bronze", "--region", "eu-west-1"]).env_remove("AWS_ACCESS_KEY_ID");
    Ended::of(unsigned.output().unwrap()).check(2, &["AWS_ACCESS_KEY_ID"]);
}
