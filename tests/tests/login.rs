//! A task that logs in to a registry by itself: with a file in memory, which docker's tools understand.

use serde_json::{Value as Json, json};
use stageway_core::digest::Digest;
use stageway_tests::registry::PrivateRegistry;
use stageway_tests::{Installation, assert_says, plugins_with_probe, told, tree};
use std::process::Command;

const PASSWORD: &str = PrivateRegistry::PASSWORD;

fn run(installation: &Installation, with: &Json) -> stageway_tests::Told {
    let pipeline = json!({
        "pipeline": "small", "on": {"push": {}},
        "stages": {"push": {
            "uses": "acme/probe@1", "with": with,
            "grants": {"tasks": {}, "images": {"team/app": ["read", "push"], "open/app": ["read"], "local/app": ["read"]}},
        }},
    });
    let tree = tree(&[("stageway.yaml", &pipeline.to_string())]);
    let mut command = installation.stageway(tree.path());
    command.args(["run", "--json"]).env("STAGEWAY_PLUGINS", plugins_with_probe());
    told(&command.output().expect("the binary starts"))
}

fn login(repository: &str, command: &[&str]) -> Json {
    let login =
        json!({"path": "/kaniko/.docker/config.json", "repository": repository, "actions": ["pull", "push"]});
    json!({"command": command, "login": login})
}

fn installation(address: &str) -> Installation {
    let configuration = format!(
        "connections:
  team: {{ registry: \"{address}\", insecure: true, login: {{ user: robot, password: file:password }} }}
  open: {{ registry: \"{address}\", insecure: true }}
  local: {{ layout: images }}
"
    );
    Installation::configured(&configuration, &[("password", PASSWORD)])
}

#[test]
fn the_file_lets_dockers_tools_in_and_is_nowhere_but_in_the_task() {
    let registry = PrivateRegistry::start();
    let installation = installation(registry.address());
    let auth = {
        let script = format!("printf %s 'robot:{PASSWORD}' | base64 -w0");
        let output = Command::new("sh").args(["-c", &script]).output().expect("base64 runs");
        String::from_utf8(output.stdout).expect("text")
    };
    let expected = json!({"auths": {registry.address(): {"auth": auth}}}).to_string();
    let script = "sha256sum </kaniko/.docker/config.json; cat /kaniko/.docker/config.json; grep -c . /proc/mounts >/dev/null";
    let told = run(&installation, &login("team/app", &["sh", "-c", script]));
    assert_eq!(told.exit, 0, "{told:#?}");
    assert_eq!(told.stage("push")["outputs"]["code"], 0, "{told:#?}");
    let lines = told.lines("push");
    let digest = Digest::of(expected.as_bytes()).hex();
    assert!(lines[0].starts_with(&digest), "the file is another: {lines:?}");
    assert_says(&lines[1], &["\"auths\"", registry.address(), "***"]);
    assert!(!lines[1].contains(&auth), "{lines:?}");

    assert_says(&registry.tags(&expected), &["404"]);
    assert_says(&registry.tags("{}"), &["auth"]);
    let found = Command::new("grep")
        .args(["--recursive", "--files-with-matches", "--text", "-e", PASSWORD, "-e", &auth])
        .arg(installation.state())
        .output()
        .expect("grep runs");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "the state holds the credentials");
}

#[test]
fn what_cannot_be_logged_in_to_is_said_with_a_remedy() {
    let installation = installation("127.0.0.1:9");
    let said = |with: &Json| {
        let told = run(&installation, with);
        let outputs = &told.stage("push")["outputs"];
        let text = |name: &str| outputs[name].as_str().unwrap_or_else(|| panic!("{told:#?}")).to_owned();
        (text("said"), text("message"))
    };
    let (code, message) = said(&login("open/app", &["true"]));
    assert_eq!(code, "stageway/denied", "{message}");
    assert_says(&message, &["open/app", "push"]);
    let reading = |repository: &str| {
        let login = json!({"path": "/config.json", "repository": repository, "actions": ["pull"]});
        json!({"command": ["true"], "login": login})
    };
    // A connection without a login is entered as nobody, by tools as by the engine.
    let open = json!({"path": "/config.json", "repository": "open/app", "actions": ["pull"]});
    let told = run(&installation, &json!({"command": ["cat", "/config.json"], "login": open}));
    assert_eq!(told.lines("push"), [r#"{"auths":{}}"#], "{told:#?}");
    let (code, message) = said(&reading("local/app"));
    assert_eq!(code, "stageway/invalid-argument", "{message}");
    assert_says(&message, &["image layouts", "`registry`"]);
    let (code, message) = said(&json!({"command": ["true"], "identity": "deployer"}));
    assert_eq!(code, "stageway/not-found", "{message}");
    assert_says(&message, &["deployer", "Kubernetes"]);
}
