use std::time::Duration;

use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{Request, Response, StatusCode, body::Frame};
use serde_json::{Value, json};

use super::*;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(future)
}

fn api() -> Api {
    Api::new(Limits { open: 3, closed: 3, trades: 3 }, Duration::from_millis(50))
}

fn send(api: &Api, method: &str, address: &str, body: impl Into<Bytes>) -> Answer {
    let request = Request::builder().method(method).uri(address).body(Full::new(body.into())).unwrap();
    block_on(api.answer(request))
}

fn text(answer: Response<Full<Bytes>>) -> String {
    let body = block_on(answer.into_body().collect()).unwrap();
    String::from_utf8(body.to_bytes().into()).unwrap()
}

/// The status and the JSON of an answer.
fn ask(api: &Api, method: &str, address: &str, body: impl Into<Bytes>) -> (u16, Value) {
    let answer = send(api, method, address, body);
    (answer.status().as_u16(), serde_json::from_str(&text(answer)).unwrap())
}

/// The status and the code of a refusal.
fn refusal(api: &Api, method: &str, address: &str, body: impl Into<Bytes>) -> (u16, String) {
    let answer = send(api, method, address, body);
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
    let status = answer.status().as_u16();
    let body: Value = serde_json::from_str(&text(answer)).unwrap();
    assert_eq!(body["status"], status);
    assert!(!body["title"].as_str().unwrap().is_empty());
    (status, body["code"].as_str().unwrap().to_owned())
}

fn order(side: &str, price: u64, quantity: u64) -> String {
    json!({ "side": side, "price": price, "quantity": quantity }).to_string()
}

#[test]
fn an_order_is_placed_read_and_cancelled() {
    let api = api();
    let answer = send(&api, "POST", "/orders", order("buy", 100, 5));
    assert_eq!(answer.status(), StatusCode::CREATED);
    assert_eq!(answer.headers()[LOCATION], "/orders/1");
    let open =
        json!({ "id": 1, "side": "buy", "price": 100, "quantity": 5, "remaining": 5, "state": "open" });
    assert_eq!(serde_json::from_str::<Value>(&text(answer)).unwrap(), json!({ "order": open, "trades": [] }));
    assert_eq!(ask(&api, "GET", "/orders/1", ""), (200, open));
    let (status, cancelled) = ask(&api, "DELETE", "/orders/1", "");
    assert_eq!((status, &cancelled["state"]), (200, &json!("cancelled")));
    assert_eq!(ask(&api, "GET", "/orders/1", ""), (200, cancelled));
    assert_eq!(refusal(&api, "DELETE", "/orders/1", ""), (409, "order-closed".into()));
}

#[test]
fn a_match_is_in_the_answer_the_trades_and_the_depth() {
    let api = api();
    ask(&api, "POST", "/orders", order("sell", 101, 5));
    let (_, placed) = ask(&api, "POST", "/orders", order("buy", 102, 3));
    let trade = json!({ "id": 1, "price": 101, "quantity": 3, "maker": 1, "taker": 2, "taker-side": "buy" });
    assert_eq!(placed["trades"], json!([trade]));
    assert_eq!(placed["order"]["state"], "filled");
    assert_eq!(ask(&api, "GET", "/trades", ""), (200, json!({ "trades": [trade] })));
    assert_eq!(ask(&api, "GET", "/trades?after=1", ""), (200, json!({ "trades": [] })));
    let asks = json!([{ "price": 101, "quantity": 2, "orders": 1 }]);
    assert_eq!(ask(&api, "GET", "/depth?levels=1", ""), (200, json!({ "bids": [], "asks": asks })));
}

#[test]
fn a_full_book_says_so() {
    let api = api();
    for _ in 0..3 {
        ask(&api, "POST", "/orders", order("buy", 100, 1));
    }
    assert_eq!(refusal(&api, "POST", "/orders", order("buy", 100, 1)), (503, "book-full".into()));
    assert_eq!(ask(&api, "POST", "/orders", order("sell", 100, 1)).0, 201);
}

#[test]
fn what_is_no_json_object_is_malformed() {
    let deep = "[".repeat(4_000);
    for body in ["", "null", "[]", "7", "{", "{}{}", "{\"side\":}", "\u{0}", "{\"price\":1e999}", &deep] {
        assert_eq!(
            refusal(&api(), "POST", "/orders", body.to_owned()),
            (400, "malformed-json".into()),
            "{body}"
        );
    }
    assert_eq!(refusal(&api(), "POST", "/orders", vec![0xff, 0xfe]), (400, "malformed-json".into()));
}

