//! A linker for WebAssembly, where the compiler brings none.

use std::ffi::OsString;
use std::path::PathBuf;

/// The oldest and newest LLVM whose linker is looked for by its versioned name.
const LLVM: std::ops::RangeInclusive<u32> = 14..=30;

/// `wasm-ld` in the path, else the newest versioned one.
pub(super) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    candidates(&path).into_iter().find(|candidate| candidate.is_file())
}

fn candidates(path: &OsString) -> Vec<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(path).chain([PathBuf::from("/usr/bin")]).collect();
    let plain = folders.iter().map(|folder| folder.join("wasm-ld"));
    let versioned = LLVM.rev().flat_map(|version| {
        let named = folders.iter().map(move |folder| folder.join(format!("wasm-ld-{version}")));
        [PathBuf::from(format!("/usr/lib/llvm-{version}/bin/wasm-ld"))].into_iter().chain(named)
    });
    plain.chain(versioned).collect()
}
