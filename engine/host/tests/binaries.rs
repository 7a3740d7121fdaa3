//! Binaries that are refused before anything is compiled.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use stageway_ports::memory::ScriptedCalls;
use stageway_ports::{GuestError, Guests};
use support::guest::append_section;
use support::{Bench, Plugin};

fn malformed(bench: &Bench, bytes: &[u8]) -> String {
    match bench.host.inspect(bytes) {
        Err(GuestError::Malformed(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn bytes_that_are_no_component() {
    let bench = Bench::new();
    malformed(&bench, b"");
    assert!(malformed(&bench, b"\0asm\x01\0\0\0").contains("core module"));
    malformed(&bench, b"#!/bin/sh");
    let whole = Plugin::echo().encode();
    for length in (0..whole.len()).step_by(whole.len() / 97 + 1) {
        let message = bench.host.prepare(&whole[..length]).await;
        assert!(message.is_err(), "{length} of {} bytes", whole.len());
    }
    let mut noise = whole.clone();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..200 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let at = 8 + (state >> 33) as usize % (noise.len() - 8);
        noise[at] = (state >> 24) as u8;
        // Whatever it answers, it answers.
        let _ = bench.host.inspect(&noise);
    }
    bench.neighbour_is_well().await;
}

#[tokio::test]
async fn too_much_of_anything() {
    let one = |change: fn(&mut stageway_host::ComponentLimits)| {
        let bench = Bench::with(|options| change(&mut options.component));
        malformed(&bench, &Plugin::echo().manifest(b"{}").encode())
    };
    assert!(one(|limits| limits.bytes = 100).contains("bytes are more than the 100 allowed"));
    assert!(one(|limits| limits.functions = 3).contains("more than the 3 functions allowed"));
    assert!(one(|limits| limits.exports = 0).contains("more than the 0 exports allowed"));
    assert!(one(|limits| limits.modules = 0).contains("more than the 0 core modules allowed"));
    assert!(one(|limits| limits.nesting = 0).contains("more than the 0 levels"));
    assert!(one(|limits| limits.memory_bytes = 65536).contains("a memory of 131072 bytes"));
    let bench = Bench::new();
    let table = Plugin::echo().with("(table 1000000 funcref)");
    assert!(malformed(&bench, &table.encode()).contains("a table of 1000000 elements"));
    let tables = Plugin::echo().with(&"(table 1 funcref)".repeat(20));
    assert!(malformed(&bench, &tables.encode()).contains("more than the 16 tables allowed"));
    for module in ["(memory 1) (memory 1)", r#"(import "" "m" (memory 1)) (memory 1)"#] {
        let bytes = wat::parse_str(format!("(component (core module {module}))")).unwrap();
        assert!(malformed(&bench, &bytes).contains("more than the 1 memory of one module"));
    }
    let apart = wat::parse_str("(component (core module (memory 1)) (core module (memory 1)))").unwrap();
    assert!(matches!(bench.host.inspect(&apart), Err(GuestError::WrongWorld(_))), "one memory each");
}

#[tokio::test]
async fn components_within_components() {
    let bench = Bench::new();
    let mut text = "(component)".to_owned();
    for _ in 0..20 {
        text = format!("(component {text})");
    }
    let message = malformed(&bench, &wat::parse_str(text).unwrap());
    assert!(message.contains("more than the 8 levels of components and modules"), "{message}");
}

#[tokio::test]
async fn types_within_types_end_the_compiler_only() {
    // The frame of sections is shallow; what lies within a type is read by the compiler alone.
    let mut section = Vec::new();
    for _ in 0..200_000 {
        section.extend([0x41, 0x01, 0x01]);
    }
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    let mut body = vec![0x01];
    body.extend(section);
    bytes.push(7);
    let mut length = body.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(body);
    assert!(matches!(
        Bench::new().host.inspect(&bytes),
        Err(GuestError::WrongWorld(_) | GuestError::Malformed(_))
    ));
}

#[tokio::test]
async fn a_manifest_section_that_cannot_be() {
    let bench = Bench::new();
    assert!(malformed(&bench, &Plugin::echo().manifest(&[0xff, 0xfe]).encode()).contains("not UTF-8"));
    let large = vec![b' '; (64 << 10) + 1];
    assert!(malformed(&bench, &Plugin::echo().manifest(&large).encode()).contains("65537 bytes"));
    let mut twice = Plugin::echo().manifest(b"{}").encode();
    append_section(&mut twice, "stageway:manifest", b"{}");
    assert!(malformed(&bench, &twice).contains("two sections"));
}

#[tokio::test]
async fn another_world() {
    let bench = Bench::new();
    let other =
        wat::parse_str(r#"(component (component $x) (export "acme:tools/x@1.0.0" (component $x)))"#).unwrap();
    let Err(GuestError::WrongWorld(message)) = bench.host.inspect(&other) else { panic!("a wrong world") };
    assert!(message.contains("does not export `stageway:stage/stage@0.1.0`"), "{message}");
    assert!(message.contains("`acme:tools/x@1.0.0`"), "{message}");
}

/// The stage interface in another version, with the same functions.
fn stage(version: &str) -> String {
    format!(
        "package stageway:stage@{version};
         interface stage {{
           record config-issue {{ pointer: string, message: string }}
           record failure {{ code: string, message: string, details: option<string> }}
           variant verdict {{ failed(failure), errored(failure) }}
           describe: func() -> string;
           validate: func(config: string) -> list<config-issue>;
           run: func(config: string) -> result<string, verdict>;
         }}
         world other {{ export stage; }}"
    )
}

#[tokio::test]
async fn another_version_of_the_world() {
    let bench = Bench::new();
    let later = Plugin::echo().world(&stage("0.2.0"), "other", "0.2.0").encode();
    let Err(GuestError::WrongWorld(message)) = bench.host.inspect(&later) else { panic!("a wrong version") };
    assert_eq!(message, "it exports `stageway:stage/stage` 0.2.0; this engine speaks 0.1.0");
    let compatible = Plugin::echo().world(&stage("0.1.7"), "other", "0.1.7").encode();
    let digest = bench.host.prepare(&compatible).await.unwrap();
    assert_eq!(bench.host.describe(&digest).await.unwrap(), "{}");
}

#[tokio::test]
async fn a_stage_of_other_types() {
    let bench = Bench::new();
    let wit = stage("0.1.0").replace("describe: func() -> string", "describe: func() -> list<u8>");
    let other = Plugin::echo().world(&wit, "other", "0.1.0").encode();
    let prepared = bench.host.prepare(&other).await;
    let Err(GuestError::WrongWorld(message)) = prepared else { panic!("{prepared:?}") };
    assert!(message.starts_with("`describe` of the stage: "), "{message}");
}

#[tokio::test]
async fn an_unknown_import_is_prepared_and_refused_by_every_call() {
    let bench = Bench::new();
    let wit = stage("0.1.0").replace(
        "world other { export stage; }",
        "interface extra { f: func(); } world other { import extra; export stage; }",
    );
    let plugin = Plugin::echo()
        .world(&wit, "other", "0.1.0")
        .import_from("stageway:stage/extra@0.1.0", "f", "f", "")
        .run("(call $f) unreachable");
    let digest = bench.host.prepare(&plugin.encode()).await.unwrap();
    for refused in [
        bench.host.describe(&digest).await.map(drop),
        bench.run_with(&plugin, &mut ScriptedCalls::default(), |_| {}).await.map(drop),
    ] {
        let Err(GuestError::NotLinked(reasons)) = refused else { panic!("{refused:?}") };
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        assert!(reasons[0].starts_with("`stageway:stage/extra@0.1.0`: unknown interface"), "{reasons:?}");
    }
}
