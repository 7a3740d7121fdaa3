use super::lines::Lines;
use crate::guest::Guest;
use crate::link::Refusal;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use stageway_core::call::{Clock, Function, HostError, LogLevel};

/// A guest sleeps at most this long in one call: 49 days.
const LONGEST_SLEEP: f64 = u32::MAX as f64;

/// What the baseline remembers for one instance.
pub(crate) struct Baseline {
    /// A stream of its own beside that of `invocation.random`, which has the same seed.
    pub(super) random: ChaCha20Rng,
    pub(super) output: Lines,
    pub(super) error: Lines,
    /// The logical time, as long as no entry could have moved it.
    now: Option<f64>,
    /// Never goes back.
    latest: f64,
}

/// The stream of a [`ChaCha20Rng`] that WASI reads; 0 is left to the contract's own randomness.
const STREAM: u64 = 1;

impl Baseline {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let mut random = ChaCha20Rng::from_seed(seed);
        random.set_stream(STREAM);
        let (output, error) = (Lines::new(LogLevel::Info), Lines::new(LogLevel::Warn));
        Self { random, output, error, now: None, latest: 0.0 }
    }

    /// An entry was made: its answer may have moved the time.
    pub(crate) fn time_may_have_moved(&mut self) {
        self.now = None;
    }

    pub(super) fn random_bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.random.fill_bytes(&mut bytes);
        bytes
    }
}

impl Guest {
    /// Logical time in milliseconds since 1970.
    ///
    /// # Errors
    /// The end of the instance.
    pub(super) async fn logical_now(&mut self) -> wasmtime::Result<f64> {
        if let Some(now) = self.wasi.now {
            self.count()?;
            return Ok(now);
        }
        let now: f64 = self.fact(Function::Clock(Clock::NowMs)).await?;
        self.wasi.latest = self.wasi.latest.max(now);
        self.wasi.now = Some(self.wasi.latest);
        Ok(self.wasi.latest)
    }

    /// Sleeps until a logical time. A guest of WASI cannot see that its stage is being cancelled: the sleep is only shorter.
    ///
    /// # Errors
    /// The end of the instance.
    pub(super) async fn sleep_until(&mut self, due: f64) -> wasmtime::Result<()> {
        loop {
            let left = due - self.logical_now().await?;
            if left <= 0.0 {
                return Ok(());
            }
            // A number between 0 and LONGEST_SLEEP, rounded up: the conversion loses nothing.
            let milliseconds = left.ceil().min(LONGEST_SLEEP) as u32;
            match self.ask::<()>(Function::Clock(Clock::Sleep { milliseconds })).await {
                Ok(()) if left > LONGEST_SLEEP => {}
                Ok(()) | Err(Refusal::Answer(HostError::Cancelled)) => return Ok(()),
                Err(Refusal::Answer(error)) => {
                    return Err(wasmtime::format_err!("sleeping was refused: {error}"));
                }
                Err(Refusal::Broken(error)) => return Err(error),
            }
        }
    }

    /// Writes what stands in unfinished lines.
    ///
    /// # Errors
    /// The end of the instance.
    pub(crate) async fn finish_lines(&mut self) -> wasmtime::Result<()> {
        for (level, line) in [self.wasi.output.rest(), self.wasi.error.rest()].into_iter().flatten() {
            self.log(level, &line).await?;
        }
        Ok(())
    }
}
