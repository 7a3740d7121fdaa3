use super::*;
use crate::order::Price;

fn order(side: Side, price: u64, quantity: u64) -> NewOrder {
    NewOrder { side, price: Price::new(price).unwrap(), quantity: Quantity::new(quantity).unwrap() }
}

fn buy(price: u64, quantity: u64) -> NewOrder {
    order(Side::Buy, price, quantity)
}

fn sell(price: u64, quantity: u64) -> NewOrder {
    order(Side::Sell, price, quantity)
}

fn book(limits: Limits, orders: &[NewOrder]) -> Book {
    let mut book = Book::new(limits);
    for order in orders {
        book.place(*order).unwrap();
    }
    book
}

/// The trades as (maker, price, quantity).
fn met(placed: &Placed) -> Vec<(u64, u64, u64)> {
    placed.trades.iter().map(|t| (t.maker.0, t.price.get(), t.quantity.get())).collect()
}

/// Levels as (price, quantity, orders).
fn plain(levels: &[Level]) -> Vec<(u64, u64, usize)> {
    levels.iter().map(|l| (l.price.get(), l.quantity, l.orders)).collect()
}

#[test]
fn an_order_that_meets_nobody_rests() {
    let mut book = Book::new(Limits::default());
    let placed = book.place(buy(100, 5)).unwrap();
    assert_eq!(placed.order.state, State::Open { remaining: Quantity::new(5).unwrap() });
    assert!(placed.trades.is_empty());
    assert_eq!(plain(&book.depth(10).bids), [(100, 5, 1)]);
}

#[test]
fn the_best_price_trades_first_at_the_price_that_rested() {
    let mut book = book(Limits::default(), &[sell(103, 1), sell(101, 1), sell(102, 1)]);
    let placed = book.place(buy(102, 3)).unwrap();
    assert_eq!(met(&placed), [(2, 101, 1), (3, 102, 1)]);
    assert_eq!(placed.order.state.remaining(), 1);
    assert_eq!(plain(&book.depth(10).asks), [(103, 1, 1)]);
    assert_eq!(plain(&book.depth(10).bids), [(102, 1, 1)]);
}

#[test]
fn a_seller_meets_the_highest_bid_first() {
    let mut book = book(Limits::default(), &[buy(99, 1), buy(101, 1), buy(100, 1)]);
    assert_eq!(met(&book.place(sell(100, 5)).unwrap()), [(2, 101, 1), (3, 100, 1)]);
}

#[test]
fn within_a_price_who_came_first_trades_first() {
    let mut book = book(Limits::default(), &[sell(100, 2), sell(100, 2), sell(100, 2)]);
    assert_eq!(met(&book.place(buy(100, 3)).unwrap()), [(1, 100, 2), (2, 100, 1)]);
    assert_eq!(book.order(OrderId(1)).unwrap().state, State::Filled);
    assert_eq!(met(&book.place(buy(100, 2)).unwrap()), [(2, 100, 1), (3, 100, 1)]);
}

#[test]
fn a_cancelled_order_trades_no_more() {
    let mut book = book(Limits::default(), &[sell(100, 2), sell(100, 2)]);
    let cancelled = book.cancel(OrderId(1)).unwrap();
    assert_eq!(cancelled.state, State::Cancelled { remaining: Quantity::new(2).unwrap() });
    assert_eq!(met(&book.place(buy(100, 2)).unwrap()), [(2, 100, 2)]);
}

#[test]
fn only_an_open_order_is_cancelled() {
    let mut book = book(Limits::default(), &[sell(100, 1), buy(100, 1), buy(90, 1)]);
    let filled = *book.order(OrderId(1)).unwrap();
    assert_eq!(book.cancel(OrderId(1)), Err(CancelError::Closed(filled)));
    assert_eq!(book.cancel(OrderId(9)), Err(CancelError::Unknown(OrderId(9))));
    let cancelled = book.cancel(OrderId(3)).unwrap();
    assert_eq!(book.cancel(OrderId(3)), Err(CancelError::Closed(cancelled)));
}

#[test]
fn a_full_book_takes_only_orders_that_meet_somebody() {
    let limits = Limits { open: 2, ..Limits::default() };
    let mut book = book(limits, &[sell(100, 1), sell(101, 1)]);
    assert_eq!(book.place(buy(99, 1)), Err(Full { open: 2 }));
    assert_eq!(book.place(buy(100, 5)).unwrap().order.state.remaining(), 4);
    assert_eq!(book.open(), 2);
}

