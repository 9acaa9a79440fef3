//! A form for a sender, signed by the program and used against an S3 server that verifies it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

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

/// The call, for the orders of the shop.
fn of_the_shop() -> Command {
    let mut command = program(&["upload-link", "--dataset", "shop", "--source", "orders", "--datasets"]);
    command.arg(fonderie_test_support::datasets());
    command
}

fn link(store: &EmbeddedS3, more: &[&str]) -> Ended {
    let mut command = of_the_shop();
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

    assert_eq!(status(&store, &form, "orders_2026-06-30.csv", b"a;b\n"), "204");
    let key = folder.path().join("bronze/shop/orders/orders_2026-06-30.csv");
    assert_eq!(std::fs::read(key).unwrap(), b"a;b\n");
    assert_eq!(status(&store, &form, "lines_2026-06-30.csv", b"a;b\n"), "403", "another source's name");
    assert_eq!(status(&store, &form, "orders.csv", &vec![b'x'; (1 << 20) + 1]), "400", "too large");
    assert_eq!(status(&store, &form, "orders.csv", b""), "400", "empty");
    let mut moved = form.clone();
    moved["fields"]["key"] = "shop/lines/${filename}".into();
    assert_eq!(status(&store, &moved, "orders.csv", b"a;b\n"), "403", "another source's folder");
}

#[tokio::test]
async fn a_form_is_printed_as_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedS3::start(folder.path(), &["bronze"]).unwrap();
    link(&store, &["--hours", "168"]).check(
        0,
        &[
            "# Files of orders: names that begin with `orders`, 256 MB at most, until ",
            "  -F 'key=shop/orders/${filename}' \\",
            "  -F 'file=@FILE' \\",
        ],
    );
    link(&store, &["--hours", "169"]).check(2, &["--hours"]);
    link(&store, &["--source", "unknown"]).check(2, &["--source"]);
    let mut unsigned = of_the_shop();
    unsigned.args(["--bucket", "bronze", "--region", "eu-west-1"]).env_remove("AWS_ACCESS_KEY_ID");
    Ended::of(unsigned.output().unwrap()).check(2, &["AWS_ACCESS_KEY_ID"]);
}
