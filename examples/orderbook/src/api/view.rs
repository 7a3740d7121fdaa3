//! The values of the book as JSON.

use serde_json::{Value, json};

use crate::{
    book::{Depth, Level, Placed},
    order::{Order, Trade},
};

pub(super) fn order(order: &Order) -> Value {
    json!({
        "id": order.id.0,
        "side": order.side.name(),
        "price": order.price.get(),
        "quantity": order.quantity.get(),
        "remaining": order.state.remaining(),
        "state": order.state.name(),
    })
}

pub(super) fn trade(trade: &Trade) -> Value {
    json!({
        "id": trade.id.0,
        "price": trade.price.get(),
        "quantity": trade.quantity.get(),
        "maker": trade.maker.0,
        "taker": trade.taker.0,
        "taker-side": trade.taker_side.name(),
    })
}

pub(super) fn placed(placed: &Placed) -> Value {
    let trades: Vec<Value> = placed.trades.iter().map(trade).collect();
    json!({ "order": order(&placed.order), "trades": trades })
}

pub(super) fn depth(depth: &Depth) -> Value {
    let levels = |levels: &[Level]| levels.iter().map(level).collect::<Vec<_>>();
    json!({ "bids": levels(&depth.bids), "asks": levels(&depth.asks) })
}

fn level(level: &Level) -> Value {
    json!({ "price": level.price.get(), "quantity": level.quantity, "orders": level.orders })
}
