//! The wish that something ends, as those who wait see it.

use tokio::sync::watch;

/// Resolves when the wish is there; never, when nobody can wish any more.
pub(crate) async fn cancelled(mut wish: watch::Receiver<bool>) {
    if wish.wait_for(|wished| *wished).await.is_err() {
        std::future::pending::<()>().await;
    }
}
