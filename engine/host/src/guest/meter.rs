use super::clocks::{Clocks, Kernel};
use crate::ticker::Ticker;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How much longer than its limit a replay may take: it repeats what was counted when it happened, on a machine that
/// may be busier.
const REPLAY_FACTOR: u32 = 4;

/// What is counted without asking what the thread worked: who waited for a processor in between waited for longer.
const SHORT: Duration = Duration::from_micros(50);

/// Processor time in a guest's own code.
///
/// It runs while the guest's future is polled and no import is being answered: waiting for the outside, for a place on a
/// thread or for another guest does not count. The clock of a thread costs a call of the kernel, and that of the machine does
/// not; so a guest's own stretches are taken by the machine's, and where they are not [`SHORT`], their sum is no more than
/// what the thread worked in that poll, imports included. The two differ only where the thread waited for a processor.
pub(crate) struct Meter<C = Kernel> {
    limit: Duration,
    clocks: C,
    reading: Mutex<Reading>,
}

#[derive(Default)]
struct Reading {
    /// Of this incarnation.
    all: Duration,
    /// Of it, after the last replayed entry.
    live: Duration,
    /// What the thread had worked when the instance got it, or when that was read last; none while it has no thread.
    worked: Option<Duration>,
    /// What the guest's own stretches have taken since then.
    own: Duration,
    /// When the stretch that goes on began.
    since: Option<Instant>,
    in_host: bool,
    is_live: bool,
}

impl Reading {
    fn stop(&mut self, clocks: &impl Clocks) {
        if let Some(since) = self.since.take() {
            self.own += clocks.now().saturating_duration_since(since);
        }
    }

    fn start(&mut self, clocks: &impl Clocks) {
        if !self.in_host {
            self.since = Some(clocks.now());
        }
    }

    /// Counts what the guest took until now.
    fn settle(&mut self, clocks: &impl Clocks) {
        let Some(before) = self.worked else { return };
        let goes_on = self.since.is_some();
        self.stop(clocks);
        let mut spent = std::mem::take(&mut self.own);
        if spent > SHORT {
            let worked = clocks.worked();
            spent = spent.min(worked.saturating_sub(before));
            self.worked = Some(worked);
        }
        self.all += spent;
        if self.is_live {
            self.live += spent;
        }
        if goes_on {
            self.start(clocks);
        }
    }
}

impl Meter {
    /// `is_live` says that nothing is replayed.
    pub(crate) fn new(limit: Duration, is_live: bool) -> Arc<Self> {
        Arc::new(Self::with_clocks(limit, is_live, Kernel))
    }
}

impl<C: Clocks> Meter<C> {
    fn with_clocks(limit: Duration, is_live: bool, clocks: C) -> Self {
        Self { limit, clocks, reading: Mutex::new(Reading { is_live, ..Reading::default() }) }
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The guest's own code begins.
    fn start(&self) {
        self.reading().start(&self.clocks);
    }

    /// It gives its thread to somebody else.
    fn stop(&self) {
        self.reading().stop(&self.clocks);
    }

    /// An import begins.
    pub(crate) fn leave(&self) {
        let mut reading = self.reading();
        reading.stop(&self.clocks);
        reading.in_host = true;
    }

    /// An import has answered. `is_live` says that the answer was the last replayed one, or comes after it.
    pub(crate) fn enter(&self, is_live: bool) {
        let mut reading = self.reading();
        if is_live && !reading.is_live {
            reading.settle(&self.clocks);
            reading.is_live = true;
        }
        reading.in_host = false;
        reading.start(&self.clocks);
    }

    /// Whether the guest has used up its time.
    pub(crate) fn is_over(&self) -> bool {
        let mut reading = self.reading();
        reading.settle(&self.clocks);
        reading.live > self.limit || reading.all - reading.live > self.limit * REPLAY_FACTOR
    }

    /// Time in the guest's own code, replay included.
    pub(crate) fn spent(&self) -> Duration {
        self.reading().all
    }

    /// The instance gets a thread.
    fn on_thread(&self) {
        self.reading().worked = Some(self.clocks.worked_lately());
    }

    /// It gives the thread back.
    fn off_thread(&self) {
        let mut reading = self.reading();
        reading.settle(&self.clocks);
        reading.worked = None;
    }
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
        this.meter.start();
        let poll = this.guest.poll(context);
        this.meter.stop();
        poll
    }
}

