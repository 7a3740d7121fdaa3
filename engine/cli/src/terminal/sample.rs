//! A run made up for the tests of the renderers.

use super::Board;
use serde_json::json;
use stageway_core::call::{Failure, LogLevel};
use stageway_core::digest::Digest;
use stageway_core::event::{Event, Trust};
use stageway_core::limits::AttemptLimits;
use stageway_core::log::{Line, Origin};
use stageway_core::manifest::Manifest;
use stageway_core::name::{RunId, StageName};
use stageway_core::plan::{Found, Plan, Planning};
use stageway_core::policy::Policy;
use stageway_core::run::{AttemptEnding, Proof, SkipReason, Usage};
use stageway_core::run::{RunEvent, RunState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const PIPELINE: &str = "
pipeline: orderbook
on: { push: { branches: [main] } }
stages:
  unit-test: { uses: acme/pure@1 }
  image: { uses: acme/pure@1, needs: [unit-test] }
  smoke: { uses: acme/pure@1, needs: [image], retry: { attempts: 2, on: [errored] } }
  promote: { uses: acme/pure@1, needs: [smoke] }
  observe: { uses: acme/pure@1, needs: [promote] }
";

const MANIFEST: &str = r#"{
  "name": "acme/pure", "version": "1.0.0", "summary": "Answers",
  "configuration": { "type": "object" }, "outputs": { "type": "object", "properties": {} },
  "grants": { "required": [], "optional": [] }
}"#;

/// Five stages in a row.
pub(crate) fn plan() -> Plan {
    let definition =
        stageway_core::definition::parse("stageway.yaml", PIPELINE.as_bytes()).definition.unwrap();
    let found = Found {
        digest: Digest::of(b"component"),
        manifest: Manifest::parse(MANIFEST.as_bytes()).unwrap(),
        imports: BTreeSet::new(),
    };
    let planning = Planning {
        definition: &definition,
        event: &Event::push("main", "3f2a1c9d", Trust::Protected),
        plugins: &BTreeMap::from([("acme/pure@1".parse().unwrap(), found)]),
        absent: &BTreeMap::new(),
        policy: &Policy::single_machine(),
        parameters: &BTreeMap::new(),
        changed: None,
        limits: &AttemptLimits::default(),
    };
    stageway_core::plan::plan(&planning).into_result().unwrap().0
}

/// A board before any event.
pub(crate) fn board() -> Board {
    let plan = Arc::new(plan());
    let state = RunState::new(plan.stages.keys());
    let mut board = Board::new(RunId::new("01RUN").unwrap(), 12, plan, state);
    board.numbers.insert(RunId::new("01OLD").unwrap(), 11);
    board
}

pub(crate) fn stage(name: &str) -> StageName {
    StageName::new(name).unwrap()
}

pub(crate) fn line(name: &str, text: &str) -> Line {
    Line {
        stage: Some(stage(name)),
        attempt: 1,
        at: 3_000,
        level: LogLevel::Info,
        origin: Origin::Plugin { seq: 1, ordinal: 0 },
        text: text.into(),
    }
}

/// A test that passes, an unchanged image, a smoke test that is tried twice and fails, and what follows.
pub(crate) fn events() -> Vec<RunEvent> {
    let digest = Digest::of(b"");
    let ended = |name: &str, at, attempt, ending| RunEvent::AttemptEnded {
        at,
        stage: stage(name),
        attempt,
        ending,
        usage: Usage::default(),
    };
    let started = |name: &str, at, attempt| RunEvent::AttemptStarted { at, stage: stage(name), attempt };
    let failure =
        |code: &str, message: &str| Failure { code: code.into(), message: message.into(), details: None };
    let outputs = |value: serde_json::Value| value.as_object().cloned().unwrap_or_default();
    let proof = Proof {
        key: digest,
        run: RunId::new("01OLD").unwrap(),
        attempt: 1,
        compared: [("plugin", "stageway/x"), ("workspace", "sha256:12")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        asked_again: 3,
        outputs: outputs(json!({"reference": "build/orderbook@sha256:12"})),
        artifacts: BTreeMap::new(),
    };
    vec![
        RunEvent::Created { at: 1_000, plan: digest, tree: digest },
        started("unit-test", 1_100, 1),
        ended(
            "unit-test",
            9_200,
            1,
            AttemptEnding::Succeeded { outputs: outputs(json!({"tests": 42})), artifacts: BTreeMap::new() },
        ),
        RunEvent::StageSkipped {
            at: 9_300,
            stage: stage("image"),
            reason: SkipReason::Unchanged(Box::new(proof)),
        },
        started("smoke", 9_400, 1),
        ended("smoke", 10_400, 1, AttemptEnding::Errored(failure("stageway/lost", "the task was lost"))),
        RunEvent::RetryScheduled { at: 10_400, stage: stage("smoke"), attempt: 2, due: 11_400 },
        started("smoke", 11_400, 2),
        RunEvent::AttemptParked { at: 12_000, stage: stage("smoke"), attempt: 2, why: "for a task".into() },
        RunEvent::AttemptResumed { at: 13_000, stage: stage("smoke"), attempt: 2, counts: false, entries: 4 },
        ended(
            "smoke",
            14_000,
            2,
            AttemptEnding::Failed(failure("integration-test/failed", "the command ended with 1")),
        ),
        RunEvent::StageSkipped {
            at: 14_000,
            stage: stage("promote"),
            reason: SkipReason::Upstream(stage("smoke")),
        },
        RunEvent::StageSkipped {
            at: 14_000,
            stage: stage("observe"),
            reason: SkipReason::Upstream(stage("promote")),
        },
        RunEvent::Ended { at: 14_100, status: stageway_core::run::RunStatus::Failed },
    ]
}
