//! Writes `sdk/rust/src/bindings.rs` from `wit/`, or with `--check` says whether the committed file is still what it
//! would write.
//!
//! The bindings are generated once and committed, because the macro that would generate them in every build costs a
//! minute of processor time in a cold target directory. The first line of the file holds the sha256 of the contract it
//! was made from, so that the SDK's own tests notice a changed contract without building this program.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sha2::{Digest, Sha256};
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::Opts;

/// The world that imports everything a plugin may import.
const WORLD: &str = "stage-plugin";

fn main() -> ExitCode {
    let check = std::env::args().nth(1).is_some_and(|argument| argument == "--check");
    match update(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.."), check) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Brings the bindings below `root` up to date, or with `check` only compares them; answers what it found.
fn update(root: &Path, check: bool) -> Result<&'static str, Box<dyn Error>> {
    let target = root.join("sdk/rust/src/bindings.rs");
    let wanted = bindings(&root.join("wit"))?;
    let present = fs::read_to_string(&target).unwrap_or_default();
    if present == wanted {
        return Ok("the bindings are up to date");
    }
    if check {
        return Err(
            "sdk/rust/src/bindings.rs is stale: run `cargo run --manifest-path sdk/rust/generate/Cargo.toml`"
                .into(),
        );
    }
    fs::write(&target, wanted)?;
    Ok("the bindings were written")
}

/// The text of the bindings for the contract in `wit`.
fn bindings(wit: &Path) -> Result<String, Box<dyn Error>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit)?;
    let world = resolve.select_world(&[package], Some(WORLD))?;
    let options = Opts {
        format: true,
        generate_all: true,
        pub_export_macro: true,
        export_macro_name: Some("export_bindings".to_owned()),
        default_bindings_module: Some("$crate::bindings".to_owned()),
        disable_run_ctors_once_workaround: true,
        ..Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let (_, contents) = files.iter().next().ok_or("the generator wrote no file")?;
    let source = std::str::from_utf8(contents)?;
    Ok(format!("// contract: sha256:{}\n{source}", contract(wit)?))
}

/// The sha256 over the WIT files below `wit`, in the order of their paths, each followed by a zero byte.
fn contract(wit: &Path) -> Result<String, Box<dyn Error>> {
    let mut hash = Sha256::new();
    for path in wit_files(wit)? {
        hash.update(fs::read(path)?);
        hash.update([0]);
    }
    Ok(hex::encode(hash.finalize()))
}

/// Every `*.wit` below `directory`, sorted by path.
fn wit_files(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(wit_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "wit") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
