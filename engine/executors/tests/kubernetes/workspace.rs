//! What goes into a pod and comes back.

use crate::cluster::{Place, SHELL, shell};
use crate::cut::Cut;
use stageway_core::call::{Content, EndingReason};
use stageway_core::digest::Digest;
use stageway_core::name::TaskName;
use stageway_core::task::{Collected, TaskEnding, TaskSpec, TaskState, WorkspaceMount};
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_executors::kubernetes::KubernetesExecutor;
use stageway_ports::contract::executor::{ending, output};
use stageway_ports::{Blobs, Executor, SecretValues, read_tree};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(120);

fn named(text: &str) -> TaskName {
    TaskName::new(text).unwrap()
}

fn path(text: &str) -> WorkspacePath {
    WorkspacePath::new(text).unwrap()
}

/// A task in a workspace.
pub fn inside(tree: Digest, script: &str, collect: &[(&str, &str)]) -> TaskSpec {
    let mut spec = shell(script);
    spec.workspace = Some(WorkspaceMount { tree, path: "/workspace".into(), writable: true });
    spec.collect = collect.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned())).collect();
    spec
}

/// Stores a tree of files.
pub async fn tree(place: &Place, files: &[(&str, Vec<u8>)]) -> Tree {
    let mut tree = Tree::default();
    for (at, bytes) in files {
        let content = place.blobs.put(bytes.clone()).await.unwrap();
        tree.insert(path(at), Node::File { content, executable: bytes.starts_with(b"#!") });
    }
    place.blobs.put(tree.encode()).await.unwrap();
    tree
}

pub async fn ensure(executor: &KubernetesExecutor, name: &TaskName, spec: &TaskSpec) {
    executor.ensure(name, spec, &SecretValues::default()).await.unwrap();
}

async fn run(place: &Place, name: &str, spec: &TaskSpec) -> (TaskEnding, String) {
    let name = named(name);
    ensure(&place.executor, &name, spec).await;
    let ending = ending(&place.executor, &name).await;
    (ending, output(&place.executor, &name, 1 << 20).await)
}

pub async fn a_tree_comes_back_as_it_went_in() {
    let place = Place::new().await;
    let mut whole = tree(
        &place,
        &[("src/a.txt", b"a".to_vec()), ("run.sh", b"#!/bin/sh\necho ran\n".to_vec()), ("z", Vec::new())],
    )
    .await;
    whole.insert(path("link"), Node::Link { target: "src/a.txt".into() });
    whole.insert(path("empty/folder"), Node::Folder);
    let digest = place.blobs.put(whole.encode()).await.unwrap().digest;
    let script = "pwd; ./run.sh; cat link; echo; mkdir out; echo made > out/made; chmod 755 out/made; echo t > /tmp/x; \
                  echo said > /dev/termination-log; ln -s /etc/passwd leads; mkfifo fifo; exit 3";
    let collect = [
        ("all", "/workspace"),
        ("made", "out/made"),
        ("out", "/workspace/out"),
        ("tmp", "/tmp/x"),
        ("no", "nothing"),
        ("leads", "leads"),
        ("proc", "/proc/self/environ"),
        ("fifo", "fifo"),
    ];
    let mut spec = inside(digest, script, &collect);
    spec.message_file = Some("/dev/termination-log".into());
    let (ending, text) = run(&place, "tree", &spec).await;
    assert_eq!((ending.code, text.as_str()), (Some(3), "/workspace\nran\na\n"), "{ending:?}");
    assert_eq!((ending.reason, ending.message.as_str()), (EndingReason::Exited, "said\n"));
    assert_eq!(ending.output_bytes, text.len() as u64);
    let made = Content { digest: Digest::of(b"made\n"), size: 5 };
    assert_eq!(ending.collected["made"], Collected::File { content: made, executable: true });
    assert_eq!(ending.collected["tmp"].digest(), Digest::of(b"t\n"));
    let missing: Vec<_> = ending.missing.iter().map(|(name, why)| (name.as_str(), why.as_str())).collect();
    let outside = "it lies outside, or a link on its way leads outside";
    assert_eq!(
        missing,
        [
            ("fifo", "it is neither a file nor a folder"),
            ("leads", outside),
            ("no", "it is not there"),
            ("proc", "nothing is collected from /proc"),
        ]
    );
    let node = Node::File { content: made, executable: true };
    whole.insert(path("out/made"), node);
    whole.insert(path("leads"), Node::Link { target: "/etc/passwd".into() });
    let back = read_tree(&*place.blobs, &ending.collected["all"].digest()).await.unwrap();
    assert_eq!(back, whole);
    let times = ending.times;
    assert!(
        times.started_at_ms > 0 && times.started_ms > 0 && times.prepared_ms > 0 && times.collected_ms > 0,
        "{times:?}"
    );
    assert!(ending.cpu_ms.is_some() && ending.peak_memory_bytes.is_some_and(|bytes| bytes > 0), "{ending:?}");
    let mut spec = inside(digest, "touch x || echo refused; cat src/a.txt", &[]);
    spec.workspace.as_mut().unwrap().writable = false;
    let (_, text) = run(&place, "read-only", &spec).await;
    assert!(text.ends_with("refused\na"), "{text}");
    place.end().await;
}

