//! `junit REPORT COMMAND…`: runs the tests of a `cargo test` command and reports them as JUnit XML.
//!
//! The stable test harness has no machine-readable output, so each test runs in a process of its own: its result is
//! the exit code, its time the process's, its output its own. The exit code is 0 only when there was a test and all
//! of them passed.

mod report;
mod suite;

use std::{env, error::Error, fs, path::Path, process::ExitCode, time::Duration};

use report::{Case, Outcome};

/// A test that has not ended by then is ended, and has failed.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let (Some(path), command) = (arguments.next(), arguments.collect::<Vec<_>>()) else {
        eprintln!("usage: junit REPORT COMMAND…");
        return ExitCode::from(2);
    };
    match run(Path::new(&path), &command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("junit: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the tests and writes the report. Answers whether all of them passed.
fn run(path: &Path, command: &[String]) -> Result<bool, Box<dyn Error>> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    // A report of an earlier run must never be taken for this one's.
    if path.exists() {
        fs::remove_file(path)?;
    }
    let output = path.with_extension("output");
    let mut cases = Vec::new();
    match suite::build(command)? {
        None => cases.push(Case::broken("build", "the tests do not build")),
        Some(suites) => {
            for suite in suites {
                suite.run(&output, PATIENCE, &mut cases)?;
            }
        }
    }
    if cases.is_empty() {
        cases.push(Case::broken("tests", "there are no tests"));
    }
    fs::write(path, report::xml(&cases))?;
    let _ = fs::remove_file(output);
    Ok(summary(&cases))
}

fn summary(cases: &[Case]) -> bool {
    let bad = cases.iter().filter(|case| case.outcome.is_bad()).count();
    let skipped = cases.iter().filter(|case| matches!(case.outcome, Outcome::Skipped)).count();
    println!(
        "{} tests: {} passed, {bad} failed, {skipped} skipped",
        cases.len(),
        cases.len() - bad - skipped
    );
    bad == 0
}
