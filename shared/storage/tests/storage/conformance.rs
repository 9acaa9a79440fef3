//! What the stages rely on, against a real store: the embedded one, or any at `FONDERIE_TEST_S3_ENDPOINT` (LocalStack).

use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use fonderie_core::{ErrorCode, ObjectVersion};
use fonderie_storage::{Storage, version};
use futures::StreamExt;
use futures::stream;

use crate::support::{Store, digest, noise, rest};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn contents_of_all_sizes_come_back_whole() {
    let store = Store::new().await;
    for size in [0, 1, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 16 * MIB, 20 * MIB] {
        let content = noise(size, 1);
        let mut writer = store.storage.writer(store.object("a"), "text/csv");
        // Sizes that fall on no boundary, and one write beyond a part.
        let mut left = content.clone();
        for step in [1, 1000, 9 * MIB, 70_001].into_iter().cycle() {
            if left.is_empty() {
                break;
            }
            writer.write(left.split_to(step.min(left.len()))).await.unwrap();
        }
        assert_eq!(writer.finish().await.unwrap(), size as u64);

        let meta = store.storage.head(&store.bucket, "a", None).await.unwrap();
        assert_eq!(meta.size, size as u64);
        let reader = store.storage.open(&store.version("a").await).await.unwrap();
        assert_eq!((reader.size(), reader.content_type()), (size as u64, "text/csv"));
        assert_eq!(rest(reader).await.unwrap(), (size as u64, digest(&content)), "{size}");
    }
}

#[tokio::test]
async fn small_objects_are_put_and_read_whole() {
    let store = Store::new().await;
    for content in [Bytes::new(), Bytes::from_static(b"x"), noise(3 * MIB, 2)] {
        store.storage.put(&store.object("k"), content.clone(), "application/json").await.unwrap();
        let read = store.storage.read(&store.bucket, "k", None, content.len() as u64).await.unwrap();
        assert_eq!(digest(&read), digest(&content));
    }
    let error = store.storage.read(&store.bucket, "k", None, 3 * MIB as u64 - 1).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::LimitExceeded);
    assert_eq!(
        error.message,
        format!("s3://{}/k has 3145728 bytes where at most 3145727 are read; make it smaller", store.bucket)
    );
}

#[tokio::test]
async fn keys_are_what_they_are() {
    let store = Store::new().await;
    // As long as a run's own keys get, in a multipart upload: what the usual file store could not hold.
    let long = format!("shop/{}/{}/accepted_records.parquet", "s".repeat(60), "r".repeat(80));
    let deep = "d/".repeat(200) + &"f".repeat(200);
    let mut keys = vec![
        "plain.csv",
        "with space.csv",
        "dossier \u{e9}t\u{e9}/Command\u{e9} n\u{b0}1+2 (copie).csv",
        "100%.csv",
        "a%20b.csv",
        "a+b.csv",
        "q?x=1&y#z.csv",
        "quote'\"<>.csv",
        "..hidden/..x..",
        &long,
        &deep,
    ];
    for (number, key) in keys.iter().enumerate() {
        let content = noise(9 * MIB + number, number as u64);
        let mut writer = store.storage.writer(store.object(key), "text/csv");
        writer.write(content.clone()).await.unwrap();
        writer.finish().await.unwrap();
        let copy = format!("copy of/{key}");
        store.storage.copy(&store.version(key).await, &store.object(&copy)).await.unwrap();
        assert_eq!(digest(&store.content(&copy).await), digest(&content), "{key}");
        store.storage.delete(&store.object(&copy)).await.unwrap();
        // Once more is no error.
        store.storage.delete(&store.object(&copy)).await.unwrap();
    }
    keys.sort_unstable();
    assert_eq!(store.keys().await, keys);
}

#[tokio::test]
async fn a_pinned_read_never_sees_another_content() {
    let store = Store::new().await;
    store.put("k", b"first").await;
    let first = store.version("k").await;
    store.put("k", b"second").await;
    let second = store.version("k").await;
    assert_ne!(first.version_id, second.version_id);
    assert_eq!(rest(store.storage.open(&second).await.unwrap()).await.unwrap().1, digest(b"second"));
    if version::is_derived(&first.version_id) {
        let reads = [
            store.storage.open(&first).await.map(|_| ()).unwrap_err(),
            store.storage.head(&store.bucket, "k", Some(&first.version_id)).await.map(|_| ()).unwrap_err(),
            store.storage.read(&store.bucket, "k", Some(&first.version_id), 100).await.map(|_| ()).unwrap_err(),
            store.storage.copy(&first, &store.object("copy")).await.unwrap_err(),
        ];
        for error in reads {
            assert_eq!(error.code, ErrorCode::ObjectChanged, "{error}");
        }
        assert_eq!(store.keys().await, ["k"]);
    }
    // The same content again is a later version with the same bytes; the first one keeps its own time.
    store.put("k", b"first").await;
    assert_eq!(rest(store.storage.open(&first).await.unwrap()).await.unwrap().1, digest(b"first"));
    let meta = store.storage.head(&store.bucket, "k", Some(&first.version_id)).await.unwrap();
    assert_eq!((meta.version_id, meta.size), (first.version_id, 5));
}

