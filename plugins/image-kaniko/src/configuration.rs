//! `with`, as `configuration.json` describes it.

use serde::{Deserialize, Serialize};
use stageway_sdk::images::{self, Reference};
use stageway_sdk::{Issue, Span, testing};
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Configuration {
    pub(crate) repository: String,
    pub(crate) kaniko: Reference,
    #[serde(flatten)]
    pub(crate) build: Build,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) platforms: Vec<String>,
    pub(crate) cache: Option<Cache>,
    #[serde(default)]
    pub(crate) bases: Vec<String>,
    #[serde(default)]
    pub(crate) login: Login,
    pub(crate) identity: Option<String>,
    #[serde(default = "yes")]
    pub(crate) reuse: bool,
    pub(crate) timeout: Option<Span>,
}

/// What decides, with the files, what the image is.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Build {
    pub(crate) context: Option<String>,
    #[serde(default = "dockerfile")]
    pub(crate) dockerfile: String,
    pub(crate) target: Option<String>,
    #[serde(default)]
    pub(crate) build_args: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) options: Options,
}

/// Options of Kaniko, as it calls them.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Options {
    #[serde(default)]
    pub(crate) reproducible: bool,
    #[serde(default)]
    pub(crate) single_snapshot: bool,
    #[serde(default)]
    pub(crate) use_new_run: bool,
    pub(crate) compressed_caching: Option<bool>,
    pub(crate) snapshot_mode: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Cache {
    pub(crate) repository: String,
    #[serde(rename = "for", default = "two_weeks")]
    pub(crate) kept: Span,
}

/// How Kaniko enters the registries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Login {
    #[default]
    Connection,
    Identity,
    None,
}

fn yes() -> bool {
    true
}

fn dockerfile() -> String {
    "Dockerfile".to_owned()
}

fn two_weeks() -> Span {
    Span::from_secs(14 * 24 * 3600)
}

impl Configuration {
    /// What is wrong with it beyond its schema.
    pub(crate) fn issues(&self) -> Vec<Issue> {
        let mut issues = Vec::new();
        let cache = self.cache.as_ref().map(|cache| ("/cache/repository".to_owned(), &cache.repository));
        let bases = self.bases.iter().enumerate().map(|(index, base)| (format!("/bases/{index}"), base));
        let repositories =
            [("/repository".to_owned(), &self.repository)].into_iter().chain(cache).chain(bases);
        for (pointer, repository) in repositories {
            issues.extend(images::check_repository(&pointer, repository));
        }
        issues.extend(testing::check_path("/dockerfile", &self.build.dockerfile));
        issues.extend(self.build.context.as_ref().and_then(|path| testing::check_path("/context", path)));
        issues.extend(images::check_tags("/tags", &self.tags));
        match (self.login, &self.identity) {
            (Login::Identity, None) => issues.push(Issue::at("/identity", "is needed by `login: identity`")),
            (Login::Connection | Login::None, Some(_)) => {
                issues.push(Issue::at("/identity", "is for `login: identity` only"));
            }
            _ => {}
        }
        for (member, names) in [("build-args", &self.build.build_args), ("labels", &self.build.labels)] {
            for name in names.keys().filter(|name| name.is_empty() || name.contains('=')) {
                issues
                    .push(Issue::at(&format!("/{member}"), format!("`{name}` is not a name: it has no `=`")));
            }
        }
        issues
    }
}

#[cfg(test)]
pub(crate) fn example(more: serde_json::Value) -> Configuration {
    let digest = "0".repeat(64);
    let mut with = serde_json::json!({"repository": "build/orderbook", "kaniko": format!("tools/kaniko@sha256:{digest}")});
    with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(with).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_issue_is_found_at_once() {
        let pointers =
            |more| -> Vec<String> { example(more).issues().into_iter().map(|issue| issue.pointer).collect() };
        assert!(pointers(json!({})).is_empty());
        let wrong = json!({
            "repository": "orderbook", "cache": {"repository": "cache"}, "bases": ["build/base", "x"], "dockerfile": "../Dockerfile",
            "context": "/", "tags": ["1", "a b"], "identity": "builder", "build-args": {"A=B": "c"}
        });
        let expected = [
            "/repository",
            "/cache/repository",
            "/bases/1",
            "/dockerfile",
            "/context",
            "/tags/1",
            "/identity",
            "/build-args",
        ];
        assert_eq!(pointers(wrong), expected);
        assert_eq!(pointers(json!({"login": "identity"})), ["/identity"]);
    }
}
