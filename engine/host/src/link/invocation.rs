use super::JsonText;
use crate::bindings::stageway::host::invocation;
use crate::guest::{Broken, Guest};
use stageway_core::call::{Function, Invocation};

/// Random bytes of one call.
const MOST_RANDOM: u32 = 1 << 20;

impl invocation::Host for Guest {
    async fn run_id(&mut self) -> wasmtime::Result<String> {
        self.fact(Function::Invocation(Invocation::RunId)).await
    }

    async fn stage_name(&mut self) -> wasmtime::Result<String> {
        self.fact(Function::Invocation(Invocation::StageName)).await
    }

    async fn attempt(&mut self) -> wasmtime::Result<u32> {
        self.fact(Function::Invocation(Invocation::Attempt)).await
    }

    async fn key(&mut self) -> wasmtime::Result<String> {
        self.fact(Function::Invocation(Invocation::Key)).await
    }

    async fn event(&mut self) -> wasmtime::Result<String> {
        let event: JsonText = self.fact(Function::Invocation(Invocation::Event)).await?;
        Ok(event.0)
    }

    async fn parameter(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        let value: Option<JsonText> = self.fact(Function::Invocation(Invocation::Parameter { name })).await?;
        Ok(value.map(|json| json.0))
    }

    async fn upstream_output(&mut self, stage: String, name: String) -> wasmtime::Result<Option<String>> {
        let call = Invocation::UpstreamOutput { stage, name };
        let value: Option<JsonText> = self.fact(Function::Invocation(call)).await?;
        Ok(value.map(|json| json.0))
    }

    async fn limit(&mut self, name: String) -> wasmtime::Result<Option<f64>> {
        self.fact(Function::Invocation(Invocation::Limit { name })).await
    }

    async fn random(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        if count > MOST_RANDOM {
            return Err(wasmtime::Error::new(Broken::limit("random-bytes")));
        }
        let bytes: Vec<u8> = self.fact(Function::Invocation(Invocation::Random { count })).await?;
        if bytes.len() != count as usize {
            let message = format!("{} random bytes were asked for and {} answered", count, bytes.len());
            return Err(wasmtime::Error::new(Broken::fault(message)));
        }
        Ok(bytes)
    }

    async fn is_cancelled(&mut self) -> wasmtime::Result<bool> {
        self.fact(Function::Invocation(Invocation::IsCancelled)).await
    }
}
