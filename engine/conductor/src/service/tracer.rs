//! Telling the receiver of traces of runs that have ended.

use stageway_core::name::TenantId;
use stageway_core::trace::{Caused, Span, Traced, spans};
use stageway_ports::{Inbox, RunOrigin, Store, StoreError, Traces, TracesError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Runs whose traces wait; those of more are lost, and that is told.
const WAITING: usize = 10_000;
/// Runs in one request.
const TOGETHER: usize = 50;
/// Between tries: together some five minutes.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(90),
    Duration::from_secs(180),
];

type Ended = (TenantId, RunOrigin);

/// Sends the trace of every run that ends here, in the background: a receiver that is away delays nothing. A trace follows from
/// what is stored, so a run that several processes drove has one. What waits when this process dies is not sent.
pub struct Tracer(mpsc::Sender<Ended>);

impl Tracer {
    /// One that sends to `traces` until it is gone.
    pub fn start(inbox: Arc<dyn Inbox>, store: Arc<dyn Store>, traces: Arc<dyn Traces>) -> Self {
        let (waiting, queue) = mpsc::channel(WAITING);
        tokio::spawn(Sender { inbox, store, traces }.work(queue));
        Self(waiting)
    }

    /// Has the trace of a run sent.
    pub(crate) fn ended(&self, tenant: TenantId, origin: RunOrigin) {
        let run = origin.run.clone();
        if self.0.try_send((tenant, origin)).is_err() {
            tracing::warn!(run.id = %run, "a trace is lost: {WAITING} wait for their receiver");
        }
    }
}

struct Sender {
    inbox: Arc<dyn Inbox>,
    store: Arc<dyn Store>,
    traces: Arc<dyn Traces>,
}

impl Sender {
    async fn work(self, mut queue: mpsc::Receiver<Ended>) {
        let mut runs = Vec::with_capacity(TOGETHER);
        while queue.recv_many(&mut runs, TOGETHER).await > 0 {
            let mut all = Vec::new();
            for (tenant, origin) in runs.drain(..) {
                match self.spans(&tenant, &origin).await {
                    Ok(spans) => all.extend(spans),
                    Err(error) => {
                        tracing::warn!(run.id = %origin.run, %error, "a trace is lost: its run cannot be read");
                    }
                }
            }
            if let Err(error) = patiently(&all, self.traces.as_ref()).await {
                tracing::warn!(%error, spans = all.len(), "traces are lost");
            }
        }
    }

    async fn spans(&self, tenant: &TenantId, origin: &RunOrigin) -> Result<Vec<Span>, StoreError> {
        let Some(record) = self.store.run(tenant, &origin.run).await? else { return Ok(vec![]) };
        let delivery = match &origin.delivery {
            Some(receipt) => self.inbox.delivery(tenant, receipt).await?,
            None => None,
        };
        let caused = delivery.map(|it| Caused { delivery: it.id, at: it.at, event: it.event });
        Ok(spans(&Traced {
            tenant,
            repository: &origin.key.repository,
            revision: origin.revision.as_str(),
            run: &origin.run,
            pipeline: &record.pipeline,
            caused,
            events: &record.events,
        }))
    }
}

async fn patiently(spans: &[Span], traces: &dyn Traces) -> Result<(), TracesError> {
    for pause in PAUSES {
        match traces.export(spans).await {
            Err(TracesError::Unavailable(_)) => tokio::time::sleep(pause).await,
            done => return done,
        }
    }
    traces.export(spans).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use std::sync::Mutex;

    /// Answers what it was told to, then takes everything.
    struct Answers(Mutex<Vec<TracesError>>);

    #[async_trait]
    impl Traces for Answers {
        async fn export(&self, _: &[Span]) -> Result<(), TracesError> {
            self.0.lock().unwrap().pop().map_or(Ok(()), Err)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_is_away_is_waited_for_and_one_that_refuses_is_not() {
        let away = |times: usize| vec![TracesError::Unavailable("away".into()); times];
        let soon = Answers(Mutex::new(away(6)));
        assert_eq!(patiently(&[], &soon).await, Ok(()));
        let late = Answers(Mutex::new(away(9)));
        assert_eq!(patiently(&[], &late).await, Err(TracesError::Unavailable("away".into())));
        assert_eq!(late.0.lock().unwrap().len(), 2);
        let no = Answers(Mutex::new(vec![TracesError::Refused("no".into()); 3]));
        assert_eq!(patiently(&[], &no).await, Err(TracesError::Refused("no".into())));
        assert_eq!(no.0.lock().unwrap().len(), 2);
    }
}
