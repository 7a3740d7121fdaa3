//! A run as a trace: spans that follow from what is stored of it and from nothing else, so whoever makes them again, after a crash
//! or in another process, makes the same.
//!
//! Names and attributes are those of the semantic conventions of OpenTelemetry for CI/CD, `cicd.*` and `vcs.*`
//! (<https://opentelemetry.io/docs/specs/semconv/cicd/>); what they have no name for begins with `stageway.`.

use crate::digest::Digest;
use crate::name::{PipelineName, ReceiptId, RepositoryId, RunId, StageName, TenantId};
use crate::run::{AttemptEnding, RunEvent, RunStatus, SkipReason};
use std::collections::BTreeMap;

/// Which trace: the first 16 bytes of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TraceId(pub [u8; 16]);

/// Which span of a trace: the first 8 bytes of a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpanId(pub [u8; 8]);

/// Something that took time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its trace.
    pub trace: TraceId,
    /// Unique in the trace.
    pub id: SpanId,
    /// The span that it is a part of.
    pub parent: Option<SpanId>,
    /// Few different ones.
    pub name: String,
    /// When it began, in milliseconds since 1970.
    pub begun: u64,
    /// When it ended, in milliseconds since 1970; not before it began.
    pub ended: u64,
    /// What it is about.
    pub attributes: BTreeMap<&'static str, String>,
    /// What happened meanwhile: when, and what in words.
    pub moments: Vec<(u64, String)>,
    /// Why it did not succeed; none if it did, or was not run.
    pub problem: Option<String>,
}

/// What caused a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caused {
    /// The delivery.
    pub delivery: ReceiptId,
    /// When it came, in milliseconds since 1970.
    pub at: u64,
    /// What the forge calls it.
    pub event: String,
}

/// A run that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced<'a> {
    /// Whose.
    pub tenant: &'a TenantId,
    /// Its repository.
    pub repository: &'a RepositoryId,
    /// The commit that it is about.
    pub revision: &'a str,
    /// Which.
    pub run: &'a RunId,
    /// Its pipeline.
    pub pipeline: &'a PipelineName,
    /// What caused it; none if that is not known any more.
    pub caused: Option<Caused>,
    /// All its events.
    pub events: &'a [RunEvent],
}

/// The spans of a run: of its delivery, the run, each attempt of a stage and each stage that was not run. The runs of a delivery
/// share its trace and its span.
pub fn spans(of: &Traced<'_>) -> Vec<Span> {
    let cause = of.caused.as_ref().map_or(of.run.as_str(), |caused| caused.delivery.as_str());
    let mut weaver =
        Weaver { of, trace: TraceId(first(&["trace", of.tenant.as_str(), cause])), spans: vec![] };
    weaver.delivery();
    weaver.run();
    weaver.stages();
    weaver.spans
}

fn first<const N: usize>(words: &[&str]) -> [u8; N] {
    let digest = Digest::of(words.join("\0").as_bytes());
    let mut bytes = [0; N];
    bytes.copy_from_slice(&digest.as_bytes()[..N]);
    bytes
}

struct Weaver<'a> {
    of: &'a Traced<'a>,
    trace: TraceId,
    spans: Vec<Span>,
}