#[test]
fn the_oldest_closed_orders_and_trades_are_forgotten() {
    let limits = Limits { closed: 2, trades: 2, ..Limits::default() };
    let book = book(limits, &[sell(100, 3), buy(100, 1), buy(100, 1), buy(100, 1)]);
    assert_eq!(book.order(OrderId(2)), None);
    assert_eq!(book.order(OrderId(4)).unwrap().state, State::Filled);
    assert_eq!(book.trades(None, 10).map(|t| t.id.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(book.orders.len(), 2);
}

#[test]
fn trades_are_read_from_the_end_or_on_from_a_number() {
    let book = book(Limits::default(), &[sell(100, 5), buy(100, 1), buy(100, 1), buy(100, 1), buy(100, 1)]);
    let ids = |after: Option<u64>, limit| {
        book.trades(after.map(TradeId), limit).map(|t| t.id.0).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 2), [3, 4]);
    assert_eq!(ids(Some(1), 2), [2, 3]);
    assert_eq!(ids(Some(0), 9), [1, 2, 3, 4]);
    assert!(ids(Some(u64::MAX), 9).is_empty());
}

#[test]
fn the_largest_orders_sum_up_exactly() {
    let (price, most) = (*Price::RANGE.end(), *Quantity::RANGE.end());
    let mut book = book(Limits::default(), &vec![sell(price, most); 1000]);
    assert_eq!(plain(&book.depth(1).asks), [(price, 1000 * most, 1000)]);
    assert_eq!(book.place(buy(price, most)).unwrap().order.state, State::Filled);
}

/// A book that is slow and plain: a list that is searched from the start.
#[derive(Default)]
struct Model {
    resting: Vec<(u64, Side, u64, u64)>,
    orders: u64,
}

impl Model {
    fn place(&mut self, side: Side, price: u64, mut quantity: u64) -> Vec<(u64, u64, u64)> {
        self.orders += 1;
        let mut met = Vec::new();
        while quantity > 0 {
            let meets = |rest: &&mut (u64, Side, u64, u64)| match side {
                Side::Buy => rest.1 == Side::Sell && rest.2 <= price,
                Side::Sell => rest.1 == Side::Buy && rest.2 >= price,
            };
            let turn = |rest: &&mut (u64, Side, u64, u64)| match side {
                Side::Buy => (rest.2, rest.0),
                Side::Sell => (u64::MAX - rest.2, rest.0),
            };
            let Some(best) = self.resting.iter_mut().filter(meets).min_by_key(turn) else { break };
            let traded = quantity.min(best.3);
            best.3 -= traded;
            quantity -= traded;
            met.push((best.0, best.2, traded));
            self.resting.retain(|rest| rest.3 > 0);
        }
        if quantity > 0 {
            self.resting.push((self.orders, side, price, quantity));
        }
        met
    }

    fn cancel(&mut self, id: u64) -> bool {
        let before = self.resting.len();
        self.resting.retain(|rest| rest.0 != id);
        self.resting.len() < before
    }

    fn total(&self, side: Side) -> u64 {
        self.resting.iter().filter(|rest| rest.1 == side).map(|rest| rest.3).sum()
    }
}

/// splitmix64: the same seed gives the same orders on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// Checks what holds after every call, whatever was called.
fn check(book: &Book, model: &Model) {
    let depth = book.depth(usize::MAX);
    if let (Some(bid), Some(ask)) = (depth.bids.first(), depth.asks.first()) {
        assert!(bid.price < ask.price, "crossed: {bid:?} {ask:?}");
    }
    assert!(depth.bids.is_sorted_by(|a, b| a.price > b.price));
    assert!(depth.asks.is_sorted_by(|a, b| a.price < b.price));
    for (side, levels) in [(Side::Buy, &depth.bids), (Side::Sell, &depth.asks)] {
        assert_eq!(levels.iter().map(|level| level.quantity).sum::<u64>(), model.total(side));
        assert!(levels.iter().all(|level| level.orders > 0 && level.quantity > 0));
    }
    assert_eq!(depth.bids.iter().chain(&depth.asks).map(|level| level.orders).sum::<usize>(), book.open());
    assert_eq!(book.open(), model.resting.len());
}

#[test]
fn random_orders_and_cancels_agree_with_a_plain_model() {
    for seed in 0..20 {
        let (mut random, mut model) = (Random(seed), Model::default());
        let mut book = Book::new(Limits::default());
        for _ in 0..2_000 {
            if random.below(4) == 0 {
                let id = random.below(model.orders + 2);
                assert_eq!(book.cancel(OrderId(id)).is_ok(), model.cancel(id), "seed {seed}, cancel {id}");
            } else {
                let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
                let (price, quantity) = (90 + random.below(20), 1 + random.below(30));
                let placed = book.place(order(side, price, quantity)).unwrap();
                assert_eq!(met(&placed), model.place(side, price, quantity), "seed {seed}");
                let traded: u64 = placed.trades.iter().map(|trade| trade.quantity.get()).sum();
                assert_eq!(traded + placed.order.state.remaining(), quantity);
            }
            check(&book, &model);
        }
        assert!(book.trades_made() > 500, "seed {seed} met too seldom to show anything");
    }
}
