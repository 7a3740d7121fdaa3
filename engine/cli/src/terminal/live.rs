//! A run as a block of lines at the bottom of a terminal, drawn again as time goes by.

use super::board::Board;
use super::look::{Look, Style};
use super::screen::Renderer;
use super::stage::{Mark, doing, took, word};
use super::words::{duration, fit};
use rustix::termios::tcgetwinsize;
use stageway_core::log::Line;
use stageway_core::name::StageName;
use stageway_core::run::{AttemptEnding, RunEvent, StageStatus};
use std::io::{self, Write};

/// Draws one line per stage; what must stay (a failing stage's log) is written above the block.
pub(crate) struct Live<W> {
    out: W,
    look: Look,
    /// Lines of the block as it stands on the terminal.
    drawn: usize,
    turn: usize,
    /// What stays, not written yet.
    above: String,
    fixed_size: bool,
}

impl<W: Write + Send> Live<W> {
    pub(crate) fn new(out: W, look: Look) -> Self {
        Self { out, look, drawn: 0, turn: 0, above: String::new(), fixed_size: false }
    }

    /// One write: takes the block away, writes what stays, draws the block again.
    fn draw(&mut self, board: &Board, now: u64) -> io::Result<()> {
        if !self.fixed_size
            && let Ok(size) = tcgetwinsize(io::stdout())
            && size.ws_col > 0
            && size.ws_row > 0
        {
            (self.look.width, self.look.rows) = (size.ws_col.into(), size.ws_row.into());
        }
        let frame = frame(board, &self.look, now, self.turn);
        let mut text = self.erased();
        text.push_str(&std::mem::take(&mut self.above));
        for line in &frame {
            text.push_str(line);
            text.push('\n');
        }
        self.drawn = frame.len();
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn erased(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            lines => format!("\r\x1b[{lines}A\x1b[J"),
        }
    }

    /// Opens the log of a stage that went wrong.
    fn open(&mut self, board: &Board, stage: &StageName, word: &str) {
        let (before, lines) = board.tail(stage);
        let title = format!("{stage} {word}; the end of its log:");
        self.above.push_str(&format!("{}\n", self.look.paint(Style::Bad, &title)));
        if before > 0 {
            let more = format!("  ({before} lines before; stageway logs {} {stage})", board.number);
            self.above.push_str(&format!("{}\n", self.look.paint(Style::Faint, &more)));
        }
        for line in lines {
            self.above.push_str(&format!("  {line}\n"));
        }
    }
}

impl<W: Write + Send> Renderer for Live<W> {
    fn event(&mut self, board: &Board, event: &RunEvent) -> io::Result<()> {
        match event {
            RunEvent::AttemptEnded { stage, ending: AttemptEnding::Failed(_), .. } => {
                self.open(board, stage, "failed");
            }
            RunEvent::AttemptEnded { stage, ending: AttemptEnding::Errored(_), .. } => {
                self.open(board, stage, "errored");
            }
            _ => {}
        }
        Ok(())
    }

    fn line(&mut self, _: &Board, _: &Line) -> io::Result<()> {
        Ok(())
    }

    fn notice(&mut self, _: &Board, text: &str) -> io::Result<()> {
        self.above.push_str(&format!("{}\n", self.look.paint(Style::Notice, text)));
        Ok(())
    }

    fn tick(&mut self, board: &Board, now: u64) -> io::Result<()> {
        self.turn = self.turn.wrapping_add(1);
        self.draw(board, now)
    }

