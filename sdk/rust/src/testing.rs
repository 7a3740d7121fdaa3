//! Running a test command and judging it: what the stages that run tests have in common.
//!
//! The command says by its exit code, and where it writes one by its JUnit report, whether the user's work is good. What
//! says nothing about the work (a lost machine, a report that was promised and is not there) is errored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::reports::{self, TestReport};
use crate::tasks::{Command, Ending, Reason};
use crate::{Doing, HostError, Issue, Span, Verdict, log, workspace};

/// Where tasks see the workspace.
pub const WORKSPACE: &str = "/workspace";
/// Most report files that are read.
const REPORTS: usize = 500;
/// Most failed tests that are named in the verdict.
const NAMED: usize = 20;

/// A test command as `with` holds it, to be flattened into a stage's configuration.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TestCommand {
    /// argv without a shell.
    pub command: Vec<String>,
    /// Where it runs; the workspace itself without it.
    pub directory: Option<String>,
    /// The path or glob of its JUnit report.
    pub junit: Option<String>,
    /// Its variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How long it may take.
    pub timeout: Option<Span>,
}

impl TestCommand {
    /// What a schema cannot say of it.
    pub fn issues(&self) -> Vec<Issue> {
        let program = check_command("/command", &self.command);
        let directory = self.directory.as_deref().and_then(|path| check_path("/directory", path));
        let junit = self.junit.as_deref().and_then(|glob| check_junit("/junit", glob));
        program.into_iter().chain(directory).chain(junit).collect()
    }

    /// The task that it is, without network; in the executor's own toolbox if no image is given.
    pub fn task(&self, image: Option<&str>) -> Command {
        let mut command = Command::new(&self.command)
            .directory(&directory(self.directory.as_deref()))
            .variables(&self.env)
            .network(false);
        if let Some(image) = image {
            command = command.image(image);
        }
        if let Some(timeout) = self.timeout {
            command = command.timeout(timeout);
        }
        command
    }
}

/// The outputs of a stage that runs tests; the counts are there if it reads a JUnit report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// Tests in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tests: Option<u32>,
    /// Tests that failed or ended in an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<u32>,
    /// Tests that did not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<u32>,
    /// How long the command ran.
    pub duration_ms: u32,
}

/// The JSON Schema of [`Outcome`].
pub const OUTPUTS: &str = r#"{
  "type": "object",
  "properties": {
    "tests": { "type": "integer", "description": "tests in all, if there is a JUnit report" },
    "failures": { "type": "integer", "description": "tests that failed or ended in an error" },
    "skipped": { "type": "integer", "description": "tests that did not run" },
    "duration-ms": { "type": "integer", "description": "how long the command ran" }
  },
  "required": ["duration-ms"]
}"#;

/// What became of the report that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// None was asked for.
    Unasked,
    /// No file matches.
    Missing,
    /// A file is there but is no report; why.
    Unreadable(String),
    /// All of it, added up.
    Read(TestReport),
}

/// Runs a command with the workspace mounted writable, takes its JUnit report (a path or glob of the workspace) and judges
/// both.
///
/// # Errors
/// The verdict of [`judge`]; errored for what the host refuses.
pub fn run(name: &str, command: Command, junit: Option<&str>) -> Result<Outcome, Verdict> {
    let mut command = command.workspace(WORKSPACE, true);
    if let Some(junit) = junit {
        command = command.collect("junit", &format!("{WORKSPACE}/{}", fixed_part(junit)));
    }
    let task = command.start(name).doing("starting the command")?;
    let ending = task.wait().doing("waiting for the command")?;
    let report = match junit {
        Some(junit) => read_reports(junit)?,
        None => Report::Unasked,
    };
    judge(&ending, junit.unwrap_or_default(), report)
}

fn read_reports(junit: &str) -> Result<Report, Verdict> {
    let found = workspace::find(&[junit.to_owned()], REPORTS).doing("looking for the JUnit report")?;
    let mut sum: Option<TestReport> = None;
    for entry in found.into_iter().filter(|entry| entry.kind != "folder") {
        match reports::tests(&entry.path) {
            Ok(report) => add(sum.get_or_insert_default(), report),
            Err(HostError::InvalidArgument(why)) => {
                return Ok(Report::Unreadable(format!("{}: {why}", entry.path)));
            }
            Err(other) => return Err(other).doing(format_args!("reading {}", entry.path)),
        }
    }
    Ok(sum.map_or(Report::Missing, Report::Read))
}

fn add(sum: &mut TestReport, report: TestReport) {
    sum.tests += report.tests;
    sum.failures += report.failures;
    sum.errors += report.errors;
    sum.skipped += report.skipped;
    sum.duration_ms += report.duration_ms;
    sum.failed.extend(report.failed);
}

