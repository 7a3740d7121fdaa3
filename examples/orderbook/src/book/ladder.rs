//! One side of the book: its price levels, and in each the orders in order of arrival.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
};

use crate::order::{OrderId, Price, Quantity, Side};

/// One price and what rests there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The price.
    pub price: Price,
    /// The units of all its orders together.
    pub quantity: u64,
    /// How many orders, at least one.
    pub orders: usize,
}

/// The resting orders of one side. Every call takes time logarithmic in their number.
#[derive(Debug)]
pub(super) struct Ladder {
    side: Side,
    /// No level is empty.
    levels: BTreeMap<Price, Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    quantity: u64,
    orders: BTreeSet<OrderId>,
}

impl Ladder {
    pub(super) fn new(side: Side) -> Self {
        Self { side, levels: BTreeMap::new() }
    }

    /// The order that is first in turn, if its price is acceptable to an order of the other side with this limit.
    pub(super) fn first_within(&self, limit: Price) -> Option<(Price, OrderId)> {
        let (price, queue) = match self.side {
            Side::Buy => self.levels.last_key_value().filter(|(price, _)| **price >= limit),
            Side::Sell => self.levels.first_key_value().filter(|(price, _)| **price <= limit),
        }?;
        queue.orders.first().map(|id| (*price, *id))
    }

    /// The levels, best first.
    pub(super) fn levels(&self) -> impl Iterator<Item = Level> {
        let mut levels = self.levels.iter();
        let side = self.side;
        iter::from_fn(move || match side {
            Side::Buy => levels.next_back(),
            Side::Sell => levels.next(),
        })
        .map(|(price, queue)| Level {
            price: *price,
            quantity: queue.quantity,
            orders: queue.orders.len(),
        })
    }

    /// Puts an order last at its price.
    pub(super) fn add(&mut self, price: Price, id: OrderId, quantity: Quantity) {
        let queue = self.levels.entry(price).or_default();
        queue.quantity += quantity.get();
        queue.orders.insert(id);
    }

    /// Takes units from a level whose order stays, and keeps its turn.
    pub(super) fn reduce(&mut self, price: Price, quantity: Quantity) {
        if let Some(queue) = self.levels.get_mut(&price) {
            queue.quantity -= quantity.get();
        }
    }

    /// Takes an order out, with the units it still had.
    pub(super) fn remove(&mut self, price: Price, id: OrderId, quantity: Quantity) {
        self.reduce(price, quantity);
        if let Some(queue) = self.levels.get_mut(&price) {
            queue.orders.remove(&id);
            if queue.orders.is_empty() {
                self.levels.remove(&price);
            }
        }
    }
}
