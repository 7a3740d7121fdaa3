//! The HTTP API: what a request asks of the book, and the answer as JSON.
//!
//! | request | answer |
//! | -- | -- |
//! | `GET /health` | 200 when orders are taken |
//! | `POST /orders` | 201, the order and what it traded at once |
//! | `GET /orders/ID` | 200, the order |
//! | `DELETE /orders/ID` | 200, the order, cancelled |
//! | `GET /depth?levels=N` | 200, the best levels of both sides |
//! | `GET /trades?after=ID&limit=N` | 200, the last trades, or those next after one |
//! | `GET /metrics` | 200, counters in the Prometheus text format |
//!
//! Whatever is refused is answered with a [`Problem`].

mod body;
mod metrics;
mod problem;
mod query;
#[cfg(test)]
mod tests;
mod view;

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes},
    header::{ALLOW, CONTENT_TYPE, HeaderValue, LOCATION},
};
use serde_json::{Value, json};

use self::{metrics::Metrics, query::Query};
use crate::{
    book::{Book, Limits},
    order::{OrderId, TradeId},
};

pub use problem::Problem;

/// An answer: always complete, never a stream.
pub type Answer = Response<Full<Bytes>>;

/// The levels of each side when the request does not say.
const LEVELS: usize = 10;
/// The trades when the request does not say.
const TRADES: usize = 100;
/// The most levels or trades of one answer.
const MOST_ROWS: usize = 1_000;

/// The API over one book.
#[derive(Debug)]
pub struct Api {
    book: Mutex<Book>,
    metrics: Metrics,
    body_timeout: Duration,
}

/// The addresses of the API.
enum Route<'a> {
    Health,
    Metrics,
    Orders,
    Order(&'a str),
    Depth,
    Trades,
}

impl Api {
    /// The API over an empty book. A body that has not arrived within `body_timeout` is refused.
    pub fn new(limits: Limits, body_timeout: Duration) -> Self {
        Self { book: Mutex::new(Book::new(limits)), metrics: Metrics::default(), body_timeout }
    }

    /// Answers one request. Reads no more of its body than an order may have.
    pub async fn answer<B: Body<Data = Bytes>>(&self, request: Request<B>) -> Answer {
        let answer = self.route(request).await.unwrap_or_else(Problem::into_answer);
        self.metrics.count(answer.status());
        answer
    }

    async fn route<B: Body<Data = Bytes>>(&self, request: Request<B>) -> Result<Answer, Problem> {
        let (parts, body) = request.into_parts();
        let route = Route::of(parts.uri.path())?;
        let allowed = route.methods();
        // A HEAD is a GET whose answer hyper sends without its body.
        let method = if parts.method == Method::HEAD { Method::GET } else { parts.method };
        if !allowed.contains(&method.as_str()) {
            return Err(Problem::method_not_allowed(&method, allowed));
        }
        let query = Query::parse(parts.uri.query(), route.parameters())?;
        match route {
            Route::Health => Ok(json_answer(StatusCode::OK, &self.health())),
            Route::Metrics => Ok(text_answer(self.metrics.text(&self.book()))),
            Route::Orders => self.place(body::read(body, self.body_timeout).await?),
            Route::Order(id) if method == Method::DELETE => self.cancel(order_id(id)?),
            Route::Order(id) => self.order(order_id(id)?),
            Route::Depth => self.depth(&query),
            Route::Trades => self.trades(&query),
        }
    }

    fn health(&self) -> Value {
        json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "open": self.book().open() })
    }

    fn place(&self, body: Bytes) -> Result<Answer, Problem> {
        let order = body::new_order(&body)?;
        let placed = self.book().place(order)?;
        let mut answer = json_answer(StatusCode::CREATED, &view::placed(&placed));
        if let Ok(location) = HeaderValue::from_str(&format!("/orders/{}", placed.order.id)) {
            answer.headers_mut().insert(LOCATION, location);
        }
        Ok(answer)
    }

    fn order(&self, id: OrderId) -> Result<Answer, Problem> {
        let book = self.book();
        let order = book.order(id).ok_or_else(|| Problem::unknown_order(id))?;
        Ok(json_answer(StatusCode::OK, &view::order(order)))
    }

    fn cancel(&self, id: OrderId) -> Result<Answer, Problem> {
        let order = self.book().cancel(id)?;
        Ok(json_answer(StatusCode::OK, &view::order(&order)))
    }

    fn depth(&self, query: &Query) -> Result<Answer, Problem> {
        let levels = query.rows("levels", LEVELS, MOST_ROWS)?;
        let depth = self.book().depth(levels);
        Ok(json_answer(StatusCode::OK, &view::depth(&depth)))
    }

    fn trades(&self, query: &Query) -> Result<Answer, Problem> {
        let limit = query.rows("limit", TRADES, MOST_ROWS)?;
        let after = query.number("after").map(TradeId);
        let trades: Vec<Value> = self.book().trades(after, limit).map(view::trade).collect();
        Ok(json_answer(StatusCode::OK, &json!({ "trades": trades })))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("nothing panics while it holds the book")
    }
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Result<Self, Problem> {
        match path {
            "/health" => Ok(Self::Health),
            "/metrics" => Ok(Self::Metrics),
            "/orders" => Ok(Self::Orders),
            "/depth" => Ok(Self::Depth),
            "/trades" => Ok(Self::Trades),
            _ => match path.strip_prefix("/orders/") {
                Some(id) if !id.contains('/') => Ok(Self::Order(id)),
                _ => Err(Problem::no_such_address(path)),
            },
        }
    }

    fn methods(&self) -> &'static [&'static str] {
        match self {
            Self::Orders => &["POST"],
            Self::Order(_) => &["GET", "DELETE"],
            Self::Health | Self::Metrics | Self::Depth | Self::Trades => &["GET"],
        }
    }

    fn parameters(&self) -> &'static [&'static str] {
        match self {
            Self::Depth => &["levels"],
            Self::Trades => &["after", "limit"],
            Self::Health | Self::Metrics | Self::Orders | Self::Order(_) => &[],
        }
    }
}

/// Digits only: `u64::from_str` would take a `+` too.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn order_id(text: &str) -> Result<OrderId, Problem> {
    digits(text).map(OrderId).ok_or_else(|| Problem::invalid_order_id(text))
}

fn json_answer(status: StatusCode, value: &Value) -> Answer {
    typed_answer(status, "application/json", value.to_string())
}

fn text_answer(text: String) -> Answer {
    typed_answer(StatusCode::OK, "text/plain; version=0.0.4", text)
}

fn typed_answer(status: StatusCode, kind: &'static str, text: String) -> Answer {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn allow(mut answer: Answer, methods: &str) -> Answer {
    if let Ok(methods) = HeaderValue::from_str(methods) {
        answer.headers_mut().insert(ALLOW, methods);
    }
    answer
}
