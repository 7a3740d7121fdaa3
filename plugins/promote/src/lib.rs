//! `stageway/promote`: an image goes to another repository by its digest, and only what is absent there is added.

mod promotion;
mod scan;

use promotion::{Outputs, Registry, Wanted};
use scan::{Gate, Scans};
use serde::Deserialize;
use serde_json::Value as Json;
use stageway_sdk::images::{self, Outcome, Reference};

use stageway_sdk::{Doing, Grant, HostError, Issue, Manifest, Span, Stage, Verdict, clock, log};

struct Promote;

/// `with`, as `configuration.json` describes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Configuration {
    image: Reference,
    to: String,
    #[serde(default)]
    tags: Vec<String>,
    moving_tag: Option<String>,
    scan: Option<Gate>,
}

const OUTPUTS: &str = r#"{
  "type": "object",
  "properties": {
    "reference": { "type": "string", "description": "the image where it is now: CONNECTION/PATH@sha256:DIGEST" },
    "digest": { "type": "string", "description": "its digest, the same as before" },
    "tags": {
      "type": "array",
      "description": "each wanted tag, in order, the moving one last",
      "items": {
        "type": "object",
        "properties": { "tag": { "type": "string" }, "outcome": { "enum": ["created", "already", "moved"] } },
        "required": ["tag", "outcome"]
      }
    }
  },
  "required": ["reference", "digest", "tags"]
}"#;

impl Stage for Promote {
    type Configuration = Configuration;
    type Outputs = Outputs;

    fn describe() -> Manifest {
        Manifest::new(
            "stageway/promote",
            env!("CARGO_PKG_VERSION"),
            "Promotes an image by digest, adding only what is absent",
        )
        .configuration(include_str!("configuration.json"))
        .outputs(OUTPUTS)
        .requires(
            Grant::images()
                .repository("/image", &["read"])
                .repository("/to", &["read", "push", "tag", "move"]),
        )
        .timeout("30m")
        .idempotent()
    }

    fn validate(configuration: &Configuration) -> Vec<Issue> {
        let mut issues = Vec::new();
        if configuration.image.digest().is_none() {
            issues.push(Issue::at(
                "/image",
                "is a tag: name the image by digest, as the stage that built it answers it",
            ));
        }
        issues.extend(images::check_repository("/to", &configuration.to));
        issues.extend(images::check_tags("/tags", &configuration.tags));
        if let Some(tag) = &configuration.moving_tag {
            if let Some(issue) = images::check_tag("/moving-tag", tag) {
                issues.push(issue);
            } else if configuration.tags.contains(tag) {
                issues.push(Issue::at(
                    "/moving-tag",
                    format!("`{tag}` is one of `tags` too, which never move"),
                ));
            }
        }
        issues.extend(configuration.scan.iter().flat_map(Gate::issues));
        issues
    }

    fn run(configuration: Configuration) -> Result<Outputs, Verdict> {
        let digest = configuration.image.digest().ok_or_else(|| {
            Verdict::failed(
                "stageway/by-tag",
                format!("{} is a tag: name the image by digest", configuration.image),
            )
        })?;
        if let Some(gate) = &configuration.scan {
            let scanned = Scanned { repository: &configuration.image.repository, digest };
            log::info(gate.pass(&configuration.image.to_string(), &scanned)?);
        }
        let wanted = Wanted {
            from: &configuration.image.repository,
            to: &configuration.to,
            digest,
            tags: &configuration.tags,
            moving_tag: configuration.moving_tag.as_deref(),
        };
        let outputs = promotion::promote(&Host, &wanted)?;
        for tag in &outputs.tags {
            log::info(format!("{}:{} {}", configuration.to, tag.tag, tag.outcome));
        }
        Ok(outputs)
    }
}

stageway_sdk::export!(Promote);

/// The registries behind the contract.
struct Host;

impl Registry for Host {
    fn find(&self, repository: &str, version: &str) -> Result<Option<String>, HostError> {
        Ok(images::find(repository, version)?.map(|image| image.digest))
    }

    fn copy(&self, repository: &str, digest: &str, target: &str) -> Result<(), HostError> {
        images::copy(repository, digest, target).map(|_| ())
    }

    fn tag(
        &self,
        repository: &str,
        digest: &str,
        tag: &str,
        replaces: Option<&str>,
    ) -> Result<Outcome, HostError> {
        images::tag(repository, digest, tag, replaces)
    }
}

/// The scan of the image where it comes from.
struct Scanned<'a> {
    repository: &'a str,
    digest: &'a str,
}

impl Scans for Scanned<'_> {
    fn findings(&self) -> Result<Option<Json>, Verdict> {
        let Self { repository, digest } = self;
        let facts: Json = images::facts(repository, Some(digest))
            .doing(format_args!("asking for the scan of {repository}@{digest}"))?;
        Ok(facts.get("scan-findings").filter(|findings| !findings.is_null()).cloned())
    }

    fn pause(&self, how_long: Span) -> Result<(), Verdict> {
        clock::sleep(how_long).doing("waiting for the scan")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pointers(configuration: Value) -> Vec<String> {
        let configuration = serde_json::from_value(configuration).unwrap();
        Promote::validate(&configuration).into_iter().map(|issue| issue.pointer).collect()
    }

    #[test]
    fn every_issue_is_found_at_once() {
        let digest = format!("build/orderbook@sha256:{}", "0".repeat(64));
        assert!(pointers(json!({"image": digest, "to": "production/orderbook", "tags": ["1"], "moving-tag": "production"})).is_empty());
        let wrong = json!({"image": "build/orderbook:latest", "to": "orderbook", "tags": ["ok", "no good"], "moving-tag": "ok"});
        assert_eq!(pointers(wrong), ["/image", "/to", "/tags/1", "/moving-tag"]);
    }

    #[test]
    fn the_manifest_is_json() {
        let manifest: Value = serde_json::from_str(&Promote::describe().to_json()).unwrap();
        assert_eq!(
            manifest["grants"]["required"][0]["repositories"][0],
            json!({"from": "/image", "actions": ["read"]})
        );
    }
}
