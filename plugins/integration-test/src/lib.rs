//! `stageway/integration-test`: starts an image as a service, runs a test command against it and reads its JUnit report.

use std::collections::BTreeMap;

use serde::Deserialize;
use stageway_sdk::images::Reference;
use stageway_sdk::manifest::{Access, Place};
use stageway_sdk::tasks::{Command, Ready};
use stageway_sdk::testing::{self, TestCommand};
use stageway_sdk::{Doing, Grant, Issue, Manifest, Stage, Verdict};

struct IntegrationTest;

/// `with`, as `configuration.json` describes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Configuration {
    image: Reference,
    #[serde(flatten)]
    tests: TestCommand,
    ready: Ready,
    port: Option<u16>,
    #[serde(default)]
    service: Service,
    command_image: Option<String>,
}

/// How the service is started, if not as its image says.
#[derive(Debug, Default, Deserialize)]
struct Service {
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

impl Configuration {
    /// Where the command finds the service: task and service share one loopback.
    fn address(&self) -> Option<String> {
        self.port.or(self.ready.port()).map(|port| format!("127.0.0.1:{port}"))
    }
}

impl Stage for IntegrationTest {
    type Configuration = Configuration;
    type Outputs = testing::Outcome;

    fn describe() -> Manifest {
        Manifest::new(
            "stageway/integration-test",
            env!("CARGO_PKG_VERSION"),
            "Starts an image as a service and runs a test command against it",
        )
        .configuration(include_str!("configuration.json"))
        .outputs(testing::OUTPUTS)
        .requires(Grant::workspace(Access::Read))
        .requires(Grant::tasks().image(Place::from("/image")).image(Place::from("/command-image")))
        .timeout("30m")
        .idempotent()
    }

    fn validate(configuration: &Configuration) -> Vec<Issue> {
        let ready = (!configuration.ready.is_one_check())
            .then(|| Issue::at("/ready", "must hold exactly one of http, tcp and command"));
        let port = configuration
            .address()
            .is_none()
            .then(|| Issue::at("/port", "is needed: `ready` checks no port"));
        let taken = configuration
            .tests
            .env
            .contains_key(ADDRESS)
            .then(|| Issue::at("/env", format!("{ADDRESS} is set by this plugin")));
        configuration.tests.issues().into_iter().chain(ready).chain(port).chain(taken).collect()
    }

    fn run(configuration: Configuration) -> Result<testing::Outcome, Verdict> {
        let service = Command::new(&configuration.service.command)
            .image(&configuration.image.to_string())
            .variables(&configuration.service.env);
        let tests = &configuration.tests;
        let mut command = tests
            .task(configuration.command_image.as_deref())
            .service("service", service, &configuration.ready)
            .doing("describing the service")?;
        if let Some(address) = configuration.address() {
            command = command.variable(ADDRESS, &address);
        }
        testing::run("integration-test", command, tests.junit.as_deref())
    }
}

/// The variable that tells the command where the service is.
const ADDRESS: &str = "SERVICE_ADDRESS";

stageway_sdk::export!(IntegrationTest);

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(ready: Value, port: Option<u16>) -> Configuration {
        serde_json::from_value(
            json!({"image": "build/orderbook:1", "command": ["./smoke.sh"], "ready": ready, "port": port}),
        )
        .unwrap()
    }

    #[test]
    fn the_address_is_that_of_the_check_unless_a_port_is_given() {
        let http = json!({"http": {"port": 8080, "path": "/health"}, "within": "30s"});
        assert_eq!(read(http.clone(), None).address().as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(read(http, Some(9090)).address().as_deref(), Some("127.0.0.1:9090"));
        assert_eq!(read(json!({"tcp": 5432}), None).address().as_deref(), Some("127.0.0.1:5432"));
    }

    #[test]
    fn a_service_has_one_check_and_a_port() {
        let pointers = |configuration: &Configuration| -> Vec<String> {
            IntegrationTest::validate(configuration).into_iter().map(|issue| issue.pointer).collect()
        };
        assert!(pointers(&read(json!({"tcp": 1}), None)).is_empty());
        assert_eq!(pointers(&read(json!({}), None)), ["/ready", "/port"]);
        assert_eq!(pointers(&read(json!({"command": ["true"]}), None)), ["/port"]);
        assert!(pointers(&read(json!({"command": ["true"]}), Some(80))).is_empty());
        assert_eq!(pointers(&read(json!({"tcp": 1, "command": ["true"]}), None)), ["/ready"]);
    }

    #[test]
    fn the_manifest_is_json() {
        let manifest: Value = serde_json::from_str(&IntegrationTest::describe().to_json()).unwrap();
        assert_eq!(
            manifest["grants"]["required"][1]["images"],
            json!([{"from": "/image"}, {"from": "/command-image"}])
        );
    }
}