pin_project! {
    /// A future around a [`Metered`] one, in whose polls the instance has a thread.
    pub(crate) struct OnThread<F> {
        #[pin]
        inner: F,
        meter: Arc<Meter>,
        ticker: Arc<Ticker>,
    }
}

impl<F: Future> OnThread<F> {
    pub(crate) fn new(inner: F, meter: Arc<Meter>, ticker: Arc<Ticker>) -> Self {
        Self { inner, meter, ticker }
    }
}

impl<F: Future> Future for OnThread<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _turn = this.ticker.turn();
        this.meter.on_thread();
        let poll = this.inner.poll(context);
        this.meter.off_thread();
        poll
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const MS: Duration = Duration::from_millis(1);

    /// Clocks that go on when told to.
    struct Told {
        begun: Instant,
        passed: Cell<Duration>,
        worked: Cell<Duration>,
    }

    impl Clocks for Told {
        fn now(&self) -> Instant {
            self.begun + self.passed.get()
        }

        fn worked(&self) -> Duration {
            self.worked.get()
        }

        fn worked_lately(&self) -> Duration {
            self.worked.get()
        }
    }

    /// Of a guest that runs.
    fn meter(limit: Duration, is_live: bool) -> Meter<Told> {
        let clocks = Told { begun: Instant::now(), passed: Cell::default(), worked: Cell::default() };
        let meter = Meter::with_clocks(limit, is_live, clocks);
        meter.on_thread();
        meter.start();
        meter
    }

    impl Meter<Told> {
        fn wait(&self, time: Duration) {
            self.clocks.passed.set(self.clocks.passed.get() + time);
        }

        fn work(&self, time: Duration) {
            self.wait(time);
            self.clocks.worked.set(self.clocks.worked.get() + time);
        }
    }

    #[test]
    fn only_the_guests_own_time_counts() {
        let meter = meter(20 * MS, true);
        meter.work(15 * MS);
        meter.leave();
        meter.work(30 * MS);
        meter.enter(true);
        assert!(!meter.is_over());
        meter.work(5 * MS);
        assert!(!meter.is_over());
        meter.work(MS);
        assert!(meter.is_over());
        assert_eq!(meter.spent(), 21 * MS);
    }

    #[test]
    fn replay_counts_only_against_its_own_bound() {
        let meter = meter(5 * MS, false);
        meter.work(20 * MS);
        assert!(!meter.is_over());
        meter.enter(true);
        meter.work(5 * MS);
        assert!(!meter.is_over());
        meter.work(MS);
        assert!(meter.is_over());
    }

    #[test]
    fn a_replay_that_is_too_long_is_over() {
        let meter = meter(5 * MS, false);
        meter.work(21 * MS);
        assert!(meter.is_over());
    }

    #[test]
    fn waiting_for_a_processor_does_not_count() {
        let meter = meter(20 * MS, true);
        meter.work(3 * MS);
        meter.wait(50 * MS);
        assert!(!meter.is_over());
        meter.wait(50 * MS);
        meter.work(2 * MS);
        meter.off_thread();
        assert_eq!(meter.spent(), 5 * MS);
    }

    #[test]
    fn many_short_stretches_are_as_long_as_one() {
        let meter = meter(MS, true);
        for _ in 0..100 {
            meter.work(SHORT / 5);
            assert!(!meter.is_over());
        }
        meter.work(SHORT / 5);
        assert!(meter.is_over());
    }
}
