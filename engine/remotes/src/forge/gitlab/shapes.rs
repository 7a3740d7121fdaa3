use crate::forge::json::{self, Head, Id, Name, Text};
use serde::Deserialize;
use serde::de::IgnoredAny;
use stageway_core::delivery::{
    ForgeRepository, HeadChange, Meaning, PullRequest, PullRequestAction, Reference, RepositoryName,
    Revision, SourceBranch,
};
use stageway_ports::Unreadable;

#[derive(Deserialize)]
pub(super) struct Kind {
    object_kind: Option<Name>,
    event_name: Option<Name>,
}

impl Kind {
    pub(super) fn name(&self) -> Option<&str> {
        self.object_kind.as_ref().or(self.event_name.as_ref()).map(|name| name.0.as_str())
    }
}

#[derive(Deserialize)]
struct Project {
    /// Not in the source and target of a merge request of older ones.
    id: Option<Id>,
    path_with_namespace: RepositoryName,
    git_http_url: Option<String>,
    git_ssh_url: Option<String>,
}

impl From<Project> for ForgeRepository {
    fn from(given: Project) -> Self {
        Self {
            id: given.id.map(|id| id.0),
            name: given.path_with_namespace,
            clone_addresses: json::addresses([given.git_http_url, given.git_ssh_url]),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct PushBody {
    #[serde(rename = "ref")]
    reference: Reference,
    before: Head,
    after: Head,
    checkout_sha: Option<Revision>,
    project: Project,
    user_username: Option<Name>,
}

impl PushBody {
    pub(super) fn meaning(self) -> Meaning {
        let commit = self.checkout_sha.filter(|_| self.after.0.is_some());
        let (before, after) = (self.before.0, self.after.0);
        let change = HeadChange { reference: self.reference, before, after, commit };
        json::push(self.project.into(), self.user_username.map(|name| name.0), change)
    }
}

#[derive(Deserialize)]
pub(super) struct MergeRequestBody {
    user: Option<User>,
    project: Project,
    object_attributes: Attributes,
    #[serde(default)]
    changes: Changes,
}

#[derive(Deserialize)]
struct User {
    id: Option<Id>,
    username: Name,
}

#[derive(Deserialize)]
struct Attributes {
    iid: u32,
    /// Absent where the merge request itself did not change, as in a comment.
    action: Option<Name>,
    title: Text,
    source_branch: Text,
    target_branch: Text,
    source_project_id: Option<Id>,
    target_project_id: Id,
    author_id: Option<Id>,
    draft: Option<bool>,
    work_in_progress: Option<bool>,
    last_commit: Option<Commit>,
    source: Option<Project>,
    /// The head before; only where the update brought a new one.
    oldrev: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Commit {
    id: Revision,
}

#[derive(Deserialize, Default)]
struct Changes {
    target_branch: Option<IgnoredAny>,
    draft: Option<Change>,
}

#[derive(Deserialize)]
struct Change {
    current: Option<bool>,
}

impl MergeRequestBody {
    fn action(&self) -> Option<PullRequestAction> {
        let given = self.object_attributes.action.as_ref()?;
        let finished = self.changes.draft.as_ref().is_some_and(|change| change.current == Some(false));
        Some(match given.0.as_str() {
            "open" => PullRequestAction::Opened,
            "reopen" => PullRequestAction::Reopened,
            "close" => PullRequestAction::Closed,
            "merge" => PullRequestAction::Merged,
            "update" if self.object_attributes.oldrev.is_some() => PullRequestAction::Updated,
            "update" if self.changes.target_branch.is_some() => PullRequestAction::Retargeted,
            "update" if finished => PullRequestAction::Ready,
            _ => return None,
        })
    }

    /// The account that opened it, which is told only where it caused the delivery.
    fn author(&self) -> Option<String> {
        let user = self.user.as_ref().filter(|user| user.id.is_some())?;
        (user.id == self.object_attributes.author_id).then(|| user.username.0.clone())
    }

    pub(super) fn meaning(self, event: &str) -> Result<Meaning, Unreadable> {
        let (action, author) = (self.action(), self.author());
        let given = self.object_attributes;
        let word = given.action.map_or_else(String::new, |action| format!(".{}", action.0));
        // Without a commit there is nothing to run: the source is gone.
        let (Some(action), Some(commit)) = (action, given.last_commit) else {
            return Ok(Meaning::Unsupported { event: format!("{event}{word}") });
        };
        let reference = Reference::new(format!("refs/merge-requests/{}/head", given.iid));
        let reference = reference.map_err(|error| json::invalid(event, "/object_attributes/iid", error))?;
        let mut source = given.source.map(ForgeRepository::from);
        if let Some(source) = &mut source {
            source.id = given.source_project_id.as_ref().map(|id| id.0.clone());
        }
        Ok(Meaning::PullRequest(Box::new(PullRequest {
            action,
            repository: self.project.into(),
            sender: self.user.map(|user| user.username.0),
            number: given.iid,
            title: given.title.0,
            author,
            source: SourceBranch { branch: given.source_branch.0, repository: source },
            target: given.target_branch.0,
            head: commit.id.into(),
            reference,
            fetchable: true,
            fork: given.source_project_id.as_ref() != Some(&given.target_project_id),
            draft: given.draft.or(given.work_in_progress).unwrap_or(false),
        })))
    }
}
