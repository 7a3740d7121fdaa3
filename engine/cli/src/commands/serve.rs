//! `stageway serve`

use super::Context;
use crate::exit::{Exit, Refused};
use crate::terminal::Style;
use crate::wiring::Server;
use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// `stageway serve`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to listen, instead of the configuration's `listen`
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<std::net::SocketAddr>,
    /// Run tasks without the sandbox
    #[arg(long)]
    no_sandbox: bool,
}

/// Receives webhooks and runs what they start.
pub(crate) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let settings = context.settings()?;
    let configured = settings.service.listen.as_ref().and_then(|text| text.parse().ok());
    let missing = || {
        let remedy = "write `listen: 127.0.0.1:8080` into the configuration, or say --listen";
        Refused::usage("nothing says where to listen", remedy)
    };
    let address = args.listen.or(configured).ok_or_else(missing)?;
    let server = Server::open(settings, args.no_sandbox).await?;
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on"))?;
    if args.no_sandbox {
        let warning =
            "THE SANDBOX IS OFF (--no-sandbox): tasks may read and change everything that the server may";
        context.say(Style::Bad, warning);
    }
    let stop = stop()?;
    // Tools wait for this line, and may stop us then.
    context.print(&format!("listening on {}\n", listener.local_addr()?))?;
    server.work(listener, stop).await?;
    Ok(Exit::Ok)
}

/// Turns true at the first SIGTERM or Ctrl-C; the second ends the process at once.
fn stop() -> Result<watch::Receiver<bool>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            match first {
                true => drop(stop.send(true)),
                false => std::process::exit(i32::from(Exit::Errored as u8)),
            }
        }
    });
    Ok(stopped)
}
