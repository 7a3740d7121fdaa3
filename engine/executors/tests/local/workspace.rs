//! What goes in and what comes back.

use crate::fixture::{Local, cargo_home, shell, until};
use flate2::Compression;
use flate2::write::GzEncoder;
use stageway_core::call::Content;
use stageway_core::digest::Digest;
use stageway_core::task::{CacheMount, Collected, ImageRoot, Root, TaskSpec, WorkspaceMount};
use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::Blobs;
use stageway_ports::contract::executor::process;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

fn in_workspace(tree: Digest, script: &str, collect: &[(&str, &str)]) -> TaskSpec {
    let mut spec = shell(script);
    spec.workspace = Some(WorkspaceMount { tree, path: "/workspace".into(), writable: true });
    spec.collect = collect.iter().map(|(name, path)| ((*name).to_owned(), (*path).to_owned())).collect();
    spec
}

async fn tree_of(local: &Local, collected: &Collected) -> Tree {
    match collected {
        Collected::Tree { digest, .. } => {
            Tree::decode(&local.blobs.get(digest, 100 << 20).await.unwrap()).unwrap()
        }
        Collected::File { .. } => panic!("a file where a folder was expected"),
    }
}

pub async fn a_tree_comes_back_as_it_went_in() {
    let local = Local::new();
    let tree = local.tree(&[("src/a.txt", "a"), ("run.sh", "#!/bin/sh\necho ran\n"), ("z", "")]).await;
    let mut whole = Tree::decode(&local.blobs.get(&tree, 1 << 20).await.unwrap()).unwrap();
    whole.insert(WorkspacePath::new("link").unwrap(), Node::Link { target: "src/a.txt".into() });
    whole.insert(WorkspacePath::new("empty/folder").unwrap(), Node::Folder);
    let tree = local.blobs.put(whole.encode()).await.unwrap().digest;
    let script = "pwd; ./run.sh; cat link; echo; mkdir out; echo made > out/made; chmod 755 out/made; \
                  find . -newermt '-1 hour' -name a.txt";
    let collect = [
        ("all", "/workspace"),
        ("made", "out/made"),
        ("out", "/workspace/out"),
        ("tmp", "/tmp/x"),
        ("no", "nothing"),
    ];
    let spec = in_workspace(tree, &format!("{script}; echo t > /tmp/x"), &collect);
    let (ending, text) = local.run("tree", &spec).await;
    assert_eq!((ending.code, text.as_str()), (Some(0), "/workspace\nran\na\n./src/a.txt\n"), "{ending:?}");
    let made = Content { digest: Digest::of(b"made\n"), size: 5 };
    assert_eq!(ending.collected["made"], Collected::File { content: made, executable: true });
    assert_eq!(ending.collected["tmp"].digest(), Digest::of(b"t\n"));
    assert_eq!(ending.missing, BTreeMap::from([("no".to_owned(), "it is not there".to_owned())]));
    let node = Node::File { content: made, executable: true };
    whole.insert(WorkspacePath::new("out/made").unwrap(), node);
    assert_eq!(tree_of(&local, &ending.collected["all"]).await, whole);
    assert_eq!(tree_of(&local, &ending.collected["out"]).await.len(), 1);
    until("its place is cleared", || !local.state().join("tasks/tree/site").exists());
}

pub async fn links_out_are_not_followed() {
    let local = Local::new();
    let tree = local.tree(&[("a", "a")]).await;
    let script = "ln -s /etc/passwd file; ln -s ../../../../etc folder; ln -s /etc whole; mkdir in; ln -s ../a in/fine; \
                  ln -s /root in/root; mkfifo fifo; ln -s loop loop";
    let collect = [
        ("file", "file"),
        ("folder", "folder/passwd"),
        ("whole", "whole"),
        ("up", "/workspace/../etc/passwd"),
        ("absolute", "/workspace/../../../etc/shadow"),
        ("proc", "/proc/self/environ"),
        ("fifo", "fifo"),
        ("loop", "loop"),
        ("in", "in"),
        ("fine", "in/fine"),
    ];
    let (ending, text) = local.run("links", &in_workspace(tree, script, &collect)).await;
    assert_eq!(ending.code, Some(0), "{text}");
    let missing: Vec<&str> = ending.missing.keys().map(String::as_str).collect();
    assert_eq!(missing, ["absolute", "fifo", "file", "folder", "loop", "proc", "up", "whole"], "{ending:?}");
    for name in ["file", "folder", "whole", "up"] {
        assert!(ending.missing[name].contains("outside"), "{name} {}", ending.missing[name]);
    }
    assert_eq!(ending.collected["fine"].digest(), Digest::of(b"a"));
    let inside = tree_of(&local, &ending.collected["in"]).await;
    let link = inside.get(&WorkspacePath::new("root").unwrap());
    assert_eq!(link, Some(&Node::Link { target: "/root".into() }));
}

pub async fn ten_thousand_files() {
    let local = Local::new();
    let files: Vec<(String, String)> =
        (0..10_000).map(|i| (format!("d{}/f{i}", i % 100), i.to_string())).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let tree = local.tree(&files).await;
    let spec = in_workspace(tree, "find . -type f | wc -l", &[("all", ".")]);
    let (ending, text) = local.run("many", &spec).await;
    assert_eq!(text.trim(), "10000", "{ending:?}");
    assert_eq!(ending.collected["all"].digest(), tree);
}

