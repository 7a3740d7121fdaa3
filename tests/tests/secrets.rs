//! Secrets from both sources, bound to their sinks, and masked everywhere: in what is said and in every byte that is kept.

use serde_json::json;
use stageway_tests::{Installation, assert_says, plugins_with_probe, processes, told, tree};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

const FROM_ENV: &str = "s3cr3t+/v&lue-7c1f";
const FROM_FILE: &str = "another-5ecret-9b2d";

const PIPELINE: &str = "pipeline: small
on: { push: { branches: [main] } }
stages:
  check:
    uses: stageway/unit-test@1
    with: { command: [./check.sh], junit: report.xml }
    secrets: { ONE: FROM_ENV, OTHER: FROM_FILE }
";

/// Prints both secrets in every spelling, waits to be looked at, and writes one into a test report.
const CHECK: &str = r#"#!/bin/sh
printf 'raw %s %s\n' "$ONE" "$OTHER"
half=${ONE%????????}
printf 'split %s' "$half"
sleep 0.3
printf '%s\n' "${ONE#"$half"}"
printf 'base64 %s\n' "$(printf %s "$ONE" | base64)"
printf 'basic %s\n' "$(printf 'u:%s' "$OTHER" | base64)"
printf 'hex %s\n' "$(printf %s "$ONE" | od -An -tx1 | tr -d ' \n')"
printf 'url %s\n' "$(printf %s "$ONE" | sed 's,+,%2B,g; s,/,%2F,g; s,&,%26,g')"
echo 'looked at now'
sleep 1
cat >report.xml <<END
<testsuite><testcase name="leaks" classname="a"><failure message="got $OTHER">got $OTHER</failure></testcase></testsuite>
END
exit 1
"#;

fn policy(http: &str) -> String {
    format!(
        "trust: {{ protected: {{ allow: \"*\" }} }}
secrets:
  FROM_ENV: {{ from: env:STAGEWAY_TEST_SECRET, to: [\"task:toolbox\", \"http:{http}\"] }}
  FROM_FILE: {{ from: file:token, to: [\"task:toolbox\"] }}
  ELSEWHERE: {{ from: file:token, to: [\"http:hooks.example.com\"] }}
"
    )
}

fn installation(http: &str) -> Installation {
    let configuration = format!("policy: policy.yaml\negress: {{ allow: [\"{http}\"] }}\n");
    let token = format!("{FROM_FILE}\n");
    Installation::configured(&configuration, &[("policy.yaml", &policy(http)), ("token", &token)])
}

fn spellings() -> Vec<String> {
    let base64 = |text: &str| {
        let script = format!("printf %s '{text}' | base64");
        let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("base64 runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let mut all = Vec::new();
    for secret in [FROM_ENV, FROM_FILE] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let url = secret.replace('+', "%2B").replace('/', "%2F").replace('&', "%26");
        let escaped = secret.replace('&', "\\u0026");
        all.extend([secret.to_owned(), base64(secret), hex, url, escaped]);
    }
    all.push(base64(&format!("u:{FROM_FILE}")));
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(files(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

fn assert_hidden(what: &str, bytes: &[u8]) {
    for spelling in spellings() {
        let shown = bytes.windows(spelling.len()).any(|window| window == spelling.as_bytes());
        assert!(!shown, "`{spelling}` is in {what}");
    }
}

#[test]
fn a_secret_that_a_task_prints_is_shown_and_kept_nowhere() {
    let installation = installation("127.0.0.1:9");
    let tree = tree(&[("stageway.yaml", PIPELINE), ("check.sh", CHECK)]);
    let mut running = installation.start_with(tree.path(), &[], &[("STAGEWAY_TEST_SECRET", FROM_ENV)]);
    running.until_line("looked at now");
    for (process, words) in processes() {
        assert_hidden(&format!("the command line of process {process}"), words.join("\0").as_bytes());
    }
    let told = running.end();
    assert_eq!(told.exit, 10, "{told:#?}");
    let expected = ["raw *** ***", "split ***", "base64 ***", "hex ***", "url ***", "looked at now"];
    let lines = told.lines("check");
    for line in expected {
        assert!(lines.iter().any(|shown| shown == line), "`{line}` is not in {lines:#?}");
    }
    assert_hidden("the events of the run", format!("{:?}", told.events).as_bytes());
    assert!(told.stage("check").to_string().contains("leaks"), "the report was read: {told:#?}");

    for arguments in [
        &["logs", "latest"][..],
        &["show", "latest"],
        &["show", "latest", "--json"],
        &["logs", "latest", "--json"],
    ] {
        let said = installation.said(tree.path(), arguments);
        assert_hidden(&arguments.join(" "), said.as_bytes());
        if arguments[0] == "logs" {
            assert_says(&said, &expected);
        }
    }
    // The report is the task's own file, and a task may write what it knows; everything else is the engine's.
    let report = format!("got {FROM_FILE}");
    let all = files(installation.state());
    assert!(all.len() > 5, "{all:?}");
    for file in all {
        let bytes = fs::read(&file).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        if !(text.starts_with("<testsuite>") && text.contains(&report)) {
            assert_hidden(&file.display().to_string(), &bytes);
        }
    }
}

#[test]
fn a_secret_flows_only_where_its_policy_lets_it() {
    let installation = installation("127.0.0.1:9");
    let pipeline = PIPELINE.replace("OTHER: FROM_FILE", "OTHER: ELSEWHERE");
    let tree = tree(&[("stageway.yaml", &pipeline), ("check.sh", "#!/bin/sh\n")]);
    let output = installation.output(tree.path(), &["run"]);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(13), "{said}");
    assert_says(&said, &["ELSEWHERE", "into no task", "task:toolbox"]);
}

#[test]
fn a_request_carries_a_secret_that_its_plugin_never_sees() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        let mut piece = [0; 1024];
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            let count = stream.read(&mut piece).expect("a request");
            head.extend_from_slice(&piece[..count]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let line = head.lines().find(|line| line.to_lowercase().starts_with("authorization:"));
        let echo = format!("you sent {}", line.unwrap_or("nothing"));
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{echo}",
            echo.len()
        )
        .expect("an answer");
        head
    });
    let installation = installation(&address);
    let pipeline = format!(
        "pipeline: small
on: {{ push: {{ branches: [main] }} }}
stages:
  check:
    uses: acme/probe@1
    with: {{ request: {{ url: \"http://{address}/in\", secret: FROM_ENV }} }}
    grants: {{ tasks: {{}}, http: [\"{address}\"], secrets: [FROM_ENV] }}
"
    );
    let tree = tree(&[("stageway.yaml", &pipeline)]);
    let mut command = installation.stageway(tree.path());
    command.args(["run", "--json"]).env("STAGEWAY_PLUGINS", plugins_with_probe());
    let output = command.env("STAGEWAY_TEST_SECRET", FROM_ENV).output().expect("the binary starts");
    let told = told(&output);
    assert_eq!(told.exit, 0, "{told:#?}");
    assert_eq!(told.stage("check")["outputs"]["said"], json!("ok"), "{told:#?}");
    let sent = server.join().expect("the server was asked");
    assert_says(&sent, &[&format!("Bearer {FROM_ENV}")]);
    assert_hidden("what the run says", &output.stdout);
    assert!(told.lines("check").iter().any(|line| line.contains("Bearer ***")), "{told:#?}");
    for file in files(installation.state()) {
        assert_hidden(&file.display().to_string(), &fs::read(&file).unwrap_or_default());
    }
}
