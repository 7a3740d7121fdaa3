use crate::bindings::exports::stageway::stage::stage::Verdict;
use crate::bindings::stageway::host::types::ConfigIssue;
use crate::contract::STAGE;
use crate::guest::Guest;
use crate::linking;
use stageway_core::digest::Digest;
use stageway_ports::GuestError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

/// A component whose imports and exports are resolved: making an instance of it takes microseconds.
pub(crate) struct Prepared {
    /// Of the binary.
    pub(crate) digest: Digest,
    /// What it imports.
    pub(crate) imports: Vec<String>,
    /// Those of them that a run without any grant would be refused: only they are looked at again at each run.
    pub(crate) granted: Vec<String>,
    /// Absent while the component imports something unknown, which only a run refuses.
    pub(crate) plugin: Option<Plugin>,
}

/// What instances are made of.
pub(crate) struct Plugin {
    pub(crate) instance: InstancePre<Guest>,
    pub(crate) describe: ComponentExportIndex,
    pub(crate) validate: ComponentExportIndex,
    pub(crate) run: ComponentExportIndex,
}

impl Prepared {
    /// Links a component. Which of its imports a run may have is decided at each run.
    ///
    /// # Errors
    /// [`GuestError::WrongWorld`] when an import or export has another type than the contract's.
    pub(crate) fn new(
        engine: &Engine,
        component: &Component,
        digest: Digest,
        imports: Vec<String>,
    ) -> Result<Self, GuestError> {
        let granted = imports.iter().filter(|import| !linking::is_free(import)).cloned().collect();
        if linking::check(&imports, &linking::everything()).is_err() {
            return Ok(Self { digest, imports, granted, plugin: None });
        }
        let wrong = |error: wasmtime::Error| GuestError::WrongWorld(format!("{error:#}"));
        check_stage(engine, component)?;
        let mut linker = Linker::new(engine);
        linking::link(&mut linker, component, &imports).map_err(wrong)?;
        let instance = linker.instantiate_pre(component).map_err(wrong)?;
        let plugin = Some(Plugin::new(instance)?);
        Ok(Self { digest, imports, granted, plugin })
    }

    /// Its machine code, for another process.
    ///
    /// # Errors
    /// [`GuestError::Host`] when it has none, or there is no memory for it.
    pub(crate) fn code(&self) -> Result<Vec<u8>, GuestError> {
        let no_code = |why: String| GuestError::Host(format!("its machine code cannot be had: {why}"));
        let plugin = self.plugin.as_ref().ok_or_else(|| no_code("its imports are unknown".to_owned()))?;
        plugin.instance.component().serialize().map_err(|error| no_code(format!("{error:#}")))
    }
}

impl Plugin {
    fn new(instance: InstancePre<Guest>) -> Result<Self, GuestError> {
        let component = instance.component();
        let missing = |name: &str| GuestError::WrongWorld(format!("`{name}` of the stage: it is missing"));
        let stage = component.component_type();
        let engine = instance.engine();
        let stage = stage.exports(engine).map(|(name, _)| name.to_owned());
        let stage = stage.into_iter().find(|name| name.split('@').next() == Some(STAGE));
        let stage = stage.ok_or_else(|| missing(STAGE))?;
        let stage = component.get_export_index(None, &stage).ok_or_else(|| missing(STAGE))?;
        let index = |name: &str| component.get_export_index(Some(&stage), name).ok_or_else(|| missing(name));
        let (describe, validate, run) = (index("describe")?, index("validate")?, index("run")?);
        Ok(Self { instance, describe, validate, run })
    }
}

/// Whether the functions of the stage have the types of the contract. wasmtime itself looks only when there is an instance.
fn check_stage(engine: &Engine, component: &Component) -> Result<(), GuestError> {
    let of_component = component.component_type();
    let types = of_component.instance_type();
    let stage = of_component.exports(engine).find_map(|(name, export)| match export.ty {
        ComponentItem::ComponentInstance(instance) if name.split('@').next() == Some(STAGE) => Some(instance),
        _ => None,
    });
    let stage = stage.ok_or_else(|| GuestError::WrongWorld(format!("`{STAGE}` is no interface")))?;
    let check = |name: &str, check: &dyn Fn(&ComponentFunc) -> wasmtime::Result<()>| {
        let checked = match stage.get_export(engine, name).map(|export| export.ty) {
            Some(ComponentItem::ComponentFunc(function)) => check(&function),
            _ => Err(wasmtime::format_err!("it is missing")),
        };
        checked.map_err(|error| GuestError::WrongWorld(format!("`{name}` of the stage: {error:#}")))
    };
    check("describe", &|function| function.typecheck::<(), (String,)>(&types))?;
    check("validate", &|function| function.typecheck::<(String,), (Vec<ConfigIssue>,)>(&types))?;
    check("run", &|function| function.typecheck::<(String,), (Result<String, Verdict>,)>(&types))
}

/// The components that are ready in this process; who was asked for longest ago goes first.
pub(crate) struct Registry {
    most: usize,
    shelf: Mutex<Shelf>,
}

#[derive(Default)]
struct Shelf {
    turn: u64,
    components: HashMap<Digest, (u64, Arc<Prepared>)>,
}

impl Registry {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), shelf: Mutex::default() }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has(&self, digest: &Digest) -> bool {
        self.shelf().components.contains_key(digest)
    }

    pub(crate) fn get(&self, digest: &Digest) -> Option<Arc<Prepared>> {
        let mut shelf = self.shelf();
        shelf.turn += 1;
        let turn = shelf.turn;
        let (used, prepared) = shelf.components.get_mut(digest)?;
        *used = turn;
        Some(Arc::clone(prepared))
    }

    pub(crate) fn put(&self, prepared: Prepared) {
        let mut shelf = self.shelf();
        shelf.turn += 1;
        let turn = shelf.turn;
        shelf.components.insert(prepared.digest, (turn, Arc::new(prepared)));
        if shelf.components.len() > self.most {
            let oldest =
                shelf.components.iter().min_by_key(|(_, (used, _))| *used).map(|(digest, _)| *digest);
            oldest.and_then(|digest| shelf.components.remove(&digest));
        }
    }
}
