//! How soon a delivery is answered, and how many a second are.

use super::bare::Bare;
use super::client::{Bodies, Sent, send};
use super::pipelines::beside;
use super::server::Place;
use crate::Bench;
use crate::table::{Row, Target, Unit};
use anyhow::Result;
use std::sync::Arc;

/// An event that starts nothing, of the size of a small push.
fn issue(number: u64) -> (&'static str, String) {
    let text = "word ".repeat(300);
    let body = serde_json::json!({
        "action": "opened", "number": number, "issue": { "title": format!("Issue {number}"), "body": text },
        "repository": { "id": 1, "full_name": "acme/bench", "name": "bench" }, "sender": { "login": "bench" },
    });
    ("issues", body.to_string())
}

pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Row>> {
    let (place, _) = Place::new(bench, &beside("pure", 1, "0"))?;
    let server = place.start(&[])?;
    let bare = Bare::start(&bench.directory).await?;
    let bodies: Bodies = Arc::new(issue);
    send(server.address, "warm", 200, None, bodies.clone()).await?;
    let mut rows = Vec::new();
    for (rate, targets) in
        [(300.0, [Target::Most(0.003), Target::Most(0.01)]), (1_000.0, [Target::None, Target::None])]
    {
        let count = (rate * if bench.quick { 2.0 } else { 10.0 }) as u64;
        let round = format!("at-{rate}");
        let ours = send(server.address, &round, count, Some(rate), bodies.clone()).await?;
        let floor = send(bare.address, &round, count, Some(rate), bodies.clone()).await?;
        for (percent, target) in [50.0, 99.0].into_iter().zip(targets) {
            let name = format!("an answer at {rate} a second, p{percent}");
            let (value, floor) = (ours.percentile(percent), floor.percentile(percent));
            rows.push(Row::beside(name, Unit::Seconds, value, floor, target));
        }
    }
    let count = if bench.quick { 1_000 } else { 4_000 };
    let (mut ours, mut floor) = (Vec::<Sent>::new(), Vec::<Sent>::new());
    for round in 0..bench.rounds(5, 2) {
        let name = format!("full-{round}");
        floor.push(send(bare.address, &name, count, None, bodies.clone()).await?);
        ours.push(send(server.address, &name, count, None, bodies.clone()).await?);
    }
    let seconds = |all: &[Sent]| crate::cost::median(all.iter().map(|sent| 1.0 / sent.a_second()).collect());
    // At least 70 in a hundred of the bare route's are at most 1 / 0.7 times its seconds.
    let name = "a delivery when as many come as are answered";
    rows.push(Row::beside(name, Unit::Seconds, seconds(&ours), seconds(&floor), Target::Ratio(1.0 / 0.7)));
    Ok(rows)
}
