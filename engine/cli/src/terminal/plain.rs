//! A run as lines: for pipes, files and logs of other systems.

use super::board::Board;
use super::look::{Look, Style};
use super::screen::Renderer;
use super::stage::{failed, why};
use super::words::duration;
use stageway_core::log::Line;
use stageway_core::name::StageName;
use stageway_core::run::{AttemptEnding, RunEvent, SkipReason};
use std::io::{self, Write};

/// Writes one line for each thing that happens. Lines of a stage's log carry its name in front.
pub(crate) struct Plain<W> {
    out: W,
    look: Look,
}

impl<W: Write + Send> Plain<W> {
    pub(crate) fn new(out: W, look: Look) -> Self {
        Self { out, look }
    }

    fn say(&mut self, stage: &StageName, style: Style, text: &str) -> io::Result<()> {
        let text = self.look.paint(style, text);
        writeln!(self.out, "{stage}: {text}")
    }

    fn ended(&mut self, board: &Board, stage: &StageName, ending: &AttemptEnding) -> io::Result<()> {
        let state = board.state.stages.get(stage);
        let took = state.and_then(|state| Some(state.ended_at?.saturating_sub(state.started_at?)));
        let time = took.map(|took| format!(" after {}", duration(took))).unwrap_or_default();
        match ending {
            AttemptEnding::Succeeded { .. } => self.say(stage, Style::Good, &format!("succeeded{time}")),
            AttemptEnding::Failed(failure) => {
                self.say(stage, Style::Bad, &format!("failed{time}: {}", failed(failure)))
            }
            AttemptEnding::Errored(failure) => {
                self.say(stage, Style::Bad, &format!("errored{time}: {}", failed(failure)))
            }
            AttemptEnding::Cancelled => self.say(stage, Style::Notice, &format!("cancelled{time}")),
        }
    }
}

impl<W: Write + Send> Renderer for Plain<W> {
    fn event(&mut self, board: &Board, event: &RunEvent) -> io::Result<()> {
        match event {
            RunEvent::Created { .. } | RunEvent::Ended { .. } => Ok(()),
            RunEvent::StageWaiting { stage, why, .. } | RunEvent::AttemptParked { stage, why, .. } => {
                self.say(stage, Style::Notice, &format!("waits {why}"))
            }
            RunEvent::AttemptStarted { stage, attempt: 1, .. } => self.say(stage, Style::Active, "started"),
            RunEvent::AttemptStarted { stage, attempt, .. } => {
                self.say(stage, Style::Active, &format!("attempt {attempt} started"))
            }
            RunEvent::AttemptResumed { stage, .. } => self.say(stage, Style::Active, "goes on"),
            RunEvent::AttemptEnded { stage, ending, .. } => self.ended(board, stage, ending),
            RunEvent::RetryScheduled { at, stage, attempt, due } => {
                let pause = duration(due.saturating_sub(*at));
                self.say(stage, Style::Notice, &format!("attempt {attempt} follows in {pause}"))
            }
            RunEvent::StageSkipped { stage, reason, .. } => {
                let word = if matches!(reason, SkipReason::Unchanged(_)) { "unchanged" } else { "skipped" };
                self.say(stage, Style::Faint, &format!("{word}, {}", why(reason, &board.numbers)))
            }
            RunEvent::CancelRequested { by, reason, .. } => {
                let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                writeln!(self.out, "{by} cancels the run{reason}")
            }
        }
    }

    fn line(&mut self, _: &Board, line: &Line) -> io::Result<()> {
        match &line.stage {
            Some(stage) => writeln!(self.out, "{stage} | {}", line.text),
            None => writeln!(self.out, "{}", line.text),
        }
    }

    fn notice(&mut self, _: &Board, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", self.look.paint(Style::Notice, text))
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

    fn told(look: Look) -> String {
        let mut plain = Plain::new(Vec::new(), look);
        let mut board = sample::board();
        for event in sample::events() {
            board.event(&event);
            plain.event(&board, &event).unwrap();
            if matches!(&event, RunEvent::AttemptStarted { attempt: 1, .. }) {
                let line = sample::line("smoke", "GET /health: 200");
                board.line(&line);
                plain.line(&board, &line).unwrap();
            }
        }
        plain.notice(&board, "cancelling").unwrap();
        String::from_utf8(plain.out).unwrap()
    }

    #[test]
    fn a_run_as_lines() {
        let expected = "\
unit-test: started
smoke | GET /health: 200
unit-test: succeeded after 8.1s
image: unchanged, the same as in run 11
smoke: started
smoke | GET /health: 200
smoke: errored after 1.0s: the task was lost (stageway/lost)
smoke: attempt 2 follows in 1.0s
smoke: attempt 2 started
smoke: waits for a task
smoke: goes on
smoke: failed after 4.6s: the command ended with 1 (integration-test/failed)
promote: skipped, `smoke` did not succeed
observe: skipped, `promote` did not succeed
cancelling
";
        assert_eq!(told(Look::PLAIN), expected);
    }

    #[test]
    fn colours_change_nothing_else() {
        let colourful = told(Look { colour: true, ..Look::PLAIN });
        assert!(colourful.contains("unit-test: \x1b[32msucceeded after 8.1s\x1b[0m\n"), "{colourful:?}");
        let mut stripped = colourful;
        for code in ["\x1b[0m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m"] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, told(Look::PLAIN));
    }
}
