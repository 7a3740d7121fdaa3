use super::handles::Reader;
use super::{JsonText, Refusal};
use crate::bindings::stageway::host::artifacts;
use crate::guest::Guest;
use stageway_core::call::{Artifacts, Bytes, Content, Form, Function};
use wasmtime::component::Resource;

impl artifacts::Host for Guest {
    async fn save(&mut self, name: String, paths: Vec<String>, form: String) -> Result<String, Refusal> {
        let form = match form.as_str() {
            "file" => Form::File,
            "tar" => Form::Tar,
            "oci-layer" => Form::OciLayer,
            _ => Form::Unknown(form),
        };
        let saved: JsonText = self.ask(Function::Artifacts(Artifacts::Save { name, paths, form })).await?;
        Ok(saved.0)
    }

    async fn put(&mut self, name: String, media_type: String, bytes: Vec<u8>) -> Result<String, Refusal> {
        let call = Artifacts::Put { name, media_type, bytes: Bytes(bytes) };
        self.ask(Function::Artifacts(call)).await
    }

    async fn restore(&mut self, digest: String, path: String) -> Result<(), Refusal> {
        self.ask(Function::Artifacts(Artifacts::Restore { digest, path })).await
    }

    async fn read(&mut self, digest: String) -> Result<Resource<Reader>, Refusal> {
        self.handles.room::<Reader>()?;
        let content: Content = self.ask(Function::Artifacts(Artifacts::Read { digest })).await?;
        Ok(self.handles.push(Reader::new(content))?)
    }
}
