//! JUnit XML, as test runners write it: suites in suites, cases with `failure`, `error` or `skipped`.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Value as Json, json};

const MOST_CASES: usize = 100_000;
const MESSAGE_BYTES: usize = 8192;
/// Names in the answer to the plugin; the report for people has all.
const MOST_FAILED: usize = 100;

/// What a report says.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Tests {
    cases: Vec<Case>,
}

#[derive(Debug, Default, PartialEq, Clone)]
struct Case {
    name: String,
    suite: String,
    seconds: f64,
    outcome: Outcome,
    message: String,
}

#[derive(Debug, Default, PartialEq, Clone, Copy)]
enum Outcome {
    #[default]
    Passed,
    Failed,
    Error,
    Skipped,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Skipped => "skipped",
        }
    }
}

impl Tests {
    fn count(&self, outcome: Outcome) -> usize {
        self.cases.iter().filter(|case| case.outcome == outcome).count()
    }

    fn red(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| matches!(case.outcome, Outcome::Failed | Outcome::Error))
    }

    /// {tests, failures, errors, skipped, "duration-ms", failed}.
    pub(super) fn summary(&self) -> Json {
        let seconds: f64 = self.cases.iter().map(|case| case.seconds).sum();
        json!({
            "tests": self.cases.len(),
            "failures": self.count(Outcome::Failed),
            "errors": self.count(Outcome::Error),
            "skipped": self.count(Outcome::Skipped),
            "duration-ms": (seconds * 1000.0).round() as u64,
            "failed": self.red().take(MOST_FAILED).map(Case::full_name).collect::<Vec<_>>(),
        })
    }

    /// The summary and every case.
    pub(super) fn whole(&self) -> Json {
        let mut whole = self.summary();
        whole["cases"] = self
            .cases
            .iter()
            .map(|case| {
                json!({"name": case.name, "suite": case.suite, "outcome": case.outcome.as_str(),
                       "duration-ms": (case.seconds * 1000.0).round() as u64, "message": case.message})
            })
            .collect();
        whole
    }
}

impl Case {
    fn full_name(&self) -> String {
        if self.suite.is_empty() { self.name.clone() } else { format!("{}::{}", self.suite, self.name) }
    }
}

/// Reads a report.
///
/// # Errors
/// A sentence, when the bytes are no XML, hold no suite, or are over a limit.
pub(super) fn read(bytes: &[u8]) -> Result<Tests, String> {
    let mut reader = Reader::from_reader(bytes);
    let mut tests = Tests::default();
    let mut open: Option<Case> = None;
    let (mut suites, mut depth, mut in_message) = (0_u32, 0_u32, false);
    loop {
        match reader.read_event().map_err(|e| format!("{e} at byte {}", reader.buffer_position()))? {
            Event::Start(tag) => {
                depth += 1;
                if depth > 64 {
                    return Err("elements are nested deeper than 64".into());
                }
                suites += u32::from(is_suite(&tag));
                in_message |= take(&tag, &mut open)?;
            }
            Event::Empty(tag) => {
                suites += u32::from(is_suite(&tag));
                take(&tag, &mut open)?;
                if tag.local_name().as_ref() == "testcase" {
                    close(&mut tests, &mut open)?;
                }
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                match tag.local_name().as_ref() {
                    "testcase" => close(&mut tests, &mut open)?,
                    "failure" | "error" | "skipped" => in_message = false,
                    _ => {}
                }
            }
            Event::Text(text) if in_message => append(&mut open, &text),
            Event::CData(text) if in_message => append(&mut open, &text),
            Event::GeneralRef(name) if in_message => append(&mut open, entity(&name)),
            Event::DocType(_) => return Err("a document type is not taken".into()),
            Event::Eof if suites == 0 => return Err("it holds no `testsuite`".into()),
            Event::Eof if depth > 0 => return Err("it ends in the middle of an element".into()),
            Event::Eof => return Ok(tests),
            _ => {}
        }
    }
}

fn is_suite(tag: &BytesStart<'_>) -> bool {
    matches!(tag.local_name().as_ref(), "testsuite" | "testsuites")
}

/// Takes a tag into the open case; answers whether its text is a message.
fn take(tag: &BytesStart<'_>, open: &mut Option<Case>) -> Result<bool, String> {
    let outcome = match tag.local_name().as_ref() {
        "testcase" => {
            *open = Some(Case {
                name: attribute(tag, "name")?,
                suite: attribute(tag, "classname")?,
                seconds: attribute(tag, "time")?.replace(',', "").parse().unwrap_or(0.0),
                ..Case::default()
            });
            return Ok(false);
        }
        "failure" => Outcome::Failed,
        "error" => Outcome::Error,
        "skipped" => Outcome::Skipped,
        _ => return Ok(false),
    };
    if let Some(case) = open {
        case.outcome = outcome;
        case.message = attribute(tag, "message")?;
        if !case.message.is_empty() {
            case.message.push('\n');
        }
    }
    Ok(true)
}

/// The predefined entities; any other is shown as a mark.
fn entity(name: &str) -> &'static str {
    match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => "?",
    }
}

fn append(open: &mut Option<Case>, text: &str) {
    if let Some(case) = open {
        let room = MESSAGE_BYTES.saturating_sub(case.message.len());
        case.message.extend(text.chars().take(room));
    }
}

fn close(tests: &mut Tests, open: &mut Option<Case>) -> Result<(), String> {
    if let Some(mut case) = open.take() {
        if !case.seconds.is_finite() || case.seconds < 0.0 {
            case.seconds = 0.0;
        }
        case.message.truncate(case.message.trim_end().len());
        tests.cases.push(case);
    }
    if tests.cases.len() > MOST_CASES { Err(format!("it has more than {MOST_CASES} cases")) } else { Ok(()) }
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<String, String> {
    let found = tag.try_get_attribute(name).map_err(|e| e.to_string())?;
    let Some(found) = found else { return Ok(String::new()) };
    let text = found.normalized_value(quick_xml::XmlVersion::Implicit1_0).map_err(|e| e.to_string())?;
    Ok(text.chars().take(1024).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_every_outcome() {
        let report = read(
            br#"<?xml version="1.0"?><testsuites><testsuite name="s" tests="4">
            <testcase name="a" classname="m" time="0.25"/>
            <testcase name="b" classname="m" time="1,000.5"><failure message="left &lt; right">at x</failure></testcase>
            <testcase name="c"><error><![CDATA[boom]]></error></testcase>
            <testcase name="d"><skipped/></testcase>
            </testsuite></testsuites>"#,
        )
        .unwrap();
        let summary = report.summary();
        assert_eq!(
            summary,
            json!({"tests": 4, "failures": 1, "errors": 1, "skipped": 1, "duration-ms": 1_000_750, "failed": ["m::b", "c"]})
        );
        assert_eq!(report.whole()["cases"][1]["message"], "left < right\nat x");
    }

    #[test]
    fn what_is_no_report_is_refused() {
        for bad in [
            &b""[..],
            b"not xml",
            b"<html></html>",
            b"<testsuite><testcase name='a'>",
            b"<!DOCTYPE x [<!ENTITY a 'b'>]><testsuite/>",
            b"\xff\xfe<testsuite/>",
        ] {
            assert!(read(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
