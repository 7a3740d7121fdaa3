//! What a person or a tool sees of a run.
//!
//! Everything is drawn from two values: the [`Board`] (plan, folded state, the last lines of each stage) and the event or line
//! that came last. A [`Screen`] observes the run, queues what happens and lets one thread draw it, so that a terminal that
//! does not take its output never holds up a run. Three renderers draw: `live` redraws a block at the bottom of a terminal,
//! `plain` writes lines, `json` writes one object per line.
//!
//! Colours follow the terminal, `NO_COLOR` and `TERM=dumb`; what is meant by a colour is also said in words.

mod board;
mod diagnostics;
mod json;
mod live;
mod look;
mod plain;
#[cfg(test)]
pub(crate) mod sample;
mod screen;
mod stage;
mod summary;
mod words;

pub(crate) use board::{Board, run_in_words};
pub(crate) use diagnostics::{Sources, render};
pub(crate) use json::{Json, end_json};
pub(crate) use live::Live;
pub(crate) use look::{Look, Style};
pub(crate) use plain::Plain;
pub(crate) use screen::{Renderer, Screen};
pub(crate) use stage::{cell_in_words, compared, why};
pub(crate) use summary::{ImageFact, PARTS, Summary, TaskFact, TestCounts};
pub(crate) use words::{ago, bytes, count, duration};