impl Weaver<'_> {
    fn span(&self, words: &[&str], parent: Option<SpanId>, name: &str, begun: u64, ended: u64) -> Span {
        Span {
            trace: self.trace,
            id: SpanId(first(words)),
            parent,
            name: name.to_owned(),
            begun,
            ended: ended.max(begun),
            attributes: BTreeMap::from([("stageway.tenant.id", self.of.tenant.to_string())]),
            moments: vec![],
            problem: None,
        }
    }

    fn delivery_id(&self) -> Option<SpanId> {
        self.of.caused.as_ref().map(|caused| SpanId(first(&["delivery", caused.delivery.as_str()])))
    }

    fn run_id(&self) -> SpanId {
        SpanId(first(&["run", self.of.run.as_str()]))
    }

    /// A moment: what came of it may be several runs, and the span is the same in the trace of each.
    fn delivery(&mut self) {
        let Some(caused) = &self.of.caused else { return };
        let mut span =
            self.span(&["delivery", caused.delivery.as_str()], None, "delivery", caused.at, caused.at);
        span.attributes.insert("stageway.delivery.id", caused.delivery.to_string());
        span.attributes.insert("stageway.delivery.event", caused.event.clone());
        self.spans.push(span);
    }

    fn run(&mut self) {
        let events = self.of.events;
        let begun = events.first().map_or(0, RunEvent::at);
        let mut span =
            self.span(&["run", self.of.run.as_str()], self.delivery_id(), "run", begun, self.end());
        let status = events.iter().find_map(|event| match event {
            RunEvent::Ended { status, .. } => Some(*status),
            _ => None,
        });
        for (name, value) in [
            ("cicd.pipeline.name", self.of.pipeline.to_string()),
            ("cicd.pipeline.run.id", self.of.run.to_string()),
            ("vcs.repository.name", self.of.repository.to_string()),
            ("vcs.ref.head.revision", self.of.revision.to_owned()),
        ] {
            span.attributes.insert(name, value);
        }
        if let Some(status) = status {
            span.attributes.insert("cicd.pipeline.result", result(status).to_owned());
            let bad = matches!(status, RunStatus::Failed | RunStatus::Errored);
            span.problem = bad.then(|| format!("the run {}", status.as_str()));
        }
        for event in events {
            match event {
                RunEvent::StageWaiting { at, stage, why } => {
                    span.moments.push((*at, format!("{stage} waits: {why}")));
                }
                RunEvent::RetryScheduled { at, stage, attempt, .. } => {
                    span.moments.push((*at, format!("{stage} gets attempt {attempt}")));
                }
                RunEvent::CancelRequested { at, by, .. } => {
                    span.moments.push((*at, format!("{by} cancels")));
                }
                _ => {}
            }
        }
        self.spans.push(span);
    }

    fn stages(&mut self) {
        let mut open: BTreeMap<(&StageName, u32), Span> = BTreeMap::new();
        for event in self.of.events {
            match event {
                RunEvent::AttemptStarted { at, stage, attempt } => {
                    open.insert((stage, *attempt), self.attempt(stage, *attempt, *at));
                }
                RunEvent::AttemptParked { at, stage, attempt, why } => {
                    if let Some(span) = open.get_mut(&(stage, *attempt)) {
                        span.moments.push((*at, format!("parked: {why}")));
                    }
                }
                RunEvent::AttemptResumed { at, stage, attempt, .. } => {
                    if let Some(span) = open.get_mut(&(stage, *attempt)) {
                        span.moments.push((*at, "resumed".to_owned()));
                    }
                }
                RunEvent::AttemptEnded { at, stage, attempt, ending, .. } => {
                    if let Some(span) = open.remove(&(stage, *attempt)) {
                        self.spans.push(closed(span, *at, ending));
                    }
                }
                RunEvent::StageSkipped { at, stage, reason } => {
                    let mut span = self.attempt(stage, 0, *at);
                    span.attributes.insert("cicd.pipeline.task.run.result", "skip".to_owned());
                    span.attributes.insert("stageway.stage.skipped", skipped(reason));
                    self.spans.push(span);
                }
                _ => {}
            }
        }
        let end = self.end();
        self.spans.extend(open.into_values().map(|span| Span { ended: end.max(span.begun), ..span }));
    }

    /// One that has just begun.
    fn attempt(&self, stage: &StageName, attempt: u32, at: u64) -> Span {
        let number = attempt.to_string();
        let words = ["attempt", self.of.run.as_str(), stage.as_str(), &number];
        let mut span = self.span(&words, Some(self.run_id()), stage.as_str(), at, at);
        span.attributes.insert("cicd.pipeline.task.name", stage.to_string());
        if attempt > 0 {
            span.attributes.insert("cicd.pipeline.task.run.id", format!("{}.{stage}.{attempt}", self.of.run));
        }
        span
    }

    fn end(&self) -> u64 {
        self.of.events.last().map_or(0, RunEvent::at)
    }
}

fn closed(mut span: Span, at: u64, ending: &AttemptEnding) -> Span {
    span.ended = at.max(span.begun);
    let (result, problem) = match ending {
        AttemptEnding::Succeeded { .. } => ("success", None),
        AttemptEnding::Failed(failure) => ("failure", Some(failure.message.clone())),
        AttemptEnding::Errored(failure) => ("error", Some(failure.message.clone())),
        AttemptEnding::Cancelled => ("cancellation", None),
    };
    span.attributes.insert("cicd.pipeline.task.run.result", result.to_owned());
    span.problem = problem;
    span
}