#[test]
fn every_wrong_field_is_named() {
    let faults = |body: &str| {
        let (status, body) = ask(&api(), "POST", "/orders", body.to_owned());
        assert_eq!((status, &body["code"]), (422, &json!("invalid-order")));
        let faults = body["faults"].as_array().unwrap().clone();
        faults.iter().map(|fault| fault["field"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(faults("{}"), "`side` `price` `quantity`");
    assert_eq!(faults(r#"{"side":"Buy","price":0,"quantity":-1}"#), "`side` `price` `quantity`");
    for number in [
        "0",
        "-1",
        "1.5",
        "1.0",
        "1e3",
        "\"1\"",
        "null",
        "true",
        "[1]",
        "1000000000001",
        "18446744073709551616",
    ] {
        assert_eq!(
            faults(&format!(r#"{{"side":"buy","price":{number},"quantity":1}}"#)),
            "`price`",
            "{number}"
        );
    }
    assert_eq!(faults(r#"{"side":"buy","price":1,"quantity":1000000001}"#), "`quantity`");
    assert_eq!(faults(r#"{"side":"buy","price":1,"quantity":1,"price":2}"#), "`price`");
    assert_eq!(faults(r#"{"side":"buy","price":1,"quantity":1,"prise":2}"#), "`prise`");
}

#[test]
fn an_order_of_nothing_but_faults_has_a_short_answer() {
    let fields: Vec<_> = (0..500).map(|field| format!("\"{field}\":1")).collect();
    let (_, body) = ask(&api(), "POST", "/orders", format!("{{{}}}", fields.join(",")));
    assert_eq!(body["faults"].as_array().unwrap().len(), 16);
}

#[test]
fn addresses_methods_and_parameters_are_checked() {
    let api = api();
    for (method, address, status, code) in [
        ("GET", "/", 404, "no-such-address"),
        ("GET", "/orders/1/2", 404, "no-such-address"),
        ("GET", "/orders/7", 404, "unknown-order"),
        ("DELETE", "/orders/7", 404, "unknown-order"),
        ("GET", "/orders/", 400, "invalid-order-id"),
        ("GET", "/orders/+1", 400, "invalid-order-id"),
        ("GET", "/orders/-1", 400, "invalid-order-id"),
        ("GET", "/orders/18446744073709551616", 400, "invalid-order-id"),
        ("PUT", "/orders/1", 405, "method-not-allowed"),
        ("GET", "/orders", 405, "method-not-allowed"),
        ("GET", "/depth?levels=0", 400, "invalid-query"),
        ("GET", "/depth?levels=1001", 400, "invalid-query"),
        ("GET", "/depth?levels=-1", 400, "invalid-query"),
        ("GET", "/depth?levels", 400, "invalid-query"),
        ("GET", "/depth?levels=1&levels=2", 400, "invalid-query"),
        ("GET", "/depth?level=1", 400, "invalid-query"),
        ("GET", "/health?verbose=1", 400, "invalid-query"),
        ("GET", "/trades?after=18446744073709551616", 400, "invalid-query"),
    ] {
        assert_eq!(refusal(&api, method, address, ""), (status, code.into()), "{method} {address}");
    }
    assert_eq!(send(&api, "PATCH", "/orders/1", "").headers()[ALLOW], "GET, DELETE");
    assert_eq!(send(&api, "HEAD", "/health", "").status(), StatusCode::OK);
}

#[test]
fn a_body_is_bounded_in_size_and_time() {
    let api = api();
    let large = format!("{}{}", order("buy", 1, 1), " ".repeat(body::MOST_BYTES));
    assert_eq!(refusal(&api, "POST", "/orders", large), (413, "body-too-large".into()));
    let exact = order("buy", 1, 1);
    let exact = format!("{exact}{}", " ".repeat(body::MOST_BYTES - exact.len()));
    assert_eq!(ask(&api, "POST", "/orders", exact).0, 201);

    let chunk = || Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![b' '; 1000])));
    let chunks = futures_lite::stream::iter(std::iter::repeat_with(chunk));
    let endless = Request::post("/orders").body(StreamBody::new(chunks)).unwrap();
    assert_eq!(block_on(api.answer(endless)).status(), StatusCode::PAYLOAD_TOO_LARGE);

    let never = futures_lite::stream::pending::<Result<Frame<Bytes>, std::io::Error>>();
    let slow = Request::post("/orders").body(StreamBody::new(never)).unwrap();
    assert_eq!(block_on(api.answer(slow)).status(), StatusCode::REQUEST_TIMEOUT);

    let broken = futures_lite::stream::once(Err::<Frame<Bytes>, _>(std::io::Error::other("reset")));
    let broken = Request::post("/orders").body(StreamBody::new(broken)).unwrap();
    assert_eq!(block_on(api.answer(broken)).status(), StatusCode::BAD_REQUEST);
}

#[test]
fn the_metrics_count_answers_orders_and_trades() {
    let api = api();
    ask(&api, "POST", "/orders", order("sell", 1, 2));
    ask(&api, "POST", "/orders", order("buy", 1, 1));
    ask(&api, "GET", "/orders/9", "");
    let text = text(send(&api, "GET", "/metrics", ""));
    for line in [
        "orderbook_requests_total{class=\"2xx\"} 2",
        "orderbook_requests_total{class=\"4xx\"} 1",
        "orderbook_requests_total{class=\"5xx\"} 0",
        "orderbook_orders_total 2",
        "orderbook_trades_total 1",
        "orderbook_orders_open 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}
