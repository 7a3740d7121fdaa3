use crate::app::App;
use crate::{api, status, webhooks};
use axum::Router;
use axum::routing::post;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Every route.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/webhooks/{id}", post(webhooks::deliver))
        .merge(Router::from(status::routes()))
        .merge(api::router(&app))
        .fallback(status::not_there)
        .method_not_allowed_fallback(status::not_taken)
        .with_state(app)
}

/// Answers requests until `stop` resolves; those that have begun are answered to their end.
///
/// # Errors
/// When the socket fails.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = router(app).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await
}