/// Decides by the command's ending and the report found under `junit`.
///
/// # Errors
/// `Failed` when the tests did not pass, hung, or used too much memory; `Errored` when that could not be told.
pub fn judge(ending: &Ending, junit: &str, report: Report) -> Result<Outcome, Verdict> {
    if let Some(verdict) = stopped(ending) {
        return Err(verdict);
    }
    let good = ending.is_success();
    let how = how_it_ended(ending);
    match report {
        Report::Read(report) if report.failures + report.errors > 0 => Err(tests_failed(&report)),
        _ if !good => Err(Verdict::failed("stageway/tests-failed", format!("the command {how}"))),
        Report::Missing => Err(Verdict::errored(
            "stageway/report-missing",
            format!(
                "the command {how}, but there is no JUnit report at `{junit}`: correct `junit`, or leave it out"
            ),
        )),
        Report::Unreadable(why) => Err(Verdict::errored(
            "stageway/report-unreadable",
            format!("the JUnit report is not readable: {why}"),
        )),
        Report::Read(report) => Ok(passed(ending, Some(&report))),
        Report::Unasked => Ok(passed(ending, None)),
    }
}

fn passed(ending: &Ending, report: Option<&TestReport>) -> Outcome {
    if let Some(report) = report.filter(|report| report.tests == 0) {
        log::warn(format!("the JUnit report holds no test ({} skipped)", report.skipped));
    }
    Outcome {
        tests: report.map(|report| report.tests),
        failures: report.map(|report| report.failures + report.errors),
        skipped: report.map(|report| report.skipped),
        duration_ms: ending.duration_ms,
    }
}

fn how_it_ended(ending: &Ending) -> String {
    match (&ending.reason, ending.code) {
        (Reason::Signalled, Some(code)) => format!("was ended by a signal (exit code {code})"),
        (Reason::Signalled, None) => "was ended by a signal".to_owned(),
        // As a shell says it: what cannot be run, and what is not there. The executor knows why.
        (_, Some(code @ (126 | 127))) if !ending.message.is_empty() => {
            format!("ended with exit code {code}: {}", ending.message)
        }
        (_, Some(code)) => format!("ended with exit code {code}"),
        (reason, None) => format!("ended without an exit code ({reason})"),
    }
}

/// The verdict of a command that did not come to its own end; none if it did.
fn stopped(ending: &Ending) -> Option<Verdict> {
    let said = if ending.message.is_empty() { String::new() } else { format!(": {}", ending.message) };
    Some(match &ending.reason {
        Reason::Exited | Reason::Signalled => return None,
        Reason::TimedOut => Verdict::failed(
            "stageway/timed-out",
            format!(
                "the command did not end within its time ({} ms): find the test that hangs, or raise `timeout`",
                ending.duration_ms
            ),
        ),
        Reason::OutOfMemory => Verdict::failed(
            "stageway/out-of-memory",
            format!(
                "the command used more memory than it may{said}: raise `limits: {{ task-memory-bytes: … }}` of the stage, or use less"
            ),
        ),
        Reason::Cancelled => Verdict::errored("stageway/cancelled", "the command was cancelled"),
        Reason::Image => Verdict::errored(
            "stageway/task-image",
            format!("the image of the command could not be had{said}"),
        ),
        Reason::Unschedulable => Verdict::errored(
            "stageway/task-unschedulable",
            format!("there was no place to run the command{said}"),
        ),
        Reason::Lost => Verdict::errored(
            "stageway/task-lost",
            format!("the command's machine was lost{said}: run the stage again"),
        ),
        Reason::Other(reason) => Verdict::errored(
            "stageway/task-ended",
            format!("the command ended in a way unknown to this plugin ({reason}){said}"),
        ),
    })
}

#[derive(Serialize)]
struct FailedTests {
    tests: u32,
    failures: u32,
    failed: Vec<String>,
}

fn tests_failed(report: &TestReport) -> Verdict {
    let failures = report.failures + report.errors;
    let names: Vec<String> = report.failed.iter().take(NAMED).map(reports::FailedTest::full_name).collect();
    let more = failures as usize - names.len().min(failures as usize);
    let mut message = format!("{failures} of {} tests failed", report.tests);
    if !names.is_empty() {
        message += &format!(": {}", names.join(", "));
    }
    if more > 0 && !names.is_empty() {
        message += &format!(" and {more} more");
    }
    Verdict::failed("stageway/tests-failed", message).with_details(&FailedTests {
        tests: report.tests,
        failures,
        failed: names,
    })
}

/// The part of a path or glob before its first pattern: what a task has to bring back.
fn fixed_part(glob: &str) -> &str {
    match glob.find(['*', '?', '[', '{']) {
        None => glob,
        Some(at) => glob[..at].rsplit_once('/').map_or("", |(folder, _)| folder),
    }
}

/// The absolute working directory of a command: a path of the workspace, or the workspace itself.
pub fn directory(path: Option<&str>) -> String {
    path.map_or(WORKSPACE.to_owned(), |path| format!("{WORKSPACE}/{path}"))
}

/// What is wrong with a command.
pub fn check_command(pointer: &str, command: &[String]) -> Option<Issue> {
    command.first().is_none_or(String::is_empty).then(|| Issue::at(pointer, "names no program"))
}

