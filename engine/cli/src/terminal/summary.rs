//! What came of a run.

use super::look::{Look, Style};
use super::stage::{Mark, compared, result, took, word};
use super::words::{count, duration};
use serde::Serialize;
use serde_json::Value as Json;
use stageway_core::name::{PipelineName, RunId, StageName};
use stageway_core::run::{Ended, RunState, RunStatus, SkipReason, StageState, StageStatus};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that a summary shows.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    /// The run.
    pub(crate) run: RunId,
    /// Its number.
    pub(crate) number: u64,
    /// Its pipeline.
    pub(crate) pipeline: PipelineName,
    /// The fold of its events.
    pub(crate) state: RunState,
    /// Test reports by stage, added up.
    pub(crate) tests: BTreeMap<StageName, TestCounts>,
    /// What happened to images, in the order in which it did.
    pub(crate) images: Vec<ImageFact>,
    /// The tasks that have ended, in their order.
    pub(crate) tasks: Vec<TaskFact>,
    /// By what the limits of tasks were enforced.
    pub(crate) limits_by: BTreeSet<String>,
    /// Numbers of other runs, for words.
    pub(crate) numbers: BTreeMap<RunId, u64>,
    /// It is a server's, which goes on by itself.
    pub(crate) elsewhere: bool,
    /// Why it has not begun, in words.
    pub(crate) waits: Option<String>,
}

/// Test reports of one stage, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TestCounts {
    /// All of them.
    pub(crate) tests: u64,
    /// Those that said no.
    pub(crate) failures: u64,
    /// Those that broke off.
    pub(crate) errors: u64,
    /// Those that were not run.
    pub(crate) skipped: u64,
}

impl TestCounts {
    /// Adds the body of a test report.
    pub(crate) fn add(&mut self, report: &Json) {
        let number = |key: &str| report[key].as_u64().unwrap_or(0);
        self.tests += number("tests");
        self.failures += number("failures");
        self.errors += number("errors");
        self.skipped += number("skipped");
    }

    fn in_words(&self) -> String {
        let red = self.failures + self.errors;
        let passed = self.tests.saturating_sub(red + self.skipped);
        let mut text = match red {
            0 => format!("{} passed", count(passed, "test")),
            red => format!("{red} of {} failed", count(self.tests, "test")),
        };
        if self.skipped > 0 {
            text.push_str(&format!(", {} skipped", self.skipped));
        }
        text
    }
}

/// What a stage did to an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ImageFact {
    /// The stage.
    pub(crate) stage: StageName,
    /// `CONNECTION/PATH`.
    pub(crate) repository: String,
    /// The tag that was set; none for a push or a copy.
    pub(crate) tag: Option<String>,
    /// The image.
    pub(crate) digest: String,
    /// `pushed`, `created`, `already` or `moved`.
    pub(crate) outcome: String,
}

/// The parts of a task's life: as its ending names them, and in words.
pub(crate) const PARTS: [(&str, &str); 8] = [
    ("queued-ms", "queued"),
    ("scheduled-ms", "scheduled"),
    ("pulled-ms", "pulled"),
    ("started-ms", "started"),
    ("prepared-ms", "prepared"),
    ("services-ms", "services"),
    ("ran-ms", "ran"),
    ("collected-ms", "collected"),
];

/// How long each part of a task's life took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TaskFact {
    /// The stage.
    pub(crate) stage: StageName,
    /// Milliseconds by the names of [`PARTS`].
    #[serde(flatten)]
    pub(crate) times: BTreeMap<&'static str, u64>,
}

impl TaskFact {
    fn in_words(&self) -> String {
        let part = |(key, word)| {
            let took = self.times.get(key).filter(|took| **took > 0)?;
            Some(format!("{word} {}", duration(*took)))
        };
        PARTS.into_iter().filter_map(part).collect::<Vec<_>>().join(", ")
    }
}

impl Summary {
    /// The summary for people, every line ended.
    pub(crate) fn render(&self, look: &Look) -> String {
        let mut text = format!("\n{}\n", self.headline(look));
        if let Some(why) = &self.waits {
            text.push_str(&format!("It {}.\n", look.paint(Style::Notice, why)));
        }
        text.push('\n');
        let width = self.state.stages.keys().map(|name| name.as_str().len()).max().unwrap_or(0);
        for (name, stage) in &self.state.stages {
            let mark = Mark::of(&stage.status).show(look, 0);
            text.push_str(&format!("  {mark} {:width$}  {}\n", name.as_str(), self.stage(name, stage)));
            if let Some(Ended::Skipped(SkipReason::Unchanged(proof))) = stage.ended() {
                let line = format!("    {:width$}  {}", "", compared(proof));
                text.push_str(&format!("{}\n", look.paint(Style::Faint, &line)));
            }
        }
        self.outputs(look, &mut text);
        self.images(look, &mut text);
        if !self.limits_by.is_empty() {
            let by: Vec<&str> = self.limits_by.iter().map(String::as_str).collect();
            let line = format!("Limits of tasks by {}.", by.join(", "));
            text.push_str(&format!("\n{}", look.paint(Style::Faint, &line)));
        }
        text.push_str(&format!("\n{}\n", look.paint(Style::Faint, &self.more())));
        text
    }

