//! Work trees of real repositories.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use stageway_core::workspace::{Node, Tree, WorkspacePath};
use stageway_ports::memory::MemoryBlobs;
use stageway_ports::{Blobs as _, Source as _, SourceError};
use stageway_remotes::source::{TreeLimits, WorkTree};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A repository in a temporary folder, with an identity and configuration of its own.
struct Repository {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Repository {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("repository");
        fs::create_dir(&path).unwrap();
        git(&path, &["init", "--quiet", "--initial-branch=main"]);
        Self { _folder: folder, path }
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        write(&self.path, path, text);
        self
    }

    fn commit(&self, message: &str) -> String {
        git(&self.path, &["add", "--all"]);
        git(&self.path, &["commit", "--quiet", "--allow-empty", "-m", message]);
        git(&self.path, &["rev-parse", "HEAD"])
    }
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "protocol.file.allow=always"]).args(arguments);
    for name in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{name}_NAME"), "A Person").env(format!("GIT_{name}_EMAIL"), "a@b.example");
    }
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env_remove("GIT_DIR");
    let output = command.output().expect("git runs");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

async fn open(root: &Path) -> (WorkTree, MemoryBlobs) {
    let blobs = MemoryBlobs::new();
    (WorkTree::open(root, Arc::new(blobs.clone())).await.unwrap(), blobs)
}

/// Path to text, or to what else stands there.
async fn contents(tree: &Tree, blobs: &MemoryBlobs) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for (path, node) in tree.iter() {
        let text = match node {
            Node::File { content, executable } => {
                let bytes = blobs.get(&content.digest, 1 << 22).await.unwrap();
                let mark = if *executable { "*" } else { "" };
                format!("{mark}{}", String::from_utf8_lossy(&bytes))
            }
            Node::Link { target } => format!("-> {target}"),
            Node::Folder => "/".to_owned(),
        };
        shown.insert(path.to_string(), text);
    }
    shown
}

fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn the_tree_is_what_stands_there_and_git_does_not_ignore() {
    let repository = Repository::new();
    repository
        .write("kept", "old")
        .write("lost", "x")
        .write("run.sh", "#!")
        .write(".gitignore", "target/\n*.log\n");
    fs::set_permissions(repository.path.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("kept", repository.path.join("link")).unwrap();
    symlink("/etc/passwd", repository.path.join("out")).unwrap();
    repository.commit("first");
    repository
        .write("kept", "new")
        .write("fresh/a.txt", "untracked")
        .write("target/x", "ignored")
        .write("a.log", "x");
    fs::remove_file(repository.path.join("lost")).unwrap();
    git(&repository.path, &["add", "--force", "a.log"]);

    let (source, blobs) = open(&repository.path).await;
    let tree = source.tree().await.unwrap();
    let shown = contents(&tree, &blobs).await;
    assert_eq!(
        shown,
        expected(&[
            (".gitignore", "target/\n*.log\n"),
            ("a.log", "x"),
            ("fresh/a.txt", "untracked"),
            ("kept", "new"),
            ("link", "-> kept"),
            ("out", "-> /etc/passwd"),
            ("run.sh", "*#!"),
        ])
    );
}

#[tokio::test]
async fn a_folder_below_the_root_of_its_repository_is_its_own_tree() {
    let repository = Repository::new();
    repository.write("outside", "x").write("app/stageway.yaml", "a").write("app/src/lib.rs", "b");
    let first = repository.commit("first");
    repository.write("outside", "y").write("app/new", "c");

    let (source, blobs) = open(&repository.path.join("app")).await;
    let tree = contents(&source.tree().await.unwrap(), &blobs).await;
    assert_eq!(tree.keys().collect::<Vec<_>>(), ["new", "src/lib.rs", "stageway.yaml"]);
    assert_eq!(source.changed_files(Some(&first), None, 10).await.unwrap(), ["new"]);

    let (source, blobs) = open(&repository.path.join("app")).await;
    let source = source.at_revision(&first).await.unwrap();
    let tree = contents(&source.tree().await.unwrap(), &blobs).await;
    assert_eq!(tree.keys().collect::<Vec<_>>(), ["src/lib.rs", "stageway.yaml"]);
}

#[tokio::test]
async fn a_revision_is_taken_from_its_objects() {
    let repository = Repository::new();
    let large = "0123456789".repeat(300_000);
    repository
        .write("a", "one")
        .write("run.sh", "#!")
        .write("large", &large)
        .write("odd \"name\"\n\u{e4}", "x");
    fs::set_permissions(repository.path.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("a", repository.path.join("link")).unwrap();
    let first = repository.commit("first");
    let (present, _) = open(&repository.path).await;
    let before = present.tree().await.unwrap();
    repository.write("a", "two").write("b", "new");
    repository.commit("second");

    for revision in [first.as_str(), "HEAD^", "HEAD~1", &first[..10]] {
        let (source, blobs) = open(&repository.path).await;
        let source = source.at_revision(revision).await.unwrap();
        let tree = source.tree().await.unwrap();
        assert_eq!(tree.digest(), before.digest(), "the tree of {revision} is that of the clean work tree");
        assert_eq!(contents(&tree, &blobs).await["link"], "-> a");
        assert!(!source.facts().await.unwrap().dirty);
    }
    for revision in ["", "absent", "--all", "-n1", "HEAD:a", "a\nb", "HEAD\0", "@{u}"] {
        let (source, _) = open(&repository.path).await;
        let answer = source.at_revision(revision).await.map(|_| ());
        assert!(matches!(answer, Err(SourceError::NotFound(_))), "{revision:?}: {answer:?}");
    }
}

#[tokio::test]
async fn submodules_are_taken_as_checked_out() {
    let inner = Repository::new();
    inner.write("lib", "one");
    inner.commit("first");
    let repository = Repository::new();
    repository.write("a", "x");
    let path = inner.path.to_str().unwrap();
    git(&repository.path, &["submodule", "--quiet", "add", path, "deps/inner"]);
    repository.commit("with a submodule");
    let (clean, blobs) = open(&repository.path).await;
    let clean = contents(&clean.tree().await.unwrap(), &blobs).await;

    write(&repository.path, "deps/inner/lib", "changed");
    write(&repository.path, "deps/inner/new", "untracked");
    let (source, blobs) = open(&repository.path).await;
    let tree = contents(&source.tree().await.unwrap(), &blobs).await;
    assert_eq!((clean["deps/inner/lib"].as_str(), tree["deps/inner/lib"].as_str()), ("one", "changed"));
    assert_eq!(tree["deps/inner/new"], "untracked");
    assert!(tree.keys().all(|path| !path.split('/').any(|part| part == ".git")), "{tree:?}");
    assert!(source.facts().await.unwrap().dirty);

    let source = source.at_revision("HEAD").await.unwrap();
    let tree = contents(&source.tree().await.unwrap(), &blobs).await;
    assert_eq!(tree, clean);

    git(&repository.path, &["submodule", "--quiet", "deinit", "--force", "deps/inner"]);
    let (source, blobs) = open(&repository.path).await;
    assert_eq!(contents(&source.tree().await.unwrap(), &blobs).await["deps/inner"], "/");
}

#[tokio::test]
async fn outside_git_every_file_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a/b", "x");
    write(folder.path(), ".hidden", "y");
    write(folder.path(), ".gitignore", "a/");
    fs::create_dir(folder.path().join("empty")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let (source, blobs) = open(folder.path()).await;
    assert!(!source.in_git());
    let tree = contents(&source.tree().await.unwrap(), &blobs).await;
    assert_eq!(tree, expected(&[(".gitignore", "a/"), (".hidden", "y"), ("a/b", "x"), ("empty", "/")]));
    assert_eq!(
        source.changed_files(None, None, 10).await.unwrap(),
        [".gitignore", ".hidden", "a/b", "empty"]
    );
    assert_eq!(source.commits(None, 10).await.unwrap(), Vec::<serde_json::Value>::new());
    let answer = source.changed_files(Some("HEAD"), None, 10).await;
    assert!(matches!(answer, Err(SourceError::NotFound(_))), "{answer:?}");
    assert_eq!(source.facts().await.unwrap(), Default::default());
    drop(socket);
}

#[tokio::test]
async fn a_folder_that_its_repository_ignores_is_outside_git() {
    let repository = Repository::new();
    repository.write(".gitignore", "target/\n").write("target/app/stageway.yaml", "x");
    repository.commit("first");
    let (source, blobs) = open(&repository.path.join("target/app")).await;
    assert!(!source.in_git());
    assert_eq!(contents(&source.tree().await.unwrap(), &blobs).await, expected(&[("stageway.yaml", "x")]));
}

#[tokio::test]
async fn a_link_in_place_of_a_folder_leads_nowhere() {
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "secret", "not yours");
    let repository = Repository::new();
    repository.write("a/secret", "mine").write("b", "x");
    repository.commit("first");
    fs::remove_dir_all(repository.path.join("a")).unwrap();
    symlink(outside.path(), repository.path.join("a")).unwrap();
    let (source, blobs) = open(&repository.path).await;
    let tree = contents(&source.tree().await.unwrap(), &blobs).await;
    assert_eq!(tree["a"], format!("-> {}", outside.path().display()));
    assert_eq!(tree.len(), 2);
}

#[tokio::test]
async fn odd_names_pass_and_impossible_ones_are_told() {
    let repository = Repository::new();
    for name in ["new\nline", "quo\"te", "tab\t", " space ", "-dash", ":(top)x", "*", "\u{1f980}"] {
        repository.write(name, name);
    }
    repository.commit("odd");
    repository.write("un\ntracked", "x");
    let (source, blobs) = open(&repository.path).await;
    let tree = contents(&source.tree().await.unwrap(), &blobs).await;
    assert_eq!(tree.len(), 9);
    assert_eq!(tree["new\nline"], "new\nline");
    assert_eq!(source.changed_files(Some("HEAD"), None, 10).await.unwrap(), ["un\ntracked"]);

    fs::write(repository.path.join(OsStr::from_bytes(b"bad\xff")), "x").unwrap();
    let answer = source.tree().await;
    match answer {
        Err(SourceError::Unsupported(text)) => assert!(text.contains("bad\\xff") && text.contains("rename")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn limits_hold() {
    let repository = Repository::new();
    repository.write("a", "12345").write("b", "12345");
    repository.commit("first");
    let default = TreeLimits::default();
    for limits in [
        TreeLimits { files: 1, ..default },
        TreeLimits { bytes: 9, ..default },
        TreeLimits { file_bytes: 4, ..default },
    ] {
        for revision in [None, Some("HEAD")] {
            let (source, _) = open(&repository.path).await;
            let mut source = source.with_limits(limits);
            if let Some(revision) = revision {
                source = source.at_revision(revision).await.unwrap();
            }
            let answer = source.tree().await;
            assert!(matches!(answer, Err(SourceError::Limit(_))), "{limits:?} {revision:?}: {answer:?}");
        }
    }
    let (source, _) = open(&repository.path).await;
    let exact = TreeLimits { files: 2, bytes: 10, file_bytes: 5 };
    assert_eq!(source.with_limits(exact).tree().await.unwrap().len(), 2);
}

#[tokio::test]
async fn facts_tell_what_a_push_would_be() {
    let origin = Repository::new();
    origin.write("a", "1");
    let first = origin.commit("first");
    let folder = tempfile::tempdir().unwrap();
    let clone = folder.path().join("clone");
    git(folder.path(), &["clone", "--quiet", origin.path.to_str().unwrap(), "clone"]);
    git(&clone, &["switch", "--quiet", "--create", "feature/x"]);
    write(&clone, "b", "2");
    git(&clone, &["add", "."]);
    git(&clone, &["commit", "--quiet", "-m", "Add b\n\nbecause a is lonely"]);
    let head = git(&clone, &["rev-parse", "HEAD"]);

    let (source, _) = open(&clone).await;
    let facts = source.facts().await.unwrap();
    assert_eq!(facts.branch.as_deref(), Some("feature/x"));
    assert_eq!(facts.revision.as_deref(), Some(head.as_str()));
    assert_eq!(facts.base.as_deref(), Some(first.as_str()));
    assert_eq!(facts.default_branch.as_deref(), Some("main"));
    assert_eq!((facts.dirty, facts.in_git), (false, true));
    assert_eq!(facts.title.as_deref(), Some("Add b"));
    assert_eq!(facts.message.as_deref(), Some("Add b\n\nbecause a is lonely"));
    assert_eq!(facts.author.as_deref(), Some("A Person <a@b.example>"));

    write(&clone, "untracked", "x");
    assert!(source.facts().await.unwrap().dirty);
    git(&clone, &["checkout", "--quiet", "--detach"]);
    assert_eq!(source.facts().await.unwrap().branch, None);
}

#[tokio::test]
async fn a_repository_without_commits_has_a_tree_and_no_revision() {
    let repository = Repository::new();
    repository.write("a", "x");
    let (source, _) = open(&repository.path).await;
    let facts = source.facts().await.unwrap();
    assert_eq!((facts.branch.as_deref(), facts.revision, facts.dirty), (Some("main"), None, true));
    assert_eq!(source.tree().await.unwrap().len(), 1);
    assert_eq!(source.commits(None, 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn changes_count_from_where_the_branches_parted() {
    let repository = Repository::new();
    repository.write("a", "1").write("moved", "same text that is long enough to be seen as moved");
    let first = repository.commit("first");
    git(&repository.path, &["switch", "--quiet", "--create", "other"]);
    repository.write("theirs", "x");
    let other = repository.commit("theirs");
    git(&repository.path, &["switch", "--quiet", "main"]);
    git(&repository.path, &["mv", "moved", "there"]);
    repository.write("c", "2");
    repository.commit("second");
    repository.write("a", "changed").write("new", "x");

    let (source, _) = open(&repository.path).await;
    let all = ["a", "c", "moved", "new", "there"];
    assert_eq!(source.changed_files(Some("other"), None, 10).await.unwrap(), all);
    assert_eq!(source.changed_files(Some(&other), Some("a"), 2).await.unwrap(), all[1..3]);
    let (source, _) = open(&repository.path).await;
    let source = source.with_base(Some(first.clone()));
    assert_eq!(source.changed_files(None, None, 10).await.unwrap(), all);
    let source = source.at_revision("HEAD").await.unwrap();
    assert_eq!(source.changed_files(None, None, 10).await.unwrap(), ["c", "moved", "there"]);

    let commits = source.commits(Some(&first), 10).await.unwrap();
    assert_eq!((commits.len(), commits[0]["title"].as_str()), (1, Some("second")));
    assert_eq!(source.commits(None, 1).await.unwrap().len(), 1);
    assert_eq!(source.commits(None, 10).await.unwrap().len(), 2);
    let answer = source.commits(Some("--output=/tmp/x"), 10).await;
    assert!(matches!(answer, Err(SourceError::NotFound(_))), "{answer:?}");
}

#[tokio::test]
async fn nothing_that_the_repository_configures_is_run() {
    let repository = Repository::new();
    repository.write("a", "x").write(".gitattributes", "* diff=evil\n");
    repository.commit("first");
    let mark = repository.path.join("../mark");
    let trap = repository.path.join("../trap.sh");
    fs::write(&trap, format!("#!/bin/sh\necho \"$@\" >> {}\n", mark.display())).unwrap();
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
    let trap = trap.to_str().unwrap();
    for name in [
        "core.fsmonitor",
        "diff.external",
        "diff.evil.command",
        "diff.evil.textconv",
        "core.pager",
        "gpg.program",
    ] {
        git(&repository.path, &["config", name, trap]);
    }
    git(&repository.path, &["config", "log.showSignature", "true"]);
    for hook in ["post-index-change", "reference-transaction", "post-checkout"] {
        fs::copy(trap, repository.path.join(".git/hooks").join(hook)).unwrap();
    }
    repository.write("a", "y");
    let _ = fs::remove_file(&mark);

    let (source, _) = open(&repository.path).await;
    source.tree().await.unwrap();
    source.facts().await.unwrap();
    source.changed_files(Some("HEAD"), None, 10).await.unwrap();
    source.commits(None, 10).await.unwrap();
    source.at_revision("HEAD").await.unwrap().tree().await.unwrap();
    assert!(!mark.exists(), "{}", fs::read_to_string(&mark).unwrap_or_default());
}

#[tokio::test]
async fn remembered_digests_never_hide_a_change() {
    let repository = Repository::new();
    let state = tempfile::tempdir().unwrap();
    repository.write("a", "one").write("b", "two");
    repository.commit("first");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let blobs = MemoryBlobs::new();
    let tree = async || {
        let source = WorkTree::open(&repository.path, Arc::new(blobs.clone())).await.unwrap();
        source.with_cache(state.path()).tree().await.unwrap()
    };
    let first = tree().await;
    // Same size, same time of modification: only the time of change tells.
    repository.write("a", "eno");
    fs::File::options().write(true).open(repository.path.join("a")).unwrap().set_modified(old).unwrap();
    let second = tree().await;
    assert_ne!(first.digest(), second.digest());
    let path = WorkspacePath::new("a").unwrap();
    let Some(Node::File { content, .. }) = second.get(&path) else { panic!("{second:?}") };
    assert_eq!(blobs.get(&content.digest, 10).await.unwrap(), b"eno");
    assert_eq!(tree().await.digest(), second.digest());
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let answer = WorkTree::open(&folder.path().join("absent"), Arc::new(MemoryBlobs::new())).await;
    assert!(matches!(answer.map(|_| ()), Err(SourceError::NotFound(_))));

    fs::write(folder.path().join(".git"), "gitdir: /nowhere\n").unwrap();
    let answer = WorkTree::open(folder.path(), Arc::new(MemoryBlobs::new())).await.map(|_| ());
    assert!(answer.is_ok() || matches!(answer, Err(SourceError::Unavailable(_))), "{answer:?}");
}
