use super::Refusal;
use super::handles::Secret;
use crate::bindings::stageway::host::secrets;
use crate::guest::Guest;
use stageway_core::call::{Function, Secrets};
use wasmtime::component::Resource;

impl secrets::Host for Guest {
    async fn get(&mut self, name: String) -> Result<Resource<Secret>, Refusal> {
        self.handles.room::<Secret>()?;
        self.ask::<()>(Function::Secrets(Secrets::Get { name: name.clone() })).await?;
        Ok(self.handles.push(Secret { name })?)
    }
}
