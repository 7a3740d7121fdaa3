use super::*;
use std::cell::RefCell;
use std::collections::BTreeMap;

const D: &str = "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";
const E: &str = "sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

/// Repositories in memory: (repository, tag or digest) to digest; and what was done to them, in order.
#[derive(Default)]
struct Memory {
    names: RefCell<BTreeMap<(String, String), String>>,
    done: RefCell<Vec<String>>,
    /// Set by somebody else in the moment before a tag is put.
    race: Option<(&'static str, &'static str)>,
    /// Says yes to tags and forgets them.
    forgetful: bool,
}

impl Memory {
    fn with(names: &[(&str, &str, &str)]) -> Self {
        let names = names.iter().map(|(repository, name, digest)| {
            (((*repository).to_owned(), (*name).to_owned()), (*digest).to_owned())
        });
        Self { names: RefCell::new(names.collect()), ..Self::default() }
    }

    fn set(&self, repository: &str, name: &str, digest: &str) {
        self.names.borrow_mut().insert((repository.to_owned(), name.to_owned()), digest.to_owned());
    }
}

impl Registry for Memory {
    fn find(&self, repository: &str, version: &str) -> Result<Option<String>, HostError> {
        Ok(self.names.borrow().get(&(repository.to_owned(), version.to_owned())).cloned())
    }

    fn copy(&self, repository: &str, digest: &str, target: &str) -> Result<(), HostError> {
        self.done.borrow_mut().push(format!("copy {repository} {target}"));
        self.set(target, digest, digest);
        Ok(())
    }

    fn tag(
        &self,
        repository: &str,
        digest: &str,
        tag: &str,
        replaces: Option<&str>,
    ) -> Result<Outcome, HostError> {
        if let Some((raced, digest)) = self.race.filter(|(raced, _)| *raced == tag) {
            self.set(repository, raced, digest);
        }
        let named = self.find(repository, tag)?;
        if named.as_deref() == Some(digest) {
            return Ok(Outcome::Already);
        }
        if named.as_deref() != replaces {
            return Err(HostError::Conflict(format!("{tag} names {named:?}")));
        }
        self.done.borrow_mut().push(format!("tag {tag}"));
        if !self.forgetful {
            self.set(repository, tag, digest);
        }
        Ok(if replaces.is_some() { Outcome::Moved } else { Outcome::Created })
    }
}

fn run(memory: &Memory) -> Result<Vec<(String, &'static str)>, Verdict> {
    let tags = ["v1".to_owned(), "v1.2".to_owned()];
    let wanted = Wanted { from: "build/x", to: "prod/x", digest: D, tags: &tags, moving_tag: Some("live") };
    let outputs = promote(memory, &wanted)?;
    assert_eq!(outputs.reference, format!("prod/x@{D}"));
    Ok(outputs.tags.into_iter().map(|tag| (tag.tag, tag.outcome)).collect())
}

fn outcomes(expected: [&'static str; 3]) -> Vec<(String, &'static str)> {
    ["v1", "v1.2", "live"].map(str::to_owned).into_iter().zip(expected).collect()
}

#[test]
fn into_an_empty_repository_version_tags_first_and_the_moving_tag_last() {
    let memory = Memory::with(&[("build/x", D, D)]);
    assert_eq!(run(&memory).unwrap(), outcomes(["created", "created", "created"]));
    assert_eq!(*memory.done.borrow(), ["copy build/x prod/x", "tag v1", "tag v1.2", "tag live"]);
}

#[test]
fn a_second_time_nothing_is_done() {
    let memory = Memory::with(&[("build/x", D, D)]);
    run(&memory).unwrap();
    memory.done.borrow_mut().clear();
    assert_eq!(run(&memory).unwrap(), outcomes(["already", "already", "already"]));
    assert!(memory.done.borrow().is_empty());
}

#[test]
fn only_what_is_absent_is_added() {
    let memory = Memory::with(&[("prod/x", D, D), ("prod/x", "v1", D), ("prod/x", "live", E)]);
    assert_eq!(run(&memory).unwrap(), outcomes(["already", "created", "moved"]));
    assert_eq!(*memory.done.borrow(), ["tag v1.2", "tag live"]);
}

#[test]
fn a_version_tag_of_another_image_is_a_conflict_that_changes_nothing() {
    let memory = Memory::with(&[("build/x", D, D), ("prod/x", "v1.2", E)]);
    let Err(Verdict::Failed(failure)) = run(&memory) else { panic!("not failed") };
    assert_eq!(failure.code, "stageway/tag-conflict");
    assert!(
        failure.message.contains(D) && failure.message.contains(E) && failure.message.contains("v1.2"),
        "{}",
        failure.message
    );
    assert!(memory.done.borrow().is_empty());
}

#[test]
fn an_image_that_is_nowhere_is_failed() {
    let Err(Verdict::Failed(failure)) = run(&Memory::default()) else { panic!("not failed") };
    assert_eq!(failure.code, "stageway/image-missing");
}

#[test]
fn who_was_faster_with_the_same_image_is_well_and_with_another_a_conflict() {
    let mut memory = Memory::with(&[("build/x", D, D)]);
    memory.race = Some(("v1", D));
    assert_eq!(run(&memory).unwrap(), outcomes(["already", "created", "created"]));
    for raced in ["v1", "live"] {
        let mut memory = Memory::with(&[("build/x", D, D)]);
        memory.race = Some((raced, E));
        let Err(Verdict::Failed(failure)) = run(&memory) else { panic!("not failed") };
        assert_eq!(failure.code, "stageway/tag-conflict");
        assert!(failure.message.contains(E), "{}", failure.message);
    }
}

#[test]
fn a_tag_that_cannot_be_read_back_is_errored() {
    let mut memory = Memory::with(&[("build/x", D, D)]);
    memory.forgetful = true;
    let Err(Verdict::Errored(failure)) = run(&memory) else { panic!("not errored") };
    assert_eq!(failure.code, "stageway/not-read-back");
}

#[test]
fn within_one_repository_nothing_is_copied() {
    let memory = Memory::with(&[("prod/x", D, D)]);
    let wanted =
        Wanted { from: "prod/x", to: "prod/x", digest: D, tags: &["v1".to_owned()], moving_tag: None };
    assert_eq!(
        promote(&memory, &wanted).unwrap().tags,
        [Tagged { tag: "v1".to_owned(), outcome: "created" }]
    );
    assert_eq!(*memory.done.borrow(), ["tag v1"]);
}
