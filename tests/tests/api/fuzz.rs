//! Schemathesis reads the description of the API and asks a real server what it allows and what it does not: no answer is 5xx, and
//! each is one that the description has. `STAGEWAY_FUZZ` says how many examples an operation gets; 20 without it.

use crate::person::Token;
use crate::world::World;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What an answer is held against.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
response_headers_conformance,response_schema_conformance,missing_required_header,ignored_auth";

fn schemathesis() -> PathBuf {
    let setup = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/setup");
    let output = Command::new(setup).stderr(Stdio::inherit()).output().expect("the set-up runs");
    assert!(output.status.success(), "schemathesis cannot be installed");
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

#[test]
fn every_answer_is_one_that_the_description_has() {
    let token = Token::new("fuzz", &["read", "run", "approve", "admin"]);
    let world = World::with(&Token::configuration(&[&token]));
    let server = world.start();
    let revision = world.commit("src/a", "one");
    world.push(&revision, "main");
    assert_eq!(world.deliver(&server, "one", &world.pushed("main", "", &revision)).status, 202);
    world.forge.ended(&revision, crate::world::CONTEXT);
    let examples = std::env::var("STAGEWAY_FUZZ").unwrap_or_else(|_| "20".to_owned());
    let output = Command::new(schemathesis())
        .current_dir(world.folder())
        .args(["run", &format!("http://127.0.0.1:{}/api/v1/openapi.json", server.port)])
        .args(["--header", &format!("Authorization: Bearer {}", token.text)])
        .args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--seed", "1"])
        .args(["--max-examples", &examples, "--generation-database", "none", "--no-color"])
        // It never ends, and is tested where it is read.
        .args(["--exclude-path-regex", "/stream$", "--request-timeout", "20", "--warnings", "off"])
        .args(["--suppress-health-check", "all"])
        .output()
        .expect("schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    println!(
        "{}",
        said.lines().rev().take(12).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    );
}
