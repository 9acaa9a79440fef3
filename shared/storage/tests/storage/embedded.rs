//! What the embedded server promises beyond S3: a folder that survives restarts, kills and people.

use std::fs;

use bytes::Bytes;
use fonderie_core::{ErrorCode, ObjectRef};
use fonderie_embedded_s3::{EmbeddedS3, Port, complete_digests};

use crate::support::{noise, storage};

fn object(key: &str) -> ObjectRef {
    ObjectRef { bucket: "bronze".into(), key: key.into() }
}

#[tokio::test]
async fn a_restart_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let large = noise(9 * 1024 * 1024, 1);
    let server = EmbeddedS3::start(folder.path(), &["bronze", "silver"]).unwrap();
    let secret = server.secret_key().to_owned();
    storage(&server).put(&object("a/b.csv"), Bytes::from_static(b"x"), "text/csv").await.unwrap();
    let mut writer = storage(&server).writer(object("large"), "text/plain");
    writer.write(large.clone()).await.unwrap();
    writer.finish().await.unwrap();
    let before = [
        storage(&server).head("bronze", "a/b.csv", None).await.unwrap(),
        storage(&server).head("bronze", "large", None).await.unwrap(),
    ];
    drop(server);

    let server = EmbeddedS3::start(folder.path(), &["bronze"]).unwrap();
    assert_eq!(server.secret_key(), secret);
    let after = [
        storage(&server).head("bronze", "a/b.csv", None).await.unwrap(),
        storage(&server).head("bronze", "large", None).await.unwrap(),
    ];
    assert_eq!(after, before);
    assert_eq!(storage(&server).list("silver", "", 1).await.unwrap().objects, []);
    assert_eq!(fs::read(folder.path().join("bronze/large")).unwrap(), large);
}

#[tokio::test]
async fn what_a_killed_process_leaves_is_no_object_and_no_lie() {
    let folder = tempfile::tempdir().unwrap();
    let server = EmbeddedS3::start(folder.path(), &["bronze"]).unwrap();
    storage(&server).put(&object("k"), Bytes::from_static(b"old!"), "text/csv").await.unwrap();
    let old = storage(&server).head("bronze", "k", None).await.unwrap();
    drop(server);

    // Killed while it received, and between the renames of content and attributes.
    let incoming = folder.path().join(".fonderie-s3/incoming");
    fs::write(incoming.join("77"), "half").unwrap();
    fs::write(incoming.join("78"), "new!").unwrap();
    fs::rename(incoming.join("78"), folder.path().join("bronze/k")).unwrap();

    let server = EmbeddedS3::start(folder.path(), &["bronze"]).unwrap();
    assert_eq!(fs::read_dir(&incoming).unwrap().count(), 0);
    let new = storage(&server).head("bronze", "k", None).await.unwrap();
    assert_ne!(new.etag, old.etag);
    let error = storage(&server).read("bronze", "k", Some(&old.version_id), 10).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ObjectChanged);
    assert_eq!(storage(&server).read("bronze", "k", Some(&new.version_id), 10).await.unwrap(), "new!");
}

/// Copies a folder with all that is in it, as new files with new times.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(|_| ()).unwrap()
        }
    }
}

