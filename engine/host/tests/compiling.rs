//! Compilation in a child, and the cache behind it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use stageway_host::{CompileBy, HostOptions};
use stageway_ports::{GuestError, Guests};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Bench, Plugin};

/// The example that ends in `compile_child`; cargo builds it beside the tests.
fn compiler() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples/compile_child")
}

fn by_child(options: &mut HostOptions) {
    options.compile_by = CompileBy::Child { program: compiler(), arguments: Vec::new() };
}

fn files(bench: &Bench, kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(bench.directory.path().join("components")).unwrap();
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == kind))
        .collect()
}

#[tokio::test]
async fn a_child_compiles_what_the_host_loads() {
    let bench = Bench::with(by_child);
    bench.neighbour_is_well().await;
    let (code, seal) = (files(&bench, "code"), files(&bench, "seal"));
    assert_eq!((code.len(), seal.len()), (1, 1));
    let key = bench.directory.path().join("components.key");
    for path in [&code[0], &seal[0], &key] {
        let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
    let directory = std::fs::metadata(bench.directory.path().join("components")).unwrap();
    assert_eq!(directory.permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn another_host_finds_it_compiled() {
    let bench = Bench::new();
    bench.neighbour_is_well().await;
    let mut options = HostOptions::new(
        bench.directory.path(),
        CompileBy::Child { program: "/nonexistent".into(), arguments: Vec::new() },
    );
    options.instances = 8;
    let host = stageway_host::Host::new(options).unwrap();
    assert!(host.prepare(&Plugin::echo().encode()).await.is_ok());
    let fresh = Plugin::echo().text("more", "more").encode();
    assert!(matches!(host.prepare(&fresh).await, Err(GuestError::Host(_))));
}

#[tokio::test]
async fn code_that_we_did_not_write_is_compiled_again() {
    let bench = Bench::new();
    bench.neighbour_is_well().await;
    let code = files(&bench, "code").remove(0);
    let mut bytes = std::fs::read(&code).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&code, &bytes).unwrap();
    let mut options = HostOptions::new(bench.directory.path(), CompileBy::InProcess);
    options.instances = 8;
    let again = stageway_host::Host::new(options).unwrap();
    again.prepare(&Plugin::echo().encode()).await.unwrap();
    assert_ne!(std::fs::read(&code).unwrap(), bytes);
}

#[tokio::test]
async fn a_file_that_others_can_write_is_not_loaded() {
    let bench = Bench::new();
    bench.neighbour_is_well().await;
    let code = files(&bench, "code").remove(0);
    std::fs::set_permissions(&code, std::fs::Permissions::from_mode(0o666)).unwrap();
    let options = HostOptions::new(
        bench.directory.path(),
        CompileBy::Child { program: "/nonexistent".into(), arguments: Vec::new() },
    );
    let host = stageway_host::Host::new(options).unwrap();
    assert!(matches!(host.prepare(&Plugin::echo().encode()).await, Err(GuestError::Host(_))));
}

/// One long function: much for the compiler, little for the parser.
fn heavy() -> Plugin {
    let step = "(local.set 0 (i64.mul (local.get 0) (i64.add (local.get 1) (i64.const 3))))";
    Plugin::echo()
        .with(&format!("(func $heavy (param i64 i64) (result i64) {} (local.get 0))", step.repeat(20_000)))
}

#[tokio::test]
async fn a_compilation_is_bounded_in_time() {
    let bench = Bench::with(|options| {
        by_child(options);
        options.compile.time = Duration::from_millis(100);
    });
    let prepared = bench.host.prepare(&heavy().encode()).await;
    let Err(GuestError::Compile(message)) = prepared else { panic!("{prepared:?}") };
    assert!(message.contains("takes longer"), "{message}");
}

#[tokio::test]
async fn a_compilation_is_bounded_in_memory() {
    let bench = Bench::with(|options| {
        by_child(options);
        options.compile.memory_bytes = 24 << 20;
    });
    let prepared = bench.host.prepare(&heavy().encode()).await;
    let Err(GuestError::Compile(message)) = prepared else { panic!("{prepared:?}") };
    assert!(message.contains("24 MiB"), "{message}");
}

#[tokio::test]
async fn the_cache_does_not_grow_without_end() {
    let bench = Bench::with(|options| options.cache_bytes = 1);
    for name in ["a", "b", "c"] {
        bench.host.prepare(&Plugin::echo().text(name, name).encode()).await.unwrap();
    }
    assert_eq!(files(&bench, "code").len(), 1);
    assert_eq!(files(&bench, "seal").len(), 1);
}

#[tokio::test]
async fn two_who_ask_for_the_same_compile_it_once() {
    let bench = Bench::new();
    let bytes = Plugin::echo().encode();
    let (one, other) = tokio::join!(bench.host.prepare(&bytes), bench.host.prepare(&bytes));
    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(files(&bench, "code").len(), 1);
}
