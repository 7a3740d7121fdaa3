//! The book: who trades with whom. Pure: the same orders in the same order give the same trades.
//!
//! - *Price-time priority*: the best price first, within a price the order that came first. A trade has the price of
//!   the order that rested.
//! - *Never crossed*: after every call the best bid is below the best ask.
//! - *Bounded*: open orders, remembered closed orders and remembered trades each have a limit.

mod ladder;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
};

use ladder::Ladder;
pub use ladder::Level;

use crate::order::{NewOrder, Order, OrderId, Quantity, Side, State, Trade, TradeId};

/// How much a book keeps.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Orders that rest at the same time.
    pub open: usize,
    /// Filled and cancelled orders that can still be asked for; the oldest is forgotten first.
    pub closed: usize,
    /// Trades that can still be asked for; the oldest is forgotten first.
    pub trades: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { open: 20_000, closed: 100_000, trades: 100_000 }
    }
}

/// One instrument's orders and trades.
#[derive(Debug)]
pub struct Book {
    limits: Limits,
    bids: Ladder,
    asks: Ladder,
    orders: HashMap<OrderId, Order>,
    closed: VecDeque<OrderId>,
    trades: VecDeque<Trade>,
    last_order: u64,
    last_trade: u64,
}

/// An order as it is after it was placed, and what it traded at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The order.
    pub order: Order,
    /// Its trades, in the order they happened.
    pub trades: Vec<Trade>,
}

/// The levels of both sides, each best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// Who buys, highest price first.
    pub bids: Vec<Level>,
    /// Who sells, lowest price first.
    pub asks: Vec<Level>,
}

/// The book has no room for another resting order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// How many orders rest.
    pub open: usize,
}

/// Why an order was not cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelError {
    /// No such order, or one that closed so long ago that it is forgotten.
    Unknown(OrderId),
    /// It is filled or cancelled already.
    Closed(Order),
}

impl Book {
    /// An empty book.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            bids: Ladder::new(Side::Buy),
            asks: Ladder::new(Side::Sell),
            orders: HashMap::new(),
            closed: VecDeque::new(),
            trades: VecDeque::new(),
            last_order: 0,
            last_trade: 0,
        }
    }

    /// Trades an order as far as it goes and lets the rest of it rest.
    ///
    /// # Errors
    /// [`Full`] when the book is full and the order meets nobody. One that meets somebody is always taken: where a part
    /// of it is left to rest, it has closed at least one other order.
    pub fn place(&mut self, new: NewOrder) -> Result<Placed, Full> {
        let meets = self.ladder(new.side.opposite()).first_within(new.price).is_some();
        if !meets && self.open() >= self.limits.open {
            return Err(Full { open: self.open() });
        }
        self.last_order += 1;
        let id = OrderId(self.last_order);
        let (left, trades) = self.trade(id, new);
        let state = left.map_or(State::Filled, |remaining| State::Open { remaining });
        let order = Order { id, side: new.side, price: new.price, quantity: new.quantity, state };
        self.orders.insert(id, order);
        match left {
            Some(remaining) => self.ladder_mut(new.side).add(new.price, id, remaining),
            None => self.forget_beyond_limit(id),
        }
        Ok(Placed { order, trades })
    }

    /// Takes an open order out of the book and answers it as it is then.
    ///
    /// # Errors
    /// [`CancelError::Unknown`] and [`CancelError::Closed`]; the book is as it was.
    pub fn cancel(&mut self, id: OrderId) -> Result<Order, CancelError> {
        let order = self.orders.get_mut(&id).ok_or(CancelError::Unknown(id))?;
        let State::Open { remaining } = order.state else { return Err(CancelError::Closed(*order)) };
        order.state = State::Cancelled { remaining };
        let order = *order;
        self.ladder_mut(order.side).remove(order.price, id, remaining);
        self.forget_beyond_limit(id);
        Ok(order)
    }

    /// An order that is open, or closed and not forgotten.
    pub fn order(&self, id: OrderId) -> Option<&Order> {
        self.orders.get(&id)
    }

    /// The best `levels` levels of each side.
    pub fn depth(&self, levels: usize) -> Depth {
        Depth {
            bids: self.bids.levels().take(levels).collect(),
            asks: self.asks.levels().take(levels).collect(),
        }
    }

    /// At most `limit` remembered trades in the order they happened: those next after `after`, or without it the last.
    pub fn trades(&self, after: Option<TradeId>, limit: usize) -> impl Iterator<Item = &Trade> {
        let start = match after {
            Some(after) => self.trades.partition_point(|trade| trade.id <= after),
            None => self.trades.len().saturating_sub(limit),
        };
        self.trades.iter().skip(start).take(limit)
    }

    /// How many orders rest.
    pub fn open(&self) -> usize {
        self.orders.len() - self.closed.len()
    }

    /// How many orders were ever placed.
    pub fn orders_placed(&self) -> u64 {
        self.last_order
    }

    /// How many trades ever happened.
    pub fn trades_made(&self) -> u64 {
        self.last_trade
    }

    /// Trades `new` against the other side while prices meet. Answers what is left of it.
    fn trade(&mut self, taker: OrderId, new: NewOrder) -> (Option<Quantity>, Vec<Trade>) {
        let mut left = Some(new.quantity);
        let mut trades = Vec::new();
        while let Some(wanted) = left
            && let Some((price, maker)) = self.ladder(new.side.opposite()).first_within(new.price)
        {
            let quantity = self.fill(maker, wanted);
            left = wanted.less(quantity);
            self.last_trade += 1;
            let id = TradeId(self.last_trade);
            trades.push(Trade { id, price, quantity, maker, taker, taker_side: new.side });
        }
        self.remember(&trades);
        (left, trades)
    }

    /// Takes up to `wanted` units from a resting order. Answers how many.
    fn fill(&mut self, maker: OrderId, wanted: Quantity) -> Quantity {
        let order = self.orders.get_mut(&maker).expect("an order in a ladder is an order of the book");
        let State::Open { remaining } = order.state else { unreachable!("an order in a ladder is open") };
        let quantity = remaining.min(wanted);
        let left = remaining.less(quantity);
        order.state = left.map_or(State::Filled, |remaining| State::Open { remaining });
        let (side, price) = (order.side, order.price);
        match left {
            Some(_) => self.ladder_mut(side).reduce(price, quantity),
            None => {
                self.ladder_mut(side).remove(price, maker, quantity);
                self.forget_beyond_limit(maker);
            }
        }
        quantity
    }

    /// Counts `id` among the closed orders, of which the oldest beyond the limit are forgotten.
    fn forget_beyond_limit(&mut self, id: OrderId) {
        self.closed.push_back(id);
        while self.closed.len() > self.limits.closed
            && let Some(oldest) = self.closed.pop_front()
        {
            self.orders.remove(&oldest);
        }
    }

    fn remember(&mut self, trades: &[Trade]) {
        self.trades.extend(trades);
        let beyond = self.trades.len().saturating_sub(self.limits.trades);
        self.trades.drain(..beyond);
    }

    fn ladder(&self, side: Side) -> &Ladder {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    fn ladder_mut(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the book is full: {} orders rest in it", self.open)
    }
}

impl fmt::Display for CancelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(id) => write!(f, "there is no order {id}, or it closed long ago"),
            Self::Closed(order) => write!(f, "order {} is {} already", order.id, order.state.name()),
        }
    }
}

impl std::error::Error for Full {}
impl std::error::Error for CancelError {}
