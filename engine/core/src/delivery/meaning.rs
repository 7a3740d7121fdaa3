use super::{Reference, RepositoryName, Revision, RevisionPrefix};
use serde::{Deserialize, Serialize};

/// A push lists at most this many changes; see [`Push::partial`].
pub const MAX_CHANGES: usize = 500;

/// What a delivery says. Texts are as the forge gave them, cut at [`crate::event::MAX_TEXT`] bytes, and untrusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Meaning {
    /// The forge tries the webhook out. Starts nothing.
    Ping,
    /// Something that starts nothing: a label, a comment, a release.
    Unsupported {
        /// The forge's own words for it, such as `issues.opened`.
        event: String,
    },
    /// Branches or tags were made, moved or deleted.
    Push(Push),
    /// A pull request changed so that a run may follow from it.
    PullRequest(Box<PullRequest>),
}

/// A repository as its forge names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgeRepository {
    /// What stays when it is renamed, unique at its forge: a number or an UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its full name.
    pub name: RepositoryName,
    /// Where it can be cloned, over HTTP and SSH, as far as the forge says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clone_addresses: Vec<String>,
}

/// Changes of refs by one push. A forge may tell each ref with a delivery of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// Where the refs are.
    pub repository: ForgeRepository,
    /// The account that pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// At least one, in the order in which the forge lists them.
    pub changes: Vec<HeadChange>,
    /// The forge told of more changes than are listed: only git knows them all.
    #[serde(default)]
    pub partial: bool,
}

/// One ref moved. Never both sides none, but for a deletion whose forge does not tell the head before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadChange {
    /// Which: a branch or a tag, never a pull request's.
    pub reference: Reference,
    /// Its head before; none: it was not there, or the forge does not say (Gitea's moved tags and deleted branches).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Revision>,
    /// Its head now; none: it was deleted. Of an annotated tag it is the tag object at every forge but Bitbucket Cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Revision>,
    /// The commit that `after` leads to, where the forge says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<Revision>,
}

/// What happened to a pull request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PullRequestAction {
    /// It is new.
    Opened,
    /// It has a new head. Bitbucket Cloud says the same of a new title or reviewer.
    Updated,
    /// It was closed and is open again.
    Reopened,
    /// It was a draft and is none any more.
    Ready,
    /// It wants to enter another branch.
    Retargeted,
    /// It was closed without being merged.
    Closed,
    /// It was merged.
    Merged,
}

impl PullRequestAction {
    /// Whether its head, or what the head is compared with, is a new one: whether a run may follow.
    pub fn starts(self) -> bool {
        !matches!(self, Self::Closed | Self::Merged)
    }
}

/// Where a pull request comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceBranch {
    /// The branch, without `refs/heads/`. Whoever opened the pull request chose it.
    pub branch: String,
    /// Its repository; none: it is deleted, or the forge does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<ForgeRepository>,
}

/// A pull request and what happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// What happened.
    pub action: PullRequestAction,
    /// The repository that it wants to enter.
    pub repository: ForgeRepository,
    /// The account that caused this delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Its number at the forge.
    pub number: u32,
    /// Its title.
    pub title: String,
    /// The account that opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Where it comes from.
    pub source: SourceBranch,
    /// The branch that it wants to enter, without `refs/heads/`.
    pub target: String,
    /// The commit it asks to merge; where it is not whole, git knows the rest after the fetch.
    pub head: RevisionPrefix,
    /// The ref that stands for the pull request in `repository`, unique there: `refs/pull/7/head`.
    pub reference: Reference,
    /// `repository` has that ref, and the head can be fetched from it. If not (Bitbucket Cloud), the head is fetched from
    /// the source's repository and branch.
    pub fetchable: bool,
    /// Its head is not known to have been pushed to a branch of `repository` itself: the source is another repository, is
    /// deleted, or the forge takes such heads from people who may only read. Such a pull request has no more trust than
    /// a fork's.
    pub fork: bool,
    /// Its author says that it is not finished.
    pub draft: bool,
}

impl PullRequest {
    /// The branch that it comes from, if that is one of `repository` itself.
    pub fn own_branch(&self) -> Option<Reference> {
        let own = self.source.repository.as_ref().is_some_and(|source| source.name == self.repository.name);
        Reference::of_branch(&self.source.branch).ok().filter(|_| own)
    }
}

impl HeadChange {
    /// Whether nothing moved: what a forge sends to try a webhook out.
    pub fn is_still(&self) -> bool {
        self.after.is_some() && self.before == self.after
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_reads_what_it_writes() {
        let push = json!({
            "kind": "push",
            "repository": {"name": "acme/demo"},
            "changes": [{"reference": "refs/heads/main", "after": "a".repeat(40)}],
        });
        let meaning: Meaning = serde_json::from_value(push).unwrap();
        let Meaning::Push(push) = &meaning else { panic!("{meaning:?}") };
        assert_eq!(push.changes[0].before, None);
        let text = serde_json::to_string(&meaning).unwrap();
        assert_eq!(serde_json::from_str::<Meaning>(&text).unwrap(), meaning);
    }

    #[test]
    fn a_head_that_stays_is_still() {
        let head = |before: Option<&str>, after: Option<&str>| HeadChange {
            reference: Reference::of_branch("main").unwrap(),
            before: before.map(|digit| Revision::new(digit.repeat(40)).unwrap()),
            after: after.map(|digit| Revision::new(digit.repeat(40)).unwrap()),
            commit: None,
        };
        assert!(head(Some("a"), Some("a")).is_still());
        assert!(!head(Some("a"), Some("b")).is_still() && !head(None, None).is_still());
    }
}
