use crate::guest::{Broken, Guest};
use rand_chacha::rand_core::Rng;
use wasmtime::component::LinkerInstance;
use wasmtime::{Error, Result, StoreContextMut};

/// Bytes of one call.
const MOST: u64 = 1 << 20;

/// `wasi:random/random`
pub(super) fn random(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    instance.func_wrap("get-random-bytes", |store, (count,): (u64,)| bytes(store, count))?;
    instance.func_wrap("get-random-u64", |store, (): ()| number(store))
}

/// `wasi:random/insecure`: here the same stream.
pub(super) fn insecure(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    instance.func_wrap("get-insecure-random-bytes", |store, (count,): (u64,)| bytes(store, count))?;
    instance.func_wrap("get-insecure-random-u64", |store, (): ()| number(store))
}

/// `wasi:random/insecure-seed`
pub(super) fn insecure_seed(instance: &mut LinkerInstance<'_, Guest>) -> Result<()> {
    instance.func_wrap("insecure-seed", |mut store: StoreContextMut<'_, Guest>, (): ()| {
        let random = &mut store.data_mut().wasi.random;
        Ok(((random.next_u64(), random.next_u64()),))
    })
}

fn bytes(mut store: StoreContextMut<'_, Guest>, count: u64) -> Result<(Vec<u8>,)> {
    let guest = store.data_mut();
    guest.count()?;
    match usize::try_from(count) {
        Ok(size) if count <= MOST => Ok((guest.wasi.random_bytes(size),)),
        _ => Err(Error::new(Broken::limit("random-bytes"))),
    }
}

fn number(mut store: StoreContextMut<'_, Guest>) -> Result<(u64,)> {
    let guest = store.data_mut();
    guest.count()?;
    Ok((guest.wasi.random.next_u64(),))
}
