use pin_project_lite::pin_project;
use rustix::time::{ClockId, clock_gettime};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// How much longer than its limit a replay may take: it repeats what was counted when it happened, on a machine that
/// may be busier.
const REPLAY_FACTOR: u32 = 4;

/// Processor time in a guest's own code.
///
/// It runs while the guest's future is polled and no import is being answered: waiting for the outside, for a place on a
/// thread or for another guest does not count.
pub(crate) struct Meter {
    limit: Duration,
    reading: Mutex<Reading>,
}

#[derive(Default)]
struct Reading {
    /// Of this incarnation.
    all: Duration,
    /// Of it, after the last replayed entry.
    live: Duration,
    /// The thread's clock when the guest got it; none while it has no thread.
    since: Option<Duration>,
    in_host: bool,
    is_live: bool,
}

impl Reading {
    fn stop(&mut self) {
        if let Some(since) = self.since.take() {
            let spent = thread_time().saturating_sub(since);
            self.all += spent;
            if self.is_live {
                self.live += spent;
            }
        }
    }

    fn start(&mut self) {
        if !self.in_host {
            self.since = Some(thread_time());
        }
    }
}

impl Meter {
    /// `is_live` says that nothing is replayed.
    pub(crate) fn new(limit: Duration, is_live: bool) -> Arc<Self> {
        Arc::new(Self { limit, reading: Mutex::new(Reading { is_live, ..Reading::default() }) })
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An import begins.
    pub(crate) fn leave(&self) {
        let mut reading = self.reading();
        reading.stop();
        reading.in_host = true;
    }

    /// An import has answered. `is_live` says that the answer was the last replayed one, or comes after it.
    pub(crate) fn enter(&self, is_live: bool) {
        let mut reading = self.reading();
        reading.in_host = false;
        reading.is_live |= is_live;
        reading.start();
    }

    /// Whether the guest has used up its time.
    pub(crate) fn is_over(&self) -> bool {
        let mut reading = self.reading();
        reading.stop();
        reading.start();
        reading.live > self.limit || reading.all - reading.live > self.limit * REPLAY_FACTOR
    }

    /// Time in the guest's own code, replay included.
    pub(crate) fn spent(&self) -> Duration {
        self.reading().all
    }
}

/// Processor time of this thread.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

pin_project! {
    /// A guest's future whose polls run a [`Meter`].
    pub(crate) struct Metered<F> {
        #[pin]
        guest: F,
        meter: Arc<Meter>,
    }
}

impl<F: Future> Metered<F> {
    pub(crate) fn new(guest: F, meter: Arc<Meter>) -> Self {
        Self { guest, meter }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.meter.reading().start();
        let poll = this.guest.poll(context);
        this.meter.reading().stop();
        poll
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burn(time: Duration) {
        let start = thread_time();
        while thread_time() - start < time {
            std::hint::black_box(start);
        }
    }

    #[test]
    fn only_the_guests_own_time_counts() {
        let meter = Meter::new(Duration::from_millis(20), true);
        meter.reading().start();
        burn(Duration::from_millis(15));
        meter.leave();
        burn(Duration::from_millis(30));
        meter.enter(true);
        assert!(!meter.is_over(), "{:?}", meter.spent());
        burn(Duration::from_millis(10));
        assert!(meter.is_over());
    }

    #[test]
    fn replay_counts_only_against_its_own_bound() {
        let limit = Duration::from_millis(5);
        let meter = Meter::new(limit, false);
        meter.reading().start();
        burn(limit * 2);
        assert!(!meter.is_over());
        burn(limit * REPLAY_FACTOR);
        assert!(meter.is_over());
    }
}
