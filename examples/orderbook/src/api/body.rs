//! From the bytes of a body to a valid order, or everything that is wrong with it.

use std::{fmt, ops::RangeInclusive, pin::pin, time::Duration};

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use tokio::time::timeout;

use super::problem::{Fault, Problem};
use crate::order::{NewOrder, Price, Quantity, Side};

/// The most bytes of a body. An order has about sixty.
pub(super) const MOST_BYTES: usize = 4_096;

/// How much of a body that is too large is read and dropped, in bytes. A client that is still sending when its
/// connection is closed never sees why.
const DROPPED: usize = 256 * 1024;

/// Reads a body, at most [`MOST_BYTES`] of it and no longer than `patience`.
pub(super) async fn read<B: Body<Data = Bytes>>(body: B, patience: Duration) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > DROPPED as u64 {
        return Err(Problem::body_too_large(MOST_BYTES));
    }
    timeout(patience, collect(body)).await.unwrap_or_else(|_| Err(Problem::body_too_slow()))
}

async fn collect<B: Body<Data = Bytes>>(body: B) -> Result<Bytes, Problem> {
    let mut body = pin!(body);
    let (mut kept, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Problem::body_broken())?.into_data() else { continue };
        length += data.len();
        if length <= MOST_BYTES {
            kept.extend_from_slice(&data);
        } else if length > DROPPED {
            break;
        }
    }
    if length > MOST_BYTES { Err(Problem::body_too_large(MOST_BYTES)) } else { Ok(kept.into()) }
}

/// The order a body describes: an object of `side`, `price` and `quantity`, each once and nothing else.
pub(super) fn new_order(body: &[u8]) -> Result<NewOrder, Problem> {
    let Fields(fields) = serde_json::from_slice(body).map_err(|error| Problem::malformed_json(&error))?;
    let mut faults = strangers(&fields);
    let side = side(&fields, &mut faults);
    let price = number(&fields, "price", Price::RANGE, &mut faults).and_then(Price::new);
    let quantity = number(&fields, "quantity", Quantity::RANGE, &mut faults).and_then(Quantity::new);
    match (side, price, quantity) {
        (Some(side), Some(price), Some(quantity)) if faults.is_empty() => {
            Ok(NewOrder { side, price, quantity })
        }
        _ => Err(Problem::invalid_order(&faults)),
    }
}

/// The fields of an object as they were written: a map would hide that one stands there twice.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// The fields that are unknown, or stand there a second time.
fn strangers(fields: &[(String, Value)]) -> Vec<Fault> {
    let reason = |(at, (name, _)): (usize, &(String, Value))| {
        if !["side", "price", "quantity"].contains(&name.as_str()) {
            Some((name.clone(), "is unknown: an order has side, price and quantity"))
        } else if fields[..at].iter().any(|(earlier, _)| earlier == name) {
            Some((name.clone(), "must be there once only"))
        } else {
            None
        }
    };
    let strangers = fields.iter().enumerate().filter_map(reason);
    strangers.map(|(field, reason)| Fault { field, reason: reason.into() }).collect()
}

fn side(fields: &[(String, Value)], faults: &mut Vec<Fault>) -> Option<Side> {
    let side = find(fields, "side").and_then(Value::as_str).and_then(Side::from_name);
    if side.is_none() {
        faults.push(Fault { field: "side".into(), reason: "must be \"buy\" or \"sell\"".into() });
    }
    side
}

fn number(
    fields: &[(String, Value)],
    name: &str,
    range: RangeInclusive<u64>,
    faults: &mut Vec<Fault>,
) -> Option<u64> {
    let number = find(fields, name).and_then(Value::as_u64).filter(|number| range.contains(number));
    if number.is_none() {
        let reason = format!("must be a whole number from {} to {}", range.start(), range.end());
        faults.push(Fault { field: name.into(), reason });
    }
    number
}

fn find<'a>(fields: &'a [(String, Value)], name: &str) -> Option<&'a Value> {
    fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
}