    fn headline(&self, look: &Look) -> String {
        let (style, word) = match self.state.status {
            RunStatus::Succeeded => (Style::Good, "succeeded"),
            RunStatus::Failed => (Style::Bad, "failed"),
            RunStatus::Errored => (Style::Bad, "errored"),
            RunStatus::Cancelled => (Style::Notice, "was cancelled"),
            RunStatus::Skipped => (Style::Faint, "had nothing to do"),
            RunStatus::Queued => (Style::Notice, "has not begun"),
            RunStatus::Running => (Style::Active, "is running"),
            RunStatus::Waiting => (Style::Notice, "is waiting"),
        };
        let time = self.state.ended_at.map(|end| end.saturating_sub(self.state.created_at));
        let time = time.map(|time| format!(" in {}", duration(time))).unwrap_or_default();
        let run = look.paint(Style::Strong, &format!("Run {} of {}", self.number, self.pipeline));
        format!("{run} {}{time}  {}", look.paint(style, word), look.paint(Style::Faint, self.run.as_str()))
    }

    fn stage(&self, name: &StageName, stage: &StageState) -> String {
        let time =
            took(stage, stage.ended_at.unwrap_or(0)).filter(|_| stage.ended_at.is_some()).map(duration);
        let mut parts = Vec::new();
        match stage.ended() {
            None => parts.push(standing(&stage.status)),
            Some(Ended::Succeeded { .. }) => {
                parts.push(format!("ran in {}", time.unwrap_or_default()));
                parts.extend(stage.ended().map(|ended| result(ended, stage, &self.numbers)));
            }
            Some(ended @ Ended::Skipped(_)) => {
                parts.push(format!("{}: {}", word(ended), result(ended, stage, &self.numbers)));
            }
            Some(ended) => {
                let time = time.map(|time| format!(" after {time}")).unwrap_or_default();
                let why = result(ended, stage, &self.numbers);
                let why = if why.is_empty() { why } else { format!(": {why}") };
                parts.push(format!("{}{time}{why}", word(ended)));
            }
        }
        parts.extend(self.tests.get(name).map(TestCounts::in_words));
        parts.retain(|part| !part.is_empty());
        parts.join(", ")
    }

    fn outputs(&self, look: &Look, text: &mut String) {
        let mut lines = Vec::new();
        for (name, stage) in &self.state.stages {
            for (key, value) in stage.ended().and_then(Ended::outputs).into_iter().flatten() {
                let value = match value {
                    Json::String(text) => text.clone(),
                    other => other.to_string(),
                };
                lines.push((format!("{name}.{key}"), value));
            }
        }
        section(look, text, "Outputs", &lines);
    }

    fn images(&self, look: &Look, text: &mut String) {
        let lines: Vec<_> = self
            .images
            .iter()
            .map(|fact| match &fact.tag {
                Some(tag) => {
                    (format!("{}:{tag}", fact.repository), format!("{} {}", fact.digest, fact.outcome))
                }
                None => (fact.repository.clone(), format!("{} {}", fact.digest, fact.outcome)),
            })
            .collect();
        section(look, text, "Images", &lines);
    }

    /// How long the parts of each task took, for people, every line ended; nothing where there was none.
    pub(crate) fn tasks(&self, look: &Look) -> String {
        let mut text = String::new();
        let lines: Vec<_> = self.tasks.iter().map(|task| (task.stage.to_string(), task.in_words())).collect();
        section(look, &mut text, "Tasks", &lines);
        text
    }

    fn more(&self) -> String {
        let number = self.number;
        let red = |stage: &&StageState| matches!(stage.ended(), Some(Ended::Failed(_) | Ended::Errored(_)));
        let red = self.state.stages.iter().find(|(_, stage)| red(stage)).map(|(name, _)| name);
        match (red, self.state.ended_at) {
            (_, None) if self.elsewhere => format!("More: `stageway logs {number} -f`"),
            (_, None) => format!(
                "It goes on with `stageway resume {number}`, and ends with `stageway cancel {number}`."
            ),
            (Some(name), _) => {
                format!("More: `stageway logs {number} {name}`, `stageway replay {number} {name}`")
            }
            (None, _) => format!("More: `stageway show {number}`, `stageway logs {number} [STAGE]`"),
        }
    }
}

