//! `stageway token`

use super::Context;
use crate::exit::Exit;
use crate::terminal::Style;
use anyhow::{Context as _, Result};
use rustix::rand::{GetRandomFlags, getrandom};
use serde_json::json;
use stageway_core::digest::Digest;
use stageway_core::name::{TenantId, TokenName};
use stageway_core::operator::{Scope, TOKEN_PREFIX};

/// `stageway token`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What it is called: who did what is told by this name
    #[arg(value_name = "NAME")]
    name: TokenName,
    /// Whose things it is about
    #[arg(long, value_name = "TENANT", default_value = "local")]
    tenant: TenantId,
    /// What it may do: `read`, `run`, `approve` or `admin`; may be given more than once
    #[arg(long = "scope", value_name = "SCOPE", default_value = "read")]
    scopes: Vec<Scope>,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

/// Makes a token. It is shown once and kept nowhere.
pub(crate) fn run(context: &Context, args: Args) -> Result<Exit> {
    let mut random = [0; 32];
    let filled = getrandom(&mut random, GetRandomFlags::empty()).context("no random bytes can be had")?;
    anyhow::ensure!(filled == random.len(), "no random bytes can be had");
    let token = of(random);
    let hash = Digest::of(token.as_bytes());
    if args.json {
        let Args { name, tenant, scopes, .. } = &args;
        let told = json!({"token": token, "name": name, "tenant": tenant, "scopes": scopes, "hash": hash});
        context.print(&format!("{told}\n"))?;
        return Ok(Exit::Ok);
    }
    context.print(&format!("{token}\n"))?;
    context.say(
        Style::Faint,
        "It is shown only here. Add this to the server's configuration, and start the server again:",
    );
    context.say(Style::Strong, &entry(&args, &hash));
    Ok(Exit::Ok)
}

/// 256 random bits, so that its hash tells nothing of it.
fn of(random: [u8; 32]) -> String {
    // A digest's digits are only a way to write bytes.
    format!("{TOKEN_PREFIX}{}", Digest::from_hash(random).hex())
}

fn entry(args: &Args, hash: &Digest) -> String {
    let scopes: Vec<&str> = args.scopes.iter().map(|scope| scope.as_str()).collect();
    let (name, tenant, scopes) = (&args.name, &args.tenant, scopes.join(", "));
    format!("tokens:\n  {name}: {{ tenant: {tenant}, scopes: [{scopes}], hash: \"{hash}\" }}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use stageway_core::operator::Operator;

    #[test]
    fn what_is_told_is_what_a_configuration_takes() {
        let token = of([7; 32]);
        assert_eq!(token.len(), 3 + 64);
        let args = Args {
            name: "ci".parse().unwrap(),
            tenant: "acme".parse().unwrap(),
            scopes: vec![Scope::Read, Scope::Run],
            json: false,
        };
        let hash = Digest::of(token.as_bytes());
        let text = format!("tenants: {{ acme: {{}} }}\n{}\n", entry(&args, &hash));
        let operator = Operator::parse("config.yaml", text.as_bytes()).unwrap();
        assert_eq!(operator.service.tokens["ci"].hash, hash);
        assert!(!text.contains(&token));
    }
}
