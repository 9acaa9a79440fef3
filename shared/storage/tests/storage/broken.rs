//! A store that misbehaves: connections that break, answers that lie, versions in pages.

use fonderie_core::{ErrorCode, ObjectVersion};

use crate::support::{Script, answer, rest};

const ETAG: &str = "etag: \"abc\"\r\nlast-modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n";

fn object(version_id: &str) -> ObjectVersion {
    ObjectVersion { bucket: "b".into(), key: "k".into(), version_id: version_id.into() }
}

#[tokio::test]
async fn a_broken_body_is_resumed_where_it_stopped() {
    let content = b"0123456789";
    let script = Script::serve(vec![
        answer("200 OK", ETAG, 10, &content[..4]),
        // Nothing but a head, then the rest in two more pieces.
        answer("206 Partial Content", ETAG, 6, b""),
        answer("206 Partial Content", ETAG, 6, &content[4..7]),
        answer("206 Partial Content", ETAG, 3, &content[7..]),
    ])
    .await;
    let reader = script.storage().open(&object("etag:abc:1")).await.unwrap();
    assert_eq!(rest(reader).await.unwrap(), (10, crate::support::digest(content)));
    let requests = script.requests();
    assert_eq!(requests.len(), 4);
    for (request, range) in requests[1..].iter().zip(["bytes=4-", "bytes=4-", "bytes=7-"]) {
        assert!(request.contains(&format!("\r\nrange: {range}\r\n")), "{request}");
    }
    assert!(requests.iter().all(|request| request.contains("\r\nif-match: \"abc\"\r\n")), "{requests:?}");
}

#[tokio::test]
async fn an_unpinned_read_is_pinned_by_its_first_answer() {
    let script = Script::serve(vec![
        answer("200 OK", &format!("{ETAG}x-amz-version-id: v1\r\n"), 10, b"0123"),
        answer("206 Partial Content", ETAG, 6, b"456789"),
    ])
    .await;
    assert_eq!(script.storage().read("b", "k", None, 10).await.unwrap(), "0123456789");
    assert!(script.requests()[1].contains("versionid=v1"), "{:?}", script.requests());
}

#[tokio::test]
async fn a_body_that_breaks_without_progress_is_given_up() {
    let mut answers = vec![answer("200 OK", ETAG, 10, b"0123")];
    answers.extend((0..5).map(|_| answer("206 Partial Content", ETAG, 6, b"")));
    let script = Script::serve(answers).await;
    let reader = script.storage().open(&object("etag:abc:1")).await.unwrap();
    let error = rest(reader).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::StorageUnavailable);
    assert_eq!(error.message, "Reading s3://b/k broke off: the connection broke; try again");
}

#[tokio::test]
async fn another_content_is_refused_even_where_the_store_ignores_conditions() {
    let other = "etag: \"abd\"\r\n";
    let script = Script::serve(vec![answer("200 OK", other, 3, b"abc")]).await;
    let error = script.storage().open(&object("etag:abc:1")).await.map(|_| ()).unwrap_err();
    assert_eq!(error.code, ErrorCode::ObjectChanged);

    let script =
        Script::serve(vec![answer("200 OK", ETAG, 10, b"0123"), answer("206 Partial Content", other, 6, b"456789")])
            .await;
    let reader = script.storage().open(&object("etag:abc:1")).await.unwrap();
    assert_eq!(rest(reader).await.unwrap_err().code, ErrorCode::ObjectChanged);
}

#[tokio::test]
async fn a_wrong_checksum_is_found() {
    let headers = format!("{ETAG}x-amz-checksum-crc32: AAAAAA==\r\n");
    let script = Script::serve(vec![answer("200 OK", &headers, 3, b"abc")]).await;
    let reader = script.storage().open(&object("etag:abc:1")).await.unwrap();
    let error = rest(reader).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::StorageUnavailable);
    assert!(error.message.contains("checksum"), "{error}");
}

#[tokio::test]
async fn a_delete_marker_is_a_missing_object() {
    let marker = "x-amz-delete-marker: true\r\n";
    let script = Script::serve(vec![answer("405 Method Not Allowed", marker, 0, b"")]).await;
    let error = script.storage().open(&object("v1")).await.map(|_| ()).unwrap_err();
    assert_eq!(error.code, ErrorCode::ObjectMissing);
    assert!(script.requests()[0].contains("versionid=v1"));
}

/// A page of a version list, newest first: (key, version, second).
fn page(versions: &[(&str, &str, u32)], next: Option<(&str, &str)>) -> Vec<u8> {
    let mut xml = String::from("<?xml version=\"1.0\"?><ListVersionsResult><Name>b</Name>");
    xml += &format!("<IsTruncated>{}</IsTruncated>", next.is_some());
    if let Some((key, version)) = next {
        xml += &format!("<NextKeyMarker>{key}</NextKeyMarker><NextVersionIdMarker>{version}</NextVersionIdMarker>");
    }
    for (key, version, second) in versions {
        xml += &format!(
            "<Version><Key>{key}</Key><VersionId>{version}</VersionId><IsLatest>false</IsLatest>\
             <LastModified>2025-01-01T00:00:{second:02}.000Z</LastModified></Version>"
        );
    }
    xml += "<DeleteMarker><Key>k</Key><VersionId>d</VersionId><LastModified>2025-01-01T00:00:09.000Z</LastModified></DeleteMarker>";
    xml += "</ListVersionsResult>";
    answer("200 OK", "content-type: application/xml\r\n", xml.len(), xml.as_bytes())
}

async fn position(version: &str, pages: Vec<Vec<u8>>) -> (fonderie_core::Result<u32>, usize) {
    let script = Script::serve(pages).await;
    let position = script.storage().position("b", "k", version).await;
    (position, script.requests().len())
}

#[tokio::test]
async fn the_position_counts_earlier_versions_of_the_same_second() {
    let first = || page(&[("k", "e", 9), ("k", "d", 9), ("k", "c", 9)], Some(("k", "c")));
    let second = || page(&[("k", "b", 9), ("k", "a", 8), ("k", "z", 8)], Some(("k", "z")));
    // The third page must not be asked for: the second has older ones.
    for (version, expected) in [("e", 3), ("d", 2), ("c", 1), ("b", 0)] {
        let (found, requests) = position(version, vec![first(), second()]).await;
        assert_eq!((found.unwrap(), requests), (expected, 2), "{version}");
    }
    let last = || page(&[("k", "y", 8), ("k.bak", "x", 8)], None);
    let (found, _) = position("a", vec![first(), second(), last()]).await;
    assert_eq!(found.unwrap(), 2);
    let (found, _) = position("gone", vec![first(), second(), last()]).await;
    assert_eq!(found.unwrap_err().code, ErrorCode::ObjectMissing);
    let (found, requests) = position("etag:abc:1", vec![]).await;
    assert_eq!((found.unwrap(), requests), (0, 0));
}
