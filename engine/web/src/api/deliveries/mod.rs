//! `…/deliveries`

mod list;
mod show;

use super::Routes;
use stageway_core::name::ReceiptId;
use utoipa_axum::router::OpenApiRouter;

/// The address of a delivery.
#[derive(serde::Deserialize)]
struct DeliveryAt {
    delivery: ReceiptId,
}

pub(super) fn routes() -> Routes {
    OpenApiRouter::new().merge(list::routes()).merge(show::routes())
}
