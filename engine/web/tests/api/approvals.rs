//! Questions and their answers.

use crate::world::{World, acme, tenant};
use serde_json::{Value as Json, json};
use stageway_ports::Store as _;

const PATH: &str = "/runs/1/stages/deploy/approval";

/// The digest of the newest question, as whoever answers reads it.
async fn digest(world: &World) -> Json {
    let asked = world.get("/runs/1/approvals").await.json();
    asked.as_array().unwrap().last().unwrap()["digest"].clone()
}

#[tokio::test]
async fn a_question_is_answered_once_and_by_the_token() {
    let world = World::new().await;
    let open = world.get("/approvals").await.json();
    assert_eq!((&open[0]["run"]["number"], &open[0]["questions"][0]["stage"]), (&json!(1), &json!("deploy")));
    let digest = digest(&world).await;
    let answer = world.post(PATH, &json!({"approved": true, "digest": digest, "reason": "good"})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["by"], "acme-read-run-approve-admin");
    assert_eq!(answer.json()["digest"], digest, "it is written down what was answered");
    let stored = world.store.approvals(&tenant("acme"), &"acme-run".parse().unwrap()).await.unwrap();
    let stored = stored[0].answer.clone().unwrap();
    assert_eq!((stored.approved, stored.reason.as_str()), (true, "good"));
    let again = world.post(PATH, &json!({"approved": false, "digest": digest})).await;
    assert_eq!((again.status, again.code().as_str()), (409, "SW0813"));
    assert_eq!(world.get("/approvals").await.json(), json!([]));
    assert_eq!(world.get("/runs/1/approvals").await.json()[0]["answer"]["reason"], "good");
}

#[tokio::test]
async fn a_stage_that_asks_nothing_has_no_answer() {
    let world = World::new().await;
    let yes = json!({"approved": true, "digest": digest(&world).await});
    assert_eq!(world.post("/runs/1/stages/build/approval", &yes).await.status, 404);
    assert_eq!(world.post("/runs/1/stages/absent/approval", &yes).await.status, 404);
    assert_eq!(world.post(PATH, &json!({"approved": true})).await.status, 422, "to what?");
    assert_eq!(world.post(PATH, &json!({"approved": true, "digest": "sha256:1"})).await.status, 422);
}

/// The effects are part of what is answered: with other effects it is another question.
#[tokio::test]
async fn an_answer_signs_the_effects_that_were_read_and_no_others() {
    let world = World::new().await;
    let writer = world.writer(&tenant("acme"), "acme-run").await;
    let asked = world.store.approvals(&tenant("acme"), &writer.run).await.unwrap().remove(0);
    let signed = stageway_core::digest::Digest::of(b"images.tag v1");
    let options = |tag: &str| {
        json!({
            "approvers": [], "signed": [signed], "open-end": true,
            "effects": [{"function": "images.tag", "request": format!("{{\"tag\":\"{tag}\"}}"), "answer": null}],
        })
    };
    let ask = async |attempt: u32, tag: &str| {
        let asked = stageway_ports::Approval { attempt, options: options(tag), ..asked.clone() };
        world.store.ask(&writer, asked).await.unwrap();
    };
    ask(2, "v1").await;
    let read = world.get("/runs/1/approvals").await.json()[1].clone();
    let expected = json!({
        "effects": [{"function": "images.tag", "request": "{\"tag\":\"v1\"}", "answer": null}],
        "digests": [signed], "open-end": true,
    });
    assert_eq!(read["signs"], expected);
    // While it was read the stage was tried again, and would have another effect.
    ask(3, "v2").await;
    let stale = world.post(PATH, &json!({"approved": true, "digest": read["digest"]})).await;
    assert_eq!((stale.status, stale.code().as_str()), (409, "SW0818"));
    let open = world.get("/runs/1/approvals").await.json();
    assert!(open.as_array().unwrap().iter().all(|asked| asked["answer"].is_null()), "{open}");
    let right = world.post(PATH, &json!({"approved": true, "digest": digest(&world).await})).await;
    assert_eq!(right.status, 200, "{right:?}");
    // A question without effects signs none.
    assert!(open[0]["signs"].is_null());
}

/// The pipeline names approvers, and the policy names some for the environment: one must be among both.
#[tokio::test]
async fn approvers_are_those_of_the_stage_and_of_the_environment() {
    for (approvers, status) in [
        (json!([]), 200),
        (json!(["deployers"]), 200),
        (json!(["acme-approve"]), 200),
        (json!(["somebody-else"]), 403),
    ] {
        let world = World::new().await;
        let writer = world.writer(&tenant("acme"), "acme-run").await;
        let asked = world.store.approvals(&tenant("acme"), &writer.run).await.unwrap().remove(0);
        let asked =
            stageway_ports::Approval { attempt: 2, options: json!({"approvers": approvers}), ..asked };
        world.store.ask(&writer, asked).await.unwrap();
        let headers = [("content-type", "application/json")];
        let yes = json!({"approved": true, "digest": digest(&world).await}).to_string();
        let answer = world.ask("POST", &acme(PATH), "sw_acme-approve", &headers, &yes).await;
        assert_eq!(answer.status, status, "{approvers}: {answer:?}");
        if status == 403 {
            assert_eq!(answer.code(), "SW0814");
        }
    }
}
