use crate::{Calls, Component, ConfigIssue, GuestEnd, GuestError, GuestRun, Guests};
use async_trait::async_trait;
use serde_json::Value as Json;
use stageway_core::call::{Answer, Call, Failure, Function, Reply, Value};
use stageway_core::digest::Digest;
use stageway_core::name::TenantId;
use stageway_core::run::Usage;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a script answers: the outputs, or how else it ends.
pub type Scripted = Result<Json, GuestEnd>;

/// One life of a script.
pub type ScriptedLife<'a> = Pin<Box<dyn Future<Output = Scripted> + Send + 'a>>;

type Guest = dyn for<'a> Fn(ScriptedHost<'a>) -> ScriptedLife<'a> + Send + Sync;

/// Guests whose components are Rust: each drives its `Calls` as the real host does for WebAssembly.
///
/// It counts the instances that are in memory.
#[derive(Clone, Default)]
pub struct ScriptedGuests {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    guests: Mutex<BTreeMap<Digest, Arc<Guest>>>,
    live: AtomicUsize,
    most: AtomicUsize,
    instances: AtomicUsize,
    calls: AtomicU64,
}

/// What a script has of its host: the calls, numbered, and its configuration.
pub struct ScriptedHost<'a> {
    calls: &'a mut dyn Calls,
    inner: &'a Inner,
    configuration: &'a Json,
    last: u32,
}

impl ScriptedGuests {
    /// No components yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes of the component with a name.
    pub fn component(name: &str) -> Vec<u8> {
        format!("scripted guest {name}").into_bytes()
    }

    /// Adds a component, or replaces what it does; answers its digest, which follows from the name alone.
    pub fn add(
        &self,
        name: &str,
        guest: impl for<'a> Fn(ScriptedHost<'a>) -> ScriptedLife<'a> + Send + Sync + 'static,
    ) -> Digest {
        let digest = Digest::of(&Self::component(name));
        self.guests().insert(digest, Arc::new(guest));
        digest
    }

    /// Instances that are in memory now.
    pub fn live(&self) -> usize {
        self.inner.live.load(Ordering::SeqCst)
    }

    /// The most instances that were in memory at once.
    pub fn most_live(&self) -> usize {
        self.inner.most.load(Ordering::SeqCst)
    }

    /// Instances that were ever made.
    pub fn instances(&self) -> usize {
        self.inner.instances.load(Ordering::SeqCst)
    }

    /// Calls of all instances so far.
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::SeqCst)
    }

    fn guests(&self) -> MutexGuard<'_, BTreeMap<Digest, Arc<Guest>>> {
        self.inner.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, component: &Digest) -> Result<Arc<Guest>, GuestError> {
        let found = self.guests().get(component).cloned();
        found.ok_or_else(|| GuestError::Malformed(format!("no script has the digest {component}")))
    }
}

impl<'a> ScriptedHost<'a> {
    /// The stage's configuration.
    pub fn configuration(&self) -> &Json {
        self.configuration
    }

    /// The seq of the last journaled call: the name of a task that was just started.
    pub fn last(&self) -> u32 {
        self.last
    }

    /// Makes a call.
    ///
    /// # Errors
    /// The end of the instance, where the reply stops it; to be handed on with `?`.
    pub async fn call(&mut self, function: Function) -> Result<Answer, GuestEnd> {
        self.inner.calls.fetch_add(1, Ordering::SeqCst);
        if function.class().is_journaled() {
            self.last += 1;
        }
        match self.calls.call(Call { seq: self.last, function }).await {
            Reply::Answer(answer) => Ok(answer),
            Reply::Stop(stop) => Err(GuestEnd::Stopped(stop)),
        }
    }

    /// Makes a call whose refusal ends the guest as `errored`, as `?` does in a plugin.
    ///
    /// # Errors
    /// As for [`ScriptedHost::call`], and [`GuestEnd::Errored`].
    pub async fn value(&mut self, function: Function) -> Result<Value, GuestEnd> {
        self.call(function).await?.map_err(|error| {
            GuestEnd::Errored(Failure {
                code: "script/call".into(),
                message: error.to_string(),
                details: None,
            })
        })
    }
}

/// Counts an instance for as long as it is in memory.
struct Live<'a>(&'a Inner);

impl<'a> Live<'a> {
    fn new(inner: &'a Inner) -> Self {
        inner.instances.fetch_add(1, Ordering::SeqCst);
        let now = inner.live.fetch_add(1, Ordering::SeqCst) + 1;
        inner.most.fetch_max(now, Ordering::SeqCst);
        Self(inner)
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Guests for ScriptedGuests {
    fn inspect(&self, bytes: &[u8]) -> Result<Component, GuestError> {
        let digest = Digest::of(bytes);
        self.find(&digest)?;
        let (imports, exports, manifest) = (Vec::new(), Vec::new(), None);
        let bytes = bytes.len() as u64;
        Ok(Component { digest, imports, exports, manifest, bytes, functions: 0, modules: 0 })
    }

    async fn prepare(&self, bytes: &[u8]) -> Result<Digest, GuestError> {
        let digest = Digest::of(bytes);
        self.find(&digest).map(|_| digest)
    }

    fn is_prepared(&self, component: &Digest) -> bool {
        self.guests().contains_key(component)
    }

    async fn describe(&self, component: &Digest) -> Result<String, GuestError> {
        self.find(component)?;
        Err(GuestError::WrongWorld("a script describes nothing".into()))
    }

    async fn validate(
        &self,
        _tenant: &TenantId,
        component: &Digest,
        _configuration: &Json,
    ) -> Result<Vec<ConfigIssue>, GuestError> {
        self.find(component).map(|_| Vec::new())
    }

    async fn run(&self, run: GuestRun, calls: &mut dyn Calls) -> Result<(GuestEnd, Usage), GuestError> {
        let guest = self.find(&run.component)?;
        let _live = Live::new(&self.inner);
        let host = ScriptedHost { calls, inner: &self.inner, configuration: &run.configuration, last: 0 };
        let end = match guest(host).await {
            Ok(outputs) => GuestEnd::Succeeded(outputs),
            Err(end) => end,
        };
        Ok((end, Usage::default()))
    }
}
