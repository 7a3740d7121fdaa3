//! Requests that are made again while the cluster is silent: an API server that is started again is away for some seconds, and that
//! says nothing of a task.

use super::cluster::PAUSE;
use kube::Error;
use std::time::{Duration, Instant};

/// For how long a cluster may be silent before that is told.
const SILENCE: Duration = Duration::from_secs(30);

/// Makes a request until the cluster answers, or for a while. Only for requests of which two are the same as one.
///
/// # Errors
/// What the cluster says no to, at once; after that while, that it does not answer.
pub(super) async fn patiently<T, F>(request: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let begun = Instant::now();
    loop {
        match request().await {
            Err(error) if is_silence(&error) && begun.elapsed() < SILENCE => tokio::time::sleep(PAUSE).await,
            answered => return answered,
        }
    }
}

/// Nobody answers, or one who is overloaded or about to begin.
fn is_silence(error: &Error) -> bool {
    match error {
        Error::Api(status) => matches!(status.code, 429 | 500 | 502..=504),
        Error::HyperError(_) | Error::Service(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;
    use std::cell::Cell;

    fn says(code: u16) -> Error {
        Error::Api(Box::new(Status { code, ..Status::default() }))
    }

    /// What comes of it, and how often it was asked.
    fn asked(answer: impl Fn(u32) -> Result<u32, Error>) -> (Result<u32, Error>, u32) {
        let asked = Cell::new(0);
        let asking = patiently(|| {
            asked.set(asked.get() + 1);
            std::future::ready(answer(asked.get()))
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        (runtime.block_on(asking), asked.get())
    }

    #[test]
    fn a_silent_cluster_is_asked_again() {
        let (answer, times) = asked(|number| match number {
            1 => Err(Error::Service("connection refused".into())),
            2 => Err(says(503)),
            number => Ok(number),
        });
        assert_eq!((answer.unwrap(), times), (3, 3));
    }

    #[test]
    fn a_no_is_told_at_once() {
        for code in [401, 403, 404, 409, 422] {
            let (answer, times) = asked(|_| Err(says(code)));
            assert!(matches!(answer, Err(Error::Api(status)) if status.code == code));
            assert_eq!(times, 1);
        }
    }
}
