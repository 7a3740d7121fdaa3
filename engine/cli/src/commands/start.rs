//! `stageway start` and `stageway rerun`

use super::Context;
use crate::client::said_no;
use crate::exit::{Exit, Refused};
use crate::wiring::{RunRef, find};
use anyhow::Result;
use serde_json::{Map, Value as Json, json};
use stageway_core::name::{PipelineName, RepositoryId, StageName};
use stageway_core::operator::Scope;

/// `stageway start`
#[derive(Debug, clap::Args)]
pub(crate) struct StartArgs {
    /// The repository, as the operator calls it
    #[arg(value_name = "REPOSITORY")]
    repository: RepositoryId,
    /// One of its pipelines
    #[arg(value_name = "PIPELINE")]
    pipeline: PipelineName,
    /// A branch, or a full ref; without it the default branch
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// A commit of it; without it its head
    #[arg(long, value_name = "REVISION")]
    revision: Option<String>,
    /// A parameter of the pipeline; may be given more than once
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = super::prepare::parameter)]
    parameters: Vec<(String, String)>,
}

/// `stageway rerun`
#[derive(Debug, clap::Args)]
pub(crate) struct RerunArgs {
    /// Its number, the beginning of its id, or `latest`
    #[arg(value_name = "RUN")]
    run: RunRef,
    /// The first stage that is done again, with all that follow from it; of a matrix one cell or all. Without it all stages
    #[arg(long, value_name = "STAGE")]
    from: Option<StageName>,
}

/// Starts a run of a server by hand.
pub(crate) async fn start(context: &Context, args: StartArgs) -> Result<Exit> {
    let remote = context.remote().await?;
    remote.may(Scope::Run)?;
    let parameters: Map<String, Json> =
        args.parameters.into_iter().map(|(name, value)| (name, Json::from(value))).collect();
    let wanted = json!({
        "repository": args.repository, "pipeline": args.pipeline, "ref": args.reference,
        "revision": args.revision, "parameters": parameters,
    });
    let begun = remote.server.start(&remote.token.tenant, wanted).await.map_err(said_no)?;
    tell(context, begun)
}

/// Does a run of a server once more.
pub(crate) async fn rerun(context: &Context, args: RerunArgs) -> Result<Exit> {
    let view = context.view().await?;
    let found = find(&*view.store, &view.tenant, &args.run).await?;
    let Some(remote) = view.remote() else {
        let message = "a run of this machine is not done again by a server";
        return Err(Refused::usage(message, "name the server with --server, or say `stageway run`").into());
    };
    let begun = remote.server.rerun(&view.tenant, &found.id, args.from.as_ref()).await.map_err(said_no)?;
    tell(context, begun)
}

fn tell(context: &Context, begun: Option<u64>) -> Result<Exit> {
    context.print(&match begun {
        Some(number) => format!("run {number}\n"),
        None => "it takes longer: `stageway deliveries` says what becomes of it\n".to_owned(),
    })?;
    Ok(Exit::Ok)
}
