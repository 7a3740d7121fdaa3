//! Every address of the description, with every wrong token: a tenant's things are its own, and each scope is needed.

use crate::preflight::{MEDIA_TYPE, Pack};
use crate::world::{Answer, MARK, World, question};
use serde_json::{Value as Json, json};
use stageway_core::digest::Digest;

/// An operation of the description.
struct Operation {
    method: String,
    path: String,
    /// The scope that it says it needs.
    scope: String,
    body: String,
    /// Answers of it never end by themselves.
    endless: bool,
}

/// Every operation that is about a tenant.
fn operations() -> Vec<Operation> {
    let document: Json = serde_json::from_str(&stageway_web::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if !path.contains("{tenant}") {
                continue;
            }
            let scope = operation["security"][0]["token"][0].as_str();
            let scope = scope.unwrap_or_else(|| panic!("{method} {path} says no scope")).to_owned();
            let body = match operation["requestBody"].is_object() {
                true if path.ends_with("/approval") => {
                    json!({"approved": true, "digest": asked()}).to_string()
                }
                true if path.ends_with("/runs") => {
                    "{\"repository\": \"demo\", \"pipeline\": \"test\"}".to_owned()
                }
                true if path.ends_with("/preflight") => Pack::of(&[("stageway.yaml", "x")]).text(),
                true => "{}".to_owned(),
                false => String::new(),
            };
            let endless = path.ends_with("/stream");
            found.push(Operation { method: method.to_uppercase(), path: path.clone(), scope, body, endless });
        }
    }
    assert!(found.len() > 25, "{}", found.len());
    found
}

impl Operation {
    /// Its address for a tenant, with the names that this tenant's things have.
    fn of(&self, tenant: &str, owner: &str, world: &World) -> String {
        let artifact = if owner == "acme" { world.artifact.to_string() } else { of_other() };
        let names = [
            ("{tenant}", tenant),
            ("{run}", &format!("{owner}-run")),
            ("{stage}", if self.path.ends_with("/approval") { "deploy" } else { "build" }),
            ("{attempt}", "1"),
            ("{digest}", &artifact),
            ("{repository}", "demo"),
            ("{delivery}", &format!("{owner}-delivery")),
            ("{environment}", "production"),
        ];
        names.iter().fold(self.path.clone(), |path, (name, value)| path.replace(name, value))
    }

    async fn ask(&self, world: &World, path: &str, token: &str) -> Answer {
        let media_type = if self.path.ends_with("/preflight") { MEDIA_TYPE } else { "application/json" };
        let headers: &[(&str, &str)] =
            if self.body.is_empty() { &[] } else { &[("content-type", media_type)] };
        world.ask(&self.method, path, token, headers, &self.body).await
    }
}

/// The digest of what acme is asked.
fn asked() -> Digest {
    question(MARK).digest()
}

fn of_other() -> String {
    Digest::of(b"artifact of other nothing").to_string()
}

#[tokio::test]
async fn without_a_token_of_the_server_there_is_nothing() {
    let world = World::new().await;
    for operation in operations() {
        for token in ["", "sw_nobody", "acme-read"] {
            let answer = operation.ask(&world, &operation.of("acme", "acme", &world), token).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (401, "SW0810"),
                "{} {token:?}",
                operation.path
            );
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{}", operation.path);
        }
    }
}

#[tokio::test]
async fn what_another_tenant_has_looks_like_what_is_not_there() {
    let world = World::new().await;
    for operation in operations() {
        let token = "sw_other-read-run-approve-admin";
        let theirs = operation.ask(&world, &operation.of("acme", "acme", &world), token).await;
        let nobodys = operation.ask(&world, &operation.of("nobody", "acme", &world), token).await;
        assert_eq!((theirs.status, &theirs.body), (404, &nobodys.body), "{}", operation.path);
        assert_eq!(nobodys.status, 404, "{}", operation.path);
        // Their names below one's own address.
        let path = operation.of("other", "acme", &world);
        if path != operation.of("other", "other", &world) {
            let answer = operation.ask(&world, &path, token).await;
            assert_eq!(answer.status, 404, "{} {path}: {answer:?}", operation.method);
            assert!(!answer.body.contains(MARK), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn every_address_needs_the_scope_that_it_names_and_no_other() {
    for operation in operations() {
        let world = World::new().await;
        if operation.endless || operation.path.ends_with("/rerun") {
            world.end().await;
        }
        let path = operation.of("acme", "acme", &world);
        let rest: Vec<&str> = ["read", "run", "approve", "admin"]
            .into_iter()
            .filter(|scope| *scope != operation.scope)
            .collect();
        let without = operation.ask(&world, &path, &format!("sw_acme-{}", rest.join("-"))).await;
        assert_eq!((without.status, without.code().as_str()), (403, "SW0811"), "{}", operation.path);
        let with = operation.ask(&world, &path, &format!("sw_acme-{}", operation.scope)).await;
        assert!((200..300).contains(&with.status), "{} {}: {with:?}", operation.method, operation.path);
    }
}

#[tokio::test]
async fn nothing_of_a_tenant_is_read_by_another_below_its_own_address() {
    let world = World::new().await;
    world.end().await;
    let mut marked = 0;
    for operation in
        operations().into_iter().filter(|operation| operation.method == "GET" && !operation.endless)
    {
        let own = operation.ask(&world, &operation.of("acme", "acme", &world), "sw_acme-read").await;
        marked += usize::from(own.body.contains(MARK));
        let others = operation.of("other", "other", &world);
        let others = operation.ask(&world, &others, "sw_other-read-run-approve-admin").await;
        assert_eq!(others.status, 200, "{}: {others:?}", operation.path);
        assert!(!others.body.contains(MARK), "{}", operation.path);
    }
    assert!(marked >= 9, "the mark is in {marked} answers to its owner");
}
