//! `stageway/unit-test`: runs a test command in the workspace, without network, and reads its JUnit report.

use serde::Deserialize;
use stageway_sdk::manifest::{Access, Place};
use stageway_sdk::testing::{self, TestCommand};
use stageway_sdk::{Grant, Issue, Manifest, Stage, Verdict};

struct UnitTest;

/// `with`, as `configuration.json` describes it.
#[derive(Debug, Deserialize)]
struct Configuration {
    #[serde(flatten)]
    tests: TestCommand,
    image: Option<String>,
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
        configuration.tests.issues()
    }

    fn run(configuration: Configuration) -> Result<testing::Outcome, Verdict> {
        let Configuration { tests, image } = configuration;
        testing::run("unit-test", tests.task(image.as_deref()), tests.junit.as_deref())
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
