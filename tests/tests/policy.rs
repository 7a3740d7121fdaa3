//! Grants never come from the file alone: a fork that grants itself everything gets what the policy gives forks.

use stageway_tests::{Installation, assert_says, plugins_with_probe, tree};

const CONFIGURATION: &str = "policy: policy.yaml\n";

const POLICY: &str = "trust:
  fork: { allow: [tasks, workspace], connections: { build: scratch }, network: none, secrets: [], cache: read }
  protected: { allow: \"*\" }
environments:
  production: { refs: [main] }
secrets:
  TOKEN: { from: env:TOKEN, to: [\"task:toolbox\", \"http:evil.example.com\"] }
";

const GREEDY: &str = "pipeline: greedy
on: { pull-request: {}, push: {} }
stages:
  steal:
    uses: acme/probe@1
    with: { command: [/bin/true] }
    grants:
      tasks: { network: [\"evil.example.com:443\"] }
      http: [\"evil.example.com:443\"]
      secrets: [TOKEN]
    secrets: { TOKEN: TOKEN }
  enter:
    uses: stageway/promote@1
    with: { image: \"build/app@sha256:0000000000000000000000000000000000000000000000000000000000000000\", to: production/app, tags: [v1] }
";

const MODEST: &str = "pipeline: modest
on: { pull-request: {}, push: {} }
stages:
  check:
    uses: acme/probe@1
    with: { command: [/bin/true] }
    grants: { tasks: {}, http: [\"evil.example.com:443\"] }
";

const FORK: [&str; 6] = ["--trust", "fork", "--event", "pull-request", "--target", "main"];

fn installation() -> Installation {
    Installation::configured(CONFIGURATION, &[("policy.yaml", POLICY)])
}

#[test]
fn a_fork_that_grants_itself_everything_is_refused_and_told_all_of_it() {
    let (installation, tree) = (installation(), tree(&[("stageway.yaml", GREEDY)]));
    for command in ["run", "plan"] {
        let output = installation
            .stageway(tree.path())
            .env("STAGEWAY_PLUGINS", plugins_with_probe())
            .arg(command)
            .args(FORK)
            .output()
            .expect("the binary starts");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(13), "{command}: {said}");
        assert_says(&said, &["http", "TOKEN", "network", "images", "stageway.yaml", "fork"]);
    }
    let runs = installation.said(tree.path(), &["runs"]);
    assert!(!runs.contains("greedy"), "nothing was queued: {runs}");
}

#[test]
fn what_a_fork_need_not_have_is_taken_away_and_said() {
    let (installation, tree) = (installation(), tree(&[("stageway.yaml", MODEST)]));
    let run = |arguments: &[&str]| {
        let mut command = installation.stageway(tree.path());
        command.env("STAGEWAY_PLUGINS", plugins_with_probe()).args(arguments);
        let output = command.output().expect("the binary starts");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), said)
    };
    let (exit, said) = run(&[&["plan"][..], &FORK].concat());
    assert_eq!(exit, Some(0), "{said}");
    assert_says(&said, &["SW0302", "http", "may       tasks"]);
    assert!(!said.contains("may       http"), "{said}");

    let (exit, said) = run(&["plan"]);
    assert_eq!(exit, Some(0), "{said}");
    assert_says(&said, &["may       http", "evil.example.com:443"]);
}
