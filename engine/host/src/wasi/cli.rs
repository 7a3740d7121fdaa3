use super::streams::{Input, Output};
use crate::guest::Guest;
use wasmtime::component::LinkerInstance;
use wasmtime::{Error, Result, StoreContextMut, format_err};

type Store<'a> = StoreContextMut<'a, Guest>;
/// What `exit` is given.
type Status = std::result::Result<(), ()>;

/// `wasi:cli/environment`: nothing.
pub(super) fn environment(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    instance.func_wrap("get-environment", |_: Store<'_>, (): ()| Ok((Vec::<(String, String)>::new(),)))?;
    instance.func_wrap("get-arguments", |_: Store<'_>, (): ()| Ok((Vec::<String>::new(),)))?;
    instance.func_wrap("initial-cwd", |_: Store<'_>, (): ()| Ok((None::<String>,)))
}

/// `wasi:cli/exit`: a stage ends by answering, so leaving is breaking off.
pub(super) fn exit(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    instance.func_wrap("exit", |_: Store<'_>, (status,): (Status,)| -> Result<()> {
        Err(left(if status.is_ok() { "success" } else { "failure" }))
    })?;
    instance.func_wrap("exit-with-code", |_: Store<'_>, (code,): (u8,)| -> Result<()> {
        Err(left(&format!("code {code}")))
    })
}

fn left(how: &str) -> Error {
    format_err!("the guest exited with {how} instead of answering")
}

/// `wasi:cli/stdin`
pub(super) fn stdin(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    instance
        .func_wrap("get-stdin", |mut store: Store<'_>, (): ()| Ok((store.data_mut().handles.push(Input)?,)))
}

/// `wasi:cli/stdout`
pub(super) fn stdout(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    instance.func_wrap("get-stdout", |mut store: Store<'_>, (): ()| {
        Ok((store.data_mut().handles.push(Output::Standard)?,))
    })
}

/// `wasi:cli/stderr`
pub(super) fn stderr(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    instance.func_wrap("get-stderr", |mut store: Store<'_>, (): ()| {
        Ok((store.data_mut().handles.push(Output::Error)?,))
    })
}
