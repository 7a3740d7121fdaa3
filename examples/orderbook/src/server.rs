//! The connections: how many, how long, and how they end.
//!
//! Beyond [`Limits::connections`] new ones wait in the kernel's queue. A connection that is idle or slow with its head
//! is closed after [`Limits::head`], every connection after [`Limits::age`], so none of them is held for ever.

use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures_lite::future;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::api::Api;

/// The pause after a failed accept, which is mostly one for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    /// The head of a request in bytes.
    pub head_bytes: usize,
    /// How long a connection may be idle, or its head under way.
    pub head: Duration,
    /// How long a connection may live.
    pub age: Duration,
    /// How long a request under way may go on when its connection or the service ends.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            head_bytes: 16 * 1024,
            head: Duration::from_secs(10),
            age: Duration::from_secs(120),
            grace: Duration::from_secs(5),
        }
    }
}

/// Something that runs until it is done. Boxed, so that serving is compiled here and not again by every user.
pub type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Serves until `end` is done, then takes no more connections and gives requests under way [`Limits::grace`].
///
/// # Cancellation
/// Dropping the future drops every connection at once.
pub fn serve<'a>(listener: TcpListener, api: Arc<Api>, limits: Limits, end: Running<'a>) -> Running<'a> {
    Box::pin(async move {
        let (ending, ended) = watch::channel(());
        let mut connections = JoinSet::new();
        future::or(end, accept(&listener, &api, limits, &ended, &mut connections)).await;
        drop(listener);
        drop(ending);
        // Each connection ends itself within the grace; the margin is for the last of them to be polled.
        let all = async { while connections.join_next().await.is_some() {} };
        if timeout(limits.grace + Duration::from_secs(1), all).await.is_err() {
            eprintln!("orderbook: some connections did not end in time");
        }
    })
}

async fn accept(
    listener: &TcpListener,
    api: &Arc<Api>,
    limits: Limits,
    ended: &watch::Receiver<()>,
    connections: &mut JoinSet<()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        while connections.try_join_next().is_some() {}
        let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes the semaphore");
        match listener.accept().await {
            Ok((stream, _)) => {
                let (api, ended) = (Arc::clone(api), ended.clone());
                connections.spawn(async move {
                    converse(stream, &api, limits, ended).await;
                    drop(place);
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                eprintln!("orderbook: cannot accept: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Answers the requests of one connection. An error of it is the client's and concerns nobody else.
async fn converse(stream: TcpStream, api: &Api, limits: Limits, mut ended: watch::Receiver<()>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(async |request| Ok::<_, std::convert::Infallible>(api.answer(request).await));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let last_request = future::or(sleep(limits.age), async {
        // The sender says nothing: it is dropped when the service ends.
        let _ = ended.changed().await;
    });
    let closed = async {
        let _ = connection.as_mut().await;
        true
    };
    let told_to_end = async {
        last_request.await;
        false
    };
    if !future::or(closed, told_to_end).await {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(limits.grace, connection).await;
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
