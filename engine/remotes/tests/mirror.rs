//! A mirror of a repository that moves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are tests")]

use stageway_core::delivery::{Reference, Revision};
use stageway_core::workspace::Node;
use stageway_ports::memory::MemoryBlobs;
use stageway_ports::{Blobs as _, Mirror, SourceError, read_tree};
use stageway_remotes::source::{GitMirror, Remote};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;

struct World {
    place: TempDir,
    blobs: Arc<MemoryBlobs>,
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
        let at = place.path().join("mirrors/a.git");
        let mirror = GitMirror::open(&at, remote, blobs.clone()).await.unwrap();
        Self { place, blobs, mirror }
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
    assert_eq!(world.mirror.last_head(&refs[0]).await.unwrap(), Some(one.clone()));
    assert_eq!(world.mirror.last_head(&refs[2]).await.unwrap(), None);
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

/// A history with merges, each commit a minute after the one before it, so that time says which is younger.
fn merges(world: &World) -> Vec<Revision> {
    let mut all = Vec::new();
    let mut state = 7_u32;
    for number in 0..40 {
        let mut next = |most: usize| {
            state = state.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            (state >> 16) as usize % most
        };
        let mut parents: Vec<&Revision> = Vec::new();
        for _ in 0..=usize::from(next(3) == 0) {
            if number > 0 && next(12) > 0 {
                parents.push(&all[number - 1 - next(number.min(6))]);
            }
        }
        parents.dedup();
        let parents: Vec<String> = parents.iter().map(|parent| format!("parent {parent}\n")).collect();
        let who = format!("Ada <ada@example.invalid> {} +0000", 1_700_000_000 + 60 * number);
        let commit = format!(
            "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n{}author {who}\ncommitter {who}\n\n{number}\n",
            parents.concat()
        );
        let file = world.place.path().join("commit");
        std::fs::write(&file, commit).unwrap();
        let name = world.git(&["hash-object", "-t", "commit", "-w", &file.display().to_string()]);
        world.git(&["branch", "--force", &format!("b{number}"), &name]);
        all.push(Revision::new(name).unwrap());
    }
    all
}

#[tokio::test]
async fn who_leads_to_whom_is_what_git_says() {
    let world = World::new().await;
    world.git(&["hash-object", "-t", "tree", "-w", "/dev/null"]);
    let all = merges(&world);
    let refs: Vec<Reference> = (0..all.len()).map(|number| branch(&format!("b{number}"))).collect();
    world.mirror.fetch(&refs, &[]).await.unwrap();
    let (mut never, mut several) = (0, 0);
    for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
        let told = Command::new("git")
            .args(["merge-base", "--all", one.as_str(), other.as_str()])
            .current_dir(world.place.path().join("home"))
            .output()
            .unwrap();
        let told = String::from_utf8(told.stdout).unwrap();
        let bases: Vec<&str> = told.lines().collect();
        let parted = world.mirror.parted(one, other).await.unwrap();
        match &parted {
            Some(parted) => {
                assert!(bases.contains(&parted.as_str()), "{one} {other}: {parted}, not {bases:?}")
            }
            None => assert!(bases.is_empty(), "{one} {other}: {bases:?}"),
        }
        assert_eq!(
            world.mirror.contains(one, other).await.unwrap(),
            bases == [other.as_str()],
            "{one} {other}"
        );
        never += u32::from(bases.is_empty());
        several += u32::from(bases.len() > 1);
    }
    assert!(
        never > 0 && several > 0,
        "{never} pairs have nothing in common, {several} parted in several places"
    );
}

#[tokio::test]
async fn a_tag_leads_to_what_its_commit_leads_to() {
    let world = World::new().await;
    let one = world.commit(&[("a", "1")]);
    let two = world.commit(&[("a", "2")]);
    world.git(&["tag", "--annotate", "--message", "m", "v1"]);
    let tag = Reference::of_tag("v1").unwrap();
    let tagged = world.mirror.fetch(std::slice::from_ref(&tag), &[]).await.unwrap()[&tag].clone();
    assert!(world.mirror.contains(&tagged, &one).await.unwrap());
    assert!(world.mirror.contains(&two, &tagged).await.unwrap());
    assert!(!world.mirror.contains(&one, &tagged).await.unwrap());
    assert_eq!(world.mirror.parted(&tagged, &one).await.unwrap(), Some(one));
}

