//! What goes over the network.

use super::Inner;
use crate::source::git::GitError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stageway_core::delivery::{Reference, Revision};
use stageway_ports::{SecretValue, SourceError};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A fetch may take this long: the first one brings everything.
const PATIENCE: Duration = Duration::from_secs(900);
/// Asking for refs may take this long.
const LIST_PATIENCE: Duration = Duration::from_secs(60);
/// Branches and tags of a repository that is swept.
const MOST_HEADS: usize = 100_000;
/// Refs and commits of one command.
const TOGETHER: usize = 200;

/// Every way that leads somewhere, and no helper program.
const WAYS: [&str; 12] = [
    "-c",
    "protocol.https.allow=always",
    "-c",
    "protocol.http.allow=always",
    "-c",
    "protocol.ssh.allow=always",
    "-c",
    "protocol.file.allow=always",
    "-c",
    // Credentials stay with the host that they are for.
    "http.followRedirects=false",
    "-c",
    // What came is seen all at once, as one pack, and never a commit without what it leads to.
    "fetch.unpackLimit=1",
];
/// Packs of a mirror before they are joined: every fetch that brings something makes one.
const MOST_PACKS: usize = 50;

/// Where a repository is fetched from.
#[derive(Debug, Clone)]
pub struct Remote {
    /// `https:`, `http:` or `ssh:`, or a path of this machine.
    pub address: String,
    /// The user and the password, over HTTP.
    pub login: Option<(String, SecretValue)>,
}

impl Remote {
    /// Credentials go through the environment: a command line can be seen by everybody on the machine.
    fn environment(&self) -> Vec<(String, String)> {
        let mut variables = vec![
            ("GIT_SSH_COMMAND".to_owned(), "ssh -oBatchMode=yes -oConnectTimeout=20".to_owned()),
            ("GIT_HTTP_LOW_SPEED_LIMIT".to_owned(), "1".to_owned()),
            ("GIT_HTTP_LOW_SPEED_TIME".to_owned(), "60".to_owned()),
        ];
        if let Some((user, password)) = &self.login {
            let pair = [user.as_bytes(), b":", password.expose()].concat();
            variables.push(("GIT_CONFIG_COUNT".into(), "1".into()));
            variables.push(("GIT_CONFIG_KEY_0".into(), "http.extraHeader".into()));
            let header = format!("Authorization: Basic {}", STANDARD.encode(pair));
            variables.push(("GIT_CONFIG_VALUE_0".into(), header));
        }
        variables
    }
}

impl Inner {
    /// Brings refs up to date and answers their heads, as they are at the remote; those that are not there are missing in the
    /// answer. Commits that none of them leads to are fetched by their names, as far as the remote gives them.
    pub(super) async fn fetch(
        &self,
        refs: &[Reference],
        revisions: &[Revision],
    ) -> Result<BTreeMap<Reference, Revision>, SourceError> {
        let _turn = self.fetching.lock().await;
        let mut heads = BTreeMap::new();
        for some in refs.chunks(TOGETHER) {
            if !self.fetch_refs(some).await? {
                let there = self.listed(some).await?;
                let still: Vec<Reference> = some.iter().filter(|&one| there.contains(one)).cloned().collect();
                if !still.is_empty() && !self.fetch_refs(&still).await? {
                    return Err(SourceError::Unavailable("refs come and go while they are fetched".into()));
                }
                self.heads(&still, &mut heads).await?;
            } else {
                self.heads(some, &mut heads).await?;
            }
        }
        for revision in revisions {
            if self.peeled(revision.as_str()).await?.is_none() {
                self.fetch_revision(revision).await?;
            }
        }
        self.join_packs().await;
        Ok(heads)
    }

    /// Small packs become larger ones, each at least twice as large as the next: every object is written anew a few times in
    /// the life of a mirror. It is no matter if this fails: the next fetch tries it again.
    async fn join_packs(&self) {
        if self.packs().await.unwrap_or_default() <= MOST_PACKS {
            return;
        }
        let joined = ["repack", "--geometric=2", "-d", "--quiet"];
        if let Err(error) = self.git.run_with(&joined, &[], PATIENCE).await {
            tracing::warn!(mirror = %self.git.folder().display(), %error, "the packs of a mirror were not joined");
        }
    }

