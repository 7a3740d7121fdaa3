use pin_project_lite::pin_project;
use rustix::time::{ClockId, clock_gettime};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How much longer than its limit a replay may take: it repeats what was counted when it happened, on a machine that
/// may be busier.
const REPLAY_FACTOR: u32 = 4;

/// Processor time in a guest's own code: never less than that took, and never more than its thread has worked for it.
///
/// It runs while the guest's future is polled and no import is being answered: waiting for the outside, for a place on a
/// thread or for another guest does not count. The clock of a thread costs a call of the kernel, and that of the machine does
/// not; so a guest's own stretches are taken by the machine's, and their sum is no more than what the thread's says of the
/// whole poll, imports included. The two differ only where the thread had to wait for a processor.
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
    /// The thread's clock when the instance got it, or when it was read last; none while it has no thread.
    thread: Option<Duration>,
    /// What the guest's own stretches have taken since then.
    own: Duration,
    /// When the stretch that goes on began.
    since: Option<Instant>,
    in_host: bool,
    is_live: bool,
}

impl Reading {
    fn stop(&mut self) {
        if let Some(since) = self.since.take() {
            self.own += since.elapsed();
        }
    }

    fn start(&mut self) {
        if !self.in_host {
            self.since = Some(Instant::now());
        }
    }

    /// Reads the thread's clock and counts what the guest took until now.
    fn settle(&mut self) {
        let Some(thread) = self.thread else { return };
        let goes_on = self.since.is_some();
        self.stop();
        let now = thread_time();
        let spent = std::mem::take(&mut self.own).min(now.saturating_sub(thread));
        self.thread = Some(now);
        self.all += spent;
        if self.is_live {
            self.live += spent;
        }
        if goes_on {
            self.start();
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
        if is_live && !reading.is_live {
            reading.settle();
            reading.is_live = true;
        }
        reading.in_host = false;
        reading.start();
    }

    /// Whether the guest has used up its time.
    pub(crate) fn is_over(&self) -> bool {
        let mut reading = self.reading();
        reading.settle();
        reading.live > self.limit || reading.all - reading.live > self.limit * REPLAY_FACTOR
    }

    /// Time in the guest's own code, replay included.
    pub(crate) fn spent(&self) -> Duration {
        self.reading().all
    }

    /// The instance gets a thread.
    fn on_thread(&self) {
        self.reading().thread = Some(thread_time());
    }

    /// It gives the thread back.
    fn off_thread(&self) {
        let mut reading = self.reading();
        reading.settle();
        reading.thread = None;
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

pin_project! {
    /// A future around a [`Metered`] one, in whose polls the instance has a thread.
    pub(crate) struct OnThread<F> {
        #[pin]
        inner: F,
        meter: Arc<Meter>,
    }
}

impl<F: Future> OnThread<F> {
    pub(crate) fn new(inner: F, meter: Arc<Meter>) -> Self {
        Self { inner, meter }
    }
}

impl<F: Future> Future for OnThread<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.meter.on_thread();
        let poll = this.inner.poll(context);
        this.meter.off_thread();
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
        meter.on_thread();
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
        meter.on_thread();
        meter.reading().start();
        burn(limit * 2);
        assert!(!meter.is_over());
        burn(limit * REPLAY_FACTOR);
        assert!(meter.is_over());
    }

    #[test]
    fn waiting_for_a_processor_does_not_count() {
        let meter = Meter::new(Duration::from_millis(20), true);
        meter.on_thread();
        meter.reading().start();
        std::thread::sleep(Duration::from_millis(50));
        assert!(!meter.is_over(), "{:?}", meter.spent());
        meter.off_thread();
        assert!(meter.spent() < Duration::from_millis(10), "{:?}", meter.spent());
    }
}
