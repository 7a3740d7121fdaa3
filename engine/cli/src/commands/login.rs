//! `stageway login`

use super::Context;
use crate::client::meet;
use crate::exit::{Exit, Refused};
use anyhow::{Context as _, Result};
use stageway_core::operator::{KnownServer, Scope};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A token has at most this many bytes.
const MOST: u64 = 4_096;

/// `stageway login`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The server's address
    #[arg(value_name = "URL")]
    url: String,
    /// What it is called from now on, instead of its address
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The file with the token; without it the token is read from standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Tries a token out, and keeps it for `--server`. It is never an argument, because others see those.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let token = token(args.token_file.as_deref())?;
    let remote = meet(&args.url, &token).await?;
    let file = context.known_servers()?;
    let mut servers = file.read()?;
    let url = args.url.trim_end_matches('/').to_owned();
    let name = args.name.unwrap_or_else(|| url.clone());
    servers.0.insert(name.clone(), KnownServer { url, token });
    file.write(&servers)?;
    let scopes: Vec<&str> = remote.token.scopes.iter().copied().map(Scope::as_str).collect();
    let (tenant, of) = (&remote.token.tenant, &remote.token.name);
    context.print(&format!("logged in to {name} as `{of}`, tenant {tenant}: {}\n", scopes.join(", ")))?;
    Ok(Exit::Ok)
}

fn token(file: Option<&Path>) -> Result<String> {
    let mut text = String::new();
    match file {
        Some(path) => {
            let opened = std::fs::File::open(path);
            let read = opened.and_then(|file| file.take(MOST).read_to_string(&mut text));
            read.with_context(|| format!("{} cannot be read", path.display()))?;
        }
        None => {
            std::io::stdin().take(MOST).read_to_string(&mut text).context("standard input cannot be read")?;
        }
    }
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        let remedy = "give it on standard input, such as `stageway login URL < FILE`, or with --token-file";
        return Err(Refused::usage("no token was given", remedy).into());
    }
    Ok(token.to_owned())
}