#[tokio::test]
async fn a_copy_holds_the_same_versions_and_knows_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let (root, other) = (folder.path().join("root"), folder.path().join("other"));
    let server = EmbeddedS3::start(&root, &["bronze"]).unwrap();
    let (small, large) = (folder.path().join("small.csv"), folder.path().join("large.csv"));
    fs::write(&small, "x").unwrap();
    fs::write(&large, noise(20 * 1024 * 1024, 1)).unwrap();
    let mut before = Vec::new();
    for (path, key) in [(&small, "d/small"), (&large, "d/large")] {
        let (meta, uploaded) = storage(&server).put_file(path, &object(key), "text/csv").await.unwrap();
        assert!(uploaded);
        before.push(meta);
    }
    assert!(before[1].etag.contains('-'), "sent in parts: its ETag is no MD5");
    drop(server);
    // A version's time is in seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    copy(&root, &other);

    let server = EmbeddedS3::start(&other, &["bronze"]).unwrap();
    for (path, key, before) in [(&small, "d/small", &before[0]), (&large, "d/large", &before[1])] {
        let (after, uploaded) = storage(&server).put_file(path, &object(key), "text/csv").await.unwrap();
        assert_eq!((&after, uploaded), (before, false));
        let listed = storage(&server).list("bronze", key, 1).await.unwrap();
        assert_eq!(listed.objects[0].last_modified, before.last_modified);
    }
    // Another content of the same size is another version, whatever its time.
    let time = fs::metadata(other.join("bronze/d/small")).unwrap().modified().unwrap();
    fs::write(other.join("bronze/d/small"), "y").unwrap();
    fs::File::options().write(true).open(other.join("bronze/d/small")).unwrap().set_modified(time).unwrap();
    // A copy made now has other inodes.
    drop(server);
    let third = folder.path().join("third");
    copy(&other, &third);
    let server = EmbeddedS3::start(&third, &["bronze"]).unwrap();
    assert!(storage(&server).put_file(&small, &object("d/small"), "text/csv").await.unwrap().1);
}

#[tokio::test]
async fn a_folder_of_an_earlier_version_is_completed_before_it_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let (root, other) = (folder.path().join("root"), folder.path().join("other"));
    let large = folder.path().join("large.csv");
    fs::write(&large, noise(20 * 1024 * 1024, 1)).unwrap();
    let server = EmbeddedS3::start(&root, &["bronze"]).unwrap();
    let (before, _) = storage(&server).put_file(&large, &object("d/large"), "text/csv").await.unwrap();
    drop(server);
    // What earlier versions wrote had neither digest nor time.
    for entry in fs::read_dir(root.join(".fonderie-s3/attributes/bronze")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let (start, end) = (text.find("\"content\":").unwrap(), text.find("\"etag\":").unwrap());
        fs::write(&path, format!("{}{}", &text[..start], &text[end..])).unwrap();
    }
    complete_digests(&root, "bronze").unwrap();
    copy(&root, &other);
    let server = EmbeddedS3::start(&other, &["bronze"]).unwrap();
    let after = storage(&server).put_file(&large, &object("d/large"), "text/csv").await.unwrap();
    assert_eq!(after, (before, false));
}

#[tokio::test]
async fn a_pipe_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let server = EmbeddedS3::start(folder.path(), &["bronze"]).unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let storage = storage(&server);
    let object = object("pipe");
    let put = storage.put_file(&pipe, &object, "text/csv");
    let error = tokio::time::timeout(std::time::Duration::from_secs(10), put).await.unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::RequestInvalid, "{error}");
}

#[tokio::test]
async fn a_file_that_a_person_puts_there_is_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let server = EmbeddedS3::start(folder.path(), &["bronze"]).unwrap();
    fs::create_dir_all(folder.path().join("bronze/in")).unwrap();
    fs::write(folder.path().join("bronze/in/a.csv"), "abc").unwrap();
    let meta = storage(&server).head("bronze", "in/a.csv", None).await.unwrap();
    assert_eq!((meta.size, meta.etag.as_str()), (3, "900150983cd24fb0d6963f7d28e17f72"));
    assert_eq!(storage(&server).read("bronze", "in/a.csv", Some(&meta.version_id), 3).await.unwrap(), "abc");
    storage(&server).delete(&object("in/a.csv")).await.unwrap();
    assert_eq!(fs::read_dir(folder.path().join("bronze")).unwrap().count(), 0);
}

