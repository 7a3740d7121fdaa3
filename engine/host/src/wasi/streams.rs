use super::poll::Pollable;
use crate::guest::{Guest, Handle};
use wasmtime::component::{ComponentType, LinkerInstance, Lower, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut};

/// Bytes that a stream says it takes at once.
const ROOM: u64 = 64 << 10;

/// `wasi:io/error.error`: no stream here ever makes one.
pub(super) enum IoError {}

impl Handle for IoError {
    const KIND: &'static str = "io-error";
    const CAP: usize = 1;
}

/// Standard input: at its end from the start.
pub(super) struct Input;

impl Handle for Input {
    const KIND: &'static str = "input-stream";
    const CAP: usize = 64;
}

/// Where what is written becomes lines.
#[derive(Clone, Copy)]
pub(super) enum Output {
    /// Standard output.
    Standard,
    /// Standard error.
    Error,
}

impl Handle for Output {
    const KIND: &'static str = "output-stream";
    const CAP: usize = 64;
}

/// `wasi:io/streams.stream-error`
#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[allow(dead_code, reason = "the contract of WASI has it; no stream here fails")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type Read = Result<(std::result::Result<Vec<u8>, StreamError>,)>;
type Count = Result<(std::result::Result<u64, StreamError>,)>;
type Store<'a> = StoreContextMut<'a, Guest>;

/// `wasi:io/error`
pub(super) fn error(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    instance.resource("error", ResourceType::host::<IoError>(), dropping::<IoError>)?;
    instance.func_wrap("[method]error.to-debug-string", |_: Store<'_>, (_,): (Resource<IoError>,)| {
        Ok(("closed".to_owned(),))
    })
}

/// `wasi:io/streams`
pub(super) fn streams(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    instance.resource("input-stream", ResourceType::host::<Input>(), dropping::<Input>)?;
    instance.resource("output-stream", ResourceType::host::<Output>(), dropping::<Output>)?;
    input(instance)?;
    output(instance)
}

fn dropping<T: Handle>(mut store: Store<'_>, rep: u32) -> Result<()> {
    store.data_mut().handles.take(Resource::<T>::new_own(rep)).map(drop)
}

fn input(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    for name in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        instance.func_wrap(name, |mut store: Store<'_>, (_, _): (Resource<Input>, u64)| -> Read {
            store.data_mut().count()?;
            Ok((Err(StreamError::Closed),))
        })?;
    }
    for name in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        instance.func_wrap(name, |mut store: Store<'_>, (_, _): (Resource<Input>, u64)| -> Count {
            store.data_mut().count()?;
            Ok((Err(StreamError::Closed),))
        })?;
    }
    instance.func_wrap("[method]input-stream.subscribe", |mut store: Store<'_>, (_,): (Resource<Input>,)| {
        Ok((store.data_mut().handles.push(Pollable::READY)?,))
    })
}

fn output(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    instance.func_wrap(
        "[method]output-stream.check-write",
        |mut store: Store<'_>, (_,): (Resource<Output>,)| -> Count {
            store.data_mut().count()?;
            Ok((Ok(ROOM),))
        },
    )?;
    for name in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        instance.func_wrap_async(name, |mut store, (stream, bytes): (Resource<Output>, Vec<u8>)| {
            Box::new(async move { written(store.data_mut().print(&stream, &bytes).await) })
        })?;
    }
    let zeroes =
        ["[method]output-stream.write-zeroes", "[method]output-stream.blocking-write-zeroes-and-flush"];
    for name in zeroes {
        instance.func_wrap_async(name, |mut store, (stream, count): (Resource<Output>, u64)| {
            let bytes = vec![0; count.min(ROOM) as usize];
            Box::new(async move { written(store.data_mut().print(&stream, &bytes).await) })
        })?;
    }
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        instance.func_wrap(name, |mut store: Store<'_>, (_,): (Resource<Output>,)| {
            written(store.data_mut().count())
        })?;
    }
    for name in ["[method]output-stream.splice", "[method]output-stream.blocking-splice"] {
        let splice = |mut store: Store<'_>, (_, _, _): (Resource<Output>, Resource<Input>, u64)| -> Count {
            store.data_mut().count()?;
            Ok((Err(StreamError::Closed),))
        };
        instance.func_wrap(name, splice)?;
    }
    instance.func_wrap(
        "[method]output-stream.subscribe",
        |mut store: Store<'_>, (_,): (Resource<Output>,)| {
            Ok((store.data_mut().handles.push(Pollable::READY)?,))
        },
    )
}

/// A write that is done, or the end of the instance.
fn written(done: Result<()>) -> Result<(std::result::Result<(), StreamError>,)> {
    done.map(|()| (Ok(()),))
}

impl Guest {
    /// Writes the lines that are whole.
    async fn print(&mut self, stream: &Resource<Output>, bytes: &[u8]) -> Result<()> {
        self.count()?;
        let lines = match *self.handles.get(stream)? {
            Output::Standard => self.wasi.output.take(bytes),
            Output::Error => self.wasi.error.take(bytes),
        };
        for (level, line) in lines {
            self.log(level, &line).await?;
        }
        Ok(())
    }
}
