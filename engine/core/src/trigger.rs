//! `on`: which events select a pipeline. Pure: changed files come with the question.

use crate::diagnostic::codes;
use crate::document::{
    Node, Reader, Value,
    reader::{cut, glob},
};
use crate::event::{Event, EventKind};
use crate::name::PipelineName;
use crate::schedule::{Schedule, ScheduleError};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Serialize;

/// The rules of one pipeline. A pipeline without rules is started by hand only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Triggers {
    /// Pushes of branches and tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<PushRule>,
    /// Pull requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequestRule>,
    /// Times.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<ScheduleRule>,
    /// Other pipelines that have succeeded.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pipeline: Vec<PipelineRule>,
    /// Persons; always allowed, written for the reader.
    pub manual: bool,
}

/// `push`. Without `branches` and `tags` it takes every branch and no tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PushRule {
    /// Patterns of branches.
    pub branches: Vec<String>,
    /// Patterns of tags.
    pub tags: Vec<String>,
    /// Patterns of changed paths; empty takes every change.
    pub paths: Vec<String>,
}

/// `pull-request`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PullRequestRule {
    /// Patterns of the branch that it wants to enter; empty takes every one.
    pub target: Vec<String>,
    /// Patterns of changed paths; empty takes every change.
    pub paths: Vec<String>,
}

/// `schedule`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScheduleRule {
    /// Five fields.
    pub cron: String,
    /// The name of its time zone; none is UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// On which branch; none is the default branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

/// `pipeline`: the success of another pipeline of the same commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PipelineRule {
    /// Which.
    pub name: PipelineName,
    /// Patterns of the branch that it ran for. Without these and those of tags it takes every branch and tag.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub branches: Vec<String>,
    /// Patterns of the tag that it ran for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl PipelineRule {
    /// Whether it takes what the other pipeline ran for. A tag is never taken for the branch of its name.
    fn takes(&self, event: &Event) -> bool {
        let (patterns, others, name) = match event.reference.strip_prefix("refs/tags/") {
            Some(tag) => (&self.tags, &self.branches, tag),
            None => (&self.branches, &self.tags, event.head()),
        };
        (!patterns.is_empty() || others.is_empty()) && takes(patterns, Some(name))
    }
}

/// Patterns of branches and tags: `*` stays within a `/`.
fn set(patterns: &[String]) -> GlobSet {
    let mut builder = GlobSetBuilder::new();
    for pattern in patterns {
        if let Ok(glob) = GlobBuilder::new(pattern).literal_separator(true).build() {
            builder.add(glob);
        }
    }
    builder.build().unwrap_or_default()
}

/// Whether one of the patterns, or none being there, takes the text.
fn takes(patterns: &[String], text: Option<&str>) -> bool {
    patterns.is_empty() || text.is_some_and(|text| set(patterns).is_match(text))
}

/// Whether one of the paths has changed. `None`: the changes are not known, and everything may have.
pub fn any_changed(patterns: &[String], changed: Option<&[String]>) -> bool {
    match changed {
        Some(changed) if !patterns.is_empty() => {
            let set = set(patterns);
            changed.iter().any(|path| set.is_match(path))
        }
        _ => true,
    }
}

impl Triggers {
    /// Whether an event selects the pipeline. `changed` are the paths that differ from the event's base, if they are
    /// known. A person is never turned away; schedules are matched by the clock's owner.
    pub fn select(&self, event: &Event, changed: Option<&[String]>) -> bool {
        match event.kind {
            EventKind::Push => self.push.as_ref().is_some_and(|rule| {
                let other = rule.branches.is_empty() && !rule.tags.is_empty();
                !other && takes(&rule.branches, event.branch.as_deref()) && any_changed(&rule.paths, changed)
            }),
            EventKind::Tag => self
                .push
                .as_ref()
                .is_some_and(|rule| !rule.tags.is_empty() && takes(&rule.tags, event.tag.as_deref())),
            EventKind::PullRequest => self.pull_request.as_ref().is_some_and(|rule| {
                takes(&rule.target, event.target.as_deref()) && any_changed(&rule.paths, changed)
            }),
            EventKind::Schedule => !self.schedule.is_empty(),
            EventKind::Pipeline => event.upstream.as_ref().is_some_and(|upstream| {
                self.pipeline.iter().any(|rule| rule.name == upstream.pipeline && rule.takes(event))
            }),
            EventKind::Manual => true,
        }
    }
}

