//! Whether a service is ready.

use super::life::{Life, Outcome};
use super::pump::Style;
use super::site::Site;
use crate::local::sandbox::{Exit, Gone, Order, Report};
use stageway_core::task::{Process, Ready, ServiceSpec};
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Between two questions; it doubles up to the second one. Nothing tells when a port is opened, so it has to be asked.
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(500);

/// How long a service may take to answer one request.
const ANSWERED: Duration = Duration::from_secs(5);

/// Waits until a service is ready, or answers how it ended. `last` says what kept it from being ready.
pub(super) async fn wait(
    life: &mut Life,
    site: &Site,
    number: u32,
    service: &ServiceSpec,
    last: &mut String,
) -> Result<Option<Exit>, Outcome> {
    let mut pause = FIRST;
    loop {
        match ask(life, site, number, service).await? {
            Ok(()) => return Ok(None),
            Err(problem) => *last = problem,
        }
        tokio::select! {
            exit = life.vessel.init.exited(number) => return Ok(Some(exit?)),
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST),
        }
    }
}

async fn ask(
    life: &mut Life,
    site: &Site,
    number: u32,
    service: &ServiceSpec,
) -> Result<Result<(), String>, Outcome> {
    match &service.ready {
        Ready::Tcp(port) => Ok(connect(life, *port).await?.map(drop)),
        Ready::Http { port, path } => match connect(life, *port).await? {
            Ok(connection) => Ok(get(connection, path).await),
            Err(problem) => Ok(Err(problem)),
        },
        Ready::Command(arguments) => command(life, site, number, service, arguments).await,
    }
}

async fn connect(life: &Life, port: u16) -> Result<Result<OwnedFd, String>, Outcome> {
    match life.vessel.init.order(Order::Connect { port }, None).await? {
        (Report::Done, Some(connection)) => Ok(Ok(connection)),
        (Report::Failed { problem }, _) => Ok(Err(format!("port {port}: {problem}"))),
        (other, _) => Err(Gone(format!("it answered {other:?}")).into()),
    }
}

/// A GET whose status is all that matters.
async fn get(connection: OwnedFd, path: &str) -> Result<(), String> {
    let exchange = async {
        let stream = std::net::TcpStream::from(connection);
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream)?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut line = [0; 12];
        stream.read_exact(&mut line).await?;
        Ok::<_, std::io::Error>(line)
    };
    match tokio::time::timeout(ANSWERED, exchange).await {
        Ok(Ok(line)) => match &line {
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', b'2', _, _] => Ok(()),
            _ => {
                Err(format!("`{path}` is answered with `{}`", String::from_utf8_lossy(&line).escape_debug()))
            }
        },
        Ok(Err(error)) => Err(format!("`{path}`: {error}")),
        Err(_) => Err(format!("`{path}` is not answered within {} s", ANSWERED.as_secs())),
    }
}

/// Runs a command in the root of the service.
async fn command(
    life: &mut Life,
    site: &Site,
    number: u32,
    service: &ServiceSpec,
    arguments: &[String],
) -> Result<Result<(), String>, Outcome> {
    let process = Process { arguments: arguments.to_vec(), ..service.process.clone() };
    let asking = life.next_number();
    let order = life.order(site, asking, &process, number)?;
    let style = Style::Lines(Some(service.name.clone()));
    if let Err((problem, _)) = life.start(order, style).await? {
        return Ok(Err(problem));
    }
    match life.vessel.init.exited(asking).await? {
        Exit::Code(0) => Ok(Ok(())),
        exit => Ok(Err(format!("the command ended with {exit:?}"))),
    }
}
