use super::Broken;
use stageway_core::call::{Answer, Call, Reply};
use stageway_ports::Calls;
use std::future::Future;
use std::pin::pin;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// The guest's end of the way to [`Calls`].
///
/// wasmtime wants the state of an instance to own everything it holds, and a run only borrows its `Calls`: so calls and
/// replies are handed over between two halves of one task.
pub(crate) struct Port {
    calls: Sender<Call>,
    replies: Receiver<Reply>,
}

/// The other end.
pub(crate) struct Desk {
    calls: Receiver<Call>,
    replies: Sender<Reply>,
}

impl Port {
    /// Both ends. A guest makes one call at a time.
    pub(crate) fn pair() -> (Self, Desk) {
        let (calls, incoming) = mpsc::channel(1);
        let (outgoing, replies) = mpsc::channel(1);
        (Self { calls, replies }, Desk { calls: incoming, replies: outgoing })
    }

    /// Makes a call and waits for its answer.
    ///
    /// # Errors
    /// When the reply stops the instance.
    pub(crate) async fn call(&mut self, call: Call) -> Result<Answer, Broken> {
        let gone = || Broken::fault("nobody answers the calls of this instance any more");
        self.calls.send(call).await.map_err(|_| gone())?;
        match self.replies.recv().await.ok_or_else(gone)? {
            Reply::Answer(answer) => Ok(answer),
            Reply::Stop(stop) => Err(Broken::Stop(stop)),
        }
    }
}

/// Drives a guest to its end and answers its calls in between, in their order.
///
/// # Cancellation
/// Dropping it drops the guest.
pub(crate) async fn serve<T>(guest: impl Future<Output = T>, mut desk: Desk, calls: &mut dyn Calls) -> T {
    let mut guest = pin!(guest);
    loop {
        let call = tokio::select! {
            biased;
            end = &mut guest => return end,
            Some(call) = desk.calls.recv() => call,
        };
        let reply = calls.call(call).await;
        // The guest waits for exactly this reply; if it is gone, the next turn of the loop returns its end.
        let _ = desk.replies.send(reply).await;
    }
}
