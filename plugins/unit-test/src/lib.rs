//! `stageway/unit-test`: runs a test command in the workspace, without network, and reads its JUnit report.

use std::collections::BTreeMap;

use serde::Deserialize;
use stageway_sdk::manifest::{Access, Place};
use stageway_sdk::tasks::Command;
use stageway_sdk::{Grant, Issue, Manifest, Span, Stage, Verdict, testing};

struct UnitTest;

/// `with`, as `configuration.json` describes it.
#[derive(Debug, Deserialize)]
struct Configuration {
    command: Vec<String>,
    directory: Option<String>,
    junit: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    image: Option<String>,
    timeout: Option<Span>,
}

impl Stage for UnitTest {
    type Configuration = Configuration;
    type Outputs = testing::Outcome;

    fn describe() -> Manifest {
        Manifest::new(
            "stageway/unit-test",
            env!("CARGO_PKG_VERSION"),
            "Runs a test command in the workspace and reads its JUnit report",
        )
        .configuration(include_str!("configuration.json"))
        .outputs(testing::OUTPUTS)
        .requires(Grant::workspace(Access::Read))
        .requires(Grant::tasks().image(Place::from("/image")))
        .timeout("30m")
        .idempotent()
    }

    fn validate(configuration: &Configuration) -> Vec<Issue> {
        let program = testing::check_command("/command", &configuration.command);
        let directory =
            configuration.directory.as_deref().and_then(|path| testing::check_path("/directory", path));
        let junit = configuration.junit.as_deref().and_then(|glob| testing::check_junit("/junit", glob));
        program.into_iter().chain(directory).chain(junit).collect()
    }

    fn run(configuration: Configuration) -> Result<testing::Outcome, Verdict> {
        let mut command = Command::new(&configuration.command)
            .directory(&testing::directory(configuration.directory.as_deref()))
            .variables(&configuration.env)
            .network(false);
        if let Some(image) = &configuration.image {
            command = command.image(image);
        }
        if let Some(timeout) = configuration.timeout {
            command = command.timeout(timeout);
        }
        testing::run("unit-test", command, configuration.junit.as_deref())
    }
}

stageway_sdk::export!(UnitTest);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn issues(configuration: Value) -> Vec<String> {
        let configuration = serde_json::from_value(configuration).unwrap();
        UnitTest::validate(&configuration).into_iter().map(|issue| issue.pointer).collect()
    }

    #[test]
    fn the_manifest_is_json_and_names_its_keys() {
        let manifest: Value = serde_json::from_str(&UnitTest::describe().to_json()).unwrap();
        assert_eq!(manifest["name"], "stageway/unit-test");
        assert_eq!(manifest["version"], "1.0.0");
        assert_eq!(manifest["configuration"]["required"], json!(["command"]));
        assert_eq!(
            manifest["grants"]["required"][1],
            json!({"interface": "tasks", "images": [{"from": "/image"}]})
        );
    }

    #[test]
    fn every_issue_is_found_at_once() {
        let wrong = json!({"command": [""], "directory": "../x", "junit": "*.xml", "timeout": "5m"});
        assert_eq!(issues(wrong), ["/command", "/directory", "/junit"]);
        assert!(
            issues(json!({"command": ["./ci/test.sh"], "directory": "service", "junit": "target/*.xml"}))
                .is_empty()
        );
    }
}