fn standing(status: &StageStatus) -> String {
    match status {
        StageStatus::Pending => "not begun".into(),
        StageStatus::Running => "running".into(),
        StageStatus::Held(why) | StageStatus::Parked(why) => format!("waits {why}"),
        StageStatus::Retrying(_) => "waits for its next attempt".into(),
        StageStatus::Ended(ended) => word(ended).into(),
    }
}

fn section(look: &Look, text: &mut String, title: &str, lines: &[(String, String)]) {
    if lines.is_empty() {
        return;
    }
    text.push_str(&format!("\n  {}\n", look.paint(Style::Strong, title)));
    let width = lines.iter().map(|(key, _)| key.chars().count()).max().unwrap_or(0);
    for (key, value) in lines {
        text.push_str(&format!("    {key:width$}  {value}\n"));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::terminal::sample;
    use serde_json::json;

    pub(crate) fn sample_summary() -> Summary {
        let mut board = sample::board();
        sample::events().iter().for_each(|event| board.event(event));
        let mut tests = TestCounts::default();
        tests.add(&json!({"tests": 40, "failures": 0, "errors": 0, "skipped": 1}));
        tests.add(&json!({"tests": 2}));
        let fact = |repository: &str, tag: Option<&str>, outcome: &str| ImageFact {
            stage: sample::stage("image"),
            repository: repository.into(),
            tag: tag.map(str::to_owned),
            digest: "sha256:12".into(),
            outcome: outcome.into(),
        };
        Summary {
            run: board.run.clone(),
            number: 12,
            pipeline: board.plan.pipeline.clone(),
            state: board.state.clone(),
            tests: BTreeMap::from([(sample::stage("unit-test"), tests)]),
            images: vec![
                fact("build/orderbook", None, "pushed"),
                fact("build/orderbook", Some("v1"), "created"),
            ],
            tasks: vec![TaskFact {
                stage: sample::stage("unit-test"),
                times: BTreeMap::from([("queued-ms", 0), ("prepared-ms", 250), ("ran-ms", 7_800)]),
            }],
            limits_by: BTreeSet::from(["cgroup-v1".to_owned()]),
            numbers: board.numbers.clone(),
            elsewhere: false,
            waits: None,
        }
    }

    #[test]
    fn a_failed_run() {
        let expected = "
Run 12 of orderbook failed in 13.1s  01RUN

  + unit-test  ran in 8.1s, 41 tests passed, 1 skipped
  = image      unchanged: the same as in run 11
               compared: plugin, workspace; 3 answers asked for again and the same
  x smoke      failed after 4.6s: the command ended with 1 (integration-test/failed)
  - promote    skipped: `smoke` did not succeed
  - observe    skipped: `promote` did not succeed

  Outputs
    unit-test.tests  42
    image.reference  build/orderbook@sha256:12

  Images
    build/orderbook     sha256:12 pushed
    build/orderbook:v1  sha256:12 created

Limits of tasks by cgroup-v1.
More: `stageway logs 12 smoke`, `stageway replay 12 smoke`
";
        assert_eq!(sample_summary().render(&Look::PLAIN), expected);
    }

    #[test]
    fn the_parts_of_a_task_are_told_apart() {
        let text = sample_summary().tasks(&Look::PLAIN);
        assert_eq!(text, "\n  Tasks\n    unit-test  prepared 0.2s, ran 7.8s\n");
        let none = Summary { tasks: vec![], ..sample_summary() };
        assert_eq!(none.tasks(&Look::PLAIN), "");
    }

    #[test]
    fn a_run_that_waits_says_for_what() {
        let mut board = sample::board();
        sample::events()[..1].iter().for_each(|event| board.event(event));
        let waits = Some("waits for a place: tenant `acme` runs 4 of 4".to_owned());
        let summary = Summary { state: board.state, waits, ..sample_summary() };
        let text = summary.render(&Look::PLAIN);
        let expected = "\nRun 12 of orderbook has not begun  01RUN\nIt waits for a place: tenant `acme` runs 4 of 4.\n\n";
        assert!(text.starts_with(expected), "{text}");
    }

    #[test]
    fn a_run_that_was_left_says_how_it_goes_on() {
        let mut board = sample::board();
        sample::events()[..9].iter().for_each(|event| board.event(event));
        let summary =
            Summary { state: board.state, images: vec![], tests: BTreeMap::new(), ..sample_summary() };
        let text = summary.render(&Look::PLAIN);
        assert!(text.starts_with("\nRun 12 of orderbook is waiting  01RUN\n"), "{text}");
        assert!(text.contains("  ~ smoke      waits for a task\n"), "{text}");
        assert!(
            text.ends_with("It goes on with `stageway resume 12`, and ends with `stageway cancel 12`.\n"),
            "{text}"
        );
    }
}
