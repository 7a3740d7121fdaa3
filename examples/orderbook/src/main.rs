//! The program: reads its settings, serves, and ends on SIGTERM or SIGINT.

use std::{env, error::Error, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use futures_lite::future;
use orderbook::{
    api::Api,
    book,
    config::{self, Command},
    server,
};
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{SignalKind, signal},
};

/// How long the body of a request may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let command = match config::read(env::args().skip(1), |name| env::var(name).ok()) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("orderbook: {error}");
            return ExitCode::from(2);
        }
    };
    match command {
        Command::Help => print!("{}", config::USAGE),
        Command::Version => println!("orderbook {}", env!("CARGO_PKG_VERSION")),
        Command::Serve(address) => {
            if let Err(error) = serve(address) {
                eprintln!("orderbook: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Serves on one thread: there is one book, and every call of it takes microseconds.
fn serve(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        // As the first process of a container no signal has a default action: these must be asked for.
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| format!("cannot listen on {address}: {error}"))?;
        println!("listening on {}", listener.local_addr()?);
        let end = async {
            future::or(terminate.recv(), interrupt.recv()).await;
            println!("ending");
        };
        let api = Arc::new(Api::new(book::Limits::default(), BODY_TIMEOUT));
        server::serve(listener, api, server::Limits::default(), Box::pin(end)).await;
        Ok(())
    })
}
