use super::git::{self, Git, GitError};
use super::tree::At;
use serde_json::{Value as Json, json};
use stageway_core::event::MAX_TEXT;
use stageway_ports::SourceError;
use std::collections::BTreeSet;

/// At most this many commits are answered, whatever is asked for.
const MAX_COMMITS: u32 = 10_000;

/// The paths that differ from where `since` and the head parted, in order; relative to the folder, and only those in it.
pub(super) async fn changed(
    git: &Git,
    since: &str,
    at: &At,
    head: &str,
) -> Result<BTreeSet<String>, SourceError> {
    let base = merge_base(git, since, head).await?;
    let diff = ["diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--relative"];
    let mut arguments = diff.to_vec();
    arguments.push(&base);
    if let At::Revision(commit) = at {
        arguments.push(commit);
    }
    arguments.extend(["--", "."]);
    let mut paths = BTreeSet::new();
    for path in git::parts(&git.run(&arguments).await?) {
        paths.insert(git::text(path, "path")?);
    }
    if *at == At::Present {
        let untracked = git.run(&["ls-files", "-z", "--others", "--exclude-standard"]).await?;
        for path in git::parts(&untracked) {
            paths.insert(git::text(path, "path")?.trim_end_matches('/').to_owned());
        }
    }
    Ok(paths)
}

async fn merge_base(git: &Git, since: &str, head: &str) -> Result<String, SourceError> {
    let (since_commit, head_commit) = (git.commit(since).await?, git.commit(head).await?);
    let found = git.line(&["merge-base", &since_commit, &head_commit]).await;
    found.map_err(|error| {
        let (since, head) = (short(&since_commit), short(&head_commit));
        error.or_not_found(&format!(
            "a commit that {since} and {head} have in common; fetch more of the history"
        ))
    })
}

/// The beginning of a commit's name, for people.
pub(super) fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// What a commit says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) revision: String,
    pub(super) author: String,
    pub(super) at: String,
    pub(super) title: String,
    pub(super) message: String,
}

const FORMAT: &str = "--format=%H%x00%an <%ae>%x00%cI%x00%s%x00%B";
const FIELDS: usize = 5;

/// Reads a log, newest first.
pub(super) async fn log(git: &Git, max: u32, range: &str) -> Result<Vec<Commit>, GitError> {
    let count = format!("--max-count={}", max.min(MAX_COMMITS));
    let output = git
        .run(&[
            "log",
            "-z",
            "--encoding=UTF-8",
            "--no-color",
            "--no-notes",
            "--no-mailmap",
            &count,
            FORMAT,
            range,
            "--",
        ])
        .await?;
    let fields: Vec<&[u8]> = output.split(|b| *b == 0).collect();
    Ok(fields.chunks_exact(FIELDS).map(commit).collect())
}

fn commit(fields: &[&[u8]]) -> Commit {
    let text = |field: &[u8]| {
        let mut text = String::from_utf8_lossy(field).trim_end_matches('\n').to_owned();
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text
    };
    Commit {
        revision: text(fields[0]),
        author: text(fields[1]),
        at: text(fields[2]),
        title: text(fields[3]),
        message: text(fields[4]),
    }
}

/// The commits that the head has and `since` has not.
pub(super) async fn commits(
    git: &Git,
    since: Option<&str>,
    head: &str,
    max: u32,
) -> Result<Vec<Json>, SourceError> {
    let head = match git.commit(head).await {
        Ok(head) => head,
        // A repository without a commit has none to tell.
        Err(SourceError::NotFound(_)) if since.is_none() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let range = match since {
        Some(since) => format!("{}..{head}", git.commit(since).await?),
        None => head,
    };
    let commits = log(git, max, &range).await?;
    Ok(commits
        .into_iter()
        .map(|c| {
            json!({
                "revision": c.revision, "author": c.author, "at": c.at, "title": c.title, "message": c.message,
            })
        })
        .collect())
}
