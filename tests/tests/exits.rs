//! Every exit code once, as tools see it.

use stageway_tests::{Installation, one_stage, tree};

fn exit(installation: &Installation, files: &[(&str, &str)], arguments: &[&str]) -> Option<i32> {
    installation.output(tree(files).path(), arguments).status.code()
}

#[test]
fn every_exit_code_means_one_thing() {
    let installation = Installation::new();
    let plain = one_stage("");
    let slow = one_stage("timeout: 1s");
    let privileged = "pipeline: small
on: { push: {} }
stages:
  ship:
    uses: stageway/promote@1
    with: { image: \"build/a@sha256:0000000000000000000000000000000000000000000000000000000000000000\", to: production/a, tags: [v1] }
";
    let told = [
        (&plain[..], "exit 0", &["run"][..], 0),
        (&plain, "", &["show", "99"], 2),
        (&plain, "", &["run", "--event", "absent.json"], 2),
        (&plain, "exit 3", &["run"], 10),
        (&slow, "sleep 20", &["run"], 11),
        ("pipeline: small\nstagse: {}\n", "", &["run"], 12),
        ("pipeline: small\nstagse: {}\n", "", &["lint"], 12),
        (privileged, "", &["run", "--trust", "fork"], 13),
    ];
    for (file, script, arguments, code) in told {
        let script = format!("#!/bin/sh\n{script}\n");
        let files = [("stageway.yaml", file), ("check.sh", &script)];
        assert_eq!(
            exit(&installation, &files, arguments),
            Some(code),
            "{arguments:?} of {file} with {script}"
        );
    }
    // 14 is what a cancelled run ends with: `leftovers.rs`.
}

#[test]
fn a_file_that_is_named_is_the_pipeline_and_the_folder_is_the_tree() {
    let installation = Installation::new();
    let pipeline = one_stage("");
    let files = [("tools/image.yaml", &pipeline[..]), ("check.sh", "#!/bin/sh\nexit 0\n")];
    assert_eq!(exit(&installation, &files, &["run", "--file", "tools/image.yaml"]), Some(0));
    assert_eq!(exit(&installation, &files, &["run", "--file", "tools/absent.yaml"]), Some(2));
    assert_eq!(exit(&installation, &files, &["run"]), Some(2));
}
