//! Whatever the bytes are, reading them answers.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its fixtures and fails by panicking"
)]

use proptest::prelude::*;
use stageway_core::definition::{parse, to_yaml};
use stageway_core::manifest::Manifest;
use stageway_core::policy::Policy;
use std::fs;
use std::path::Path;

fn samples() -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/definition");
    let mut samples = Vec::new();
    for kind in ["valid", "invalid"] {
        for entry in fs::read_dir(directory.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                samples.push(fs::read(path).unwrap());
            }
        }
    }
    samples
}

fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let parsed = parse("stageway.yaml", bytes);
    for diagnostic in &parsed.diagnostics {
        let place = diagnostic.place.as_ref();
        prop_assert!(place.is_none_or(|place| place.span().end <= bytes.len()), "{}", diagnostic);
    }
    prop_assert!(parsed.definition.is_some() || !parsed.diagnostics.is_empty());
    if let Some(definition) = parsed.valid() {
        prop_assert!(!to_yaml(definition).is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        check(&bytes)?;
        let _ = Policy::parse("policy.yaml", &bytes);
        let _ = Manifest::parse(&bytes);
    }

    #[test]
    fn any_marks_of_yaml(text in "[a-c:\\-\\[\\]{},&*!|>'\"#%@`?~ \\n\\t0-9<$}]{0,120}") {
        check(text.as_bytes())?;
        let _ = Policy::parse("policy.yaml", text.as_bytes());
    }

    #[test]
    fn mutated_files(
        sample in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..8),
        other in any::<prop::sample::Index>(),
    ) {
        let samples = samples();
        let mut bytes = sample.get(&samples).clone();
        let other = other.get(&samples);
        for (at, byte, kind) in changes {
            let at = at.index(bytes.len() + 1);
            match kind {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 if at < bytes.len() => bytes[at] = byte,
                _ => bytes.extend_from_slice(&other[..at.min(other.len())]),
            }
        }
        check(&bytes)?;
    }
}

/// Shapes that have hurt readers of YAML: each ends within the bounds.
#[test]
fn bombs() {
    let many_keys: String = (0..15_000).map(|n| format!("k{n}: {n}\n")).collect();
    let one_line = format!("a: [{}]", "1, ".repeat(19_000));
    let bombs = [
        "[".repeat(200_000),
        "- ".repeat(100_000),
        "? ".repeat(50_000),
        "a: ".repeat(50_000),
        "{a: ".repeat(50_000),
        "&a ".repeat(50_000),
        "!".repeat(100_000),
        "\"".to_owned() + &"\\u0041".repeat(100_000),
        "|\n".to_owned() + &"  x\n".repeat(100_000),
        "# ".repeat(500_000),
        many_keys,
        one_line,
        "\n".repeat(1 << 20),
    ];
    for bomb in &bombs {
        assert!(!parse("stageway.yaml", bomb.as_bytes()).diagnostics.is_empty());
    }
}