const KINDS: [&str; 5] = ["push", "pull-request", "schedule", "pipeline", "manual"];

/// Reads `on`: a map of rules, a list of kinds, or one kind.
pub(crate) fn read(reader: &mut Reader, node: &Node) -> Triggers {
    let mut triggers = Triggers::default();
    if let Value::Map(_) = &node.value {
        let Some(map) = reader.map(node, &node.place, &KINDS) else { return triggers };
        triggers.push = map.raw("push").map(|node| push(reader, node));
        triggers.pull_request = map.raw("pull-request").map(|node| pull_request(reader, node));
        triggers.schedule = map.get("schedule").map(|node| schedules(reader, node)).unwrap_or_default();
        triggers.pipeline = map.get("pipeline").map(|node| pipelines(reader, node)).unwrap_or_default();
        triggers.manual = map.raw("manual").is_some();
        return triggers;
    }
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    for item in items {
        match reader.word(item, &["push", "pull-request", "manual"]) {
            Some("push") => triggers.push = Some(PushRule::default()),
            Some("pull-request") => triggers.pull_request = Some(PullRequestRule::default()),
            Some(_) => triggers.manual = true,
            None => {}
        }
    }
    triggers
}

fn push(reader: &mut Reader, node: &Node) -> PushRule {
    if node.value == Value::Null {
        return PushRule::default();
    }
    let Some(map) = reader.map(node, &node.place, &["branches", "tags", "paths"]) else {
        return PushRule::default();
    };
    PushRule {
        branches: map.get("branches").map(|node| patterns(reader, node)).unwrap_or_default(),
        tags: map.get("tags").map(|node| patterns(reader, node)).unwrap_or_default(),
        paths: map.get("paths").map(|node| reader.globs(node)).unwrap_or_default(),
    }
}

fn pull_request(reader: &mut Reader, node: &Node) -> PullRequestRule {
    if node.value == Value::Null {
        return PullRequestRule::default();
    }
    let Some(map) = reader.map(node, &node.place, &["target", "paths"]) else {
        return PullRequestRule::default();
    };
    PullRequestRule {
        target: map.get("target").map(|node| patterns(reader, node)).unwrap_or_default(),
        paths: map.get("paths").map(|node| reader.globs(node)).unwrap_or_default(),
    }
}

/// Patterns of refs.
pub(crate) fn patterns(reader: &mut Reader, node: &Node) -> Vec<String> {
    let mut found = Vec::new();
    for (text, item) in reader.texts(node) {
        match glob(text) {
            Ok(_) => found.push(text.to_owned()),
            Err(why) => {
                let message = format!("`{}` is not a pattern of names: {why}", cut(text));
                reader.error(codes::BAD_GLOB, &item.place, message, "mend the pattern");
            }
        }
    }
    found
}

/// Whether one of the patterns takes the name of a branch.
pub(crate) fn names(patterns: &[String], name: &str) -> bool {
    takes(patterns, Some(name))
}

fn schedules(reader: &mut Reader, node: &Node) -> Vec<ScheduleRule> {
    let mut rules = Vec::new();
    for item in reader.list(node).unwrap_or_default() {
        let Some(map) = reader.map(item, &item.place, &["cron", "zone", "branch"]) else { continue };
        let text = |reader: &mut Reader, key: &str| {
            map.get(key).and_then(|node| reader.text(node)).map(str::to_owned)
        };
        let cron = reader.needed(&map, "cron").and_then(|node| Some((reader.text(node)?, node)));
        let (zone, branch) = (text(reader, "zone"), text(reader, "branch"));
        let Some((cron, node)) = cron else { continue };
        match Schedule::new(cron, zone.as_deref()) {
            Ok(_) => rules.push(ScheduleRule { cron: cron.to_owned(), zone, branch }),
            Err(ScheduleError::Cron(why)) => {
                let message = format!("`{}` is not a schedule: {}", cut(cron), cut(&why));
                let remedy = "write minute, hour, day, month and weekday, as in `0 3 * * 1-5`";
                reader.error(codes::BAD_VALUE, &node.place, message, remedy);
            }
            Err(error @ ScheduleError::Zone(_)) => {
                let place = map.get("zone").map_or(&node.place, |node| &node.place);
                let remedy = "write a name of the IANA database, as in `Europe/Berlin`";
                reader.error(codes::BAD_VALUE, place, error.to_string(), remedy);
            }
        }
    }
    rules
}

