//! `stageway plan`: the real plugin with its effects recorded instead of performed.

use crate::attempt::{Attempt, Mode, Planned, Subject};
use crate::driver::linking;
use crate::engine::Engine;
use serde_json::{Map, Value as Json, json};
use stageway_core::call::{Failure, LogLevel, Stop};
use stageway_core::digest::Digest;
use stageway_core::journal::{Cursor, canonical};
use stageway_ports::{GuestEnd, GuestRun};
use std::sync::Arc;
use tokio::sync::watch;

/// Lines of a plugin that are shown.
const MOST_LINES: usize = 500;

/// What a stage would do.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Its effects in order, with the answers that follow from their requests.
    pub calls: Vec<Planned>,
    /// What its plugin says, as far as it is more than for debugging: the differences that it would make, for example.
    pub says: Vec<String>,
    /// How the stage would end, if the plan got that far.
    pub end: PreviewEnd,
    /// The plan ended before the stage: an answer depends on an effect that was not performed.
    pub ended_early: bool,
    /// What an approval signs of the call at which it ended: from there on, the stage's grants decide.
    pub open_from: Option<Digest>,
}

/// Where a preview ended.
#[derive(Debug, Clone, PartialEq)]
pub enum PreviewEnd {
    /// With these outputs.
    Succeeds(Json),
    /// With this failure.
    Fails(Failure),
    /// At the last of its calls, whose answer nobody knows yet.
    Open,
    /// It could not be previewed.
    Broken(String),
}

/// Runs a stage's plugin without performing an effect.
pub async fn stage(engine: &Arc<Engine>, subject: &Arc<Subject>) -> Preview {
    let broken = |message: String| Preview {
        calls: Vec::new(),
        says: Vec::new(),
        end: PreviewEnd::Broken(message),
        ended_early: true,
        open_from: None,
    };
    if let Err(message) = super::prepare(engine, &subject.planned().plugin.digest).await {
        return broken(message);
    }
    let (_keep, cancel) = watch::channel(false);
    let mut attempt = Attempt::new(engine.clone(), subject.clone(), Mode::plan(), Cursor::default(), cancel);
    let run = GuestRun {
        tenant: subject.writer.tenant.clone(),
        component: subject.planned().plugin.digest,
        linking: linking(subject),
        limits: attempt.limits().clone(),
        configuration: subject.configuration.clone(),
        seed: subject.seed,
        replayed: 0,
    };
    let end = match engine.guests.run(run, &mut attempt).await {
        Ok((GuestEnd::Succeeded(outputs), _)) => PreviewEnd::Succeeds(outputs),
        Ok((GuestEnd::Failed(failure) | GuestEnd::Errored(failure), _)) => PreviewEnd::Fails(failure),
        Ok((GuestEnd::Stopped(Stop::PlanEnd), _)) => PreviewEnd::Open,
        Ok((other, _)) => PreviewEnd::Broken(format!("{other:?}")),
        Err(error) => return broken(error.to_string()),
    };
    let ended_early = matches!(end, PreviewEnd::Open | PreviewEnd::Broken(_));
    let (calls, open_from) = (attempt.planned().to_vec(), attempt.plan_ended_at());
    let lines = attempt.into_lines().into_iter();
    let told = lines.filter(|line| !matches!(line.level, LogLevel::Trace | LogLevel::Debug));
    let says = told.map(|line| line.text).take(MOST_LINES).collect();
    Preview { calls, says, end, ended_early, open_from }
}

/// An effect for people: function, request and answer.
pub fn in_words(planned: &Planned) -> Json {
    let (interface, function) = planned.call.name();
    let mut request = canonical(&without_empty(planned.call.request()));
    if request.len() > 2000 {
        let cut = (0..=2000).rev().find(|at| request.is_char_boundary(*at)).unwrap_or(0);
        request.truncate(cut);
        request.push('…');
    }
    json!({"function": format!("{interface}.{function}"), "request": request, "answer": planned.answer})
}

/// Without members that say nothing: empty lists and objects.
fn without_empty(value: Json) -> Json {
    let says = |value: &Json| {
        !value.as_object().is_some_and(Map::is_empty) && !value.as_array().is_some_and(Vec::is_empty)
    };
    match value {
        Json::Object(members) => {
            let kept = members.into_iter().map(|(name, value)| (name, without_empty(value)));
            Json::Object(kept.filter(|(_, value)| says(value)).collect())
        }
        other => other,
    }
}
