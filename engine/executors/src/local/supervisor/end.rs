//! The end of a task: everything killed, its output complete, what it leaves collected.

use super::collect;
use super::life::{Life, Outcome, milliseconds};
use super::site::Site;
use super::vessel::Vessel;
use futures::future::join_all;
use stageway_core::call::EndingReason;
use stageway_core::task::TaskEnding;
use stageway_parcel::Places;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tracing::warn;

/// How long the last output may take to arrive when nobody is left who could write.
const LAST_OUTPUT: Duration = Duration::from_secs(5);

/// The longest message of an ending, in bytes.
const MESSAGE: usize = 4096;

/// Winds up a task, whatever became of it: nothing of it lives any more, but its init. That is answered too, to be ended when
/// the end of the task is told, because the kernel takes longer over namespaces than over anything else here.
pub(super) async fn wind_up(
    mut life: Life,
    site: Option<Site>,
    mut outcome: Outcome,
) -> (TaskEnding, Vessel) {
    let init_cpu = quiesce(&mut life).await;
    let mut ending = empty(&life);
    if let Some(site) = site.filter(|_| outcome.ran) {
        let began = Instant::now();
        collect(&life, &site, &mut ending, &mut outcome).await;
        ending.times.collected_ms = milliseconds(began.elapsed());
    }
    let why =
        if outcome.reason == EndingReason::Lost { "the task was lost" } else { "the task never started" };
    for name in life.spec.collect.keys().filter(|_| !outcome.ran) {
        ending.missing.insert(name.clone(), why.into());
    }
    let Life { task, vessel, proxy, root, spec, .. } = life;
    drop((root, proxy));
    let usage = vessel.group.usage();
    if usage.out_of_memory && outcome.code != Some(0) && outcome.ran {
        outcome.reason = EndingReason::OutOfMemory;
        if outcome.message.is_empty() {
            outcome.message = out_of_memory(spec.limits.memory_bytes);
        }
    }
    ending.cpu_ms = usage.cpu_ms.or(init_cpu);
    ending.peak_memory_bytes = usage.peak_memory_bytes;
    ending.output_bytes = task.output.complete().unwrap_or_else(|error| {
        warn!(task = %task.name, %error, "the last output of a task cannot be written");
        0
    });
    let ending =
        TaskEnding { reason: outcome.reason, code: outcome.code, message: cut(outcome.message), ..ending };
    (ending, vessel)
}

/// Kills what is left of a task and takes its last output; answers the processor time that its init counted.
async fn quiesce(life: &mut Life) -> Option<u64> {
    let cpu_ms = match life.vessel.init.quiesce().await {
        Ok(quiet) => Some(quiet.cpu_ms),
        Err(_) => {
            // Nothing of the task may be left when its end is told; the kernel kills what the init did not.
            life.vessel.group.kill();
            life.vessel.init.end().await;
            None
        }
    };
    if tokio::time::timeout(LAST_OUTPUT, join_all(life.pumps.drain(..))).await.is_err() {
        warn!(task = %life.task.name, "the output of a task did not end with it");
    }
    cpu_ms
}

fn empty(life: &Life) -> TaskEnding {
    TaskEnding {
        code: None,
        reason: EndingReason::Lost,
        message: String::new(),
        times: life.times,
        cpu_ms: None,
        peak_memory_bytes: None,
        collected: BTreeMap::new(),
        missing: BTreeMap::new(),
        limits_by: life.vessel.group.name().to_owned(),
        output_bytes: 0,
    }
}

async fn collect(life: &Life, site: &Site, ending: &mut TaskEnding, outcome: &mut Outcome) {
    let places = Places { workspace: site.workspace(), root: life.root.as_ref() };
    if let Some(path) = &life.spec.message_file {
        match places.text(path, MESSAGE) {
            Ok(message) => outcome.message = message,
            Err(problem) if outcome.message.is_empty() => {
                outcome.message = format!("no message in `{path}`: {problem}");
            }
            Err(_) => {}
        }
    }
    let blobs = life.table.options.blobs.as_ref();
    let mut budget = life.spec.limits.collect_bytes;
    for (name, path) in &life.spec.collect {
        match collect::one(blobs, &places, path, &mut budget).await {
            Ok(collected) => drop(ending.collected.insert(name.clone(), collected)),
            Err(problem) => drop(ending.missing.insert(name.clone(), problem)),
        }
    }
}

fn out_of_memory(limit: Option<u64>) -> String {
    match limit {
        Some(bytes) => format!("it needed more than its {} MiB of memory", bytes >> 20),
        None => "the machine ran out of memory".into(),
    }
}

fn cut(mut message: String) -> String {
    let mut end = MESSAGE.min(message.len());
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message.truncate(end);
    message
}
