use super::Broken;
use stageway_core::call::{Answer, Call, Reply};
use stageway_ports::Calls;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

/// The guest's end of the way to [`Calls`].
///
/// wasmtime wants the state of an instance to own everything it holds, and a run only borrows its `Calls`: so calls and
/// replies are handed over between two halves of one task. A guest makes one call at a time, and whoever polls it looks for
/// the call at once, so there is nobody to wake.
pub(crate) struct Port(Arc<Mutex<Exchange>>);

/// The other end.
pub(crate) struct Desk(Arc<Mutex<Exchange>>);

#[derive(Default)]
struct Exchange {
    call: Option<Call>,
    reply: Option<Reply>,
}

/// What a poll of a guest came to.
enum Turn<T> {
    Ended(T),
    Called(Call),
}

fn open(exchange: &Mutex<Exchange>) -> MutexGuard<'_, Exchange> {
    exchange.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Port {
    /// Both ends.
    pub(crate) fn pair() -> (Self, Desk) {
        let exchange = Arc::<Mutex<Exchange>>::default();
        (Self(exchange.clone()), Desk(exchange))
    }

    /// Makes a call and waits for its answer.
    ///
    /// # Errors
    /// When the reply stops the instance.
    pub(crate) async fn call(&mut self, call: Call) -> Result<Answer, Broken> {
        open(&self.0).call = Some(call);
        match poll_fn(|_| open(&self.0).reply.take().map_or(Poll::Pending, Poll::Ready)).await {
            Reply::Answer(answer) => Ok(answer),
            Reply::Stop(stop) => Err(Broken::Stop(stop)),
        }
    }
}

/// Drives a guest to its end and answers its calls in between, in their order.
///
/// # Cancellation
/// Dropping it drops the guest.
pub(crate) async fn serve<T>(guest: impl Future<Output = T>, desk: Desk, calls: &mut dyn Calls) -> T {
    let mut guest = pin!(guest);
    loop {
        let turn = poll_fn(|context| match guest.as_mut().poll(context) {
            Poll::Ready(end) => Poll::Ready(Turn::Ended(end)),
            Poll::Pending => {
                open(&desk.0).call.take().map_or(Poll::Pending, |call| Poll::Ready(Turn::Called(call)))
            }
        });
        match turn.await {
            Turn::Ended(end) => return end,
            Turn::Called(call) => {
                let reply = calls.call(call).await;
                open(&desk.0).reply = Some(reply);
            }
        }
    }
}
