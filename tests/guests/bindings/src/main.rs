//! `guest-bindings c|go WIT WORLD OUT`: the files that `wit-bindgen` would write for a world, written below OUT.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [language, wit, world, out] = &arguments[..] else {
        eprintln!("usage: guest-bindings c|go WIT WORLD OUT");
        return ExitCode::from(2);
    };
    match write(language, Path::new(wit), world, Path::new(out)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the bindings of `world` below `out`.
fn write(language: &str, wit: &Path, world: &str, out: &Path) -> Result<(), Box<dyn Error>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit)?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut generator: Box<dyn WorldGenerator> = match language {
        "c" => wit_bindgen_c::Opts::default().build(),
        "go" => wit_bindgen_go::Opts::default().build(),
        other => return Err(format!("no bindings for `{other}` here").into()),
    };
    let mut files = Files::default();
    generator.generate(&mut resolve, world, &mut files)?;
    for (name, contents) in files.iter() {
        let path = out.join(name);
        fs::create_dir_all(path.parent().unwrap_or(out))?;
        fs::write(path, contents)?;
    }
    Ok(())
}
