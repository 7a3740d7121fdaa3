//! The report, in the form of JUnit XML that every CI system reads.

use std::time::Duration;

/// One test and how it ended.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) suite: String,
    pub(crate) name: String,
    pub(crate) took: Duration,
    pub(crate) outcome: Outcome,
}

/// How a test ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Passed,
    Failed {
        reason: String,
        output: String,
    },
    Skipped,
    /// It could not be told.
    Errored {
        reason: String,
    },
}

impl Outcome {
    pub(crate) fn is_bad(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Errored { .. })
    }
}

impl Case {
    /// What stands in the report when there is no test to report.
    pub(crate) fn broken(name: &str, reason: &str) -> Self {
        let outcome = Outcome::Errored { reason: reason.into() };
        Self { suite: "cargo".into(), name: name.into(), took: Duration::ZERO, outcome }
    }

    /// Says how it ended, with its output when it failed.
    pub(crate) fn print(&self) {
        let word = match &self.outcome {
            Outcome::Passed => "ok     ",
            Outcome::Failed { .. } => "FAILED ",
            Outcome::Skipped => "skipped",
            Outcome::Errored { .. } => "ERRORED",
        };
        println!("{word} {:>8.3} s  {} {}", self.took.as_secs_f64(), self.suite, self.name);
        if let Outcome::Failed { reason, output } = &self.outcome {
            println!("{output}\n{reason}");
        }
    }
}

/// The whole report, one `testsuite` for each test binary.
pub(crate) fn xml(cases: &[Case]) -> String {
    let mut text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites{}>\n", totals(cases));
    for suite in cases.chunk_by(|a, b| a.suite == b.suite) {
        text += &format!("  <testsuite name=\"{}\"{}>\n", escape(&suite[0].suite), totals(suite));
        text.extend(suite.iter().map(case));
        text += "  </testsuite>\n";
    }
    text + "</testsuites>\n"
}

fn totals(cases: &[Case]) -> String {
    let count = |is: fn(&Outcome) -> bool| cases.iter().filter(|case| is(&case.outcome)).count();
    let took: Duration = cases.iter().map(|case| case.took).sum();
    format!(
        " tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\"",
        cases.len(),
        count(|outcome| matches!(outcome, Outcome::Failed { .. })),
        count(|outcome| matches!(outcome, Outcome::Errored { .. })),
        count(|outcome| matches!(outcome, Outcome::Skipped)),
        took.as_secs_f64(),
    )
}

fn case(case: &Case) -> String {
    let detail = match &case.outcome {
        Outcome::Passed => String::new(),
        Outcome::Skipped => "<skipped/>".into(),
        Outcome::Errored { reason } => format!("<error message=\"{}\"/>", escape(reason)),
        Outcome::Failed { reason, output } => {
            format!("<failure message=\"{}\">{}</failure>", escape(reason), escape(output))
        }
    };
    let (suite, name, took) = (escape(&case.suite), escape(&case.name), case.took.as_secs_f64());
    format!("    <testcase classname=\"{suite}\" name=\"{name}\" time=\"{took:.3}\">{detail}</testcase>\n")
}

/// Text as XML 1.0 can have it: most control characters cannot be there in any form.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ if character.is_control() => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_and_escapes() {
        let case = |suite: &str, outcome| Case {
            suite: suite.into(),
            name: "a::b".into(),
            took: Duration::from_millis(1500),
            outcome,
        };
        let failed =
            Outcome::Failed { reason: "exit <1>".into(), output: "left: \"\u{1b}[1m\" & ]]>".into() };
        let text = xml(&[case("unit", Outcome::Passed), case("unit", failed), case("api", Outcome::Skipped)]);
        assert_eq!(
            text,
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1" errors="0" skipped="1" time="4.500">
  <testsuite name="unit" tests="2" failures="1" errors="0" skipped="0" time="3.000">
    <testcase classname="unit" name="a::b" time="1.500"></testcase>
    <testcase classname="unit" name="a::b" time="1.500"><failure message="exit &lt;1&gt;">left: &quot;�[1m&quot; &amp; ]]&gt;</failure></testcase>
  </testsuite>
  <testsuite name="api" tests="1" failures="0" errors="0" skipped="1" time="1.500">
    <testcase classname="api" name="a::b" time="1.500"><skipped/></testcase>
  </testsuite>
</testsuites>
"#
        );
    }
}
