//! Questions and their answers.

use crate::world::{World, acme, tenant};
use serde_json::json;
use stageway_ports::Store as _;

const PATH: &str = "/runs/1/stages/deploy/approval";

#[tokio::test]
async fn a_question_is_answered_once_and_by_the_token() {
    let world = World::new().await;
    let open = world.get("/approvals").await.json();
    assert_eq!((&open[0]["run"]["number"], &open[0]["questions"][0]["stage"]), (&json!(1), &json!("deploy")));
    let answer = world.post(PATH, &json!({"approved": true, "reason": "good"})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["by"], "acme-read-run-approve-admin");
    let stored = world.store.approvals(&tenant("acme"), &"acme-run".parse().unwrap()).await.unwrap();
    let stored = stored[0].answer.clone().unwrap();
    assert_eq!((stored.approved, stored.reason.as_str()), (true, "good"));
    let again = world.post(PATH, &json!({"approved": false})).await;
    assert_eq!((again.status, again.code().as_str()), (409, "SW0813"));
    assert_eq!(world.get("/approvals").await.json(), json!([]));
    assert_eq!(world.get("/runs/1/approvals").await.json()[0]["answer"]["reason"], "good");
}

#[tokio::test]
async fn a_stage_that_asks_nothing_has_no_answer() {
    let world = World::new().await;
    assert_eq!(world.post("/runs/1/stages/build/approval", &json!({"approved": true})).await.status, 404);
    assert_eq!(world.post("/runs/1/stages/absent/approval", &json!({"approved": true})).await.status, 404);
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
        let answer =
            world.ask("POST", &acme(PATH), "sw_acme-approve", &headers, "{\"approved\": true}").await;
        assert_eq!(answer.status, status, "{approvers}: {answer:?}");
        if status == 403 {
            assert_eq!(answer.code(), "SW0814");
        }
    }
}
