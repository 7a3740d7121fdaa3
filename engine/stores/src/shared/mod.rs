//! What every dialect of the store has in common: how values are written in columns, what rows mean, and the rules of the
//! contract that are decided here rather than in SQL.

mod board;
mod codec;
mod lines;
mod rows;
mod rules;

pub(crate) use board::Board;
pub(crate) use codec::{Unreadable, from_json, from_word, int, json, name, word};
pub(crate) use lines::{LineRow, origin_text, plugin_seq, stage_text, stored_line};
pub(crate) use rows::{
    ApprovalRow, CandidateRow, ReleaseRow, SummaryRow, approval, candidate, count, limit, release, small,
    summary,
};
pub(crate) use rules::{HeldRow, HeldRun, LeaseWish, Lock, LockRow, OpenQuestion, refusal};
