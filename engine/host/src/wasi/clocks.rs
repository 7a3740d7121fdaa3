use super::baseline::MILLI;
use super::poll::Pollable;
use crate::guest::Guest;
use wasmtime::Result;
use wasmtime::component::{ComponentType, LinkerInstance, Lower};

/// Nanoseconds between two times that can be told apart.
const RESOLUTION: u64 = MILLI;

/// `wasi:clocks/wall-clock.datetime`
#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

impl Datetime {
    /// From milliseconds since 1970, which logical time never precedes.
    fn new(milliseconds: f64) -> Self {
        let seconds = (milliseconds / 1000.0).floor();
        let rest = (milliseconds - seconds * 1000.0) * MILLI as f64;
        Self { seconds: seconds as u64, nanoseconds: rest as u32 }
    }
}

/// `wasi:clocks/wall-clock`
pub(super) fn wall(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    instance.func_wrap_async("now", |mut store, (): ()| {
        Box::new(async move { Ok((Datetime::new(store.data_mut().logical_now().await?),)) })
    })?;
    instance
        .func_wrap("resolution", |_, (): ()| Ok((Datetime { seconds: 0, nanoseconds: RESOLUTION as u32 },)))
}

/// `wasi:clocks/monotonic-clock`: the logical time in nanoseconds.
pub(super) fn monotonic(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    instance.func_wrap_async("now", |mut store, (): ()| {
        Box::new(async move { Ok((store.data_mut().logical_nanoseconds().await?,)) })
    })?;
    instance.func_wrap("resolution", |_, (): ()| Ok((RESOLUTION,)))?;
    instance.func_wrap("subscribe-instant", |mut store, (instant,): (u64,)| {
        let guest = store.data_mut();
        guest.count()?;
        Ok((guest.handles.push(Pollable::at(instant))?,))
    })?;
    instance.func_wrap_async("subscribe-duration", |mut store, (duration,): (u64,)| {
        Box::new(async move {
            let guest = store.data_mut();
            let due = guest.logical_nanoseconds().await?.saturating_add(duration);
            Ok((guest.handles.push(Pollable::at(due))?,))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_become_seconds_and_nanoseconds() {
        let time = Datetime::new(1_700_000_000_123.0);
        assert_eq!((time.seconds, time.nanoseconds), (1_700_000_000, 123_000_000));
        let zero = Datetime::new(0.0);
        assert_eq!((zero.seconds, zero.nanoseconds), (0, 0));
    }
}
