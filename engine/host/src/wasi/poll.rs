use crate::guest::{Guest, Handle};
use wasmtime::component::{LinkerInstance, Resource, ResourceType};
use wasmtime::{Result, StoreContextMut, format_err};

/// Pollables of one call.
const MOST: usize = 1024;

/// Something to wait for: a logical time, or nothing at all.
pub(super) struct Pollable {
    due: Option<u64>,
}

impl Handle for Pollable {
    const KIND: &'static str = "pollable";
    const CAP: usize = 512;
}

impl Pollable {
    /// Ready at once, as everything is that never comes or is always there.
    pub(super) const READY: Self = Self { due: None };

    /// Ready at a logical time in nanoseconds.
    pub(super) fn at(due: u64) -> Self {
        Self { due: Some(due) }
    }
}

/// `wasi:io/poll`
pub(super) fn poll(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    let drop = |mut store: StoreContextMut<'_, Guest>, rep| {
        store.data_mut().handles.take(Resource::<Pollable>::new_own(rep)).map(|_| ())
    };
    instance.resource("pollable", ResourceType::host::<Pollable>(), drop)?;
    instance.func_wrap_async("[method]pollable.ready", |mut store, (pollable,): (Resource<Pollable>,)| {
        Box::new(async move { Ok((store.data_mut().is_ready(&pollable).await?,)) })
    })?;
    instance.func_wrap_async("[method]pollable.block", |mut store, (pollable,): (Resource<Pollable>,)| {
        Box::new(async move { store.data_mut().wait_for(&[pollable]).await.map(|_| ()) })
    })?;
    instance.func_wrap_async("poll", |mut store, (pollables,): (Vec<Resource<Pollable>>,)| {
        Box::new(async move { Ok((store.data_mut().wait_for(&pollables).await?,)) })
    })
}

impl Guest {
    async fn is_ready(&mut self, pollable: &Resource<Pollable>) -> Result<bool> {
        match self.handles.get(pollable)?.due {
            None => Ok(true),
            Some(due) => Ok(due <= self.logical_nanoseconds().await?),
        }
    }

    /// Waits until the first is ready; answers the places of all that are.
    async fn wait_for(&mut self, pollables: &[Resource<Pollable>]) -> Result<Vec<u32>> {
        self.count()?;
        if pollables.is_empty() || pollables.len() > MOST {
            return Err(format_err!("`poll` takes between 1 and {MOST} pollables, not {}", pollables.len()));
        }
        let dues: Vec<Option<u64>> =
            pollables.iter().map(|pollable| Ok(self.handles.get(pollable)?.due)).collect::<Result<_>>()?;
        let mut reached = 0;
        if dues.iter().all(Option::is_some) {
            let first = dues.iter().flatten().copied().min().unwrap_or_default();
            self.sleep_until(first).await?;
            // What was slept for is ready, also when the answer's time was rounded or the stage is being cancelled.
            reached = self.logical_nanoseconds().await?.max(first);
        } else if dues.iter().any(Option::is_some) {
            reached = self.logical_nanoseconds().await?;
        }
        let ready = |due: &Option<u64>| due.is_none_or(|due| due <= reached);
        let places = (0_u32..).zip(&dues).filter(|(_, due)| ready(due)).map(|(place, _)| place);
        Ok(places.collect())
    }
}
