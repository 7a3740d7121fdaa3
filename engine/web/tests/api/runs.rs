//! Runs and what belongs to them.

use crate::world::{ALL, MARK, World, acme, tenant};
use serde_json::json;
use stageway_ports::Store as _;

#[tokio::test]
async fn a_list_is_filtered_and_comes_in_pages() {
    let world = World::new().await;
    for id in ["r2", "r3"] {
        world.run(&tenant("acme"), id).await;
    }
    world.end().await;
    let numbers = |answer: &crate::world::Answer| {
        answer
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["number"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let first = world.get("/runs?max=2&pipeline=shop").await;
    assert_eq!(numbers(&first), [3, 2]);
    let next = acme("/runs?max=2&pipeline=shop&before=2");
    assert_eq!(first.header("link"), format!("<{next}>; rel=\"next\""));
    let last = world.ask("GET", &next, ALL, &[], "").await;
    assert_eq!((numbers(&last), last.header("link")), (vec![1], ""));
    assert_eq!(numbers(&world.get("/runs?unfinished=true").await), [3, 2]);
    assert!(numbers(&world.get("/runs?pipeline=absent").await).is_empty());
    let pipelines = world.get("/pipelines").await.json();
    assert_eq!(
        (pipelines[0]["name"].as_str(), pipelines[0]["newest"]["number"].as_u64()),
        (Some("shop"), Some(3))
    );
}

#[tokio::test]
async fn what_a_run_waits_for_is_said_in_words() {
    let world = World::new().await;
    assert_eq!(world.get("/runs/1").await.json()["waits"], "`deploy` waits for an approval");
    world.admit(&tenant("acme"), "r2").await;
    let place = "waits for a place: tenant `acme` runs 1 of 1";
    assert_eq!(world.get("/runs/2").await.json()["waits"], place);
    let list = world.get("/runs").await.json();
    assert_eq!((list[0]["waits"].as_str(), list[1]["waits"].as_str()), (Some(place), None));
    let json = [("Content-Type", "application/json")];
    let frozen = world.ask("PUT", &acme("/freeze"), ALL, &json, r#"{"reason": "the fair"}"#).await;
    assert_eq!(frozen.status, 200, "{frozen:?}");
    let words = world.get("/runs/2").await.json()["waits"].to_string();
    assert!(
        words.contains("until tenant `acme` is thawed, frozen by") && words.contains("the fair"),
        "{words}"
    );
    world.post("/runs/2/cancel", &json!({})).await;
    assert_eq!(world.get("/runs/2").await.json()["waits"], "ends before it has begun: that was asked for");
}

#[tokio::test]
async fn a_run_is_shown_by_number_and_by_id() {
    let world = World::new().await;
    let run = world.get("/runs/1").await.json();
    assert_eq!(run, world.get("/runs/acme-run").await.json());
    assert_eq!((run["status"].as_str(), run["version"].as_u64()), (Some("waiting"), Some(4)));
    let [build, deploy] = run["stages"].as_array().unwrap().as_slice() else { panic!("{run}") };
    assert_eq!(
        (build["status"].as_str(), build["outputs"].clone()),
        (Some("succeeded"), json!({"mark": MARK}))
    );
    assert_eq!(build["artifacts"]["binary"]["digest"], json!(world.artifact));
    assert_eq!((deploy["status"].as_str(), deploy["why"].as_str()), (Some("held"), Some("for an approval")));
    assert_eq!(deploy["environment"], "production");
    let plan = world.get("/runs/1/plan").await.json();
    assert_eq!(plan["stages"][0][0], "build");
}

#[tokio::test]
async fn events_and_records_are_what_happened() {
    let world = World::new().await;
    let all = world.get("/runs/1/events").await.json();
    assert_eq!((all["version"].as_u64(), all["events"].as_array().map(Vec::len)), (Some(4), Some(4)));
    assert_eq!(all["events"][0]["kind"], "created");
    let part = world.get("/runs/1/events?after=1&max=2").await;
    assert_eq!(part.json()["events"].as_array().unwrap(), &all["events"].as_array().unwrap()[1..3]);
    assert!(part.header("link").contains("after=3"), "{part:?}");
    let journal = world.get("/runs/1/stages/build/attempts/1/journal").await.json();
    assert_eq!(journal[0]["header"]["configuration"]["mark"], MARK);
    assert_eq!(world.get("/runs/1/stages/build/attempts/1/journal?after=0").await.json(), json!([]));
    let reports = world.get("/runs/1/reports?kind=tests&stage=build").await.json();
    assert_eq!(reports[0]["body"]["tests"], 3);
    assert_eq!(world.get("/runs/1/reports?kind=measure").await.json(), json!([]));
}

#[tokio::test]
async fn artifacts_are_those_of_the_run_whole_and_in_parts() {
    let world = World::new().await;
    let listed = world.get("/runs/1/artifacts").await.json();
    assert_eq!(
        (&listed[0]["stage"], &listed[0]["name"], &listed[0]["kind"]),
        (&json!("build"), &json!("binary"), &json!("file"))
    );
    let path = format!("/runs/1/artifacts/{}", world.artifact);
    let whole = world.get(&path).await;
    assert_eq!((whole.status, whole.body.as_str()), (200, format!("artifact of acme {MARK}").as_str()));
    assert_eq!(whole.header("content-disposition"), "attachment");
    let ranged = async |range: &str| world.ask("GET", &acme(&path), ALL, &[("range", range)], "").await;
    let part = ranged("bytes=0-7").await;
    assert_eq!((part.status, part.body.as_str()), (206, "artifact"));
    assert_eq!(part.header("content-range"), format!("bytes 0-7/{}", whole.body.len()));
    let beyond = ranged("bytes=999-").await;
    assert_eq!((beyond.status, beyond.code().as_str()), (416, "SW0816"));
    let foreign = world.blobs_of("not of the run").await;
    assert_eq!(world.get(&format!("/runs/1/artifacts/{foreign}")).await.status, 404);
}

#[tokio::test]
async fn a_run_is_asked_to_end_once_it_has_not_ended() {
    let world = World::new().await;
    let answer = world.post("/runs/1/cancel", &json!({"reason": "enough\u{1b}[31m"})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let wish =
        world.store.cancel_request(&tenant("acme"), &"acme-run".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((wish.0.as_str(), wish.1.as_str()), ("acme-read-run-approve-admin", "enough\\u{1b}[31m"));
    world.end().await;
    let late = world.post("/runs/1/cancel", &json!({})).await;
    assert_eq!((late.status, late.code().as_str()), (409, "SW0813"));
}

#[tokio::test]
async fn plugins_and_repositories_are_listed_without_credentials() {
    let world = World::new().await;
    let plugins = world.get("/plugins").await.json();
    assert_eq!((&plugins[0]["name"], &plugins[0]["version"]), (&json!("acme/script"), &json!("1.0.0")));
    let repository = world.get("/repositories/demo").await.json();
    assert_eq!(world.get("/repositories").await.json(), json!([repository]));
    assert_eq!(repository["name"], "acme/demo");
    assert_eq!(repository["clone"], "https://git.example.com/demo.git");
    assert!(repository.get("login").is_none());
    assert_eq!(world.get("/repositories/absent").await.status, 404);
}
