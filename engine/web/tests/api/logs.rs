//! Logs: as lines, as text, and live.

use crate::world::{ALL, MARK, World, acme, request};
use axum::body::Body;
use futures::StreamExt as _;
use serde_json::Value as Json;
use std::time::Duration;

#[tokio::test]
async fn lines_come_in_pages_with_their_numbers() {
    let world = World::new().await;
    let page = world.get("/runs/1/logs?max=2").await;
    assert_eq!(page.header("content-type"), "application/x-ndjson");
    let lines: Vec<Json> = page.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (lines.len(), &lines[1]["number"], &lines[1]["line"]["stage"]),
        (2, &Json::from(2), &Json::from("build"))
    );
    assert!(page.header("link").contains("after=2"), "{page:?}");
    let rest = world.get("/runs/1/logs?after=2").await;
    assert_eq!((rest.body.lines().count(), rest.header("link")), (1, ""));
    assert_eq!(world.get("/runs/1/logs?stage=deploy").await.body, "");
}

#[tokio::test]
async fn text_has_parts_once_the_run_has_ended() {
    let world = World::new().await;
    let whole = world.get("/runs/1/logs/text").await;
    assert_eq!(whole.body.lines().next(), Some(format!("build | line 0 {MARK}").as_str()));
    assert_eq!(
        world.get("/runs/1/logs/text?stage=build").await.body.lines().next(),
        Some(format!("line 0 {MARK}").as_str())
    );
    let ranged =
        async |range: &str| world.ask("GET", &acme("/runs/1/logs/text"), ALL, &[("range", range)], "").await;
    assert_eq!(
        (ranged("bytes=0-4").await.status, whole.header("accept-ranges")),
        (200, ""),
        "it still grows"
    );
    world.end().await;
    let part = ranged("bytes=8-13").await;
    assert_eq!((part.status, part.body.as_str()), (206, "line 0"));
    assert_eq!(part.header("content-range"), format!("bytes 8-13/{}", whole.body.len()));
    let end = ranged("bytes=-5").await;
    assert_eq!(end.body, whole.body[whole.body.len() - 5..]);
    assert_eq!(ranged("bytes=99999-").await.status, 416);
    assert_eq!(world.get("/runs/1/logs/text").await.header("accept-ranges"), "bytes");
}

#[tokio::test]
async fn many_pages_are_one_text() {
    let world = World::new().await;
    world.say(10..2_510).await;
    world.end().await;
    let whole = world.get("/runs/1/logs/text?stage=build").await.body;
    assert_eq!(whole.lines().count(), 2_503);
    let path = acme("/runs/1/logs/text?stage=build");
    let (mut joined, mut from) = (String::new(), 0);
    while from < whole.len() {
        let range = format!("bytes={from}-{}", from + 6_999);
        joined.push_str(&world.ask("GET", &path, ALL, &[("range", &range)], "").await.body);
        from += 7_000;
    }
    assert!(joined == whole);
}

/// Reads a stream of events until `enough` says so, or it ends; answers the text and whether it ended.
async fn read(body: Body, enough: impl Fn(&str) -> bool) -> (String, bool) {
    let mut text = String::new();
    let mut stream = body.into_data_stream();
    let reading = async {
        while let Some(piece) = stream.next().await {
            text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
            if enough(&text) {
                return false;
            }
        }
        true
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), reading).await.expect("it says something");
    (text, ended)
}

fn ids(text: &str) -> Vec<u64> {
    text.lines().filter_map(|line| line.strip_prefix("id:")?.trim().parse().ok()).collect()
}

#[tokio::test]
async fn a_stream_goes_on_as_lines_come_and_ends_with_the_run() {
    let world = World::new().await;
    let response = world.send(request("GET", &acme("/runs/1/logs/stream"), ALL, &[], "")).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let writing = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.say(10..12).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.end().await;
    };
    let ((text, ended), ()) = tokio::join!(read(response.into_body(), |_| false), writing);
    assert!(ended);
    assert_eq!(ids(&text), [1, 2, 3, 4, 5]);
    let (_, last) = text.trim_end().rsplit_once("event: end\n").expect("it says that it ends");
    assert!(last.contains("\"status\":\"cancelled\""), "{last}");
}

#[tokio::test]
async fn a_reader_goes_on_where_it_was() {
    let world = World::new().await;
    world.say(10..1_600).await;
    world.end().await;
    for (path, headers, first) in [
        ("/runs/1/logs/stream", &[("last-event-id", "2")][..], 3),
        ("/runs/1/logs/stream?after=5", &[], 6),
        ("/runs/1/logs/stream?after=5", &[("last-event-id", "1000")], 1_001),
    ] {
        let response = world.send(request("GET", &acme(path), ALL, headers, "")).await;
        let (text, ended) = read(response.into_body(), |_| false).await;
        assert!(ended);
        assert_eq!(ids(&text), (first..=1_593).collect::<Vec<_>>(), "{path} {headers:?}");
    }
    let wrong = world.ask("GET", &acme("/runs/1/logs/stream"), ALL, &[("last-event-id", "x")], "").await;
    assert_eq!(wrong.code(), "SW0812");
}

#[tokio::test]
async fn a_stream_ends_when_the_server_stops_and_without_the_last_event() {
    let world = World::new().await;
    let response = world.send(request("GET", &acme("/runs/1/logs/stream?stage=build"), ALL, &[], "")).await;
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.stop.send(true).unwrap();
    };
    let ((text, ended), ()) = tokio::join!(read(response.into_body(), |_| false), stopping);
    assert!(ended && !text.contains("event: end"), "{text}");
    assert_eq!(ids(&text), [1, 2, 3]);
}

#[tokio::test]
async fn there_are_only_so_many_streams() {
    let limits = stageway_web::Limits { streams: 1, ..Default::default() };
    let world = World::with(limits).await;
    let path = acme("/runs/1/logs/stream");
    let first = world.send(request("GET", &path, ALL, &[], "")).await;
    let second = world.ask("GET", &path, ALL, &[], "").await;
    assert_eq!((second.status, second.code().as_str()), (503, "SW0806"));
    drop(first);
    let third = world.send(request("GET", &path, ALL, &[], "")).await;
    assert_eq!(third.status(), 200);
}
