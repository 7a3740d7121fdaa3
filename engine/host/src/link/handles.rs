//! Handles that several interfaces share.

use super::Refusal;
use crate::bindings::stageway::host::handles;
use crate::guest::{Broken, Guest, Handle};
use stageway_core::call::{Content, Function, Handles, HostError};
use wasmtime::component::Resource;

/// Bytes of one piece; a guest that asks for more gets this many.
const PIECE: u32 = 1 << 20;

/// A secret by its name. Its value is never here.
pub struct Secret {
    pub(crate) name: String,
}

impl Handle for Secret {
    const KIND: &'static str = "secret";
    const CAP: usize = 128;
}

/// A place in bytes that stay with the engine.
pub struct Reader {
    content: Content,
    offset: u64,
}

impl Reader {
    pub(crate) fn new(content: Content) -> Self {
        Self { content, offset: 0 }
    }
}

impl Handle for Reader {
    const KIND: &'static str = "reader";
    const CAP: usize = 256;
}

impl handles::Host for Guest {}

impl handles::HostSecret for Guest {
    async fn drop(&mut self, secret: Resource<Secret>) -> wasmtime::Result<()> {
        self.handles.take(secret).map(drop)
    }
}

impl handles::HostReader for Guest {
    async fn next(&mut self, reader: Resource<Reader>, max: u32) -> Result<Vec<u8>, Refusal> {
        let Reader { content, offset } = *self.handles.get(&reader)?;
        let bytes = self.piece(content, offset, max).await?;
        self.handles.get_mut(&reader)?.offset += bytes.len() as u64;
        Ok(bytes)
    }

    async fn drop(&mut self, reader: Resource<Reader>) -> wasmtime::Result<()> {
        self.handles.take(reader).map(drop)
    }
}

impl Guest {
    /// Bytes of a content from an offset on; none at its end, which needs no call.
    pub(super) async fn piece(
        &mut self,
        content: Content,
        offset: u64,
        max: u32,
    ) -> Result<Vec<u8>, Refusal> {
        if max == 0 {
            self.count()?;
            return Err(HostError::InvalidArgument("`max` is 0".to_owned()).into());
        }
        if offset >= content.size {
            self.count()?;
            return Ok(Vec::new());
        }
        let max = max.min(PIECE);
        let call = Handles::Next { digest: content.digest, offset, max };
        let bytes: Vec<u8> = self.ask(Function::Handles(call)).await?;
        if bytes.len() > max as usize {
            return Err(Broken::fault("more bytes were read than asked for").into());
        }
        Ok(bytes)
    }
}
