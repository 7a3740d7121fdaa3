//! The first-party plugins as they are shipped: built by the workbench, described and run by the real host, their calls
//! answered from a script.

use serde_json::{Value as Json, json};
use stageway_core::call::{
    Answer, Artifacts, Call, Ending, EndingReason, Function, HostError, Image, Images, Outcome, Reply,
    Reports, Tasks, Value, Workspace,
};
use stageway_core::digest::Digest;
use stageway_core::limits::AttemptLimits;
use stageway_core::name::TenantId;
use stageway_host::{CompileBy, Host, HostOptions};
use stageway_ports::memory::ScriptedCalls;
use stageway_ports::{GuestEnd, GuestRun, Guests, Linking};
use stageway_workbench::Silent;
use stageway_workbench::build::{BuildRequest, Built, GRANTED, build};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use tokio::sync::OnceCell;

/// A host and the plugins that it built, made once for all tests.
struct Bench {
    host: Host,
    built: Vec<(&'static str, Built)>,
}

const PLUGINS: [&str; 8] = [
    "unit-test",
    "integration-test",
    "image-assemble",
    "image-kaniko",
    "promote",
    "kubernetes-deploy",
    "observe",
    "notify",
];

fn room(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

async fn bench() -> &'static Bench {
    static BENCH: LazyLock<OnceCell<Bench>> = LazyLock::new(OnceCell::new);
    BENCH
        .get_or_init(|| async {
            let mut options = HostOptions::new(room("host"), CompileBy::InProcess);
            options.instances = 8;
            let host = Host::new(options).expect("a host");
            let mut built = Vec::new();
            for name in PLUGINS {
                let request = BuildRequest {
                    directory: Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins").join(name),
                    output: Some(room("plugins")),
                    cache: room("plugin-cache"),
                    offline: false,
                };
                let plugin =
                    build(request, &host, Arc::new(Silent)).await.unwrap_or_else(|e| panic!("{name}: {e}"));
                built.push((name, plugin));
            }
            Bench { host, built }
        })
        .await
}

/// Runs a plugin with a script; answers its end and the calls it made, as `interface.function`.
async fn run(
    name: &str,
    configuration: Json,
    script: impl FnMut(&Call) -> Option<Answer> + Send + 'static,
) -> (GuestEnd, Vec<Call>) {
    let bench = bench().await;
    let (_, built) = bench.built.iter().find(|(plugin, _)| *plugin == name).expect("a plugin");
    let bytes = std::fs::read(&built.path).expect("the component");
    let component = bench.host.prepare(&bytes).await.expect("a component that compiles");
    let granted = GRANTED.iter().map(|name| (*name).to_owned()).collect();
    let run = GuestRun {
        tenant: TenantId::local(),
        component,
        linking: Linking { granted, ..Linking::default() },
        limits: AttemptLimits::default(),
        configuration,
        seed: [7; 32],
        replayed: 0,
    };
    let mut script = script;
    let mut calls = ScriptedCalls::new(move |call| script(call).map(Reply::Answer));
    let (end, _) = bench.host.run(run, &mut calls).await.expect("a run");
    (end, calls.made().to_vec())
}

fn names(calls: &[Call]) -> Vec<String> {
    let name = |call: &Call| {
        let (interface, function) = call.function.name();
        format!("{interface}.{function}")
    };
    calls.iter().map(name).collect()
}

fn image(bytes: &str) -> Value {
    Value::MaybeImage(Some(Image {
        digest: Digest::of(bytes.as_bytes()),
        media_type: String::new(),
        details: json!({}),
    }))
}

fn ending(code: Option<i32>, reason: EndingReason) -> Value {
    Value::Ending(Ending { code, reason, message: String::new(), duration_ms: 42, details: json!({}) })
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_small_describes_itself_and_imports_what_it_wants() {
    for (name, built) in &bench().await.built {
        let found = &built.inspection;
        assert_eq!(found.name.as_deref(), Some(format!("stageway/{name}").as_str()));
        assert_eq!(found.version.as_deref(), Some("1.0.0"));
        assert!(built.warnings.is_empty(), "{name}: {:?}", built.warnings);
        // One of them reads YAML.
        let most = if *name == "kubernetes-deploy" { 500_000 } else { 300_000 };
        assert!(found.sizes.component_bytes < most, "{name}: {:?}", found.sizes);
        println!("{name}: {:?} {}", found.sizes, found.digest);
    }
}

/// Answers for a test command: its ending, and what its report says; no report is a report that is not there.
fn test_script(end: Value, report: Option<Json>) -> impl FnMut(&Call) -> Option<Answer> + Send {
    move |call| match &call.function {
        Function::Tasks(Tasks::Start { .. }) => Some(Ok(Value::Done)),
        Function::Tasks(Tasks::Wait { .. }) => Some(Ok(end.clone())),
        Function::Workspace(Workspace::Find { .. }) => {
            let entry = json!({"path": "target/junit.xml", "kind": "file", "size": 1, "executable": false});
            Some(Ok(Value::Jsons(report.iter().map(|_| entry.clone()).collect())))
        }
        Function::Reports(Reports::Tests { .. }) => Some(Ok(Value::Json(report.clone()?))),
        _ => None,
    }
}

fn report(failures: u32) -> Json {
    let failed: Vec<String> = (0..failures).map(|n| format!("book::t{n}")).collect();
    json!({"tests": 3, "failures": failures, "errors": 0, "skipped": 1, "duration-ms": 12, "failed": failed})
}

#[tokio::test(flavor = "multi_thread")]
async fn unit_test_runs_its_command_and_reads_its_report() {
    let configuration =
        json!({"command": ["./ci/test.sh"], "junit": "target/junit.xml", "env": {"A": "1"}, "timeout": "5m"});
    let script = test_script(ending(Some(0), EndingReason::Exited), Some(report(0)));
    let (end, calls) = run("unit-test", configuration.clone(), script).await;
    let outputs = json!({"tests": 3, "failures": 0, "skipped": 1, "duration-ms": 42});
    assert_eq!(end, GuestEnd::Succeeded(outputs));
    assert_eq!(names(&calls), ["tasks.start", "tasks.task.wait", "workspace.find", "reports.tests"]);
    let Function::Tasks(Tasks::Start { command, .. }) = &calls[0].function else { panic!("not a start") };
    let command = serde_json::to_value(command).expect("JSON");
    assert_eq!(command["arguments"], json!(["./ci/test.sh"]));
    assert_eq!(command["limits"], json!({"network": 0, "timeout-ms": 300_000}));
    assert_eq!(command["variables"], json!({"A": "1"}));

    let script = test_script(ending(Some(1), EndingReason::Exited), Some(report(2)));
    let (end, _) = run("unit-test", configuration.clone(), script).await;
    let GuestEnd::Failed(failure) = end else { panic!("{end:?}") };
    assert_eq!(failure.code, "stageway/tests-failed");
    assert_eq!(failure.message, "2 of 3 tests failed: book::t0, book::t1");

    let (end, _) =
        run("unit-test", configuration.clone(), test_script(ending(None, EndingReason::Lost), None)).await;
    assert!(matches!(&end, GuestEnd::Errored(failure) if failure.code == "stageway/task-lost"), "{end:?}");
    let script = test_script(ending(Some(0), EndingReason::Exited), None);
    let (end, _) = run("unit-test", configuration, script).await;
    assert!(
        matches!(&end, GuestEnd::Errored(failure) if failure.code == "stageway/report-missing"),
        "{end:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_call_is_errored_under_its_code() {
    let refuse = |_: &Call| Some(Err(HostError::Denied("grants: { tasks: true }".to_owned())));
    let (end, _) = run("unit-test", json!({"command": ["true"]}), refuse).await;
    let GuestEnd::Errored(failure) = end else { panic!("{end:?}") };
    assert_eq!(failure.code, "stageway/denied");
    assert_eq!(failure.message, "starting the command: grants: { tasks: true }");
}

#[tokio::test(flavor = "multi_thread")]
async fn integration_test_starts_the_image_beside_its_command() {
    let reference = format!("build/orderbook@{}", Digest::of(b"image"));
    let configuration = json!({"image": reference, "command": ["./smoke.sh"], "ready": {"http": {"port": 8080, "path": "/health"}, "within": "30s"}});
    let (end, calls) =
        run("integration-test", configuration, test_script(ending(Some(0), EndingReason::Exited), None))
            .await;
    assert_eq!(end, GuestEnd::Succeeded(json!({"duration-ms": 42})));
    let Function::Tasks(Tasks::Start { command, .. }) = &calls[0].function else { panic!("not a start") };
    let command = serde_json::to_value(command).expect("JSON");
    assert_eq!(command["variables"], json!({"SERVICE_ADDRESS": "127.0.0.1:8080"}));
    let service = &command["services"][0];
    assert_eq!(service["ready"], json!({"http": {"port": 8080, "path": "/health"}, "within-ms": 30_000}));
    assert_eq!(service.pointer("/command/image"), Some(&json!(reference)), "{service}");
}

#[tokio::test(flavor = "multi_thread")]
async fn image_assemble_pushes_what_it_assembled() {
    let configuration = json!({"repository": "build/orderbook", "files": {"/orderbook": "bin"}, "entrypoint": ["/orderbook"], "ports": [8080], "tags": ["v1"]});
    let script = |call: &Call| match &call.function {
        Function::Artifacts(Artifacts::Save { .. }) => Some(Ok(Value::Json(
            json!({"digest": Digest::of(b"layer"), "size": 7, "diff-id": Digest::of(b"tar")}),
        ))),
        Function::Artifacts(Artifacts::Put { bytes, .. }) => {
            Some(Ok(Value::Text(Digest::of(&bytes.0).to_string())))
        }
        Function::Images(Images::Push { manifest, .. }) => {
            Some(Ok(Value::Text(Digest::of(manifest.as_bytes()).to_string())))
        }
        Function::Images(Images::Tag { .. }) => Some(Ok(Value::Outcome(Outcome::Created))),
        _ => None,
    };
    let (end, calls) = run("image-assemble", configuration, script).await;
    assert_eq!(names(&calls), ["artifacts.save", "artifacts.put", "images.push", "images.tag"]);
    let (Function::Artifacts(Artifacts::Put { bytes, .. }), Function::Images(Images::Push { manifest, .. })) =
        (&calls[1].function, &calls[2].function)
    else {
        panic!("other calls")
    };
    let manifest_json: Json = serde_json::from_str(manifest).expect("JSON");
    assert_eq!(manifest_json["config"]["digest"], json!(Digest::of(&bytes.0)));
    assert_eq!(manifest_json["config"]["size"], json!(bytes.0.len()));
    assert_eq!(manifest_json["layers"][0]["digest"], json!(Digest::of(b"layer")));
    let digest = Digest::of(manifest.as_bytes());
    let expected = json!({"reference": format!("build/orderbook@{digest}"), "repository": "build/orderbook", "digest": digest, "size": 7});
    assert_eq!(end, GuestEnd::Succeeded(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn image_assemble_starts_from_the_child_of_its_base() {
    let child = Digest::of(b"child");
    let configuration =
        json!({"repository": "build/orderbook", "base": "mirror/debian:12", "files": {"/": "root"}});
    let script = move |call: &Call| {
        match &call.function {
        Function::Images(Images::Find { .. }) => Some(Ok(image("index"))),
        Function::Images(Images::Manifest { digest, .. }) if *digest == child.to_string() => Some(Ok(Value::Text(
            json!({"layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:base", "size": 5}]}).to_string(),
        ))),
        Function::Images(Images::Manifest { .. }) => Some(Ok(Value::Text(
            json!({"manifests": [{"digest": child, "platform": {"os": "linux", "architecture": "amd64"}}]}).to_string(),
        ))),
        Function::Images(Images::Facts { .. }) => {
            Some(Ok(Value::Json(json!({"config": {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": ["sha256:b"]}}}))))
        }
        Function::Artifacts(Artifacts::Save { .. }) => {
            Some(Ok(Value::Json(json!({"digest": Digest::of(b"layer"), "size": 7, "diff-id": Digest::of(b"tar")}))))
        }
        Function::Artifacts(Artifacts::Put { bytes, .. }) => Some(Ok(Value::Text(Digest::of(&bytes.0).to_string()))),
        Function::Images(Images::Copy { .. }) => Some(Ok(Value::Outcome(Outcome::Created))),
        Function::Images(Images::Push { manifest, .. }) => Some(Ok(Value::Text(Digest::of(manifest.as_bytes()).to_string()))),
        _ => None,
    }
    };
    let (end, calls) = run("image-assemble", configuration, script).await;
    assert!(matches!(&end, GuestEnd::Succeeded(outputs) if outputs["size"] == 12), "{end:?}");
    let copy = calls.iter().find_map(|call| match &call.function {
        Function::Images(Images::Copy { repository, digest, target }) => {
            Some((repository.clone(), digest.clone(), target.clone()))
        }
        _ => None,
    });
    assert_eq!(copy, Some(("mirror/debian".to_owned(), child.to_string(), "build/orderbook".to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn promote_adds_what_is_absent_and_shows_a_conflict() {
    let wanted = Digest::of(b"wanted");
    let configuration = json!({"image": format!("build/x@{wanted}"), "to": "production/x", "tags": ["v1"], "moving-tag": "live"});
    let mut tagged = std::collections::BTreeMap::from([("live".to_owned(), Digest::of(b"old"))]);
    let script = move |call: &Call| match &call.function {
        Function::Images(Images::Find { repository, reference }) => {
            let digest = match tagged.get(reference) {
                Some(digest) if repository == "production/x" => Some(*digest),
                _ => (repository == "build/x").then_some(wanted),
            };
            Some(Ok(Value::MaybeImage(digest.map(|digest| Image {
                digest,
                media_type: String::new(),
                details: json!({}),
            }))))
        }
        Function::Images(Images::Copy { .. }) => Some(Ok(Value::Outcome(Outcome::Created))),
        Function::Images(Images::Tag { tag, replaces, .. }) => {
            tagged.insert(tag.clone(), wanted);
            Some(Ok(Value::Outcome(if replaces.is_some() { Outcome::Moved } else { Outcome::Created })))
        }
        _ => None,
    };
    let (end, calls) = run("promote", configuration.clone(), script).await;
    let tags = json!([{"tag": "v1", "outcome": "created"}, {"tag": "live", "outcome": "moved"}]);
    let expected = json!({"reference": format!("production/x@{wanted}"), "digest": wanted, "tags": tags});
    assert_eq!(end, GuestEnd::Succeeded(expected));
    let effects: Vec<String> = names(&calls).into_iter().filter(|name| name != "images.find").collect();
    assert_eq!(effects, ["images.copy", "images.tag", "images.tag"]);

    let script = |call: &Call| match &call.function {
        Function::Images(Images::Find { .. }) => Some(Ok(image("other"))),
        _ => None,
    };
    let (end, _) = run("promote", configuration, script).await;
    let GuestEnd::Failed(failure) = end else { panic!("{end:?}") };
    assert_eq!(failure.code, "stageway/tag-conflict");
    let details = failure.details.expect("details");
    assert_eq!((&details["digest"], &details["named"]), (&json!(wanted), &json!(Digest::of(b"other"))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_checked_beyond_its_schema() {
    let bench = bench().await;
    let (_, built) = &bench.built[0];
    let bytes = std::fs::read(&built.path).expect("the component");
    let component = bench.host.prepare(&bytes).await.expect("a component");
    let issues = bench
        .host
        .validate(&TenantId::local(), &component, &json!({"command": [""], "junit": "/abs"}))
        .await
        .expect("an answer");
    let pointers: Vec<&str> = issues.iter().map(|issue| issue.pointer.as_str()).collect();
    assert_eq!(pointers, ["/command", "/junit"]);
}
