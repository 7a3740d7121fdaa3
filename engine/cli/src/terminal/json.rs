//! A run for tools: one JSON object per line, and nothing else on standard output.
//!
//! Every object has `type`:
//!
//! | `type` | other fields |
//! | -- | -- |
//! | `start` | `run`, `number`, `pipeline`, `event`, `trust`, `stages` (names in order); of a new run also `tree`, `configuration`, `local` (what differs from a server) |
//! | `event` | `run`, `event`: what happened, with `kind` and `at` (milliseconds since 1970) |
//! | `line` | `run`, `line`: `stage`, `attempt`, `at`, `level`, `origin`, `text` |
//! | `notice` | `text` |
//! | `end` | `run`, `number`, `status`, `exit`, `stages`: by name `status`, `outputs`, `reason` or `failure`; `images`, `tests`, `tasks` (milliseconds of each part of their lives), `limits-by` |
//!
//! Fields are added, never renamed or removed, within a major version.

use super::board::Board;
use super::screen::Renderer;
use super::summary::Summary;
use crate::exit::Exit;
use serde_json::{Map, Value, json};
use stageway_core::log::Line;
use stageway_core::run::{Ended, RunEvent};
use std::io::{self, Write};

/// Writes one object per line.
pub(crate) struct Json<W> {
    out: W,
}

impl<W: Write + Send> Json<W> {
    /// Begins with the run itself.
    ///
    /// # Errors
    /// When the stream takes nothing.
    pub(crate) fn new(mut out: W, board: &Board, about: &Value) -> io::Result<Self> {
        let mut start = json!({
            "type": "start",
            "run": board.run,
            "number": board.number,
            "pipeline": board.plan.pipeline,
            "event": board.plan.event,
            "trust": board.plan.trust(),
            "stages": board.plan.stages.keys().collect::<Vec<_>>(),
        });
        for (name, value) in about.as_object().into_iter().flatten() {
            start[name] = value.clone();
        }
        writeln!(out, "{start}")?;
        Ok(Self { out })
    }
}

/// The last object of a run.
pub(crate) fn end_json(summary: &Summary) -> Value {
    let stages: Map<String, Value> = summary
        .state
        .stages
        .iter()
        .map(|(name, stage)| {
            let value = match stage.ended() {
                None => json!({"status": "left"}),
                Some(ended) => {
                    let mut value = json!({"status": ended.as_str(), "attempts": stage.attempts});
                    if let Some(outputs) = ended.outputs() {
                        value["outputs"] = json!(outputs);
                    }
                    match ended {
                        Ended::Failed(failure) | Ended::Errored(failure) => value["failure"] = json!(failure),
                        Ended::Skipped(reason) => value["reason"] = json!(reason),
                        Ended::Succeeded { .. } | Ended::Cancelled => {}
                    }
                    value
                }
            };
            (name.to_string(), value)
        })
        .collect();
    let mut end = json!({
        "type": "end",
        "run": summary.run,
        "number": summary.number,
        "status": summary.state.status,
        "exit": Exit::of(summary.state.status) as u8,
        "stages": stages,
        "images": summary.images,
        "tests": summary.tests,
        "tasks": summary.tasks,
        "limits-by": summary.limits_by,
    });
    if let Some(why) = &summary.waits {
        end["waits"] = json!(why);
    }
    end
}

impl<W: Write + Send> Renderer for Json<W> {
    fn event(&mut self, board: &Board, event: &RunEvent) -> io::Result<()> {
        writeln!(self.out, "{}", json!({"type": "event", "run": board.run, "event": event}))
    }

    fn line(&mut self, board: &Board, line: &Line) -> io::Result<()> {
        writeln!(self.out, "{}", json!({"type": "line", "run": board.run, "line": line}))
    }

    fn notice(&mut self, _: &Board, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", json!({"type": "notice", "text": text}))
    }

    fn tick(&mut self, _: &Board, _: u64) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self, _: &Board) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::sample;

    #[test]
    fn every_line_is_an_object_with_a_type() {
        let mut board = sample::board();
        let mut json = Json::new(Vec::new(), &board, &json!({"tree": "/x at 3f2a"})).unwrap();
        for event in sample::events() {
            board.event(&event);
            json.event(&board, &event).unwrap();
        }
        json.line(&board, &sample::line("smoke", "a \"b\"\u{1b}[1m")).unwrap();
        json.notice(&board, "c").unwrap();
        let text = String::from_utf8(json.out).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), sample::events().len() + 3);
        assert_eq!(lines[0]["tree"], "/x at 3f2a");
        assert_eq!(lines[0]["stages"], json!(["unit-test", "image", "smoke", "promote", "observe"]));
        let second = json!({"kind": "attempt-started", "at": 1100, "stage": "unit-test", "attempt": 1});
        assert_eq!(lines[2], json!({"type": "event", "run": "01RUN", "event": second}));
        assert_eq!(lines[lines.len() - 2]["line"]["text"], "a \"b\"\u{1b}[1m");
    }

    #[test]
    fn the_end_has_every_stage() {
        let end = end_json(&crate::terminal::summary::tests::sample_summary());
        assert_eq!(end["status"], "failed");
        assert_eq!(end["exit"], 10);
        assert_eq!(
            end["stages"]["unit-test"],
            json!({"status": "succeeded", "attempts": 1, "outputs": {"tests": 42}})
        );
        assert_eq!(end["stages"]["image"]["reason"]["unchanged"]["run"], "01OLD");
        assert_eq!(end["stages"]["smoke"]["failure"]["code"], "integration-test/failed");
        assert_eq!(end["stages"]["promote"]["reason"], json!({"upstream": "smoke"}));
    }
}