    /// The block goes: the summary follows.
    fn finish(&mut self, _: &Board) -> io::Result<()> {
        let text = self.erased() + &std::mem::take(&mut self.above);
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

/// The lines of the block, none longer than the terminal is wide, and fewer than it is high.
fn frame(board: &Board, look: &Look, now: u64, turn: usize) -> Vec<String> {
    let room = look.rows.saturating_sub(3).max(1);
    let stages: Vec<_> = board.stages().collect();
    let mut shown: Vec<bool> = vec![true; stages.len()];
    // What has ended well, then what has not begun, gives way where the terminal is too low.
    let gives_way: [fn(&StageStatus) -> bool; 3] = [
        |status: &StageStatus| matches!(Mark::of(status), Mark::Done | Mark::Unchanged | Mark::Skipped),
        |status: &StageStatus| matches!(status, StageStatus::Pending),
        |_: &StageStatus| true,
    ];
    for rule in gives_way {
        let mut over = shown.iter().filter(|shown| **shown).count().saturating_sub(room);
        for (shown, (_, _, stage)) in shown.iter_mut().zip(&stages) {
            if over > 0 && *shown && rule(&stage.status) {
                *shown = false;
                over -= 1;
            }
        }
    }
    let hidden = shown.iter().filter(|shown| !**shown).count();
    let mut lines: Vec<String> = stages
        .iter()
        .zip(&shown)
        .filter(|(_, shown)| **shown)
        .map(|((name, planned, stage), _)| {
            let mark = Mark::of(&stage.status).show(look, turn);
            let time = took(stage, now).map(duration).unwrap_or_default();
            let text = match stage.ended() {
                Some(ended) => match doing(board, name, planned, stage, now) {
                    how if how.is_empty() => word(ended).to_owned(),
                    how => format!("{}, {how}", word(ended)),
                },
                None => doing(board, name, planned, stage, now),
            };
            let width = board.name_width();
            let text = fit(text.trim(), look.width.saturating_sub(width + 14), look.unicode);
            let line =
                format!("  {mark} {:width$}  {time:>6}  {}", name.as_str(), look.paint(Style::Faint, &text));
            line.trim_end().to_owned()
        })
        .collect();
    if hidden > 0 {
        lines.push(look.paint(Style::Faint, &format!("    and {hidden} more")));
    }
    let elapsed = duration(board.state.ended_at.unwrap_or(now).saturating_sub(board.state.created_at));
    let line = format!("    run {} of {}, {elapsed}", board.number, board.plan.pipeline);
    lines.push(look.paint(Style::Faint, &fit(&line, look.width, look.unicode)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::sample;

    fn board(events: usize) -> Board {
        let mut board = sample::board();
        sample::events()[..events].iter().for_each(|event| board.event(event));
        board
    }

    #[test]
    fn a_stage_that_runs_shows_its_newest_line() {
        let mut board = board(5);
        board.line(&sample::line("smoke", "GET /health: 200"));
        let expected = [
            "  + unit-test    8.1s  succeeded",
            "  = image              unchanged, the same as in run 11",
            "  | smoke        0.6s  GET /health: 200",
            "  . promote            after smoke",
            "  . observe            after promote",
            "    run 12 of orderbook, 9.0s",
        ];
        assert_eq!(frame(&board, &Look::PLAIN, 10_000, 0), expected);
    }

    #[test]
    fn waiting_retrying_and_failing_are_said() {
        let retrying = frame(&board(7), &Look::PLAIN, 10_900, 0);
        assert_eq!(retrying[2], "  ~ smoke        1.5s  attempt 2 of 2 in 0.5s");
        let parked = frame(&board(9), &Look::PLAIN, 12_400, 0);
        assert_eq!(parked[2], "  ~ smoke        3.0s  attempt 2 of 2: waits for a task");
        let failed = frame(&board(14), &Look { width: 60, ..Look::PLAIN }, 20_000, 0);
        assert_eq!(failed[2], "  x smoke        4.6s  failed, the command ended with 1 (...");
        assert_eq!(failed[3], "  - promote            skipped, `smoke` did not succeed");
        assert_eq!(failed[5], "    run 12 of orderbook, 13.1s");
    }

    #[test]
    fn a_low_terminal_shows_what_matters() {
        let look = Look { rows: 5, unicode: true, ..Look::PLAIN };
        let lines = frame(&board(5), &look, 10_000, 0);
        assert_eq!(
            lines,
            [
                "  ⠋ smoke        0.6s",
                "  · observe            after promote",
                "    and 3 more",
                "    run 12 of orderbook, 9.0s"
            ]
        );
    }

    #[test]
    fn the_block_is_taken_away_before_it_is_drawn_again_and_the_log_of_a_failure_stays() {
        let mut live = Live { fixed_size: true, ..Live::new(Vec::new(), Look::PLAIN) };
        let (mut board, events) = (board(10), sample::events());
        live.tick(&board, 13_000).unwrap();
        board.line(&stageway_core::log::Line { attempt: 2, ..sample::line("smoke", "assertion failed") });
        board.event(&events[10]);
        live.event(&board, &events[10]).unwrap();
        live.finish(&board).unwrap();
        let text = String::from_utf8(live.out).unwrap();
        let (block, rest) = text.split_once("\r\x1b[6A\x1b[J").unwrap();
        assert_eq!(block.lines().count(), 6);
        assert_eq!(rest, "smoke failed; the end of its log:\n  assertion failed\n");
    }
}