#[tokio::test]
async fn the_same_content_written_a_second_later_is_another_version() {
    let store = Store::new().await;
    store.put("k", b"A").await;
    let first = store.storage.head(&store.bucket, "k", None).await.unwrap();
    let third = loop {
        store.put("k", b"A").await;
        let now = store.storage.head(&store.bucket, "k", None).await.unwrap();
        if now.last_modified != first.last_modified {
            break now;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(third.etag, first.etag);
    assert_ne!(third.version_id, first.version_id);
    let again = store.storage.head(&store.bucket, "k", Some(&first.version_id)).await.unwrap();
    assert_eq!(again, first);
}

#[tokio::test]
async fn a_reader_keeps_its_content_while_the_object_is_replaced() {
    let store = Store::new().await;
    let old = noise(20 * MIB, 7);
    store.storage.put(&store.object("k"), old.clone(), "text/csv").await.unwrap();
    let mut reader = store.storage.open(&store.version("k").await).await.unwrap();
    let first = reader.next().await.unwrap().unwrap();
    assert_eq!(first, old[..first.len()]);
    store.put("k", b"new").await;
    let (length, hash) = rest(reader).await.unwrap();
    assert_eq!(length, (old.len() - first.len()) as u64);
    assert_eq!(hash, digest(&old[first.len()..]));
    assert_eq!(store.content("k").await, "new");
}

#[tokio::test]
async fn nothing_is_visible_before_the_end() {
    let store = Store::new().await;
    for (name, size) in [("small", 100), ("large", 20 * MIB)] {
        let mut writer = store.storage.writer(store.object(name), "text/csv");
        writer.write(noise(size, 3)).await.unwrap();
        assert_eq!(store.keys().await, [""; 0]);
        writer.abort().await.unwrap();

        let mut writer = store.storage.writer(store.object(name), "text/csv");
        writer.write(noise(size, 3)).await.unwrap();
        drop(writer);
    }
    assert_eq!(store.keys().await, [""; 0]);
    // The dropped upload's parts go in the background.
    for _ in 0..200 {
        let open = store
            .embedded
            .as_ref()
            .map_or(0, |(server, _)| std::fs::read_dir(server.root().join(".fonderie-s3/incoming")).unwrap().count());
        if open == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the parts of an abandoned upload stay");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_writers_one_wins_whole() {
    let store = Arc::new(Store::new().await);
    let contents: Vec<Bytes> = (0..6).map(|n| noise(if n % 2 == 0 { 9 * MIB } else { 1000 } + n, n as u64)).collect();
    for _ in 0..3 {
        let tasks = contents.iter().cloned().map(|content| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut writer = store.storage.writer(store.object("k"), "text/csv");
                writer.write(content).await.unwrap();
                writer.finish().await.unwrap();
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let found = digest(&store.content("k").await);
        assert!(contents.iter().any(|content| digest(content) == found));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_creators_exactly_one_succeeds() {
    let store = Arc::new(Store::new().await);
    for round in 0..10 {
        let tasks = (0..8).map(|n: u8| {
            let store = store.clone();
            tokio::spawn(async move {
                let sent = store
                    .client
                    .put_object()
                    .bucket(&store.bucket)
                    .key(format!("k{round}"))
                    .if_none_match("*")
                    .body(ByteStream::from(vec![n; 1000]))
                    .send()
                    .await;
                sent.is_ok()
            })
        });
        let mut winners = 0;
        for task in tasks.collect::<Vec<_>>() {
            winners += u32::from(task.await.unwrap());
        }
        assert_eq!(winners, 1);
    }
}

#[tokio::test]
async fn listings_are_complete_ordered_and_limited() {
    let store = Arc::new(Store::new().await);
    let expected: Vec<String> = (0..1005).map(|n| format!("many/{n:05}")).collect();
    stream::iter(expected.clone())
        .for_each_concurrent(16, |key| {
            let store = store.clone();
            async move { store.put(&key, b"x").await }
        })
        .await;
    store.put("other", b"xyz").await;
    let listing = store.storage.list(&store.bucket, "many/", 2000).await.unwrap();
    assert!(!listing.truncated);
    assert_eq!(listing.objects.iter().map(|object| object.key.clone()).collect::<Vec<_>>(), expected);
    let listing = store.storage.list(&store.bucket, "", 1004).await.unwrap();
    assert!(listing.truncated);
    assert_eq!((listing.objects.len(), listing.objects[1003].key.as_str()), (1004, "many/01003"));
    let listing = store.storage.list(&store.bucket, "other", 1).await.unwrap();
    assert_eq!((listing.truncated, listing.objects[0].size), (false, 3));
    assert_eq!(
        listing.objects[0].last_modified,
        store.storage.head(&store.bucket, "other", None).await.unwrap().last_modified
    );
    assert_eq!(store.storage.list(&store.bucket, "none/", 10).await.unwrap().objects, []);
}

#[tokio::test]
async fn a_file_is_uploaded_once() {
    let store = Store::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store_A.csv");
    let object = store.object("shop/store_A.csv");
    for size in [0, 100, 20 * MIB] {
        let content = noise(size, 5);
        std::fs::write(&path, &content).unwrap();
        let (meta, uploaded) = store.storage.put_file(&path, &object, "text/csv").await.unwrap();
        assert_eq!((uploaded, meta.size), (true, size as u64));
        assert_eq!(digest(&store.content(&object.key).await), digest(&content));
        let (again, uploaded) = store.storage.put_file(&path, &object, "text/csv").await.unwrap();
        assert_eq!((again, uploaded), (meta, false));
    }
    let error = store.storage.put_file(&folder.path().join("none"), &object, "text/csv").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::ObjectMissing);
    let error = store.storage.put_file(folder.path(), &object, "text/csv").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::RequestInvalid);
}

#[tokio::test]
async fn failures_have_their_codes() {
    let store = Store::new().await;
    let (storage, bucket) = (&store.storage, store.bucket.as_str());
    let nowhere = ObjectVersion { bucket: bucket.into(), key: "none".into(), version_id: "null".into() };
    let missing = [
        storage.head(bucket, "none", None).await.map(|_| ()).unwrap_err(),
        storage.open(&nowhere).await.map(|_| ()).unwrap_err(),
        storage.read(bucket, "none", None, 10).await.map(|_| ()).unwrap_err(),
        storage.copy(&nowhere, &store.object("copy")).await.unwrap_err(),
        storage.parquet_reader(&store.object("none")).await.map(|_| ()).unwrap_err(),
    ];
    for error in missing {
        assert_eq!(error.code, ErrorCode::ObjectMissing, "{error}");
        assert!(error.message.starts_with(&format!("There is no s3://{bucket}/none")), "{error}");
    }

    let mut elsewhere = store.object("k");
    elsewhere.bucket = "no-such-bucket-of-ours".into();
    let mut writer = storage.writer(elsewhere.clone(), "text/csv");
    let mut written = writer.write(noise(9 * MIB, 1)).await;
    if written.is_ok() {
        written = writer.finish().await.map(|_| ());
    }
    // An answer that comes before the body was sent must not be lost with the connection.
    for _ in 0..20 {
        let error = storage.put(&elsewhere, noise(6 * MIB, 1), "text/csv").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::SettingsInvalid, "{error}: {}", error.chain());
    }
    let unknown = [
        storage.head(&elsewhere.bucket, "k", None).await.map(|_| ()).unwrap_err(),
        storage.read(&elsewhere.bucket, "k", None, 10).await.map(|_| ()).unwrap_err(),
        storage.put(&elsewhere, Bytes::new(), "text/csv").await.unwrap_err(),
        storage.list(&elsewhere.bucket, "", 10).await.map(|_| ()).unwrap_err(),
        written.unwrap_err(),
    ];
    for error in unknown {
        assert_eq!(error.code, ErrorCode::SettingsInvalid, "{error}");
        assert!(error.message.starts_with("There is no bucket no-such-bucket-of-ours"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_denied_and_a_dead_endpoint_is_unavailable() {
    let store = Store::new().await;
    if let Some((server, _)) = &store.embedded {
        let stranger = Storage::for_endpoint(server.endpoint(), server.access_key(), "wrong");
        let error = stranger.read(&store.bucket, "k", None, 10).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::AccessDenied, "{error}");
        let error = stranger.head(&store.bucket, "k", None).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::AccessDenied, "{error}");
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Storage::for_endpoint(&format!("http://127.0.0.1:{port}"), "a", "b")
        .read("bronze", "k", None, 10)
        .await
        .unwrap_err();
    assert_eq!(error.code, ErrorCode::StorageUnavailable);
    assert!(error.chain().contains("refused"), "{}", error.chain());
}
