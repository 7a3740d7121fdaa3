//! Files that nobody pushed, run on a server.

use crate::person::{Person, Token};
use crate::world::{Server, World};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

const SLOW: &str = "pipeline: demo
on: { push: {} }
stages:
  check:
    uses: stageway/unit-test@1
    with: { command: [./ci/check.sh] }
  slow:
    uses: stageway/unit-test@1
    with: { command: [sleep, \"100\"] }
";
const DEPLOY: &str = "pipeline: demo
on: { push: {} }
stages:
  check:
    uses: stageway/unit-test@1
    with: { command: [./ci/check.sh] }
  deploy:
    uses: stageway/unit-test@1
    needs: [check]
    environment: production
    with: { command: [./ci/check.sh] }
";

/// A repository with one pushed commit whose work tree has `origin`, and somebody who is logged in.
struct Scene {
    world: World,
    token: Token,
}

impl Scene {
    fn new() -> Self {
        Self::with("")
    }

    fn with(more: &str) -> Self {
        let token = Token::new("ada", &["read", "run"]);
        let world = World::with(&format!("{}{more}", Token::configuration(&[&token])));
        let revision = world.commit("src/a", "one");
        world.push(&revision, "main");
        let work = world.work();
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(work.join("ci/check.sh"), executable).expect("git knows it as such");
        for arguments in [&["remote", "add", "origin", "../demo.git"][..], &["fetch", "--quiet", "origin"]] {
            assert!(Command::new("git").args(arguments).current_dir(&work).status().expect("git").success());
        }
        Self { world, token }
    }

    fn logged_in(&self) -> (Server, Person<'_>) {
        let server = self.world.start();
        let person = Person::new(&self.world, &server);
        assert!(person.login(&self.token.text).status.success());
        (server, person)
    }

    /// Changes a file of the work tree without telling git.
    fn change(&self, path: &str, text: &str) {
        fs::write(self.world.work().join(path), text).expect("a file");
    }
}

fn ends(person: &Person<'_>, arguments: &[&str]) -> Output {
    person.preflight(arguments).output().expect("the binary runs")
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), b"\n", &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Starts a preflight and waits for a line of its output.
fn begun(person: &Person<'_>, line: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = person.preflight(&[]).spawn().expect("the binary starts");
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    let mut read = String::new();
    while !read.ends_with(line) {
        assert!(out.read_line(&mut read).expect("it reads") > 0, "it ended: {read}");
        read.truncate(read.trim_end().len());
    }
    (child, out)
}

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
}

fn status(person: &Person<'_>, number: u64) -> Option<String> {
    let run = person.told(&["runs", "--json"]).into_iter().find(|run| run["number"] == number)?;
    Some(run["status"].as_str()?.to_owned())
}

fn until_it_is(person: &Person<'_>, number: u64, wanted: &str) {
    let begun = Instant::now();
    while status(person, number).as_deref() != Some(wanted) {
        assert!(begun.elapsed() < PATIENCE, "run {number} is {:?}", status(person, number));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_changed_tree_is_run_as_a_pull_request_of_a_member_and_nobody_hears_of_it() {
    let scene = Scene::new();
    let (_server, person) = scene.logged_in();
    scene.change("ci/check.sh", "#!/bin/sh\necho changed\nexit 0\n");
    let first = ends(&person, &[]);
    let text = said(&first);
    assert_eq!(first.status.code(), Some(0), "{text}");
    for part in
        ["as a pull request of main into main", "check: started", "check | changed", "check: succeeded"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("Sends 3 files"), "{text}");
    let shown = person.said(&["show", "1"]);
    assert!(shown.contains("trust member"), "{shown}");
    // The same files need not be sent again, and what has not changed is skipped with its proof.
    let second = ends(&person, &["--json"]);
    let text = said(&second);
    assert_eq!(second.status.code(), Some(0), "{text}");
    assert!(text.contains("Sends 0 files") && text.contains("\"unchanged\""), "{text}");
    scene.change("src/a", "two");
    assert!(said(&ends(&person, &[])).contains("Sends 1 file,"));
    assert_eq!(scene.world.forge.told(), [], "no forge is told of it");
    // A run that is done again is not told either.
    person.said(&["rerun", "1"]);
    until_it_is(&person, 4, "succeeded");
    assert_eq!(scene.world.forge.told(), []);
}

#[test]
fn the_verdict_is_the_exit_code() {
    let scene = Scene::new();
    let (_server, person) = scene.logged_in();
    scene.change("ci/check.sh", "#!/bin/sh\necho broken\nexit 1\n");
    let failed = ends(&person, &["--repository", "demo"]);
    assert_eq!(failed.status.code(), Some(10), "{}", said(&failed));
    assert!(said(&failed).contains("check | broken"));
    scene.change("stageway.yaml", "pipeline: demo\non: manual\nstages: { check: { usse: x } }\n");
    let invalid = ends(&person, &[]);
    let text = said(&invalid);
    assert_eq!(invalid.status.code(), Some(12), "{text}");
    assert!(text.contains("stageway.yaml:3") && text.contains("usse"), "with the line: {text}");
    scene.change("stageway.yaml", DEPLOY);
    let closed = ends(&person, &[]);
    let text = said(&closed);
    assert_eq!(closed.status.code(), Some(12), "{text}");
    assert!(text.contains("does not enter the environment `production`"), "{text}");
    assert_eq!(person.told(&["runs", "--json"]).len(), 1, "what is refused is no run");
}

#[test]
fn with_fail_fast_the_first_failed_stage_ends_the_run() {
    let scene = Scene::new();
    let (_server, person) = scene.logged_in();
    scene.change("stageway.yaml", SLOW);
    scene.change("ci/check.sh", "#!/bin/sh\nexit 1\n");
    let begun = Instant::now();
    let output = ends(&person, &["--fail-fast"]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(10), "{text}");
    assert!(begun.elapsed() < PATIENCE && text.contains("--fail-fast"), "{text}");
    assert_eq!(status(&person, 1).as_deref(), Some("cancelled"));
}

#[test]
fn the_first_interrupt_cancels_the_run_there_and_the_second_leaves_it() {
    let scene = Scene::new();
    let (_server, person) = scene.logged_in();
    scene.change("stageway.yaml", SLOW);
    let (mut child, mut out) = begun(&person, "slow: started");
    interrupt(&child);
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("it reads");
    assert_eq!(child.wait().expect("it ends").code(), Some(14), "{rest}");
    assert!(rest.contains("cancelling"), "{rest}");
    assert_eq!(status(&person, 1).as_deref(), Some("cancelled"));
    // A stage that does not mind being asked to end takes its time.
    scene.change("stageway.yaml", &SLOW.replace("[sleep, \"100\"]", "[sh, -c, \"trap '' TERM; sleep 8\"]"));
    let (mut child, mut out) = begun(&person, "slow: started");
    interrupt(&child);
    let mut line = String::new();
    while !line.contains("cancelling") {
        assert!(out.read_line(&mut line).expect("it reads") > 0, "{line}");
    }
    interrupt(&child);
    assert_eq!(child.wait().expect("it ends").code(), Some(11));
    until_it_is(&person, 2, "cancelled");
}

#[test]
fn who_may_not_and_what_is_too_large_is_refused_before_anything_is_sent() {
    let reader = Token::new("reader", &["read"]);
    let scene = Scene::new();
    let (_server, person) = scene.logged_in();
    let large = File::create(scene.world.work().join("large")).expect("a file");
    large.set_len(65 << 20).expect("a sparse file");
    let output = ends(&person, &[]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("`large`"), "{}", said(&output));
    fs::remove_file(scene.world.work().join("large")).expect("it is there");
    for (arguments, word) in [(&["--repository", "nothing"][..], "`nothing`"), (&["nothing"], "`nothing`")] {
        let output = ends(&person, arguments);
        assert!(!output.status.success() && said(&output).contains(word), "{}", said(&output));
    }
    below_the_root(&person, &scene.world.work());
    assert!(person.told(&["runs", "--json"]).is_empty());
    assert_eq!(person.login(&reader.text).status.code(), Some(13), "a token that the server does not know");
}

/// A server would not find a pipeline there.
fn below_the_root(person: &Person<'_>, work: &Path) {
    fs::create_dir(work.join("below")).expect("a folder");
    fs::rename(work.join("stageway.yaml"), work.join("below/stageway.yaml")).expect("it moves");
    let output = person.preflight(&[]).current_dir(work.join("below")).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("`below` lies below the root"), "{}", said(&output));
    fs::rename(work.join("below/stageway.yaml"), work.join("stageway.yaml")).expect("it moves back");
}

#[test]
fn a_token_without_the_scope_and_one_of_another_tenant_send_nothing() {
    let (reader, stranger) = (Token::new("reader", &["read"]), Token::new("stranger", &["read", "run"]));
    let others = stranger.of_tenant("other");
    let more = format!("{}{others}tenants: {{ other: {{}} }}\n", reader.line());
    let scene = Scene::with(&more);
    let (_server, person) = scene.logged_in();
    assert!(person.login(&reader.text).status.success());
    let output = ends(&person, &[]);
    assert_eq!(output.status.code(), Some(13), "{}", said(&output));
    assert!(said(&output).contains("`run`"), "{}", said(&output));
    assert!(person.login(&stranger.text).status.success());
    let output = ends(&person, &["--repository", "demo"]);
    assert_eq!(output.status.code(), Some(2), "what others have is not there: {}", said(&output));
}
