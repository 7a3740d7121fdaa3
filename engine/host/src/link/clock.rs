use super::Refusal;
use crate::bindings::stageway::host::clock;
use crate::guest::Guest;
use stageway_core::call::{Clock, Function};

impl clock::Host for Guest {
    async fn now_ms(&mut self) -> wasmtime::Result<f64> {
        self.fact(Function::Clock(Clock::NowMs)).await
    }

    async fn sleep(&mut self, milliseconds: u32) -> Result<(), Refusal> {
        self.ask(Function::Clock(Clock::Sleep { milliseconds })).await
    }
}
