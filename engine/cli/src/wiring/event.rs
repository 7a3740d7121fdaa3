//! The event of a run that a person starts.

use crate::exit::{Exit, Invalid, Refused};
use crate::terminal::Sources;
use anyhow::Result;
use stageway_core::event::{Event, Trust};
use stageway_remotes::source::Facts;
use std::path::Path;

/// What the command line says about the event.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct EventArgs {
    /// `push`, `pull-request`, or a file with an event as JSON
    #[arg(long, value_name = "KIND|FILE", default_value = "push")]
    pub(crate) event: String,
    /// The branch that a pull request wants to enter
    #[arg(long, value_name = "BRANCH")]
    pub(crate) target: Option<String>,
    /// The branch that is pushed, or that a pull request comes from
    #[arg(long, value_name = "BRANCH")]
    pub(crate) branch: Option<String>,
    /// How far the event is believed: `protected`, `member` or `fork`
    #[arg(long, value_name = "TRUST", value_parser = trust)]
    pub(crate) trust: Option<Trust>,
}

fn trust(text: &str) -> Result<Trust, String> {
    let known = Trust::ALL.into_iter().find(|trust| trust.as_str() == text);
    known.ok_or_else(|| "`protected`, `member` or `fork` is expected".to_owned())
}

/// What a push of the present branch would be, or the pull request or file that is asked for.
///
/// `tree` is the digest of the tree: the revision where there is no git.
///
/// # Errors
/// [`Refused`] and [`Invalid`] for what the command line or the file says.
pub(crate) fn event(args: &EventArgs, facts: &Facts, tree: &str, by: &str) -> Result<Event> {
    let branch = args.branch.as_ref().or(facts.branch.as_ref()).or(facts.default_branch.as_ref());
    let branch = branch.map_or("main", String::as_str);
    let revision = facts.revision.as_deref().unwrap_or(tree);
    let mut event = match args.event.as_str() {
        "push" if args.target.is_some() => {
            let message = "a push has no target".to_owned();
            return Err(Refused::usage(message, "add `--event pull-request`").into());
        }
        "push" => Event::push(branch, revision, Trust::Protected),
        "pull-request" => {
            let target = args.target.as_deref().or(facts.default_branch.as_deref()).unwrap_or("main");
            let title = facts.title.clone().unwrap_or_else(|| branch.to_owned());
            Event::pull_request(branch, target, title, revision, Trust::Protected)
        }
        file => from_file(Path::new(file))?,
    };
    let named = !matches!(args.event.as_str(), "push" | "pull-request");
    event.dirty |= facts.dirty;
    if !named {
        event.base = facts.base.clone();
        event.message = facts.message.clone();
        event.author = facts.author.clone();
    }
    event.by.get_or_insert_with(|| by.to_owned());
    if let Some(trust) = args.trust {
        event.trust = trust;
    }
    Ok(event)
}

fn from_file(path: &Path) -> Result<Event> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| {
        let message =
            format!("`{name}` is neither `push` nor `pull-request`, and no event can be read there: {error}");
        Refused::usage(message, "write one of the two, or the path of a JSON file")
    })?;
    let event: Event = serde_json::from_slice(&bytes).map_err(|error| {
        Refused::new(
            Exit::Invalid,
            format!("{name}: {error}"),
            "`stageway schema event` prints the schema of events",
        )
    })?;
    let diagnostics = event.check();
    if diagnostics.is_empty() {
        return Ok(event);
    }
    Err(Invalid { diagnostics, sources: Sources::default() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::event::EventKind;

    fn facts() -> Facts {
        Facts {
            in_git: true,
            branch: Some("work".into()),
            revision: Some("3f2a".into()),
            dirty: true,
            default_branch: Some("trunk".into()),
            base: Some("aaaa".into()),
            title: Some("Add work".into()),
            ..Facts::default()
        }
    }

    fn args(event: &str) -> EventArgs {
        EventArgs { event: event.into(), ..EventArgs::default() }
    }

    #[test]
    fn a_push_of_the_present_branch() {
        let event = event(&args("push"), &facts(), "sha256:1", "ada").unwrap();
        assert_eq!((event.kind, event.branch.as_deref()), (EventKind::Push, Some("work")));
        assert_eq!((event.revision.as_str(), event.base.as_deref()), ("3f2a", Some("aaaa")));
        assert!(event.dirty && event.trust == Trust::Protected && event.by.as_deref() == Some("ada"));
        assert_eq!(event.check(), []);
    }

    #[test]
    fn without_git_the_revision_is_the_tree_and_the_branch_is_main() {
        let event = event(&args("push"), &Facts::default(), "sha256:1", "ada").unwrap();
        assert_eq!((event.branch.as_deref(), event.revision.as_str()), (Some("main"), "sha256:1"));
    }

    #[test]
    fn a_detached_head_is_taken_for_the_default_branch_unless_one_is_named() {
        let detached = Facts { branch: None, ..facts() };
        let branch = |args: &EventArgs| event(args, &detached, "t", "ada").unwrap().branch;
        assert_eq!(branch(&args("push")).as_deref(), Some("trunk"));
        assert_eq!(branch(&EventArgs { branch: Some("b".into()), ..args("push") }).as_deref(), Some("b"));
    }

    #[test]
    fn a_pull_request_and_less_trust() {
        let args =
            EventArgs { target: Some("main".into()), trust: Some(Trust::Fork), ..args("pull-request") };
        let event = event(&args, &facts(), "t", "ada").unwrap();
        assert_eq!((event.source.as_deref(), event.target.as_deref()), (Some("work"), Some("main")));
        assert_eq!(event.trust, Trust::Fork);
        assert_eq!(event.check(), []);
    }

    #[test]
    fn an_event_out_of_a_file_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("event.json");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            event(&args(file.to_str().unwrap()), &Facts::default(), "t", "ada")
        };
        let tag = read(
            r#"{"kind": "tag", "tag": "v1", "revision": "a", "ref": "refs/tags/v1", "trust": "member"}"#,
        );
        assert_eq!(tag.unwrap().trust, Trust::Member);
        let wrong = read(r#"{"kind": "tag", "revision": "a", "ref": "refs/tags/v1", "trust": "member"}"#);
        assert_eq!(wrong.unwrap_err().downcast::<Invalid>().unwrap().diagnostics.len(), 1);
        assert!(read("{").unwrap_err().to_string().contains("event.json"));
        assert!(event(&args("absent"), &Facts::default(), "t", "ada").is_err());
    }
}
