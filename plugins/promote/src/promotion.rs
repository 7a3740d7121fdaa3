//! The whole table of situations: what the production repository has, and what is added to it.
//!
//! Everything is read before anything is changed, so a conflict changes nothing; then the image is copied if it is absent, the
//! version tags are put, the moving tag last of all, and each tag is read back.

use serde::Serialize;
use stageway_sdk::images::{Outcome, Reference};
use stageway_sdk::{Doing, HostError, Verdict, log};

/// What a promotion does to registries: the part of the interface `images` that it calls.
pub(crate) trait Registry {
    /// The digest that a tag or digest names in a repository.
    fn find(&self, repository: &str, version: &str) -> Result<Option<String>, HostError>;
    /// Brings an image to another repository, without a tag.
    fn copy(&self, repository: &str, digest: &str, target: &str) -> Result<(), HostError>;
    /// Compare-and-set of a tag.
    fn tag(
        &self,
        repository: &str,
        digest: &str,
        tag: &str,
        replaces: Option<&str>,
    ) -> Result<Outcome, HostError>;
}

/// What is to be so afterwards.
pub(crate) struct Wanted<'a> {
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) digest: &'a str,
    pub(crate) tags: &'a [String],
    pub(crate) moving_tag: Option<&'a str>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Outputs {
    pub(crate) reference: String,
    pub(crate) digest: String,
    pub(crate) tags: Vec<Tagged>,
}

/// What became of one tag: created, already or moved.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Tagged {
    pub(crate) tag: String,
    pub(crate) outcome: &'static str,
}

/// A tag, and what it named when everything was read.
struct Seen<'a> {
    tag: &'a str,
    moves: bool,
    named: Option<String>,
}

#[derive(Serialize)]
struct Conflict<'a> {
    repository: &'a str,
    tag: &'a str,
    digest: &'a str,
    named: Option<&'a str>,
}

/// Makes it so.
///
/// # Errors
/// Failed for a tag that names another image, with both digests, or for an image that is nowhere; errored for everything that the
/// registry does not say or do.
pub(crate) fn promote(registry: &impl Registry, wanted: &Wanted) -> Result<Outputs, Verdict> {
    let seen = look(registry, wanted)?;
    bring(registry, wanted)?;
    let mut tags = Vec::new();
    for seen in &seen {
        let outcome = put(registry, wanted, seen)?;
        tags.push(Tagged { tag: seen.tag.to_owned(), outcome });
    }
    for seen in &seen {
        read_back(registry, wanted, seen.tag)?;
    }
    let reference = Reference::by_digest(wanted.to, wanted.digest).to_string();
    Ok(Outputs { reference, digest: wanted.digest.to_owned(), tags })
}

/// Reads every wanted tag, version tags first; all conflicts are told at once.
fn look<'a>(registry: &impl Registry, wanted: &Wanted<'a>) -> Result<Vec<Seen<'a>>, Verdict> {
    let versions = wanted.tags.iter().map(|tag| (tag.as_str(), false));
    let mut seen = Vec::new();
    for (tag, moves) in versions.chain(wanted.moving_tag.map(|tag| (tag, true))) {
        let named = registry.find(wanted.to, tag).doing(format_args!("reading {}:{tag}", wanted.to))?;
        seen.push(Seen { tag, moves, named });
    }
    let conflicts: Vec<&Seen> = seen
        .iter()
        .filter(|s| !s.moves && s.named.as_deref().is_some_and(|named| named != wanted.digest))
        .collect();
    match conflicts.first() {
        None => Ok(seen),
        Some(first) => {
            let others =
                conflicts.iter().skip(1).map(|s| format!(", nor does {}", s.tag)).collect::<String>();
            Err(conflict(wanted, first.tag, first.named.as_deref(), &others))
        }
    }
}

/// Copies the image, if the repository does not have it.
fn bring(registry: &impl Registry, wanted: &Wanted) -> Result<(), Verdict> {
    let Wanted { from, to, digest, .. } = wanted;
    if registry.find(to, digest).doing(format_args!("reading {to}@{digest}"))?.is_some() {
        log_info(format!("{to} has {digest} already"));
        return Ok(());
    }
    if from == to || registry.find(from, digest).doing(format_args!("reading {from}@{digest}"))?.is_none() {
        return Err(Verdict::failed(
            "stageway/image-missing",
            format!("there is no image {from}@{digest}: was it deleted since it was built?"),
        ));
    }
    log_info(format!("copying {digest} from {from} to {to}"));
    registry.copy(from, digest, to).doing(format_args!("copying {from}@{digest} to {to}"))
}

/// Puts one tag. Where somebody was faster, what they did is read once: the same is well, anything else a conflict.
fn put(registry: &impl Registry, wanted: &Wanted, seen: &Seen) -> Result<&'static str, Verdict> {
    let replaces = seen.named.as_deref().filter(|_| seen.moves);
    match registry.tag(wanted.to, wanted.digest, seen.tag, replaces) {
        Ok(outcome) => Ok(word(outcome)),
        Err(HostError::Conflict(_)) => {
            let named = registry
                .find(wanted.to, seen.tag)
                .doing(format_args!("reading {}:{} again", wanted.to, seen.tag))?;
            if named.as_deref() == Some(wanted.digest) {
                return Ok(word(Outcome::Already));
            }
            Err(conflict(wanted, seen.tag, named.as_deref(), ""))
        }
        Err(other) => Err(other).doing(format_args!("putting {}:{}", wanted.to, seen.tag)),
    }
}

fn read_back(registry: &impl Registry, wanted: &Wanted, tag: &str) -> Result<(), Verdict> {
    let named = registry.find(wanted.to, tag).doing(format_args!("reading {}:{tag} back", wanted.to))?;
    if named.as_deref() == Some(wanted.digest) {
        return Ok(());
    }
    let found = named.as_deref().unwrap_or("nothing");
    let message = format!("{}:{tag} was put as {} and names {found} now", wanted.to, wanted.digest);
    Err(Verdict::errored("stageway/not-read-back", message))
}

fn conflict(wanted: &Wanted, tag: &str, named: Option<&str>, others: &str) -> Verdict {
    let Wanted { to, digest, .. } = wanted;
    let found = named.unwrap_or("nothing");
    let remedy = if wanted.moving_tag == Some(tag) {
        "somebody else moved it meanwhile; look who, and run the stage again"
    } else {
        "a version tag never moves, so choose another"
    };
    let message = format!("{to}:{tag} names {found}, not {digest}{others}: {remedy}");
    Verdict::failed("stageway/tag-conflict", message).with_details(&Conflict {
        repository: to,
        tag,
        digest,
        named,
    })
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Created => "created",
        Outcome::Already => "already",
        Outcome::Moved => "moved",
    }
}

/// The log is the host's; natively, in tests, there is none.
fn log_info(message: String) {
    if cfg!(target_arch = "wasm32") {
        log::info(message);
    }
}

#[cfg(test)]
mod tests;