/// What is wrong with the path or glob of a JUnit report.
pub fn check_junit(pointer: &str, junit: &str) -> Option<Issue> {
    if let Some(issue) = check_path(pointer, junit) {
        return Some(issue);
    }
    let whole = fixed_part(junit).is_empty();
    whole.then(|| {
        Issue::at(
            pointer,
            "starts with a pattern: name the folder that the reports are in, as in `target/**/*.xml`",
        )
    })
}

/// What is wrong with a path of the workspace.
pub fn check_path(pointer: &str, path: &str) -> Option<Issue> {
    let rule = if path.is_empty() {
        "is empty"
    } else if path.starts_with('/') || path.ends_with('/') {
        "must be relative to the workspace, without `/` at its beginning and end"
    } else if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "must not have `.`, `..` or empty parts"
    } else if path.contains('\0') {
        "must not contain NUL"
    } else {
        return None;
    };
    Some(Issue::at(pointer, format!("`{path}` {rule}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::FailedTest;
    use serde_json::Value;

    fn ending(reason: Reason, code: Option<i32>) -> Ending {
        Ending { code, reason, message: "said".to_owned(), duration_ms: 7, details: Value::Null }
    }

    fn report(tests: u32, failures: u32) -> TestReport {
        let failed = (0..failures).map(|n| FailedTest::Name(format!("t{n}"))).collect();
        TestReport { tests, failures, failed, ..TestReport::default() }
    }

    fn code_of(result: Result<Outcome, Verdict>) -> (bool, String) {
        match result.unwrap_err() {
            Verdict::Failed(failure) => (true, failure.code),
            Verdict::Errored(failure) => (false, failure.code),
        }
    }

    #[test]
    fn passing_tests_are_counted() {
        let outcome = judge(&ending(Reason::Exited, Some(0)), "x", Report::Read(report(3, 0))).unwrap();
        assert_eq!(outcome, Outcome { tests: Some(3), failures: Some(0), skipped: Some(0), duration_ms: 7 });
        let outcome = judge(&ending(Reason::Exited, Some(0)), "", Report::Unasked).unwrap();
        assert_eq!(serde_json::to_string(&outcome).unwrap(), r#"{"duration-ms":7}"#);
    }

    #[test]
    fn red_tests_are_failed_and_named() {
        for code in [0, 1] {
            let verdict =
                judge(&ending(Reason::Exited, Some(code)), "x", Report::Read(report(30, 25))).unwrap_err();
            let Verdict::Failed(failure) = verdict else { panic!("errored") };
            assert_eq!(failure.code, "stageway/tests-failed");
            assert!(failure.message.starts_with("25 of 30 tests failed: t0, t1,"), "{}", failure.message);
            assert!(failure.message.ends_with("t19 and 5 more"), "{}", failure.message);
            assert!(failure.details.unwrap().contains(r#""failures":25"#));
        }
    }

    #[test]
    fn a_bad_exit_is_failed_whatever_the_report() {
        let reports =
            [Report::Unasked, Report::Missing, Report::Unreadable("no".into()), Report::Read(report(1, 0))];
        for report in reports {
            let judged = judge(&ending(Reason::Exited, Some(101)), "x", report);
            assert_eq!(code_of(judged), (true, "stageway/tests-failed".to_owned()));
        }
        let judged = judge(&ending(Reason::Signalled, None), "x", Report::Unasked);
        assert_eq!(code_of(judged), (true, "stageway/tests-failed".to_owned()));
    }

    #[test]
    fn a_promised_report_that_is_not_there_is_errored() {
        let good = ending(Reason::Exited, Some(0));
        assert_eq!(
            code_of(judge(&good, "x", Report::Missing)),
            (false, "stageway/report-missing".to_owned())
        );
        let unreadable = judge(&good, "x", Report::Unreadable("line 1".into()));
        assert_eq!(code_of(unreadable), (false, "stageway/report-unreadable".to_owned()));
    }

    #[test]
    fn reasons_decide_between_failed_and_errored() {
        let table = [
            (Reason::TimedOut, true, "stageway/timed-out"),
            (Reason::OutOfMemory, true, "stageway/out-of-memory"),
            (Reason::Cancelled, false, "stageway/cancelled"),
            (Reason::Image, false, "stageway/task-image"),
            (Reason::Unschedulable, false, "stageway/task-unschedulable"),
            (Reason::Lost, false, "stageway/task-lost"),
            (Reason::Other("new".into()), false, "stageway/task-ended"),
        ];
        for (reason, failed, code) in table {
            let judged = judge(&ending(reason, None), "x", Report::Read(report(1, 0)));
            assert_eq!(code_of(judged), (failed, code.to_owned()));
        }
    }

    #[test]
    fn globs_bring_back_their_folder() {
        assert_eq!(fixed_part("target/junit.xml"), "target/junit.xml");
        assert_eq!(fixed_part("target/reports/*.xml"), "target/reports");
        assert_eq!(fixed_part("target/r?.xml"), "target");
        assert!(check_junit("/junit", "**/junit.xml").is_some());
        assert!(check_junit("/junit", "target/**/junit.xml").is_none());
        for bad in ["", "/x", "x/", "a/../b", "a//b"] {
            assert!(check_path("/directory", bad).is_some(), "{bad}");
        }
    }
}
