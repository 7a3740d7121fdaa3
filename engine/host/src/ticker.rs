//! The thread that moves an engine's epoch, so that a guest that computes is looked at. It ticks while guests are on threads and
//! a little longer; while all of them wait, and while there are none, it rests and costs nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;
use wasmtime::Engine;

/// Between two looks at a guest that computes.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// Ticks without a guest on a thread before it rests: waking it for every short turn would cost more than it saves.
const IDLE: u32 = 10;
/// The longest rest: it also ends when an engine is dropped that nobody told it of.
const REST: Duration = Duration::from_secs(60);

/// Who is told when a guest has a thread. The thread ends with the engine.
#[derive(Debug)]
pub(crate) struct Ticker {
    turns: Arc<Turns>,
    thread: Thread,
}

/// What guests do, as the thread sees it.
#[derive(Debug, Default)]
struct Turns {
    /// Guests that are on a thread now.
    now: AtomicUsize,
    /// How often one got a thread.
    all: AtomicU64,
    rests: AtomicBool,
}

impl Turns {
    fn are_none_since(&self, seen: u64) -> bool {
        self.now.load(Ordering::SeqCst) == 0 && self.all.load(Ordering::SeqCst) == seen
    }
}

/// A guest is on a thread until this is dropped.
pub(crate) struct Ticking<'a>(&'a Turns);

impl Ticker {
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(engine: &Engine) -> io::Result<Self> {
        let (engine, turns) = (engine.weak(), Arc::new(Turns::default()));
        let told = turns.clone();
        let tick = move || {
            let (mut idle, mut seen) = (0, 0);
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                idle = if told.are_none_since(seen) { idle + 1 } else { 0 };
                seen = told.all.load(Ordering::SeqCst);
                if idle < IDLE {
                    thread::sleep(TICK);
                    continue;
                }
                told.rests.store(true, Ordering::SeqCst);
                // Whoever comes after this look sees that it rests, and wakes it.
                if told.are_none_since(seen) {
                    thread::park_timeout(REST);
                }
                told.rests.store(false, Ordering::SeqCst);
                idle = 0;
            }
        };
        let thread = thread::Builder::new().name("guest-epochs".to_owned()).spawn(tick)?.thread().clone();
        Ok(Self { turns, thread })
    }

    /// A guest gets a thread.
    pub(crate) fn turn(&self) -> Ticking<'_> {
        self.turns.now.fetch_add(1, Ordering::SeqCst);
        self.turns.all.fetch_add(1, Ordering::SeqCst);
        if self.turns.rests.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Ticking(&self.turns)
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.thread.unpark();
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(what: &str, is: impl Fn() -> bool) {
        for _ in 0..1_000 {
            if is() {
                return;
            }
            thread::sleep(TICK);
        }
        panic!("{what}: that does not become so");
    }

    #[test]
    fn it_rests_while_nobody_is_on_a_thread() {
        let engine = Engine::default();
        let ticker = Ticker::start(&engine).unwrap();
        let rests = || ticker.turns.rests.load(Ordering::SeqCst);
        until("it rests at first", rests);
        for _ in 0..20 {
            let turn = ticker.turn();
            until("it ticks for a guest", || !rests());
            thread::sleep(TICK * (IDLE + 5));
            assert!(!rests(), "a guest that computes long is looked at all the time");
            drop(turn);
            until("it rests again", rests);
        }
    }
}
