//! Connections to the API server that break.

use crate::cluster::Place;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Passes on every connection, and breaks the first, the third… of those that carry so many bytes.
pub struct Cut {
    address: SocketAddr,
    large: Arc<AtomicU64>,
}

impl Cut {
    pub async fn between(place: &Place, after: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, large) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let (server, counted) = (place.server(), large.clone());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (server, large) = (server.clone(), counted.clone());
                tokio::spawn(async move {
                    let Ok(far) = TcpStream::connect(&server).await else { return };
                    let passed = AtomicU64::new(0);
                    let ((near_read, near_write), (far_read, far_write)) =
                        (near.into_split(), far.into_split());
                    let counted = AtomicBool::new(false);
                    let is_over = || {
                        passed.load(Ordering::Relaxed) >= after
                            && !counted.swap(true, Ordering::Relaxed)
                            && large.fetch_add(1, Ordering::Relaxed).is_multiple_of(2)
                    };
                    tokio::select! {
                        () = pass(near_read, far_write, &passed, &is_over) => {}
                        () = pass(far_read, near_write, &passed, &is_over) => {}
                    }
                });
            }
        });
        Self { address, large }
    }

    /// Where to connect instead.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were broken.
    pub fn cuts(&self) -> u64 {
        self.large.load(Ordering::Relaxed).div_ceil(2)
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    passed: &AtomicU64,
    is_over: &impl Fn() -> bool,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(got @ 1..) = from.read(&mut buffer).await {
        passed.fetch_add(got as u64, Ordering::Relaxed);
        if is_over() || to.write_all(&buffer[..got]).await.is_err() {
            return;
        }
    }
}