/// Bytes that no compression makes fewer.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..length.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(length).collect()
}

async fn large(place: &Place) -> Tree {
    let mut files = vec![("large".to_owned(), noise(1, 150 << 20))];
    files.extend((2..52).map(|number| (format!("parts/{number}"), noise(number, 1 << 20))));
    let files: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
    tree(place, &files).await
}

/// 200 MiB, over connections that break: one on the way in, and one on the way out.
pub async fn broken_connections_are_followed_by_whole_ones() {
    let place = Place::new().await;
    let tree = large(&place).await;
    let cut = Cut::between(&place, 60 << 20).await;
    let executor = place.through(&cut).await;
    let (name, spec) = (named("large"), inside(tree.digest(), "echo ran", &[("all", "/workspace")]));
    ensure(&executor, &name, &spec).await;
    let state = executor.state(&name, None, WITHIN).await.unwrap();
    let TaskState::Ended(ending) = state else { panic!("{state:?}") };
    assert_eq!(ending.collected["all"].digest(), tree.digest(), "{ending:?}");
    assert_eq!(output(&executor, &name, 100).await, "ran\n");
    assert_eq!((place.starts(&name).await, cut.cuts()), (1, 2));
    place.end().await;
}

/// An engine is killed every moment, in whatever phase the task is; the next one goes on from the pod alone.
pub async fn engines_that_are_killed_everywhere_run_it_once() {
    let place = Place::new().await;
    let tree = tree(&place, &[("a", noise(7, 3 << 20))]).await;
    let script = "echo ran; cp a b; sleep 1; echo done";
    let (name, spec) = (named("killed"), inside(tree.digest(), script, &[("b", "b"), ("all", "/workspace")]));
    let begun = Instant::now();
    let mut engines = 0;
    let ending = loop {
        let executor = place.another().await;
        if engines == 0 {
            ensure(&executor, &name, &spec).await;
        }
        engines += 1;
        // Longer and longer, or one that is killed early would never bring the tree in.
        let within = Duration::from_millis(100 + 40 * engines);
        match executor.state(&name, None, within).await.unwrap() {
            TaskState::Ended(ending) => break ending,
            TaskState::Lost => panic!("lost after {engines} engines"),
            _ => assert!(begun.elapsed() < WITHIN, "{engines} engines"),
        }
    };
    assert!(engines > 5, "{engines}");
    assert_eq!(output(&place.executor, &name, 100).await, "ran\ndone\n");
    assert_eq!(ending.collected["b"].digest(), Digest::of(&noise(7, 3 << 20)));
    assert_eq!((place.starts(&name).await, ending.collected.len()), (1, 2));
    place.end().await;
}

pub async fn every_line_arrives_also_the_last_ones() {
    let place = Place::new().await;
    let tree = tree(&place, &[]).await;
    let (_, text) = run(&place, "lines", &inside(tree.digest(), "seq 1 1000000; echo last", &[])).await;
    let expected: String =
        (1..=1_000_000).map(|number| format!("{number}\n")).chain(["last\n".into()]).collect();
    assert!(text == expected, "{} of {} bytes", text.len(), expected.len());
    let mut spec = inside(tree.digest(), "yes | head -c 2000000; echo; echo end", &[]);
    spec.limits.output_bytes = 256 << 10;
    let (ending, text) = run(&place, "flood", &spec).await;
    assert_eq!(ending.output_bytes, 2_000_005);
    assert!(
        text.len() < 300 << 10
            && text.contains("bytes of output were dropped here")
            && text.ends_with("end\n")
    );
    place.end().await;
}

pub async fn a_cancelled_task_keeps_what_it_wrote_and_left() {
    let (place, name) = (Place::new().await, named("cancelled"));
    let tree = tree(&place, &[("a", b"a".to_vec())]).await;
    let script = "trap 'echo asked; echo b > b; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
    ensure(&place.executor, &name, &inside(tree.digest(), script, &[("b", "b")])).await;
    let deadline = Instant::now() + WITHIN;
    while place.executor.output(&name, &Default::default(), 100).await.unwrap().bytes.is_empty() {
        assert!(Instant::now() < deadline);
    }
    place.executor.cancel(&name, Duration::from_secs(10)).await.unwrap();
    let ending = ending(&place.executor, &name).await;
    assert_eq!(ending.reason, EndingReason::Cancelled);
    assert_eq!(ending.collected["b"].digest(), Digest::of(b"b\n"));
    assert_eq!(output(&place.executor, &name, 4096).await, "ready\nasked\n");
    place.executor.forget(&name).await.unwrap();
    assert!(place.pods().await.is_empty() && place.executor.sweep().await.unwrap().is_empty());
    place.end().await;
}

