//! The values of a book. Each type holds valid values only, so nothing behind it checks again.

use std::{fmt, ops::RangeInclusive};

/// The number of an order, from 1, ascending in order of arrival: the lower number is first in its price level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(pub u64);

/// The number of a trade, from 1, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TradeId(pub u64);

/// Which way an order trades.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Pays at most its price.
    Buy,
    /// Takes at least its price.
    Sell,
}

impl Side {
    /// The side an order of this one trades with.
    pub fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// The name on the wire: `buy` or `sell`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        }
    }

    /// The side of that name, which is case-sensitive.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Buy, Self::Sell].into_iter().find(|side| side.name() == name)
    }
}

/// A price in ticks, within [`Price::RANGE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(u64);

impl Price {
    /// What a price may be. Its end is far below 2⁵³, so every JSON reader keeps it exact.
    pub const RANGE: RangeInclusive<u64> = 1..=1_000_000_000_000;

    /// The price of so many ticks; none outside the range.
    pub fn new(ticks: u64) -> Option<Self> {
        Self::RANGE.contains(&ticks).then_some(Self(ticks))
    }

    /// The ticks.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// A number of units, within [`Quantity::RANGE`]: never none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(u64);

impl Quantity {
    /// What a quantity may be. A whole book of the largest ones still sums up below 2⁵³.
    pub const RANGE: RangeInclusive<u64> = 1..=1_000_000_000;

    /// So many units; none outside the range.
    pub fn new(units: u64) -> Option<Self> {
        Self::RANGE.contains(&units).then_some(Self(units))
    }

    /// The units.
    pub fn get(self) -> u64 {
        self.0
    }

    /// What is left when `taken` is gone, none when nothing is. Takes no more than there is.
    pub(crate) fn less(self, taken: Self) -> Option<Self> {
        Self::new(self.0.saturating_sub(taken.0))
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// Which way.
    pub side: Side,
    /// The worst price that is acceptable.
    pub price: Price,
    /// How many units.
    pub quantity: Quantity,
}

/// An order of the book, open or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number.
    pub id: OrderId,
    /// Which way it trades.
    pub side: Side,
    /// Its limit.
    pub price: Price,
    /// The units it came with.
    pub quantity: Quantity,
    /// How far it has come.
    pub state: State,
}

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It rests in the book.
    Open {
        /// The units not traded yet.
        remaining: Quantity,
    },
    /// All of it was traded.
    Filled,
    /// It was taken back.
    Cancelled {
        /// The units that were never traded.
        remaining: Quantity,
    },
}

impl State {
    /// The name on the wire: `open`, `filled` or `cancelled`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Filled => "filled",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// The units not traded, 0 when all are.
    pub fn remaining(self) -> u64 {
        match self {
            Self::Open { remaining } | Self::Cancelled { remaining } => remaining.get(),
            Self::Filled => 0,
        }
    }
}

/// Two orders that met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Its number.
    pub id: TradeId,
    /// The price of the order that rested.
    pub price: Price,
    /// The units that changed hands.
    pub quantity: Quantity,
    /// The order that rested.
    pub maker: OrderId,
    /// The order that came.
    pub taker: OrderId,
    /// The side of the order that came.
    pub taker_side: Side,
}
