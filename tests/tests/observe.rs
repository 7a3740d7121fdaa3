//! What is deployed, watched through a real Prometheus: good only if it was seen to be.

use serde_json::Value as Json;
use stageway_tests::prometheus::{Prometheus, Service};
use stageway_tests::{Installation, tree};
use tempfile::TempDir;

const BAD: &str = r#"sum(rate(requests_total{class="5xx"}[$window])) / sum(rate(requests_total[$window]))"#;
const ALL: &str = "sum(increase(requests_total[$window]))";

struct Watched {
    service: Service,
    prometheus: Prometheus,
    installation: Installation,
    tree: TempDir,
}

/// A service under watch for `window`, and a pipeline that does nothing else.
fn watched(window: &str) -> Watched {
    let service = Service::start();
    let prometheus = Prometheus::start(service.address());
    let address = prometheus.address();
    let pipeline = format!(
        "pipeline: watch
on: {{ push: {{ branches: [main] }} }}
stages:
  observe:
    uses: stageway/observe@1
    with:
      prometheus: \"${{{{ vars.prometheus }}}}\"
      window: {window}
      interval: 1s
      objectives:
        - name: errors
          query: '{BAD}'
          at-most: 0.05
          for: 2s
          enough: {{ query: '{ALL}', at-least: 10 }}
        - name: availability
          query: '{BAD}'
          target: 99
          burn-rates: [{{ long: 4s, short: 2s, factor: 10 }}]
"
    );
    let policy =
        format!("trust: {{ protected: {{ allow: \"*\" }} }}\nvars: {{ prometheus: \"http://{address}\" }}\n");
    let configuration = format!("policy: policy.yaml\negress: {{ allow: [\"{address}\"] }}\n");
    let installation = Installation::configured(&configuration, &[("policy.yaml", &policy)]);
    Watched { service, installation, prometheus, tree: tree(&[("stageway.yaml", &pipeline)]) }
}

fn objective<'a>(outputs: &'a Json, name: &str) -> &'a Json {
    let all = outputs["objectives"].as_array().expect("objectives");
    all.iter().find(|objective| objective["name"] == name).expect("the objective")
}

#[test]
fn what_keeps_its_objectives_is_good() {
    let watched = watched("6s");
    let told = watched.installation.run(watched.tree.path(), &[]);
    assert_eq!(told.exit, 0, "{told:#?}");
    let outputs = &told.stage("observe")["outputs"];
    assert_eq!(
        (&outputs["verdict"], objective(outputs, "errors")["value"].as_f64()),
        (&"good".into(), Some(0.0))
    );
    assert!(objective(outputs, "availability")["with-data"].as_u64() >= Some(3), "{outputs:#}");
}

#[test]
fn what_burns_its_budget_ends_early() {
    let watched = watched("1m");
    watched.service.answer_badly(50);
    let told = watched.installation.run(watched.tree.path(), &[]);
    let why = &told.stage("observe")["failure"];
    assert_eq!(why["code"], "stageway/objective-missed", "{told:#?}");
    let message = why["message"].as_str().expect("a message");
    // Fifty at most: the window of the first look may reach back to when all was well.
    let (_, burns) = message.split_once("availability: the budget of 99 % burns ").expect(message);
    let factor = burns.split_once(' ').and_then(|(factor, _)| factor.parse::<f64>().ok()).expect(message);
    assert!((10.0..=50.0).contains(&factor), "{message}");
    assert!(why["details"]["watched-ms"].as_u64() < Some(30_000), "{why:#}");
}

#[test]
fn a_prometheus_that_stops_is_not_taken_for_good() {
    let mut watched = watched("8s");
    let mut running = watched.installation.start(watched.tree.path());
    running.until_line("errors: ");
    watched.prometheus.stop();
    let told = running.end();
    let why = &told.stage("observe")["failure"];
    assert_eq!(
        (told.stage("observe")["status"].as_str(), why["code"].as_str()),
        (Some("errored"), Some("stageway/no-data")),
        "{told:#?}"
    );
}

#[test]
fn an_engine_that_is_killed_goes_on_watching_to_the_same_end() {
    let watched = watched("8s");
    let mut running = watched.installation.start(watched.tree.path());
    running.until_line("errors: 0 is good");
    running.kill();
    let told = watched.installation.go_on(watched.tree.path()).end();
    assert_eq!(told.exit, 0, "{told:#?}");
    let watched_ms = told.stage("observe")["outputs"]["watched-ms"].as_u64().expect("a time");
    assert!((8_000..30_000).contains(&watched_ms), "{watched_ms}");
}
