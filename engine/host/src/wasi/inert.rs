//! Interfaces that hold nothing: directories, sockets, terminals.
//!
//! Their functions are taken from what the component imports, so that every 0.2.x fits. Lists are empty, options none,
//! results refused; a method needs a descriptor or a socket, which nobody can have.

use crate::guest::Guest;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, Linker, Resource, ResourceAny, ResourceType, Val};
use wasmtime::{Result, StoreContextMut, format_err};

/// Stands for every resource of these interfaces.
enum Nothing {}

/// Resources of other interfaces, under the names by which these interfaces use them.
const USED: &[&str] = &["error", "input-stream", "output-stream", "pollable"];

/// How these interfaces spell a refusal, the most fitting first.
const REFUSALS: &[&str] = &["access-denied", "access", "not-permitted", "unsupported", "not-supported"];

/// Links one of them.
///
/// # Errors
/// What wasmtime says about an interface defined twice.
pub(super) fn link(linker: &mut Linker<Guest>, component: &Component, import: &str) -> Result<()> {
    let engine = component.engine();
    let types = component.component_type();
    let Some(ComponentItem::ComponentInstance(wanted)) =
        types.get_import(engine, import).map(|import| import.ty)
    else {
        return Err(format_err!("`{import}` is no interface"));
    };
    let mut instance = linker.instance(import)?;
    for (name, export) in wanted.exports(engine) {
        match export.ty {
            ComponentItem::Resource(_) if !USED.contains(&name) => {
                instance.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
            }
            ComponentItem::ComponentFunc(_) => {
                let whole = format!("{import}.{name}");
                instance.func_new(name, move |store, function, _, answers| {
                    refuse(store, &whole, &function, answers)
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn refuse(
    mut store: StoreContextMut<'_, Guest>,
    name: &str,
    function: &ComponentFunc,
    answers: &mut [Val],
) -> Result<()> {
    store.data_mut().count()?;
    for (answer, wanted) in answers.iter_mut().zip(function.results()) {
        *answer = match wanted {
            Type::List(_) => Val::List(Vec::new()),
            Type::Option(_) => Val::Option(None),
            Type::Result(result) => {
                let refusal = refusal(result.err()).ok_or_else(|| not_here(name))?;
                Val::Result(Err(Some(Box::new(refusal))))
            }
            Type::Own(_) => {
                let nothing = Resource::<Nothing>::new_own(0);
                Val::Resource(ResourceAny::try_from_resource(nothing, &mut store)?)
            }
            _ => return Err(not_here(name)),
        };
    }
    Ok(())
}

/// The error of a result that says: not here.
fn refusal(error: Option<Type>) -> Option<Val> {
    let Some(Type::Enum(codes)) = error else { return None };
    let fitting = REFUSALS.iter().find(|refusal| codes.names().any(|code| code == **refusal))?;
    Some(Val::Enum((*fitting).to_owned()))
}

fn not_here(name: &str) -> wasmtime::Error {
    format_err!("`{name}` is not offered to plugins")
}
