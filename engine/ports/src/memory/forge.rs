use crate::{Forge, ForgeError, SecretValue, Unauthentic, Unreadable};
use async_trait::async_trait;
use stageway_core::delivery::{
    DeliveryId, ForgeKind, Headers, Meaning, RawDelivery, RepositoryName, Revision, StatusReport,
};
use stageway_core::digest::Digest;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

const ID: &str = "x-request-id";
const SECRET: &str = "x-memory-secret";

/// A status that a forge was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// Of which repository.
    pub repository: RepositoryName,
    /// Of which commit.
    pub revision: Revision,
    /// What was told.
    pub report: StatusReport,
}

#[derive(Default)]
struct State {
    reported: Vec<Reported>,
    faults: VecDeque<ForgeError>,
}

/// A forge whose deliveries are written by the test ([`MemoryForge::delivery`]): the body is the [`Meaning`] as JSON, a
/// header holds the secret as it is.
pub struct MemoryForge {
    kind: ForgeKind,
    state: Mutex<State>,
}

impl Default for MemoryForge {
    fn default() -> Self {
        Self::new(ForgeKind::Gitea)
    }
}

impl MemoryForge {
    /// One that says it is of this kind.
    pub fn new(kind: ForgeKind) -> Self {
        Self { kind, state: Mutex::default() }
    }

    /// A delivery that this forge reads as `meaning`.
    pub fn delivery(id: &str, secret: &str, meaning: &Meaning) -> RawDelivery {
        let headers = Headers::new([(ID, id), (SECRET, secret)]).expect("two headers");
        let body = serde_json::to_vec(meaning).unwrap_or_default();
        RawDelivery { headers, body: body.into() }
    }

    /// The next reports fail with these, one each.
    pub fn fail(&self, faults: impl IntoIterator<Item = ForgeError>) {
        self.lock().faults.extend(faults);
    }

    /// Every status that was taken, in order.
    pub fn reported(&self) -> Vec<Reported> {
        self.lock().reported.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Forge for MemoryForge {
    fn kind(&self) -> ForgeKind {
        self.kind
    }

    fn authenticate(
        &self,
        delivery: &RawDelivery,
        secrets: &[SecretValue],
        _now_ms: u64,
    ) -> Result<(), Unauthentic> {
        if secrets.iter().all(|secret| secret.expose().is_empty()) {
            return Err(Unauthentic::NoSecret);
        }
        let mut given = delivery.headers.all(SECRET);
        let (first, second) = (given.next(), given.next());
        match (first.filter(|value| !value.is_empty()), second) {
            (None, _) => Err(Unauthentic::Missing(SECRET)),
            (_, Some(_)) => Err(Unauthentic::Doubled(SECRET)),
            (Some(given), None) if secrets.iter().any(|secret| secret.expose() == given) => Ok(()),
            (Some(_), None) => Err(Unauthentic::Mismatch(SECRET)),
        }
    }

    fn delivery_id(&self, delivery: &RawDelivery) -> DeliveryId {
        let own = delivery.headers.text(ID).and_then(|id| DeliveryId::new(id).ok());
        let digest = || DeliveryId::new(Digest::of(&delivery.body).to_string());
        own.unwrap_or_else(|| digest().expect("a digest is an id"))
    }

    fn read(&self, delivery: &RawDelivery) -> Result<Meaning, Unreadable> {
        serde_json::from_slice(&delivery.body)
            .map_err(|error| Unreadable::Json { event: "memory".into(), problem: error.to_string() })
    }

    async fn report(
        &self,
        repository: &RepositoryName,
        revision: &Revision,
        report: &StatusReport,
    ) -> Result<(), ForgeError> {
        let mut state = self.lock();
        match state.faults.pop_front() {
            Some(fault) => Err(fault),
            None => {
                let (repository, revision) = (repository.clone(), revision.clone());
                state.reported.push(Reported { repository, revision, report: report.clone() });
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::forge as contract;
    use stageway_core::delivery::ReportState;

    #[test]
    fn it_reads_what_the_test_wrote() {
        let delivery = MemoryForge::delivery("d1", "s3cret", &Meaning::Ping);
        let forge = MemoryForge::default();
        let secret = |text: &str| SecretValue::new(text.as_bytes().to_vec());
        assert_eq!(forge.authenticate(&delivery, &[secret("old"), secret("s3cret")], 0), Ok(()));
        assert_eq!(forge.authenticate(&delivery, &[secret("x")], 0), Err(Unauthentic::Mismatch(SECRET)));
        assert_eq!(forge.authenticate(&delivery, &[], 0), Err(Unauthentic::NoSecret));
        assert_eq!(forge.delivery_id(&delivery).as_str(), "d1");
        assert_eq!(forge.read(&delivery), Ok(Meaning::Ping));
    }

    #[tokio::test]
    async fn it_keeps_the_contract() {
        let push = serde_json::json!({
            "kind": "push", "repository": {"name": "acme/demo"},
            "changes": [{"reference": "refs/heads/main", "after": "a".repeat(40)}],
        });
        let delivery = MemoryForge::delivery("d1", "s3cret", &serde_json::from_value(push).unwrap());
        let secret = SecretValue::new(b"s3cret".to_vec());
        let forge = MemoryForge::default();
        contract::check_deliveries(&forge, &contract::ForgeSample { delivery, secret, now_ms: 0 });
        let (repository, revision) = ("acme/demo".parse().unwrap(), "a".repeat(40).parse().unwrap());
        contract::check_reports(&forge, &repository, &revision).await;
        assert_eq!(forge.reported().len(), 14);
    }

    #[tokio::test]
    async fn reports_are_kept_and_fail_as_told() {
        let forge = MemoryForge::default();
        let (repository, revision) = ("acme/demo".parse().unwrap(), "a".repeat(40).parse().unwrap());
        let report = StatusReport {
            context: "stageway/demo".into(),
            state: ReportState::Pending,
            description: "waiting".into(),
            link: None,
        };
        let fault = ForgeError::Unavailable("down".into());
        forge.fail([fault.clone()]);
        assert_eq!(forge.report(&repository, &revision, &report).await, Err(fault));
        forge.report(&repository, &revision, &report).await.unwrap();
        assert_eq!(forge.reported(), [Reported { repository, revision, report }]);
    }
}
