//! Sending until it is taken, refused, or given up.

use stageway_sdk::{Span, Verdict};

/// How often it is sent in all, where the receiver says each time that it did not take it.
const TRIES: u32 = 4;
/// The longest pause between two, in seconds.
const PAUSE_S: u32 = 30;
/// So much of what a receiver says is told.
const SAID: usize = 300;

/// What a receiver answered.
pub(crate) struct Answer {
    /// The status of HTTP.
    pub(crate) status: u16,
    /// After how many seconds it wants to be asked again.
    pub(crate) after: Option<u32>,
    /// The body.
    pub(crate) said: String,
}

/// Who is told.
pub(crate) trait Receiver {
    fn send(&self) -> Result<Answer, Verdict>;
    fn pause(&self, how_long: Span) -> Result<(), Verdict>;
}

/// Delivers; answers the status with which it was taken.
pub(crate) fn deliver(receiver: &impl Receiver) -> Result<u16, Verdict> {
    let mut tries = 1;
    loop {
        let answer = receiver.send()?;
        let Answer { status, after, said } = answer;
        let said = &said[..said.floor_char_boundary(SAID)];
        match status {
            200..=299 => return Ok(status),
            // Whoever answers so has not taken it.
            429 | 502..=504 if tries < TRIES => {
                let seconds = after.unwrap_or(1 << tries).clamp(1, PAUSE_S);
                receiver.pause(Span::from_secs(seconds))?;
                tries += 1;
            }
            429 | 500..=599 => {
                let message =
                    format!("the receiver answered HTTP {status}, the last of {tries} times: {said}");
                return Err(Verdict::errored("stageway/not-taken", message));
            }
            _ => {
                let message = format!(
                    "the receiver answered HTTP {status}: {said}; check `url`, `body` and the secret"
                );
                return Err(Verdict::failed("stageway/refused", message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// Answers in turn, and keeps the pauses.
    struct Script(RefCell<Vec<(u16, Option<u32>)>>, RefCell<Vec<Span>>);

    impl Receiver for Script {
        fn send(&self) -> Result<Answer, Verdict> {
            let (status, after) = self.0.borrow_mut().remove(0);
            Ok(Answer { status, after, said: "so it is".into() })
        }

        fn pause(&self, how_long: Span) -> Result<(), Verdict> {
            self.1.borrow_mut().push(how_long);
            Ok(())
        }
    }

    fn delivered(answers: &[(u16, Option<u32>)]) -> (Result<u16, Verdict>, Vec<Span>) {
        let script = Script(RefCell::new(answers.to_vec()), RefCell::default());
        let delivered = deliver(&script);
        assert!(script.0.borrow().is_empty(), "it is sent as often as needed");
        (delivered, script.1.into_inner())
    }

    #[test]
    fn what_is_not_taken_is_sent_again_a_few_times() {
        let (taken, pauses) = delivered(&[(503, None), (429, Some(300)), (204, None)]);
        assert_eq!((taken.ok(), pauses), (Some(204), vec![Span::from_secs(2), Span::from_secs(30)]));
        let (Err(Verdict::Errored(failure)), _) = delivered(&[(503, None); 4]) else { panic!("not errored") };
        assert_eq!(
            (failure.code.as_str(), failure.message.contains("4 times")),
            ("stageway/not-taken", true)
        );
    }

    #[test]
    fn what_may_have_been_taken_or_never_will_be_is_sent_once() {
        let (Err(Verdict::Errored(_)), pauses) = delivered(&[(500, None)]) else { panic!("not errored") };
        assert!(pauses.is_empty());
        let (Err(Verdict::Failed(failure)), _) = delivered(&[(404, None)]) else { panic!("not failed") };
        assert_eq!(failure.code, "stageway/refused");
        assert!(failure.message.contains("HTTP 404: so it is"), "{}", failure.message);
    }
}
