//! `stageway freeze` and `stageway thaw`

use super::Context;
use crate::client::said_no;
use crate::exit::Exit;
use anyhow::Result;
use stageway_core::name::EnvironmentName;
use stageway_core::operator::Scope;

/// `stageway freeze`
#[derive(Debug, clap::Args)]
pub(crate) struct FreezeArgs {
    /// The environment that no stage enters; without it no run of the tenant begins
    #[arg(value_name = "ENVIRONMENT")]
    environment: Option<EnvironmentName>,
    /// Why; whoever waits is told
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// `stageway thaw`
#[derive(Debug, clap::Args)]
pub(crate) struct ThawArgs {
    /// The environment; without it the tenant
    #[arg(value_name = "ENVIRONMENT")]
    environment: Option<EnvironmentName>,
}

fn named(environment: Option<&EnvironmentName>) -> String {
    environment.map_or_else(|| "every run".to_owned(), |name| format!("environment `{name}`"))
}

/// Freezes. What has begun goes on, and nothing is dropped.
pub(crate) async fn freeze(context: &Context, args: FreezeArgs) -> Result<Exit> {
    let remote = context.remote().await?;
    remote.may(Scope::Admin)?;
    let environment = args.environment.as_ref();
    remote.server.freeze(&remote.token.tenant, environment, &args.reason).await.map_err(said_no)?;
    context.print(&format!("frozen: {} of tenant {}\n", named(environment), remote.token.tenant))?;
    Ok(Exit::Ok)
}

/// Thaws.
pub(crate) async fn thaw(context: &Context, args: ThawArgs) -> Result<Exit> {
    let remote = context.remote().await?;
    remote.may(Scope::Admin)?;
    let environment = args.environment.as_ref();
    let thawed = remote.server.thaw(&remote.token.tenant, environment).await.map_err(said_no)?;
    let word = if thawed { "thawed" } else { "was not frozen" };
    context.print(&format!("{word}: {} of tenant {}\n", named(environment), remote.token.tenant))?;
    Ok(Exit::Ok)
}
