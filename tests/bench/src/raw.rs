//! wasmtime alone: the floor of everything that runs a guest.

use anyhow::anyhow;
use wasmtime::component::{Component, ComponentExportIndex, ComponentType, InstancePre, Lift, Linker};
use wasmtime::{Engine, Error, Result, Store};

/// What `run` answers when it does not succeed.
#[derive(Debug, ComponentType, Lift)]
#[component(variant)]
#[allow(dead_code, reason = "the types must be those of the contract")]
enum Verdict {
    #[component(name = "failed")]
    Failed(Failure),
    #[component(name = "errored")]
    Errored(Failure),
}

#[derive(Debug, ComponentType, Lift)]
#[component(record)]
#[allow(dead_code, reason = "the types must be those of the contract")]
struct Failure {
    code: String,
    message: String,
    details: Option<String>,
}

/// A component with its imports linked to functions that answer at once.
pub(crate) struct Raw {
    engine: Engine,
    component: InstancePre<()>,
    run: ComponentExportIndex,
}

impl Raw {
    /// Compiles on an engine of the host, and so with its settings.
    pub(crate) fn new(engine: &Engine, bytes: &[u8]) -> anyhow::Result<Self> {
        Self::linked(engine, bytes).map_err(told)
    }

    fn linked(engine: &Engine, bytes: &[u8]) -> Result<Self> {
        let component = Component::new(engine, bytes)?;
        let mut linker = Linker::<()>::new(engine);
        linker.define_unknown_imports_as_traps(&component)?;
        linker.allow_shadowing(true);
        let mut invocation = linker.instance("stageway:host/invocation@0.1.0")?;
        invocation.func_wrap_async("attempt", |_, (): ()| Box::new(async { Ok((1_u32,)) }))?;
        invocation.func_wrap_async("is-cancelled", |_, (): ()| Box::new(async { Ok((false,)) }))?;
        let stage = component
            .get_export_index(None, "stageway:stage/stage@0.1.0")
            .ok_or_else(|| Error::msg("no stage"))?;
        let run = component.get_export_index(Some(&stage), "run").ok_or_else(|| Error::msg("no `run`"))?;
        Ok(Self { engine: engine.clone(), component: linker.instantiate_pre(&component)?, run })
    }

    /// Makes an instance, calls `run`, and drops the instance.
    pub(crate) async fn once(&self, configuration: &str) -> anyhow::Result<()> {
        self.run(configuration).await.map_err(told)
    }

    async fn run(&self, configuration: &str) -> Result<()> {
        let mut store = Store::new(&self.engine, ());
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = self.component.instantiate_async(&mut store).await?;
        let run = instance.get_typed_func::<(&str,), (Result<String, Verdict>,)>(&mut store, &self.run)?;
        let (answer,) = run.call_async(&mut store, (configuration,)).await?;
        answer.map(drop).map_err(|verdict| Error::msg(format!("the guest answered {verdict:?}")))
    }
}

fn told(error: Error) -> anyhow::Error {
    anyhow!("wasmtime: {error:#}")
}
