//! `stageway redeliver`

use super::Context;
use crate::client::said_no;
use crate::exit::Exit;
use anyhow::Result;
use stageway_core::name::ReceiptId;
use stageway_core::operator::Scope;

/// `stageway redeliver`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The delivery's id, as `stageway deliveries` tells it
    #[arg(value_name = "DELIVERY")]
    delivery: ReceiptId,
}

/// Has a delivery taken in once more. What it started already is not started again.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let remote = context.remote().await?;
    remote.may(Scope::Run)?;
    let taken = remote.server.redeliver(&remote.token.tenant, args.delivery.as_str()).await;
    let taken = taken.map_err(said_no)?;
    context.print(&format!("delivery {} is taken in once more\n", taken.id))?;
    Ok(Exit::Ok)
}