/// Every fetch makes a pack; they do not become more and more, and nothing is lost when they are joined.
#[tokio::test]
async fn packs_are_joined_while_objects_are_read() {
    let world = World::new().await;
    let mut commits = Vec::new();
    for number in 0..60 {
        commits.push(world.commit(&[("a", &number.to_string())]));
        world.mirror.fetch(&[branch("main")], &[]).await.unwrap();
        let first = world.mirror.file(&commits[0], "a", 100).await.unwrap();
        assert_eq!(first.as_deref(), Some(&b"0"[..]), "after {number} more");
    }
    let packs = std::fs::read_dir(world.place.path().join("mirrors/a.git/objects/pack")).unwrap();
    let packs =
        packs.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|kind| kind == "pack"));
    let packs = packs.count();
    assert!((1..=30).contains(&packs), "{packs} packs");
    for (number, commit) in commits.iter().enumerate() {
        let read = world.mirror.file(commit, "a", 100).await.unwrap();
        assert_eq!(read, Some(number.to_string().into_bytes()));
    }
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
    // What was read before is refused in the same words.
    for (max, found) in [(0, None), (1, Some(b"b".to_vec())), (0, None)] {
        match (world.mirror.file(&one, ".stageway/b.yaml", max).await, found) {
            (Err(SourceError::Limit(problem)), None) => {
                assert!(problem.contains(&format!("`{one}:.stageway/b.yaml` has 1 bytes")), "{problem}");
            }
            (read, found) => assert_eq!(read.unwrap(), found),
        }
    }
    for absent in ["b", "a/b", ".stageway/c/e", ".stageway/e/d", ".stageway/", ""] {
        assert_eq!(world.mirror.file(&one, absent, 10).await.unwrap(), None, "{absent}");
    }
    let nowhere = Revision::new("1".repeat(40)).unwrap();
    assert_eq!(world.mirror.file(&nowhere, "a", 10).await.unwrap(), None);
    assert!(world.mirror.folder(&nowhere, "").await.unwrap().is_empty());
    let tree = world.mirror.at(&one, None).tree().await.unwrap();
    assert_eq!(tree.len(), 4);
}

/// Files of every size, read before or not, more than are stored at once, and links: all of them, and the tree itself.
#[tokio::test]
async fn a_tree_lies_in_the_blobs_with_everything_in_it() {
    let world = World::new().await;
    let mut files: Vec<(String, String)> = Vec::new();
    for (at, size) in
        [0, 1, 1_000, 64 << 10, (64 << 10) + 1, 1 << 20, (1 << 20) + 1, 3 << 20].iter().enumerate()
    {
        for copy in 0..4 {
            files.push((format!("{at}/{copy}"), copy.to_string().repeat(*size)));
        }
    }
    let home = world.place.path().join("home");
    std::os::unix::fs::symlink("0/1", home.join("link")).unwrap();
    let named: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let commit = world.commit(&named);
    world.mirror.fetch(&[branch("main")], &[]).await.unwrap();
    world.mirror.file(&commit, "2/3", 10_000).await.unwrap().unwrap();
    for _ in 0..2 {
        let tree = world.mirror.at(&commit, None).tree().await.unwrap();
        assert_eq!(tree.len(), files.len() + 1);
        for (path, node) in tree.iter() {
            match node {
                Node::File { content, executable: false } => {
                    let (_, text) = files.iter().find(|(name, _)| name == path.as_str()).unwrap();
                    let bytes = world.blobs.get(&content.digest, 4 << 20).await.unwrap();
                    assert!(bytes == text.as_bytes() && content.size == bytes.len() as u64, "{path}");
                }
                Node::Link { target } => assert_eq!((path.as_str(), target.as_str()), ("link", "0/1")),
                other => panic!("{path}: {other:?}"),
            }
        }
        assert_eq!(read_tree(&*world.blobs, &tree.digest()).await.unwrap(), tree);
    }
}

#[tokio::test]
async fn a_remote_that_is_not_there_is_unavailable() {
    let world = World::new().await;
    std::fs::remove_dir_all(world.place.path().join("home")).unwrap();
    let found = world.mirror.fetch(&[branch("main")], &[]).await;
    assert!(matches!(found, Err(SourceError::Unavailable(_))), "{found:?}");
}