/// `pipeline`: a name, or a list of names and of maps.
fn pipelines(reader: &mut Reader, node: &Node) -> Vec<PipelineRule> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let name = |reader: &mut Reader, node: &Node| {
        let text = reader.text(node)?;
        reader.parse::<PipelineName>(text, &node.place, codes::BAD_NAME)
    };
    let mut rules = Vec::new();
    for item in items {
        if let Value::Text(_) = &item.value {
            rules.extend(name(reader, item).map(|name| PipelineRule {
                name,
                branches: Vec::new(),
                tags: Vec::new(),
            }));
            continue;
        }
        let Some(map) = reader.map(item, &item.place, &["name", "branches", "tags"]) else { continue };
        let named = reader.needed(&map, "name").and_then(|node| name(reader, node));
        let branches = map.get("branches").map(|node| patterns(reader, node)).unwrap_or_default();
        let tags = map.get("tags").map(|node| patterns(reader, node)).unwrap_or_default();
        rules.extend(named.map(|name| PipelineRule { name, branches, tags }));
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Trust, Upstream};

    fn rules() -> Triggers {
        Triggers {
            push: Some(PushRule {
                branches: vec!["main".into(), "release/*".into()],
                tags: vec!["v*".into()],
                paths: vec!["src/**".into()],
            }),
            pull_request: Some(PullRequestRule { target: vec!["main".into()], paths: vec![] }),
            ..Triggers::default()
        }
    }

    #[test]
    fn pushes_by_branch_and_path() {
        let changed = |path: &str| vec![path.to_owned()];
        let push = |branch: &str| Event::push(branch, "abc", Trust::Member);
        assert!(rules().select(&push("main"), Some(&changed("src/a.rs"))));
        assert!(rules().select(&push("release/1"), None));
        assert!(!rules().select(&push("main"), Some(&changed("README.md"))));
        assert!(!rules().select(&push("release/1/x"), None) && !rules().select(&push("feature"), None));
        assert!(!Triggers::default().select(&push("main"), None));
    }

    #[test]
    fn tags_and_pull_requests() {
        let tag = Event {
            kind: EventKind::Tag,
            branch: None,
            tag: Some("v1".into()),
            ..Event::push("", "a", Trust::Member)
        };
        assert!(rules().select(&tag, None));
        let only_tags = PushRule { tags: vec!["v*".into()], ..PushRule::default() };
        let only_tags = Triggers { push: Some(only_tags), ..Triggers::default() };
        assert!(
            !only_tags.select(&Event::push("main", "a", Trust::Member), None) && only_tags.select(&tag, None)
        );
        assert!(rules().select(&Event::pull_request("f", "main", "t", "a", Trust::Fork), None));
        assert!(!rules().select(&Event::pull_request("f", "next", "t", "a", Trust::Fork), None));
    }

    #[test]
    fn pipelines_follow_pipelines() {
        let rule = |branches: &[&str], tags: &[&str]| {
            let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let rule =
                PipelineRule { name: "build".parse().unwrap(), branches: texts(branches), tags: texts(tags) };
            Triggers { pipeline: vec![rule], ..Triggers::default() }
        };
        let triggers = rule(&["main"], &[]);
        let after = |pipeline: &str, branch: &str| {
            let upstream = Upstream {
                pipeline: pipeline.parse().unwrap(),
                run: "r1".parse().unwrap(),
                number: 1,
                outputs: std::collections::BTreeMap::new(),
            };
            let push = Event::push(branch, "abc", Trust::Member);
            Event { kind: EventKind::Pipeline, branch: None, upstream: Some(upstream), ..push }
        };
        assert!(triggers.select(&after("build", "main"), None));
        assert!(
            !triggers.select(&after("build", "next"), None) && !triggers.select(&after("test", "main"), None)
        );
        assert!(!triggers.select(&Event::push("main", "abc", Trust::Member), None));

        let tagged = |tag: &str| Event { reference: format!("refs/tags/{tag}"), ..after("build", "main") };
        let both = rule(&["main"], &["v*"]);
        assert!(both.select(&tagged("v1"), None) && both.select(&after("build", "main"), None));
        assert!(!both.select(&tagged("main"), None) && !triggers.select(&tagged("main"), None));
        let tags = rule(&[], &["v*"]);
        assert!(tags.select(&tagged("v1"), None) && !tags.select(&after("build", "v1"), None));
        assert!(rule(&[], &[]).select(&tagged("any"), None));
    }
}
