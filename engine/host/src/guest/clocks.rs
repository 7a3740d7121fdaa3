use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a thread's time stays of use to somebody who wants to know it lately.
const LATELY: Duration = Duration::from_millis(1);

/// What a [`Meter`](super::Meter) reads.
pub(crate) trait Clocks {
    /// The machine's clock: cheap.
    fn now(&self) -> Instant;
    /// Processor time of this thread: a call of the kernel.
    fn worked(&self) -> Duration;
    /// Processor time of this thread, now or up to [`LATELY`] ago.
    fn worked_lately(&self) -> Duration;
}

/// The clocks of this machine.
pub(crate) struct Kernel;

thread_local! {
    /// When this thread read its processor time, and what it was.
    static READ: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
}

impl Clocks for Kernel {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn worked(&self) -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let worked = Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default());
        READ.set(Some((Instant::now(), worked)));
        worked
    }

    fn worked_lately(&self) -> Duration {
        match READ.get() {
            Some((at, worked)) if at.elapsed() < LATELY => worked,
            _ => self.worked(),
        }
    }
}