#[tokio::test]
async fn no_key_leaves_its_bucket_and_impossible_ones_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let server = EmbeddedS3::start(&root, &["bronze", "silver"]).unwrap();
    fs::write(folder.path().join("secret.txt"), "secret").unwrap();
    let storage = storage(&server);
    storage.put(&object("file"), Bytes::from_static(b"x"), "text/csv").await.unwrap();
    let long = "x".repeat(300);
    for (key, part) in [
        ("../../secret.txt", "is empty, . or .."),
        ("../silver/x", "is empty, . or .."),
        ("../.fonderie-s3/secret", "is empty, . or .."),
        ("a/../../silver/x", "is empty, . or .."),
        ("/etc/passwd", "is empty, . or .."),
        ("a//b", "is empty, . or .."),
        ("folder/", "is empty, . or .."),
        ("file/below", "a file and a folder at once"),
        (long.as_str(), "at most 255 bytes"),
    ] {
        let put = storage.put(&object(key), Bytes::from_static(b"y"), "text/csv").await.unwrap_err();
        assert_eq!(put.code, ErrorCode::RequestInvalid, "{key}: {put}");
        assert!(put.message.contains(part), "{key}: {put}");
        assert!(storage.read("bronze", key, None, 100).await.is_err(), "{key}");
        let _ = storage.delete(&object(key)).await;
    }
    storage.put(&object("a/b"), Bytes::from_static(b"x"), "text/csv").await.unwrap();
    let error = storage.put(&object("a"), Bytes::from_static(b"y"), "text/csv").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::RequestInvalid, "{error}");
    assert_eq!(storage.read("bronze", "a", None, 9).await.unwrap_err().code, ErrorCode::ObjectMissing);

    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["root", "secret.txt"]);
    assert_eq!(fs::read(folder.path().join("secret.txt")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(root.join("silver")).unwrap().count(), 0);
    assert_eq!(server.secret_key(), fs::read_to_string(root.join(".fonderie-s3/secret")).unwrap());
}

#[tokio::test]
async fn a_folder_has_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let server = EmbeddedS3::start(folder.path(), &[]).unwrap();
    let error = EmbeddedS3::start(folder.path(), &[]).unwrap_err();
    assert_eq!(error.code, ErrorCode::SettingsInvalid);
    assert!(error.message.starts_with("Another process uses the folder"), "{error}");
    drop(server);
    EmbeddedS3::start(folder.path(), &[]).unwrap();
}

#[test]
fn an_unusable_folder_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    for root in [file.clone(), file.join("below")] {
        let error = EmbeddedS3::start(&root, &["bronze"]).unwrap_err();
        assert_eq!(error.code, ErrorCode::SettingsInvalid);
        assert!(error.message.contains("is a file where a folder is needed"), "{error}");
    }
    let error = EmbeddedS3::start(folder.path(), &["Bronze_1"]).unwrap_err();
    assert!(error.message.starts_with("\"Bronze_1\" cannot be a bucket's name"), "{error}");
}

/// Within a runtime, as in the one-machine binary: a runtime that is dropped there panics.
#[tokio::test]
async fn a_busy_port_is_an_error_if_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let port = |server: &EmbeddedS3| server.endpoint().rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
    let server = EmbeddedS3::start(&folder.path().join("a"), &["bronze"]).unwrap();
    let busy = port(&server);
    let error = EmbeddedS3::start_on(&folder.path().join("b"), &[], Port::Exactly(busy)).unwrap_err();
    assert_eq!(error.code, ErrorCode::StorageUnavailable);
    let sentence = format!("Port {busy} of 127.0.0.1 is in use; choose another one, or 0 for any that is free");
    assert_eq!(error.message, sentence);

    let next = EmbeddedS3::start_on(&folder.path().join("b"), &["bronze"], Port::From(busy)).unwrap();
    assert_ne!(port(&next), busy);
    assert_eq!(storage(&next).list("bronze", "", 1).await.unwrap().objects, []);
}

