//! From a component's bytes to machine code: once per digest, in a bounded child process, behind an authenticated cache.

mod cache;
mod child;
mod entry;
mod key;

pub use entry::compile_child;

use crate::host::SetupError;
use crate::options::{CompileBy, HostOptions};
use cache::Cache;
use stageway_core::digest::Digest;
use stageway_ports::GuestError;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiles components and keeps what came out.
pub(crate) struct Compiler {
    engine: Engine,
    options: HostOptions,
    cache: Arc<Cache>,
    places: Arc<Semaphore>,
    /// One permit per component that is being compiled.
    busy: Mutex<HashMap<Digest, Arc<Semaphore>>>,
}

impl Compiler {
    /// # Errors
    /// When the directory or the key cannot be had.
    pub(crate) fn new(engine: &Engine, options: &HostOptions) -> Result<Self, SetupError> {
        Ok(Self {
            engine: engine.clone(),
            options: options.clone(),
            cache: Arc::new(Cache::open(&options.directory, engine, options.cache_bytes)?),
            places: Arc::new(Semaphore::new(options.compile.parallel.max(1))),
            busy: Mutex::new(HashMap::new()),
        })
    }

    /// The machine code of a component, from the cache or freshly compiled.
    ///
    /// # Errors
    /// [`GuestError::Compile`] and [`GuestError::Host`].
    ///
    /// # Cancellation
    /// Ends the compilation; nothing is kept.
    pub(crate) async fn load(&self, digest: Digest, bytes: &[u8]) -> Result<Component, GuestError> {
        if let Some(component) = self.cached(digest).await? {
            return Ok(component);
        }
        let _alone = self.alone(digest).await;
        let loaded = match self.cached(digest).await {
            Ok(None) => self.compile(digest, bytes).await,
            Ok(Some(component)) => Ok(component),
            Err(error) => Err(error),
        };
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest);
        loaded
    }

    /// Waits until nobody else in this process compiles the same component.
    async fn alone(&self, digest: Digest) -> Option<OwnedSemaphorePermit> {
        let turn = {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(busy.entry(digest).or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        turn.acquire_owned().await.ok()
    }

    async fn cached(&self, digest: Digest) -> Result<Option<Component>, GuestError> {
        let (cache, engine) = (Arc::clone(&self.cache), self.engine.clone());
        let found = spawn_blocking(move || cache.load(&engine, digest)).await;
        found.map_err(|error| GuestError::Host(format!("reading the cache broke off: {error}")))
    }

    async fn compile(&self, digest: Digest, bytes: &[u8]) -> Result<Component, GuestError> {
        let _place = self.places.acquire().await;
        let output = self.cache.place().map_err(storing)?;
        match &self.options.compile_by {
            CompileBy::Child { program, arguments } => {
                let limits = &self.options.compile;
                child::compile(program, arguments, limits, bytes, output.path()).await?;
            }
            CompileBy::InProcess => in_process(&self.engine, bytes, output.path()).await?,
        }
        let (cache, engine) = (Arc::clone(&self.cache), self.engine.clone());
        let kept = spawn_blocking(move || {
            cache.keep(digest, output)?;
            Ok::<_, std::io::Error>(cache.load(&engine, digest))
        });
        let kept = kept.await.map_err(|error| GuestError::Host(format!("storing broke off: {error}")))?;
        kept.map_err(storing)?.ok_or_else(|| {
            GuestError::Host("compiled code was not found where it was just written".to_owned())
        })
    }
}

async fn in_process(engine: &Engine, bytes: &[u8], output: &Path) -> Result<(), GuestError> {
    let (engine, bytes, output) = (engine.clone(), bytes.to_vec(), output.to_owned());
    let compiled = spawn_blocking(move || {
        let code = engine.precompile_component(&bytes).map_err(refused)?;
        std::fs::write(output, code).map_err(storing)
    });
    compiled.await.map_err(|error| GuestError::Compile(format!("the compiler broke off: {error}")))?
}

fn refused(error: wasmtime::Error) -> GuestError {
    GuestError::Compile(format!("{error:#}"))
}

fn storing(error: std::io::Error) -> GuestError {
    GuestError::Host(format!("compiled code cannot be stored: {error}"))
}
