//! The service from outside, over HTTP: at `SERVICE_ADDRESS`, or the program `ORDERBOOK` started on a free port.
//!
//! A service under test belongs to the tests: each of them empties its book first.

mod client;

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use client::{Answer, Service};
use serde_json::{Value, json};

const MOST_PRICE: u64 = 1_000_000_000_000;
const MOST_QUANTITY: u64 = 1_000_000_000;

fn order(side: &str, price: u64, quantity: u64) -> Value {
    json!({ "side": side, "price": price, "quantity": quantity })
}

fn place(service: &Service, side: &str, price: u64, quantity: u64) -> Answer {
    let answer = service.send("POST", "/orders", &order(side, price, quantity).to_string());
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    answer
}

/// A service whose book is empty.
fn service() -> Service {
    let service = Service::reach();
    for (rests, takes, price) in [("bids", "sell", 1), ("asks", "buy", MOST_PRICE)] {
        while let Some(level) = service.get("/depth?levels=1").body[rests].get(0) {
            let quantity = level["quantity"].as_u64().unwrap().min(MOST_QUANTITY);
            place(&service, takes, price, quantity);
        }
    }
    service
}

#[test]
fn the_service_is_healthy() {
    let health = Service::reach().get("/health");
    assert_eq!((health.status, &health.body["status"]), (200, &json!("ok")));
}

#[test]
fn orders_match_by_price_then_time() {
    let service = service();
    let sellers =
        [(102, 5), (101, 5), (101, 5)].map(|(price, quantity)| place(&service, "sell", price, quantity).id());
    let taker = place(&service, "buy", 102, 12);
    let met: Vec<_> = taker.body["trades"].as_array().unwrap().iter().collect();
    let parts: Vec<_> =
        met.iter().map(|t| (t["maker"].clone(), t["price"].clone(), t["quantity"].clone())).collect();
    let expected = [(sellers[1], 101, 5), (sellers[2], 101, 5), (sellers[0], 102, 2)];
    assert_eq!(parts, expected.map(|(maker, price, quantity)| (json!(maker), json!(price), json!(quantity))));
    assert_eq!(taker.body["order"]["state"], "filled");
    assert_eq!(service.get("/depth").body["asks"], json!([{ "price": 102, "quantity": 3, "orders": 1 }]));

    let before = met[0]["id"].as_u64().unwrap() - 1;
    assert_eq!(service.get(&format!("/trades?after={before}&limit=3")).body["trades"], taker.body["trades"]);
}

#[test]
fn the_rest_of_an_order_is_there_until_it_is_cancelled() {
    let service = service();
    place(&service, "sell", 50, 4);
    let id = place(&service, "buy", 50, 10).id();
    let address = format!("/orders/{id}");
    let rest = service.get(&address);
    assert_eq!((&rest.body["state"], &rest.body["remaining"]), (&json!("open"), &json!(6)));
    assert_eq!(service.get("/depth").body["bids"], json!([{ "price": 50, "quantity": 6, "orders": 1 }]));

    assert_eq!(service.send("DELETE", &address, "").body["state"], "cancelled");
    assert_eq!(service.get("/depth").body, json!({ "bids": [], "asks": [] }));
    let again = service.send("DELETE", &address, "");
    assert_eq!((again.status, &again.body["code"]), (409, &json!("order-closed")));
    assert_eq!(place(&service, "sell", 50, 1).body["trades"], json!([]));
}

#[test]
fn what_is_wrong_is_refused_and_changes_nothing() {
    let service = service();
    let before = service.get("/health").body["open"].clone();
    for (method, address, body, status, code) in [
        ("POST", "/orders", "{", 400, "malformed-json"),
        ("POST", "/orders", "{}", 422, "invalid-order"),
        ("POST", "/orders", r#"{"side":"buy","price":-1,"quantity":1}"#, 422, "invalid-order"),
        (
            "POST",
            "/orders",
            r#"{"side":"buy","price":1,"quantity":18446744073709551616}"#,
            422,
            "invalid-order",
        ),
        ("POST", "/orders", &" ".repeat(10_000), 413, "body-too-large"),
        ("GET", "/orders/0", "", 404, "unknown-order"),
        ("GET", "/orders/x", "", 400, "invalid-order-id"),
        ("PUT", "/orders", "", 405, "method-not-allowed"),
        ("GET", "/nowhere", "", 404, "no-such-address"),
    ] {
        let answer = service.send(method, address, body);
        assert_eq!((answer.status, &answer.body["code"]), (status, &json!(code)), "{method} {address}");
    }
    assert_eq!(service.get("/health").body["open"], before);
    assert_eq!(service.get("/depth").body, json!({ "bids": [], "asks": [] }));
}

#[test]
fn the_ends_of_the_ranges_are_exact() {
    let service = service();
    place(&service, "sell", MOST_PRICE, MOST_QUANTITY);
    place(&service, "sell", MOST_PRICE, MOST_QUANTITY);
    place(&service, "buy", 1, 1);
    let depth = service.get("/depth").body;
    assert_eq!(depth["asks"], json!([{ "price": MOST_PRICE, "quantity": 2 * MOST_QUANTITY, "orders": 2 }]));
    assert_eq!(depth["bids"], json!([{ "price": 1, "quantity": 1, "orders": 1 }]));
}

#[test]
fn many_clients_lose_and_double_nothing() {
    let service = service();
    let (clients, orders) = (4, 100);
    thread::scope(|scope| {
        for client in 0..clients {
            let (service, side) = (&service, if client % 2 == 0 { "buy" } else { "sell" });
            scope.spawn(move || (0..orders).for_each(|_| drop(place(service, side, 500, 1))));
        }
    });
    assert_eq!(service.get("/depth").body, json!({ "bids": [], "asks": [] }));
}

#[test]
fn a_slow_client_holds_up_nobody() {
    let service = service();
    let _slow: Vec<_> = (0..50).map(|_| TcpStream::connect(service.address()).unwrap()).collect();
    let start = Instant::now();
    assert_eq!(service.get("/health").status, 200);
    assert!(start.elapsed() < Duration::from_secs(2));
}
