//! What every forge keeps to.

use crate::{Forge, SecretValue, Unauthentic};
use stageway_core::delivery::{
    Headers, Meaning, RawDelivery, ReportState, RepositoryName, Revision, StatusReport,
};

/// An authentic push of one branch, and what proves it.
pub struct ForgeSample {
    /// The delivery.
    pub delivery: RawDelivery,
    /// The secret it was signed with.
    pub secret: SecretValue,
    /// When it came.
    pub now_ms: u64,
}

fn secret(text: &str) -> SecretValue {
    SecretValue::new(text.as_bytes().to_vec())
}

/// Deliveries: who is believed, what makes two of them one, and what they mean.
///
/// # Panics
/// When the forge breaks the contract.
pub fn check_deliveries(forge: &dyn Forge, sample: &ForgeSample) {
    let ForgeSample { delivery, secret: right, now_ms } = sample;
    let verdict = |secrets: &[SecretValue]| forge.authenticate(delivery, secrets, *now_ms);
    assert_eq!(verdict(std::slice::from_ref(right)), Ok(()));
    assert_eq!(verdict(&[right.clone(), secret("new")]), Ok(()), "the first of two is valid");
    assert_eq!(verdict(&[secret("old"), right.clone()]), Ok(()), "the second of two is valid");
    assert!(verdict(&[secret("old")]).is_err(), "another secret proves nothing");
    for none in [&[][..], &[secret("")]] {
        assert_eq!(verdict(none), Err(Unauthentic::NoSecret), "without a secret nothing is authentic");
    }
    let bare = RawDelivery { headers: Headers::default(), body: delivery.body.clone() };
    assert!(forge.authenticate(&bare, std::slice::from_ref(right), *now_ms).is_err());

    assert_eq!(forge.delivery_id(delivery), forge.delivery_id(delivery));
    let other = RawDelivery { body: b"other"[..].into(), ..bare.clone() };
    assert_ne!(forge.delivery_id(&bare), forge.delivery_id(&other), "without an id the body tells");

    let meaning = forge.read(delivery);
    assert!(matches!(&meaning, Ok(Meaning::Push(push)) if push.changes.len() == 1), "{meaning:?}");
    assert_eq!(forge.read(delivery), meaning, "reading again reads the same");
    let kept = RawDelivery { headers: delivery.headers.kept(), body: delivery.body.clone() };
    assert_eq!(forge.read(&kept), meaning, "what is kept of the headers is enough to read it again");
    assert_eq!(forge.delivery_id(&kept), forge.delivery_id(delivery));
    let cut = RawDelivery { body: delivery.body.slice(..delivery.body.len() / 2), ..delivery.clone() };
    assert!(forge.read(&cut).is_err(), "half of a delivery is none");
}

/// Statuses: every state is taken, and taken again.
///
/// # Panics
/// When the forge breaks the contract.
pub async fn check_reports(forge: &dyn Forge, repository: &RepositoryName, revision: &Revision) {
    for state in ReportState::ALL {
        let report = StatusReport {
            context: "stageway/contract".into(),
            state,
            description: "two\nlines".into(),
            link: None,
        };
        for _ in 0..2 {
            assert_eq!(forge.report(repository, revision, &report).await, Ok(()), "{state:?}");
        }
    }
}