pub async fn limits_are_told_in_words() {
    let place = Place::new().await;
    let tree = tree(&place, &[]).await;
    let mut spec = inside(tree.digest(), "exec dd if=/dev/zero of=/dev/null bs=256M count=4", &[]);
    spec.limits.memory_bytes = Some(32 << 20);
    let (ending, _) = run(&place, "memory", &spec).await;
    assert_eq!(ending.reason, EndingReason::OutOfMemory, "{ending:?}");
    assert!(ending.message.contains("OOMKilled") && ending.message.contains("raise the limit"));
    let mut spec =
        inside(tree.digest(), "echo a > a; trap '' TERM; while :; do sleep 1; done", &[("a", "a")]);
    spec.limits.timeout_ms = 300;
    let (ending, _) = run(&place, "time", &spec).await;
    assert_eq!(ending.reason, EndingReason::TimedOut, "{ending:?}");
    assert_eq!(ending.collected["a"].digest(), Digest::of(b"a\n"));
    let mut spec = inside(tree.digest(), "head -c 2000 /dev/zero > a; echo b > b", &[("a", "a"), ("b", "b")]);
    spec.limits.collect_bytes = 100;
    let (ending, _) = run(&place, "collect", &spec).await;
    assert!(
        ending.missing["a"].contains("`collect-bytes`") && ending.collected.contains_key("b"),
        "{ending:?}"
    );
    place.end().await;
}

pub async fn a_tree_whose_bytes_are_gone_is_said_in_words() {
    let place = Place::new().await;
    let mut whole = Tree::default();
    let content = Content { digest: Digest::of(b"gone"), size: 4 };
    whole.insert(path("a"), Node::File { content, executable: false });
    let digest = place.blobs.put(whole.encode()).await.unwrap().digest;
    let (ending, _) = run(&place, "gone", &inside(digest, "echo never", &[("a", "a")])).await;
    assert_eq!((ending.reason, ending.code), (EndingReason::Unschedulable, None));
    assert!(ending.message.contains("cannot be put in place: no blob"), "{ending:?}");
    assert_eq!(ending.missing.keys().collect::<Vec<_>>(), ["a"]);
    place.end().await;
}

/// Its image cannot be pulled, or is not one of the helper.
pub async fn a_helper_that_does_not_come_into_the_pod_is_said_in_words() {
    let place = Place::new().await;
    let spec = inside(tree(&place, &[("a", b"b".to_vec())]).await.digest(), "true", &[]);
    let absent: &[&str] = &["ImagePull", "registry.invalid/absent:1", "`pull-secrets`"];
    let foreign: &[&str] = &["the helper did not come into the pod", "stageway-pod", "run the stage again"];
    for (name, image, words) in [("absent", "registry.invalid/absent:1", absent), ("foreign", SHELL, foreign)]
    {
        let (executor, name) = (place.with_helper(image).await, named(name));
        ensure(&executor, &name, &spec).await;
        let ending = ending(&executor, &name).await;
        assert_eq!((ending.reason, ending.code), (EndingReason::Image, None), "{ending:?}");
        for word in words {
            assert!(ending.message.contains(word), "{}", ending.message);
        }
    }
    place.end().await;
}

pub async fn a_pod_with_a_workspace_that_somebody_deletes_is_lost() {
    use k8s_openapi::api::core::v1::Pod;
    let (place, name) = (Place::new().await, named("deleted"));
    let tree = tree(&place, &[]).await;
    let spec = inside(tree.digest(), "while :; do sleep 1; done", &[]);
    let known = place.executor.ensure(&name, &spec, &SecretValues::default()).await.unwrap();
    place.started(&name).await;
    let pod = place.pods().await[0].metadata.name.clone().unwrap();
    place.api::<Pod>().delete(&pod, &kube::api::DeleteParams::default().grace_period(1)).await.unwrap();
    assert_eq!(place.executor.state(&name, Some(&known), WITHIN).await.unwrap(), TaskState::Lost);
    place.executor.forget(&name).await.unwrap();
    assert!(place.pods().await.is_empty());
    place.end().await;
}

/// Only what the operator names may be root, and then what it left comes back although nobody else could read it.
pub async fn root_is_who_the_operator_lets_be() {
    let place = Place::new().await;
    let tree = tree(&place, &[("a", b"a".to_vec())]).await;
    let mut spec =
        inside(tree.digest(), "id -u; umask 077; echo b > b; echo x > /made; cat /made", &[("b", "b")]);
    let (_, text) = run(&place, "nobody", &spec).await;
    assert!(text.starts_with("65532\n") && !text.ends_with("x\n"), "{text}");
    spec.process.root = crate::own::image_root(SHELL);
    let executor = place.with_roots(&["stageway.test/shell"]).await;
    let name = named("root");
    ensure(&executor, &name, &spec).await;
    let ending = ending(&executor, &name).await;
    assert_eq!(output(&executor, &name, 100).await, "0\nx\n", "{ending:?}");
    assert_eq!(ending.collected["b"].digest(), Digest::of(b"b\n"));
    assert_eq!(ending.missing, BTreeMap::new());
    place.end().await;
}
