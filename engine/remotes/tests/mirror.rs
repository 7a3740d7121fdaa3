//! A mirror of a repository that moves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use stageway_core::delivery::{Reference, Revision};
use stageway_ports::memory::MemoryBlobs;
use stageway_ports::{Mirror, SourceError};
use stageway_remotes::source::{GitMirror, Remote};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;

struct World {
    place: TempDir,
    mirror: GitMirror,
}

impl World {
    async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let home = place.path().join("home");
        std::fs::create_dir(&home).unwrap();
        git(&home, &["init", "--quiet", "--initial-branch", "main"]);
        let blobs = Arc::new(MemoryBlobs::default());
        let remote = Remote { address: home.display().to_string(), login: None };
        let mirror = GitMirror::open(&place.path().join("mirrors/a.git"), remote, blobs).await.unwrap();
        Self { place, mirror }
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(&self.place.path().join("home"), arguments)
    }

    fn commit(&self, files: &[(&str, &str)]) -> Revision {
        for (path, text) in files {
            let file = self.place.path().join("home").join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "a change\n\nand why"]);
        Revision::new(self.git(&["rev-parse", "HEAD"])).unwrap()
    }

    async fn changed(&self, from: &Revision, to: &Revision) -> Vec<String> {
        self.mirror.at(to, Some(from)).changed_files(None, None, 100).await.unwrap()
    }
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.invalid"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn branch(name: &str) -> Reference {
    Reference::of_branch(name).unwrap()
}

#[tokio::test]
async fn heads_are_those_of_the_remote_and_what_is_gone_is_missing() {
    let world = World::new().await;
    let one = world.commit(&[("a", "1")]);
    world.git(&["branch", "old"]);
    let refs = [branch("main"), branch("old"), branch("never")];
    let heads = world.mirror.fetch(&refs, &[]).await.unwrap();
    assert_eq!((heads.len(), &heads[&refs[0]]), (2, &one));
    let two = world.commit(&[("a", "2")]);
    world.git(&["branch", "--delete", "--force", "old"]);
    let heads = world.mirror.fetch(&refs, &[]).await.unwrap();
    assert_eq!((heads.len(), &heads[&refs[0]]), (1, &two));
    // A commit that no ref leads to any more is still here.
    world.git(&["reset", "--quiet", "--hard", one.as_str()]);
    assert_eq!(world.mirror.fetch(&refs, &[]).await.unwrap()[&refs[0]], one);
    let facts = world.mirror.commit(&two).await.unwrap().unwrap();
    assert_eq!(
        (facts.author.as_deref(), facts.message.as_str()),
        (Some("Ada <ada@example.invalid>"), "a change\n\nand why")
    );
    assert_eq!(world.mirror.commit(&Revision::new("a".repeat(40)).unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn an_annotated_tag_leads_to_its_commit() {
    let world = World::new().await;
    let one = world.commit(&[("a", "1")]);
    world.git(&["tag", "--annotate", "--message", "m", "v1"]);
    let tag = Reference::of_tag("v1").unwrap();
    let heads = world.mirror.fetch(std::slice::from_ref(&tag), &[]).await.unwrap();
    assert_ne!(heads[&tag], one);
    assert_eq!(world.mirror.commit(&heads[&tag]).await.unwrap().unwrap().revision, one);
}

#[tokio::test]
async fn what_has_changed_is_told_both_ways() {
    let world = World::new().await;
    let one = world.commit(&[("a", "1"), ("d/e/f", "1"), ("d/g", "1"), ("x", "file")]);
    std::fs::remove_file(world.place.path().join("home/x")).unwrap();
    let two = world.commit(&[("a", "1"), ("d/e/f", "2"), ("n/m", "new"), ("x/y", "folder")]);
    world.mirror.fetch(&[branch("main")], &[]).await.unwrap();
    let expected = ["d/e/f", "n/m", "x", "x/y"];
    assert_eq!(world.changed(&one, &two).await, expected);
    assert_eq!(world.changed(&two, &one).await, expected, "what a push by force takes back has changed");
    assert!(world.changed(&one, &one).await.is_empty());
    let told = git(
        &world.place.path().join("home"),
        &["diff", "--name-only", "--no-renames", one.as_str(), two.as_str()],
    );
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    assert!(
        world.mirror.contains(&two, &one).await.unwrap() && !world.mirror.contains(&one, &two).await.unwrap()
    );
    assert_eq!(world.mirror.parted(&one, &two).await.unwrap(), Some(one.clone()));
}

#[tokio::test]
async fn files_folders_and_trees_are_those_of_the_commit() {
    let world = World::new().await;
    let one = world.commit(&[
        ("a", "1"),
        (".stageway/b.yaml", "b"),
        (".stageway/a.yaml", "a"),
        (".stageway/c/d", ""),
    ]);
    world.commit(&[("a", "2")]);
    world.mirror.fetch(&[branch("main")], &[]).await.unwrap();
    assert_eq!(
        world.mirror.folder(&one, ".stageway").await.unwrap(),
        [".stageway/a.yaml", ".stageway/b.yaml"]
    );
    assert!(world.mirror.folder(&one, "a").await.unwrap().is_empty());
    assert_eq!(world.mirror.file(&one, "a", 10).await.unwrap(), Some(b"1".to_vec()));
    assert_eq!(world.mirror.file(&one, ".stageway", 1_000).await.unwrap(), None);
    assert!(matches!(world.mirror.file(&one, ".stageway/b.yaml", 0).await, Err(SourceError::Limit(_))));
    let tree = world.mirror.at(&one, None).tree().await.unwrap();
    assert_eq!(tree.len(), 4);
}

#[tokio::test]
async fn a_remote_that_is_not_there_is_unavailable() {
    let world = World::new().await;
    std::fs::remove_dir_all(world.place.path().join("home")).unwrap();
    let found = world.mirror.fetch(&[branch("main")], &[]).await;
    assert!(matches!(found, Err(SourceError::Unavailable(_))), "{found:?}");
}
