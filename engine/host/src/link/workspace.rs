use super::handles::Reader;
use super::{JsonText, Refusal};
use crate::bindings::stageway::host::workspace;
use crate::guest::Guest;
use stageway_core::call::{Bytes, Content, Function, Workspace};
use wasmtime::component::Resource;

impl workspace::Host for Guest {
    async fn find(
        &mut self,
        patterns: Vec<String>,
        after: Option<String>,
        max: u32,
    ) -> Result<Vec<String>, Refusal> {
        let call = Workspace::Find { patterns, after, max };
        self.ask(Function::Workspace(call)).await.map(JsonText::texts)
    }

    async fn read(&mut self, path: String) -> Result<Resource<Reader>, Refusal> {
        self.handles.room::<Reader>()?;
        let content: Content = self.ask(Function::Workspace(Workspace::Read { path })).await?;
        Ok(self.handles.push(Reader::new(content))?)
    }

    async fn write(&mut self, path: String, bytes: Vec<u8>, executable: bool) -> Result<(), Refusal> {
        let call = Workspace::Write { path, bytes: Bytes(bytes), executable };
        self.ask(Function::Workspace(call)).await
    }

    async fn remove(&mut self, path: String) -> Result<(), Refusal> {
        self.ask(Function::Workspace(Workspace::Remove { path })).await
    }
}