#[cfg(unix)]
#[test]
fn what_is_made_is_its_owners_alone() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("state");
    let _server = EmbeddedS3::start(&root, &["bronze"]).unwrap();
    assert_eq!(root.metadata().unwrap().mode() & 0o777, 0o700);
    assert_eq!(root.join(".fonderie-s3/secret").metadata().unwrap().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_listing_shows_no_folder_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let server = EmbeddedS3::start(&folder.path().join("root"), &["bronze"]).unwrap();
    fs::write(folder.path().join("secret"), "x").unwrap();
    storage(&server).put(&object("tmp/own"), Bytes::from_static(b"x"), "text/csv").await.unwrap();
    let client = crate::support::client(server.endpoint(), server.access_key(), server.secret_key());
    let outside = folder.path().to_str().unwrap();
    for prefix in ["/tmp/", "/", "//", "../", "tmp/../../../", "tmp//", &format!("{outside}/"), &format!("/{outside}/")]
    {
        let list = client.list_objects_v2().bucket("bronze").prefix(prefix).delimiter("/").start_after("../");
        let page = list.send().await.unwrap();
        assert_eq!((page.contents(), page.common_prefixes()), (&[][..], &[][..]), "{prefix}");
    }
    for source in ["../root/bronze/tmp/own", "bronze/../../secret", "bronze//tmp/own", ".fonderie-s3/secret"] {
        let copied = client.copy_object().bucket("bronze").key("copy").copy_source(source).send().await;
        assert!(copied.is_err(), "{source}");
    }
    let upload = client.create_multipart_upload().bucket("bronze").key("../x").send().await;
    assert!(upload.is_err());
    assert_eq!(storage(&server).list("bronze", "", 9).await.unwrap().objects.len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_or_a_pipe_is_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let server = EmbeddedS3::start(&root, &["bronze"]).unwrap();
    let outside = folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    for (target, link) in [(&outside, "folder"), (&outside.join("secret"), "file")] {
        std::os::unix::fs::symlink(target, root.join("bronze").join(link)).unwrap();
    }
    std::os::unix::fs::symlink(&outside, root.join("linked")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(root.join("bronze/pipe")).status().unwrap();
    assert!(made.success());
    let storage = storage(&server);
    for key in ["folder/secret", "file", "pipe"] {
        assert!(storage.read("bronze", key, None, 100).await.is_err(), "{key}");
    }
    for key in ["folder/secret", "folder/new", "file"] {
        let put = storage.put(&object(key), Bytes::from_static(b"y"), "text/csv").await.unwrap_err();
        assert!(put.message.contains("symbolic link"), "{key}: {put}");
        assert!(storage.delete(&object(key)).await.is_err(), "{key}");
    }
    assert!(storage.list("linked", "", 9).await.is_err());
    assert_eq!(storage.list("bronze", "", 9).await.unwrap().objects, []);
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[tokio::test]
async fn a_signed_url_is_good_in_its_time_and_for_what_it_says() {
    use std::time::{Duration, SystemTime};

    use aws_sdk_s3::presigning::PresigningConfig;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let folder = tempfile::tempdir().unwrap();
    let server = EmbeddedS3::start(folder.path(), &["bronze"]).unwrap();
    storage(&server).put(&object("k"), Bytes::from_static(b"content"), "text/csv").await.unwrap();
    let client = crate::support::client(server.endpoint(), server.access_key(), server.secret_key());
    let address = server.endpoint().strip_prefix("http://").unwrap().to_owned();
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let week = Duration::from_secs(7 * 24 * 3600);
    let url = async |start: SystemTime, life: Duration| {
        let config = PresigningConfig::builder().start_time(start).expires_in(life).build().unwrap();
        let signed = client.get_object().bucket("bronze").key("k").presigned(config).await.unwrap();
        signed.uri().strip_prefix(server.endpoint()).unwrap().to_owned()
    };
    let get = async |path: String, headers: &str| {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let good = get(url(now, week).await, "").await;
    assert!(good.starts_with("HTTP/1.1 200") && good.ends_with("content"), "{good}");
    for (path, headers, code) in [
        (url(now - 2 * hour, hour).await, "", "AccessDenied"),
        (url(now + hour, hour).await, "", "RequestTimeTooSkewed"),
        (url(now, week).await.replace("=604800", "=604801"), "", "AuthorizationQueryParametersError"),
        (url(now, week).await.replace("=604800", "=604799"), "", "SignatureDoesNotMatch"),
        (url(now, week).await.replace("/k?", "/l?"), "", "SignatureDoesNotMatch"),
        (url(now, week).await, "x-amz-copy-source: /bronze/k\r\n", "AccessDenied"),
        ("/bronze/k".to_owned(), "", "AccessDenied"),
        ("/bronze/k?AWSAccessKeyId=fonderie&Expires=99999999999&Signature=x".to_owned(), "", "AccessDenied"),
    ] {
        let refused = get(path, headers).await;
        assert!(refused.contains(&format!("<Code>{code}</Code>")), "{code}: {refused}");
    }
}
