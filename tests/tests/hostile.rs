//! Plugins that mean harm, through the real binary: each ends by itself, as what it is, and its neighbours go on.

use stageway_tests::{Installation, assert_says, binary, plugins_with_probe, root, told, tree};
use std::fs;
use std::time::{Duration, Instant};

const PIPELINE: &str = "pipeline: harm
on: { push: { branches: [main] } }
stages:
  spin: { uses: acme/probe@1, with: { harm: spin }, grants: { tasks: {} }, limits: { cpu-ms: 1000 } }
  bomb: { uses: acme/probe@1, with: { harm: bomb }, grants: { tasks: {} } }
  recurse: { uses: acme/probe@1, with: { harm: recurse }, grants: { tasks: {} } }
  flood: { uses: acme/probe@1, with: { harm: flood }, grants: { tasks: {} }, limits: { host-calls: 20000 } }
  giant: { uses: acme/probe@1, with: { harm: giant }, grants: { tasks: {} } }
  neighbour: { uses: stageway/unit-test@1, with: { command: [echo, well] } }
";

#[test]
fn each_ends_within_its_limit_and_the_neighbour_is_well() {
    let tree = tree(&[("stageway.yaml", PIPELINE)]);
    let installation = Installation::new();
    let mut command = installation.stageway(tree.path());
    command.args(["run", "--json"]).env("STAGEWAY_PLUGINS", plugins_with_probe());
    let begun = Instant::now();
    let told = told(&command.output().expect("the binary starts"));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(told.exit, 11, "{told:#?}");
    for (stage, limit) in
        [("spin", "cpu-ms"), ("bomb", "memory-bytes"), ("flood", "host-calls"), ("giant", "memory-bytes")]
    {
        let ended = told.stage(stage);
        assert_eq!(ended["status"], "errored", "{stage}: {ended}");
        assert_eq!(ended["failure"]["code"], "stageway/limit-exceeded", "{stage}: {ended}");
        assert_says(&ended["failure"]["message"].to_string(), &[limit]);
    }
    // What Rust keeps on its own stack in linear memory runs out before the real one does.
    let recursed = told.stage("recurse");
    assert_eq!(
        (&recursed["status"], &recursed["failure"]["code"]),
        (&"errored".into(), &"stageway/trap".into())
    );
    assert_eq!(told.stage("neighbour")["status"], "succeeded");
    let flood = told.lines("flood").iter().map(String::len).sum::<usize>();
    assert!(flood < 20 << 20, "{flood} bytes of log");
}

#[test]
fn what_is_no_plugin_is_refused_before_anything_runs() {
    let whole = fs::read(plugins_with_probe().join("probe.wasm")).expect("the probe");
    let noise: Vec<u8> = (0..4096_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let module = b"\0asm\x01\0\0\0".to_vec();
    let broken = [&whole[..whole.len() / 2], &whole[..7], &noise, &module, b""];
    let pipeline = "pipeline: small\non: { push: {} }\nstages:\n  a: { uses: ./x.wasm, with: {} }\n";
    for bytes in broken {
        let tree = tree(&[("stageway.yaml", pipeline)]);
        let file = tree.path().join("x.wasm");
        fs::write(&file, bytes).expect("a file");
        for arguments in [&["run"][..], &["plugin", "inspect", "x.wasm"]] {
            let output = Installation::new().output(tree.path(), arguments);
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert_eq!(output.status.code(), Some(12), "{arguments:?} of {} bytes: {said}", bytes.len());
            assert_says(&said, &["x.wasm"]);
        }
    }
}

#[test]
fn an_endless_description_ends_the_build_of_its_plugin() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let plugin = folder.path().join("endless");
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(binary());
        command.current_dir(folder.path()).args(arguments).output().expect("the binary starts")
    };
    let sdk = root().join("sdk/rust").display().to_string();
    let made = run(&["plugin", "new", "endless", "--name", "acme/endless", "--sdk", &sdk]);
    assert!(made.status.success(), "{made:?}");
    let source = plugin.join("src/lib.rs");
    let text = fs::read_to_string(&source).expect("the template");
    let spins = text.replacen("Manifest::new(", "spin();\n        Manifest::new(", 1);
    assert_ne!(text, spins, "the template has a manifest");
    let spin = "\nfn spin() {\n    while std::hint::black_box(true) {}\n}\n";
    fs::write(&source, format!("{spins}{spin}")).expect("a file");
    let begun = Instant::now();
    let built = run(&["plugin", "build", "endless"]);
    let said = String::from_utf8_lossy(&built.stderr).into_owned();
    assert_eq!(built.status.code(), Some(12), "{said}");
    assert_says(&said, &["describe", "cpu-ms"]);
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
}

#[test]
fn links_and_paths_lead_out_of_no_workspace() {
    let outside = "pipeline: small\non: { push: {} }\nstages:\n  check:\n    uses: stageway/unit-test@1\n    \
                   with: { command: [./check.sh], junit: PATH }\n    artifacts: { it: ARTIFACT }\n";
    let script = "#!/bin/sh\nln -s /etc/passwd report.xml\nln -s / root\nmkdir real\n";
    let run = |path: &str, artifact: &str| {
        let file = outside.replace("PATH", path).replace("ARTIFACT", artifact);
        let tree = tree(&[("stageway.yaml", &file), ("check.sh", script)]);
        Installation::new().run(tree.path(), &[])
    };
    for (path, artifact) in
        [("../x.xml", "real"), ("/etc/passwd", "real"), ("report.xml", "../x"), ("x.xml", "/etc")]
    {
        assert_eq!(run(path, artifact).exit, 12, "{path} {artifact}");
    }
    for (path, artifact) in
        [("report.xml", "real"), ("root/etc/passwd", "real"), ("x.xml", "root/etc/passwd")]
    {
        let told = run(path, artifact);
        assert_ne!(told.exit, 0, "{path} {artifact}: {told:#?}");
        assert!(!format!("{:?}", told.events).contains("root:x:"), "{told:#?}");
    }
}
