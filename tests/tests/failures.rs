//! What goes wrong is told apart: the user's work, the pipeline file, and what could not be told.

use stageway_tests::{Installation, tree};

fn pipeline(command: &str) -> String {
    format!(
        "pipeline: small\non: {{ push: {{ branches: [main] }} }}\nstages:\n  check:\n    uses: stageway/unit-test@1\n    with: {{ command: {command} }}\n"
    )
}

#[test]
fn a_red_test_is_failed_and_its_output_is_in_the_log() {
    let tree = tree(&[
        ("stageway.yaml", &pipeline("[./check.sh]")),
        ("check.sh", "#!/bin/sh\necho about to fail\nexit 3\n"),
    ]);
    let told = Installation::new().run(tree.path(), &[]);
    assert_eq!(told.exit, 10, "{told:#?}");
    assert_eq!(told.stage("check")["status"], "failed");
    assert!(told.lines("check").iter().any(|line| line == "about to fail"), "{told:#?}");
}

#[test]
fn a_task_sees_neither_home_nor_state_nor_network() {
    let script = "#!/bin/sh\nset -u\nfail=0\n\
        for path in \"$1\" /root/.ssh /root/.aws /run/docker.sock /var/run/docker.sock; do\n\
          if [ -e \"$path\" ]; then echo \"sees $path\"; fail=1; fi\ndone\n\
        if [ \"$(id -u)\" = 0 ]; then echo 'is root'; fail=1; fi\n\
        if grep -qv -e '^ *lo:' -e '^Inter' -e '^ face' /proc/net/dev; then echo 'has a network'; fail=1; fi\n\
        exit $fail\n";
    let installation = Installation::new();
    let state = installation.state().display().to_string();
    let tree =
        tree(&[("stageway.yaml", &pipeline(&format!("[./look.sh, \"{state}\"]"))), ("look.sh", script)]);
    let told = installation.run(tree.path(), &[]);
    assert_eq!(told.exit, 0, "{told:#?}");
}

#[test]
fn every_problem_of_a_file_is_told_at_once() {
    let file = "pipeline: Small\non: { push: {} }\nstages:\n  a:\n    uses: stageway/unit-test@1\n    nedds: [b]\n  b:\n    uses: nothing\n";
    let tree = tree(&[("stageway.yaml", file)]);
    let output = Installation::new().output(tree.path(), &["lint"]);
    assert_eq!(output.status.code(), Some(12));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    for part in ["Small", "nedds", "needs", "nothing", "stageway.yaml"] {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
}

#[test]
fn without_a_pipeline_file_the_remedy_is_told() {
    let tree = tree(&[]);
    let output = Installation::new().output(tree.path(), &["run"]);
    assert_ne!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("stageway.yaml"));
}
