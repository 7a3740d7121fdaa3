//! The gate on what the registry's own scan found in an image.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use stageway_sdk::{Issue, Span, Verdict};
use std::collections::BTreeMap;

/// `scan` of `with`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Gate {
    /// Severity to how many findings of it pass.
    at_most: BTreeMap<String, u64>,
    #[serde(default = "five_minutes")]
    within: Span,
}

/// The severities that registries tell, the worst first.
const SEVERITIES: [&str; 6] = ["critical", "high", "medium", "low", "informational", "undefined"];
/// Between two looks at a scan that goes on.
const PAUSE: Span = Span::from_secs(5);

fn five_minutes() -> Span {
    Span::from_secs(300)
}

/// What the gate asks of the outside.
pub(crate) trait Scans {
    /// What is known of the scan of an image; none if the registry knows of none.
    fn findings(&self) -> Result<Option<Json>, Verdict>;
    /// Waits; answers the time since the beginning.
    fn pause(&self, how_long: Span) -> Result<(), Verdict>;
}

/// A scan as `images.facts` tells it.
#[derive(Debug, Deserialize)]
struct Findings {
    status: Option<String>,
    #[serde(default)]
    counts: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Exceeded<'a> {
    counts: &'a BTreeMap<String, u64>,
}

impl Gate {
    /// What is wrong with it beyond its schema.
    pub(crate) fn issues(&self) -> Vec<Issue> {
        let unknown = self.at_most.keys().filter(|severity| !SEVERITIES.contains(&severity.as_str()));
        let expected = SEVERITIES.join(", ");
        unknown
            .map(|severity| {
                Issue::at(&format!("/scan/at-most/{severity}"), format!("is no severity: {expected}"))
            })
            .collect()
    }

    /// Passes, once the scan is complete.
    ///
    /// # Errors
    /// Failed for more findings than pass, and for an image that nobody scans; errored for a scan that does not end.
    pub(crate) fn pass(&self, image: &str, scans: &impl Scans) -> Result<String, Verdict> {
        let mut waited = Span::from_millis(0);
        loop {
            let Some(found) = scans.findings()? else {
                let message =
                    format!("{image} was not scanned: let the registry scan on push, or remove `scan`");
                return Err(Verdict::failed("stageway/not-scanned", message));
            };
            let findings: Findings = serde_json::from_value(found).map_err(|error| {
                Verdict::errored("stageway/unexpected-answer", format!("the scan of {image}: {error}"))
            })?;
            match findings.status.as_deref() {
                Some("complete" | "active") => return self.judge(image, &findings.counts),
                Some("in_progress" | "pending") if waited < self.within => {
                    scans.pause(PAUSE)?;
                    waited = Span::from_millis(waited.as_millis() + PAUSE.as_millis());
                }
                status => {
                    let status = status.unwrap_or("unknown").chars().take(100).collect::<String>();
                    let message = format!(
                        "the scan of {image} is `{status}` after {waited}: look at it in the registry"
                    );
                    return Err(Verdict::errored("stageway/scan-incomplete", message));
                }
            }
        }
    }

    fn judge(&self, image: &str, counts: &BTreeMap<String, u64>) -> Result<String, Verdict> {
        let found = |severity: &str| counts.get(severity).copied().unwrap_or_default();
        let order = SEVERITIES.iter().filter_map(|severity| Some((*severity, *self.at_most.get(*severity)?)));
        let exceeded: Vec<String> = order
            .filter(|(severity, most)| found(severity) > *most)
            .map(|(severity, most)| format!("{} {severity} ({most} pass)", found(severity)))
            .collect();
        if exceeded.is_empty() {
            let told = SEVERITIES.iter().filter(|severity| found(severity) > 0);
            let told: Vec<String> = told.map(|severity| format!("{} {severity}", found(severity))).collect();
            return Ok(if told.is_empty() {
                "the scan found nothing".to_owned()
            } else {
                format!("the scan found {}", told.join(", "))
            });
        }
        let message =
            format!("the scan of {image} found {}: mend the image, or raise `scan`", exceeded.join(", "));
        Err(Verdict::failed("stageway/scan-findings", message).with_details(&Exceeded { counts }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::cell::{Cell, RefCell};

    struct Scripted {
        answers: RefCell<Vec<Option<Json>>>,
        pauses: Cell<u32>,
    }

    impl Scans for Scripted {
        fn findings(&self) -> Result<Option<Json>, Verdict> {
            let mut answers = self.answers.borrow_mut();
            Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
        }
        fn pause(&self, _: Span) -> Result<(), Verdict> {
            self.pauses.set(self.pauses.get() + 1);
            Ok(())
        }
    }

    fn pass(answers: Vec<Option<Json>>) -> (Result<String, Verdict>, u32) {
        let gate: Gate =
            serde_json::from_value(json!({"at-most": {"critical": 0, "high": 2}, "within": "1m"})).unwrap();
        let scans = Scripted { answers: RefCell::new(answers), pauses: Cell::new(0) };
        (gate.pass("build/orderbook@sha256:0", &scans), scans.pauses.get())
    }

    fn complete(counts: Json) -> Option<Json> {
        Some(json!({"status": "complete", "counts": counts}))
    }

    #[test]
    fn what_stays_within_the_bounds_passes() {
        assert_eq!(pass(vec![complete(json!({}))]).0.unwrap(), "the scan found nothing");
        let (passed, pauses) =
            pass(vec![Some(json!({"status": "in_progress"})), complete(json!({"low": 7, "high": 2}))]);
        assert_eq!((passed.unwrap().as_str(), pauses), ("the scan found 2 high, 7 low", 1));
    }

    #[test]
    fn everything_else_does_not() {
        let code = |answers| {
            let (passed, pauses) = pass(answers);
            let verdict = passed.unwrap_err();
            (matches!(verdict, Verdict::Failed(_)), verdict.failure().code.clone(), pauses)
        };
        let failed = |code: &str| (true, format!("stageway/{code}"), 0);
        assert_eq!(code(vec![complete(json!({"critical": 1}))]), failed("scan-findings"));
        assert_eq!(code(vec![complete(json!({"high": 3}))]), failed("scan-findings"));
        assert_eq!(code(vec![None]), failed("not-scanned"));
        assert_eq!(
            code(vec![Some(json!({"status": "failed"}))]),
            (false, "stageway/scan-incomplete".into(), 0)
        );
        assert_eq!(
            code(vec![Some(json!({"status": "in_progress"}))]),
            (false, "stageway/scan-incomplete".into(), 12)
        );
    }

    #[test]
    fn an_unknown_severity_is_an_issue() {
        let gate: Gate = serde_json::from_value(json!({"at-most": {"critical": 0, "severe": 1}})).unwrap();
        assert_eq!(gate.issues()[0].pointer, "/scan/at-most/severe");
    }
}