pub async fn a_read_only_workspace_is_read_only() {
    let local = Local::new();
    let tree = local.tree(&[("a", "a")]).await;
    let mut spec = in_workspace(tree, "touch x || echo refused; cat a", &[]);
    spec.workspace.as_mut().unwrap().writable = false;
    let (_, text) = local.run("read-only", &spec).await;
    assert!(text.ends_with("refused\na"), "{text}");
}

pub async fn a_message_file_becomes_the_message() {
    let local = Local::new();
    let mut spec = shell("head -c 10000 /dev/zero | tr '\\0' m > /tmp/message");
    spec.message_file = Some("/tmp/message".into());
    let (ending, _) = local.run("message", &spec).await;
    assert_eq!(ending.message, "m".repeat(4096));
    spec.message_file = Some("/tmp/none".into());
    let (ending, _) = local.run("none", &spec).await;
    assert!(ending.message.contains("`/tmp/none`"), "{ending:?}");
}

/// A root of a shell and what it needs, in two layers of which the second one removes something of the first.
async fn image(local: &Local) -> Root {
    let linked = Command::new("ldd").arg("/bin/sh").output().unwrap();
    let linked = String::from_utf8(linked.stdout).unwrap();
    let libraries = linked.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    let mut first = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for path in libraries.chain([PathBuf::from("/bin/sh"), PathBuf::from("/bin/cat")]) {
        first
            .append_path_with_name(std::fs::canonicalize(&path).unwrap(), path.strip_prefix("/").unwrap())
            .unwrap();
    }
    let mut second = tar::Builder::new(Vec::new());
    for (tar, path, text) in
        [(1, "data/removed", "1"), (1, "data/kept", "1"), (2, "data/.wh.removed", ""), (2, "data/new", "2")]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        match tar {
            1 => first.append_data(&mut header, path, text.as_bytes()).unwrap(),
            _ => second.append_data(&mut header, path, text.as_bytes()).unwrap(),
        }
    }
    let first = local.blobs.put(first.into_inner().unwrap().finish().unwrap()).await.unwrap();
    let second = local.blobs.put(second.into_inner().unwrap()).await.unwrap();
    let kind = |kind: &str| format!("application/vnd.oci.image.layer.v1.{kind}");
    Root::Image(Box::new(ImageRoot {
        reference: "test/image".into(),
        digest: first.digest,
        layers: vec![(first, kind("tar+gzip")), (second, kind("tar"))],
        entrypoint: vec!["/bin/sh".into(), "-c".into()],
        command: vec!["echo $FROM; pwd; echo *; cat *; echo x > made; cat made; echo /*".into()],
        variables: vec!["FROM=image".into()],
        directory: Some("/data".into()),
    }))
}

pub async fn an_image_is_unpacked_and_run() {
    let local = Local::new();
    let mut spec = shell("");
    spec.process = process(&[]);
    spec.process.root = image(&local).await;
    spec.collect.insert("made".into(), "/data/made".into());
    for name in ["first", "second"] {
        let (ending, text) = local.run(name, &spec).await;
        assert_eq!(ending.code, Some(0), "{text} {ending:?}");
        assert!(text.starts_with("image\n/data\nkept new\n12x\n"), "{text}");
        assert!(!text.contains("usr"), "{text}");
        assert_eq!(ending.collected["made"].digest(), Digest::of(b"x\n"));
    }
}

pub async fn cargo_builds_offline_over_the_users_registry() {
    let local = Local::new();
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    let version = lock.split("name = \"hex\"\nversion = \"").nth(1).unwrap().split('"').next().unwrap();
    let manifest = format!(
        "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\nhex = \"={version}\"\n"
    );
    let main = "fn main() { println!(\"{}\", hex::encode(\"ok\")) }\n";
    let tree = local.tree(&[("Cargo.toml", &manifest), ("src/main.rs", main)]).await;
    // This crate is packed with files for their owner alone, and is one that these tests need.
    let script = "cargo run -q; cat $CARGO_HOME/registry/src/*/fnv-*/lib.rs >/dev/null && echo read; touch $CARGO_HOME/registry/mine";
    let mut spec = in_workspace(tree, script, &[]);
    let (name, path, scope) = ("cargo".into(), "/cargo".into(), "protected".into());
    spec.caches = vec![CacheMount { name, path, scope, writable: true }];
    let (ending, text) = local.run("cargo", &spec).await;
    assert_eq!((ending.code, text.as_str()), (Some(0), "6f6b\nread\n"), "{ending:?}");
    assert!(!cargo_home().join("registry/mine").exists());
}

pub async fn without_a_sandbox_it_is_still_supervised() {
    let local = Local::new();
    let tree = local.tree(&[("a", "a")]).await;
    let mut spec =
        in_workspace(tree, "pwd; cat a > b; (setsid sleep 600 &); id -u", &[("b", "/workspace/b")]);
    spec.unconfined = true;
    let (ending, text) = local.run("unconfined", &spec).await;
    assert_eq!(ending.code, Some(0), "{text} {ending:?}");
    assert!(text.contains("/tasks/unconfined/site/workspace\n"), "{text}");
    assert!(text.ends_with(&format!("{}\n", rustix::process::getuid().as_raw())), "{text}");
    assert_eq!(ending.collected["b"].digest(), Digest::of(b"a"));
    spec.process.files.insert("/x".into(), vec![1].into());
    let name = stageway_core::name::TaskName::new("refused").unwrap();
    let refused = stageway_ports::Executor::ensure(&local.executor, &name, &spec, &Default::default()).await;
    assert!(matches!(refused, Err(stageway_ports::TaskError::Refused(_))), "{refused:?}");
}
