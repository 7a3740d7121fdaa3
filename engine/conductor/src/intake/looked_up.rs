//! Pull requests of whose head a forge tells the beginning: the branch is looked at, and what was found is a delivery to ourselves, so
//! that its move has a place in the history like any other.

use super::lanes::Lane;
use super::start::{self, Start};
use super::{Intake, Trouble, meaning};
use crate::service::{Place, Starter, Told, moves_of};
use stageway_core::delivery::{Meaning, Occasion, PullRequest, Revision, RevisionPrefix};
use stageway_core::name::ReceiptId;
use stageway_ports::{Claimed, Settlement};

/// The pull request of a meaning whose head has to be looked up.
pub(super) fn of(meaning: &Meaning) -> Option<&PullRequest> {
    match meaning {
        Meaning::PullRequest(pull) if pull.action.starts() && pull.head.whole().is_none() => Some(pull),
        _ => None,
    }
}

/// As if the forge had told all of the head.
fn with_head(pull: &PullRequest, head: Revision) -> Meaning {
    Meaning::PullRequest(Box::new(PullRequest { head: RevisionPrefix::from(head), ..pull.clone() }))
}

impl Intake {
    /// Looks at the branch of a pull request, and tells ourselves of its head.
    pub(super) async fn look_up(&self, claimed: &Claimed, pull: &PullRequest) -> Result<Settlement, Trouble> {
        let (number, delivery) = (pull.number, &claimed.delivery);
        let (Some(branch), Some(repository)) = (pull.own_branch(), &delivery.repository) else {
            return Ok(self.settled(format!("the branch of pull request {number} is not in this repository")));
        };
        let mirror = self.mirrors.open(&claimed.tenant, repository).await?;
        let mut heads = mirror.fetch(std::slice::from_ref(&branch), &[]).await?;
        let head = match heads.remove(&branch) {
            Some(head) if pull.head.begins(&head) => head,
            Some(head) => {
                let told = pull.head.as_str();
                return Ok(
                    self.settled(format!("outdated: {branch} was told at {told}, and is at {head} by now"))
                );
            }
            None => return Ok(self.settled(format!("there is no {branch}"))),
        };
        let told = Told {
            key: format!("head {} {head}", delivery.id),
            occasion: Occasion::PullRequest { delivery: delivery.id.clone() },
            moves: moves_of(&with_head(pull, head.clone())),
            outcome: None,
        };
        let starter = Starter {
            inbox: self.inbox.clone(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            wake: self.wake.clone(),
        };
        let own = starter.tell(&claimed.tenant, repository, told).await?;
        Ok(self.settled(format!("the head of pull request {number} is {head}: see delivery {}", own.id)))
    }

    /// Takes in what was found.
    pub(super) async fn found(
        &self,
        claimed: &Claimed,
        place: &Place,
        delivery: &ReceiptId,
        lane: &Lane<'_>,
    ) -> Result<Settlement, Trouble> {
        match self.found_starts(claimed, place, delivery).await? {
            Some(starts) => self.starts(claimed, place, starts, lane).await,
            None => Ok(self.settled(format!("delivery {delivery} is gone"))),
        }
    }

    /// The pull request as the forge told it, with the head that was found; none if it is not there any more.
    pub(super) async fn found_starts(
        &self,
        claimed: &Claimed,
        place: &Place,
        delivery: &ReceiptId,
    ) -> Result<Option<Vec<Start>>, Trouble> {
        let Claimed { tenant, moves, .. } = claimed;
        let head = moves.iter().find_map(|placed| placed.moved.after.clone());
        let told = self.inbox.delivery(tenant, delivery).await?;
        let (Some(head), Some(told), Some(body)) = (head, told, self.inbox.body(tenant, delivery).await?)
        else {
            return Ok(None);
        };
        let Ok(meaning) = meaning(&told, place, body) else { return Ok(None) };
        let Some(pull) = of(&meaning) else { return Ok(None) };
        Ok(Some(start::of(&with_head(pull, head), moves)))
    }
}
