//! What may have happened when the engine died: keyed calls are done again under their key, unkeyed ones are told.

use crate::world::{World, settle};
use serde_json::{Value as Json, json};
use stageway_core::call::{Function, HostError, Http, Images, Request};
use stageway_core::run::RunStatus;
use stageway_ports::RegistryError;
use stageway_ports::memory::{Fault, MemoryRegistry, RegistryFault};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn send(repeatable: bool) -> Function {
    Function::Http(Http::Send(Request {
        method: "POST".into(),
        url: "https://a.example/hook".into(),
        headers: vec![],
        body: Default::default(),
        secrets: vec![],
        limits: Default::default(),
        repeatable,
    }))
}

/// Sends once, killed at a write; answers what the guest was told, and how often the request arrived.
async fn killed(repeatable: bool, write: u64, fault: Fault) -> (Json, u32) {
    let world = World::new();
    let stage = world.stage("hook", move |mut host| {
        Box::pin(async move {
            let told = match host.call(send(repeatable)).await? {
                Ok(_) => "ok",
                Err(HostError::InDoubt(_)) => "in-doubt",
                Err(_) => "error",
            };
            Ok(json!({"told": told}))
        })
    });
    let run = world.create("r", [stage]).await;
    let store = world.store.reopen();
    store.fault_at(write, fault);
    tokio::select! {
        ended = world.drive_on(&store, &run) => panic!("it ended: {ended:?}"),
        () = store.crashed() => {}
    }
    settle().await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    (world.outputs(&run, "hook").await["told"].clone(), world.http.received())
}

/// Lease, start, intent, answer: the writes of the one request.
#[tokio::test(start_paused = true)]
async fn an_unkeyed_request_is_in_doubt_exactly_between_intent_and_answer() {
    for (write, fault, told, received) in [
        (3, Fault::CrashBefore, "ok", 1),
        (3, Fault::CrashAfter, "in-doubt", 0),
        (4, Fault::CrashBefore, "in-doubt", 1),
        (4, Fault::CrashAfter, "ok", 1),
    ] {
        assert_eq!(killed(false, write, fault).await, (json!(told), received), "{fault:?} {write}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_keyed_request_is_sent_again_under_its_key() {
    for (write, fault, received) in [
        (3, Fault::CrashBefore, 1),
        (3, Fault::CrashAfter, 1),
        (4, Fault::CrashBefore, 2),
        (4, Fault::CrashAfter, 1),
    ] {
        let (told, times) = killed(true, write, fault).await;
        assert_eq!((told, times), (json!("ok"), received), "{fault:?} {write}");
    }
}

/// The tag was set, the answer lost: the guest is told `created`, as it is without the loss.
#[tokio::test(start_paused = true)]
async fn a_tag_whose_answer_was_lost_was_created_by_us() {
    let lost = Arc::new(AtomicBool::new(true));
    let mut world = World::new();
    let first = lost.clone();
    world.registry = Arc::new(MemoryRegistry::new().with_faults(move |call| {
        let hit = call.starts_with("tag ") && first.load(Ordering::SeqCst);
        hit.then(|| RegistryFault::After(RegistryError::Unavailable("the engine dies here".into())))
    }));
    let image = stageway_ports::contract::registry::sample(&world.blobs, "a").await;
    stageway_ports::contract::registry::push(&*world.registry, "app", &world.blobs, &image).await;
    let digest = image.digest.to_string();
    let stage = world.stage("promote", move |mut host| {
        let digest = digest.clone();
        Box::pin(async move {
            let tag = Images::Tag { repository: "reg/app".into(), digest, tag: "v1".into(), replaces: None };
            let told = host.call(Function::Images(tag)).await?;
            Ok(json!({"told": format!("{told:?}")}))
        })
    });
    let run = world.create("r", [stage]).await;
    let store = world.store.reopen();
    // Lease, start, intent; the end would be the fourth.
    store.fault_at(4, Fault::CrashBefore);
    tokio::select! { _ = world.drive_on(&store, &run) => panic!("it ended"), () = store.crashed() => {} }
    settle().await;
    lost.store(false, Ordering::SeqCst);
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    assert_eq!(world.outputs(&run, "promote").await["told"], json!("Ok(Outcome(Created))"));
    assert_eq!(world.registry.effects()[&format!("tag app:v1 {}", image.digest)], 1);
}
