//! The entry point of a service's container.

use crate::child::{Child, Exit, NotStarted, Output};
use crate::place::{self, LOOK, Place};
use crate::ready;
use stageway_parcel::Lines;
use stageway_parcel::told::{Order, Ready};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a service has to end by itself when its task has.
const GRACE: Duration = Duration::from_secs(1);

/// Starts a service when it is its turn, says when it is ready, and ends it with the task.
pub(crate) fn serve(
    place: &Place,
    order: &Order,
    number: usize,
    ready: &Ready,
    within: Duration,
    command: &[String],
    terminated: &AtomicBool,
) -> io::Result<u8> {
    let is_over = || terminated.load(Ordering::Relaxed) || place.stop().exists() || place.end().exists();
    let is_turn = || {
        let before = number.checked_sub(1).is_none_or(|before| place.ready(before).exists());
        before && (!order.tree || place.tree().exists())
    };
    while !is_turn() {
        if is_over() {
            place::write(&place.done(number), b"0")?;
            return Ok(0);
        }
        std::thread::sleep(LOOK);
    }
    let name = order.services.get(number).map(String::as_str);
    let output = Output::open(&place.output(), order.output_bytes, Some(Lines::new(name)))?;
    let child = match Child::start(command, output) {
        Ok(child) => child,
        Err(not_started) => {
            let NotStarted { problem, mut output, .. } = *not_started;
            let total = output.finish()?;
            place::write(&place.failed(number), format!("did not start: {problem}").as_bytes())?;
            place::write(&place.done(number), total.to_string().as_bytes())?;
            return Ok(1);
        }
    };
    let ended = attend(place, number, ready, within, &child, &is_over)?;
    if ended.is_none() {
        child.terminate();
        child.exited(GRACE);
    }
    let total = child.finish().map(|mut output| output.finish()).transpose()?.unwrap_or(0);
    place::write(&place.done(number), total.to_string().as_bytes())?;
    Ok(ended.map_or(0, Exit::shown))
}

/// Asks until the service is ready, and stays until it has ended or the task has.
fn attend(
    place: &Place,
    number: usize,
    ready: &Ready,
    within: Duration,
    child: &Child,
    is_over: &dyn Fn() -> bool,
) -> io::Result<Option<Exit>> {
    let mut asking = Some(ready::Asking::new(ready));
    let until = Instant::now() + within;
    loop {
        let pause = asking.as_ref().map_or(LOOK, ready::Asking::pause);
        let exit = child.exited(pause);
        if let (Some(exit), Some(_)) = (exit, &asking) {
            let how = match exit {
                Exit::Code(code) => format!("ended with code {code} before it was ready"),
                Exit::Signal(signal) => format!("ended by signal {signal} before it was ready"),
            };
            place::write(&place.failed(number), how.as_bytes())?;
        }
        if exit.is_some() || is_over() {
            return Ok(exit);
        }
        let Some(question) = &mut asking else { continue };
        match question.ask(child, until) {
            Ok(()) => {
                place::write(&place.ready(number), b"")?;
                asking = None;
            }
            Err(problem) if Instant::now() >= until => {
                let within = within.as_millis();
                let text = format!("was not ready within {within} ms: {problem}");
                place::write(&place.failed(number), text.as_bytes())?;
                asking = None;
            }
            Err(_) => {}
        }
    }
}
