//! What people should see of a stage beside its log. Always linked.

use serde::{Deserialize, Serialize};

use crate::bindings::stageway::host::reports as raw;
use crate::{HostError, wire};

/// What a JUnit report says, added up over its suites.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TestReport {
    /// Tests in all.
    #[serde(default)]
    pub tests: u32,
    /// Tests whose assertion did not hold.
    #[serde(default)]
    pub failures: u32,
    /// Tests that ended otherwise than they should.
    #[serde(default)]
    pub errors: u32,
    /// Tests that did not run.
    #[serde(default)]
    pub skipped: u32,
    /// The time they took.
    #[serde(default)]
    pub duration_ms: f64,
    /// Those that failed or ended in an error, as far as the host lists them.
    #[serde(default)]
    pub failed: Vec<FailedTest>,
}

/// One test that did not pass: its name, or its name with the place and the message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FailedTest {
    /// Only the name.
    Name(String),
    /// All that the report says.
    Case {
        /// The name of the test.
        name: String,
        /// The class or suite that holds it.
        #[serde(default, alias = "classname", alias = "suite")]
        class: Option<String>,
        /// What the test said.
        #[serde(default)]
        message: Option<String>,
    },
}

impl FailedTest {
    /// `class::name`, or the name alone.
    pub fn full_name(&self) -> String {
        match self {
            Self::Name(name) | Self::Case { name, class: None, .. } => name.clone(),
            Self::Case { name, class: Some(class), .. } => format!("{class}::{name}"),
        }
    }
}

/// Takes the JUnit XML file at `path` of the workspace into the run's reports. Needs the grant `workspace`.
///
/// # Errors
/// `NotFound`, `InvalidArgument` when the file is no JUnit report, `Denied`.
pub fn tests(path: &str) -> Result<TestReport, HostError> {
    wire::parse("reports.tests", &raw::tests(path)?)
}

/// A measure such as a coverage or a latency; the unit in UCUM (`%`, `ms`, `By`).
///
/// # Errors
/// `InvalidArgument`, `LimitExceeded`.
pub fn measure(name: &str, value: f64, unit: &str) -> Result<(), HostError> {
    raw::measure(name, value, unit)
}

/// How serious an annotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Worth knowing.
    Notice,
    /// Should be looked at.
    Warning,
    /// Must be looked at.
    Error,
}

/// A note at a line of a source file; an empty `path` means the whole stage.
///
/// # Errors
/// `InvalidArgument`, `LimitExceeded`.
pub fn annotation(level: Level, path: &str, line: u32, message: &str) -> Result<(), HostError> {
    let level = match level {
        Level::Notice => "notice",
        Level::Warning => "warning",
        Level::Error => "error",
    };
    raw::annotation(level, path, line, message)
}
