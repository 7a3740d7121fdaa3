//! `stageway plugin new`

use super::super::Context;
use super::refused;
use crate::exit::Exit;
use anyhow::Result;
use stageway_workbench::new::{NewPlugin, SdkSource, new};
use std::path::{Path, PathBuf};

/// `stageway plugin new`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The directory; empty or absent
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Its name, NAMESPACE/NAME; without it `local/` and the directory's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// `sdk/rust` of a checkout; without it the one that this binary was built in, else the published version
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

/// Writes the beginning of a plugin.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let own = || args.directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = args.name.clone().unwrap_or_else(|| format!("local/{}", own()));
    let sdk = args.sdk.or_else(|| std::env::current_exe().ok().and_then(|program| sdk_near(&program)));
    let sdk = sdk.map_or_else(|| SdkSource::Version(env!("CARGO_PKG_VERSION").to_owned()), SdkSource::Path);
    let plugin = NewPlugin { directory: args.directory, name, sdk };
    let files = new(&plugin).map_err(|error| refused(error.code(), &error, error.remedy()))?;
    for file in files {
        context.print(&format!("{}\n", file.display()))?;
    }
    context.print(&format!("build it with `stageway plugin build {}`\n", plugin.directory.display()))?;
    Ok(Exit::Ok)
}

/// The SDK of the checkout that a program was built in.
fn sdk_near(program: &Path) -> Option<PathBuf> {
    let near = program.ancestors().map(|folder| folder.join("sdk/rust"));
    near.take(6).find(|folder| folder.join("Cargo.toml").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_of_the_checkout_is_found() {
        let root = tempfile::tempdir().unwrap();
        let program = root.path().join("target/release/stageway");
        assert_eq!(sdk_near(&program), None);
        std::fs::create_dir_all(root.path().join("sdk/rust")).unwrap();
        std::fs::write(root.path().join("sdk/rust/Cargo.toml"), "").unwrap();
        assert_eq!(sdk_near(&program), Some(root.path().join("sdk/rust")));
    }
}
