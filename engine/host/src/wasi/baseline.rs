use super::lines::Lines;
use crate::guest::Guest;
use crate::link::Refusal;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use stageway_core::call::{Clock, Function, HostError, LogLevel};

/// Nanoseconds of a millisecond.
pub(super) const MILLI: u64 = 1_000_000;

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

    /// Logical time in nanoseconds since 1970: whole numbers, because a fraction of 64 bits cannot tell as many apart, and a timer
    /// that is due by one clock and not by another is polled for ever.
    ///
    /// # Errors
    /// The end of the instance.
    pub(super) async fn logical_nanoseconds(&mut self) -> wasmtime::Result<u64> {
        Ok(nanoseconds(self.logical_now().await?))
    }

    /// Sleeps until a logical time in nanoseconds. A guest of WASI cannot see that its stage is being cancelled: the sleep is only
    /// shorter.
    ///
    /// # Errors
    /// The end of the instance.
    pub(super) async fn sleep_until(&mut self, due: u64) -> wasmtime::Result<()> {
        loop {
            let left = due.saturating_sub(self.logical_nanoseconds().await?).div_ceil(MILLI);
            if left == 0 {
                return Ok(());
            }
            // A guest sleeps at most 49 days in one call.
            let milliseconds = u32::try_from(left).unwrap_or(u32::MAX);
            match self.ask::<()>(Function::Clock(Clock::Sleep { milliseconds })).await {
                Ok(()) if left > u64::from(milliseconds) => {}
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

/// From milliseconds, which logical time counts in and which are never negative.
fn nanoseconds(milliseconds: f64) -> u64 {
    let whole = milliseconds.floor();
    let rest = (milliseconds - whole) * MILLI as f64;
    (whole as u64).saturating_mul(MILLI).saturating_add(rest as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_millisecond_of_this_century_is_rounded() {
        for milliseconds in [1_767_225_600_253_u64, 1_767_225_600_258, 4_102_444_799_999, 0] {
            assert_eq!(nanoseconds(milliseconds as f64), milliseconds * MILLI);
        }
        assert_eq!(nanoseconds(1.5), 1_500_000);
    }
}