    async fn packs(&self) -> std::io::Result<usize> {
        let mut files = tokio::fs::read_dir(self.git.folder().join("objects/pack")).await?;
        let mut packs = 0;
        while let Some(file) = files.next_entry().await? {
            packs += usize::from(file.path().extension().is_some_and(|kind| kind == "pack"));
        }
        Ok(packs)
    }

    /// Answers whether all of them are there.
    async fn fetch_refs(&self, refs: &[Reference]) -> Result<bool, SourceError> {
        let specs: Vec<String> = refs.iter().map(|one| format!("+{one}:{one}")).collect();
        match self.remote(&FETCH, &specs, PATIENCE).await {
            Ok(_) => Ok(true),
            Err(GitError::Refused(text)) if text.contains("couldn't find remote ref") => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A commit that the remote does not give is not there; whoever needs it says so.
    async fn fetch_revision(&self, revision: &Revision) -> Result<(), SourceError> {
        match self.remote(&FETCH, &[revision.to_string()], PATIENCE).await {
            Ok(_) | Err(GitError::Refused(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn listed(&self, refs: &[Reference]) -> Result<BTreeSet<Reference>, SourceError> {
        let names: Vec<String> = refs.iter().map(Reference::to_string).collect();
        let output = self.remote(&["ls-remote", "--refs"], &names, LIST_PATIENCE).await?;
        let lines = String::from_utf8_lossy(&output);
        Ok(lines.lines().filter_map(|line| line.split_once('\t')?.1.parse().ok()).collect())
    }

    pub(super) async fn all_heads(&self) -> Result<BTreeMap<Reference, Revision>, SourceError> {
        let output = self.remote(&["ls-remote", "--refs", "--heads", "--tags"], &[], LIST_PATIENCE).await?;
        let lines = String::from_utf8_lossy(&output);
        let mut heads = BTreeMap::new();
        for (revision, reference) in lines.lines().filter_map(|line| line.split_once('\t')) {
            if heads.len() >= MOST_HEADS {
                return Err(SourceError::Limit(format!(
                    "the repository has more than {MOST_HEADS} branches and tags"
                )));
            }
            // A name that git takes and we do not is nobody's.
            if let (Ok(reference), Ok(revision)) = (reference.parse(), Revision::new(revision)) {
                heads.insert(reference, revision);
            }
        }
        Ok(heads)
    }

    async fn heads(
        &self,
        refs: &[Reference],
        heads: &mut BTreeMap<Reference, Revision>,
    ) -> Result<(), SourceError> {
        for reference in refs {
            if let Some(revision) = self.last_head(reference).await? {
                heads.insert(reference.clone(), revision);
            }
        }
        Ok(())
    }

    /// What a ref of the mirror itself leads to.
    pub(super) async fn last_head(&self, reference: &Reference) -> Result<Option<Revision>, SourceError> {
        let found = self.objects().await?.name(reference.as_str()).await?;
        Ok(found.and_then(|name| Revision::new(name).ok()))
    }

    async fn remote(
        &self,
        command: &[&str],
        more: &[String],
        patience: Duration,
    ) -> Result<Vec<u8>, GitError> {
        let mut arguments: Vec<&str> = WAYS.to_vec();
        arguments.extend(command);
        arguments.extend(["--", &self.remote.address]);
        arguments.extend(more.iter().map(String::as_str));
        self.git.run_with(&arguments, &self.remote.environment(), patience).await.map_err(hide)
    }
}

const FETCH: [&str; 7] = [
    "fetch",
    "--quiet",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
    "--no-recurse-submodules",
    "--force",
];

/// git repeats addresses in its complaints; what is between `://` and `@` is nobody's business.
fn hide(error: GitError) -> GitError {
    let clean = |text: String| {
        let mut parts = text.split("://");
        let mut kept = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(['/', ' ', '\'']).unwrap_or(part.len());
            let host = part[..end].rfind('@').map_or(0, |at| at + 1);
            kept.push_str("://");
            kept.push_str(&part[host..]);
        }
        kept
    };
    match error {
        GitError::Refused(text) => GitError::Refused(clean(text)),
        GitError::Broken(text) => GitError::Broken(clean(text)),
        GitError::Limit(text) => GitError::Limit(clean(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_repeated() {
        let said = GitError::Refused("cannot reach 'https://me:hunter2@host/x' or https://host/a@b".into());
        let GitError::Refused(text) = hide(said) else { panic!("the same kind") };
        assert_eq!(text, "cannot reach 'https://host/x' or https://host/a@b");
    }
}
