//! Reading what is said of tenants, and whether their places fit together.

use super::parse::place;
use super::parse_service::{entry, number};
use super::service::{Service, Tenant, USUAL_PARALLEL_RUNS};
use crate::diagnostic::codes;
use crate::document::{Entry, Map, Reader};

/// The keys of a tenant.
pub(super) const KEYS: &[&str] =
    &["policy", "parallel-runs", "weight", "guaranteed-runs", "deliveries-a-minute"];

pub(super) fn tenant(reader: &mut Reader, _: &Entry, map: &Map<'_>) -> Option<Tenant> {
    Some(Tenant {
        policy: place(reader, map, "policy"),
        parallel_runs: number(reader, map, "parallel-runs"),
        weight: map.get("weight").and_then(|node| reader.integer(node, 1, 1_000)),
        guaranteed_runs: map.get("guaranteed-runs").and_then(|node| reader.integer(node, 0, 1_000_000)),
        deliveries_a_minute: number(reader, map, "deliveries-a-minute"),
    })
}

/// Whether every place that is guaranteed can be had.
pub(super) fn check_places(reader: &mut Reader, map: &Map<'_>, service: &Service) {
    let places = service.parallel_runs.unwrap_or(USUAL_PARALLEL_RUNS);
    let mut sum = 0_u64;
    for (id, tenant) in &service.tenants {
        let (Some(guaranteed), Some(entry)) = (tenant.guaranteed_runs, entry((map, "tenants", id.as_str())))
        else {
            continue;
        };
        let before = sum;
        sum = sum.saturating_add(guaranteed);
        if let Some(most) = tenant.parallel_runs.filter(|most| guaranteed > *most) {
            let message = format!("tenant `{id}` is guaranteed {guaranteed} runs and may have {most}");
            let remedy = format!("write `guaranteed-runs: {most}`, or raise its `parallel-runs`");
            reader.error(codes::CONFLICT, &entry.at, message, remedy);
        } else if sum > places && before <= places {
            let message =
                format!("{sum} runs are guaranteed up to tenant `{id}`, and the server drives {places}");
            let remedy = "lower `guaranteed-runs`, or raise the server's `parallel-runs`";
            reader.error(codes::CONFLICT, &entry.at, message, remedy);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::operator::Operator;

    #[test]
    fn places_are_read() {
        let text = "parallel-runs: 10
tenants:
  acme: { parallel-runs: 4, weight: 3, guaranteed-runs: 2 }
  other: { guaranteed-runs: 8 }
";
        let service = Operator::parse("config.yaml", text.as_bytes()).unwrap().service;
        let acme = &service.tenants["acme"];
        assert_eq!((acme.parallel_runs, acme.weight, acme.guaranteed_runs), (Some(4), Some(3), Some(2)));
        assert_eq!(service.tenants["other"].weight, None);
    }

    #[test]
    fn more_than_there_is_cannot_be_guaranteed() {
        let text = "parallel-runs: 10
tenants:
  a: { guaranteed-runs: 5 }
  b: { guaranteed-runs: 3, parallel-runs: 2 }
  c: { guaranteed-runs: 4 }
  d: { guaranteed-runs: 4 }
  e: { weight: 0 }
";
        let found = Operator::parse("config.yaml", text.as_bytes()).unwrap_err();
        let told: Vec<String> =
            found.iter().map(|d| format!("{}:{}", d.place.as_ref().unwrap().line, d.code)).collect();
        assert_eq!(told, ["4:SW0126", "5:SW0126", "7:SW0125"], "{found:#?}");
    }
}