/// The word of the conventions.
fn result(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Succeeded => "success",
        RunStatus::Failed => "failure",
        RunStatus::Errored => "error",
        RunStatus::Cancelled => "cancellation",
        RunStatus::Skipped => "skip",
        RunStatus::Queued | RunStatus::Running | RunStatus::Waiting => "unknown",
    }
}

fn skipped(reason: &SkipReason) -> String {
    match reason {
        SkipReason::Unchanged(proof) => format!("unchanged since run {}", proof.run),
        SkipReason::Condition(text) => format!("its condition is false: {text}"),
        SkipReason::Upstream(stage) => format!("{stage} did not succeed"),
        SkipReason::Outdated(run) => format!("run {run} is newer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Usage;

    fn traced(events: &[RunEvent], caused: Option<Caused>) -> Vec<Span> {
        let (tenant, repository) = (TenantId::local(), RepositoryId::new("orderbook").unwrap());
        let (run, pipeline) = (RunId::new("r1").unwrap(), PipelineName::new("build").unwrap());
        spans(&Traced {
            tenant: &tenant,
            repository: &repository,
            revision: "c0ffee",
            run: &run,
            pipeline: &pipeline,
            caused,
            events,
        })
    }

    fn events() -> Vec<RunEvent> {
        let stage = |name: &str| StageName::new(name).unwrap();
        let digest = Digest::of(b"");
        vec![
            RunEvent::Created { at: 100, plan: digest, tree: digest },
            RunEvent::AttemptStarted { at: 110, stage: stage("test"), attempt: 1 },
            RunEvent::AttemptParked { at: 120, stage: stage("test"), attempt: 1, why: "a task".into() },
            RunEvent::AttemptResumed { at: 130, stage: stage("test"), attempt: 1, counts: false, entries: 3 },
            RunEvent::AttemptEnded {
                at: 150,
                stage: stage("test"),
                attempt: 1,
                ending: AttemptEnding::Succeeded {
                    outputs: Default::default(),
                    artifacts: Default::default(),
                },
                usage: Usage::default(),
            },
            RunEvent::StageSkipped {
                at: 151,
                stage: stage("promote"),
                reason: SkipReason::Condition("false".into()),
            },
            RunEvent::AttemptStarted { at: 152, stage: stage("deploy"), attempt: 1 },
            RunEvent::Ended { at: 160, status: RunStatus::Cancelled },
        ]
    }

    #[test]
    fn a_run_hangs_below_its_delivery_and_its_stages_below_the_run() {
        let caused = Caused { delivery: ReceiptId::new("d1").unwrap(), at: 90, event: "push".into() };
        let spans = traced(&events(), Some(caused));
        let names: Vec<_> = spans.iter().map(|span| (span.name.as_str(), span.begun, span.ended)).collect();
        assert_eq!(
            names,
            [
                ("delivery", 90, 90),
                ("run", 100, 160),
                ("test", 110, 150),
                ("promote", 151, 151),
                ("deploy", 152, 160)
            ]
        );
        assert_eq!(spans[0].parent, None);
        assert_eq!(spans[1].parent, Some(spans[0].id));
        assert!(spans[2..].iter().all(|span| span.parent == Some(spans[1].id)));
        assert!(spans.iter().all(|span| span.trace == spans[0].trace));
        assert_eq!(spans[1].attributes["cicd.pipeline.result"], "cancellation");
        assert_eq!(spans[2].moments.len(), 2);
        assert_eq!(spans[3].attributes["cicd.pipeline.task.run.result"], "skip");
        let mut ids: Vec<_> = spans.iter().map(|span| span.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), spans.len());
    }

    #[test]
    fn the_same_events_make_the_same_trace_and_another_run_another() {
        let spans = traced(&events(), None);
        assert_eq!(spans, traced(&events(), None));
        assert_eq!(spans[0].name, "run");
        let caused = Caused { delivery: ReceiptId::new("d2").unwrap(), at: 1, event: "push".into() };
        assert_ne!(spans[0].trace, traced(&events(), Some(caused))[0].trace);
    }
}
