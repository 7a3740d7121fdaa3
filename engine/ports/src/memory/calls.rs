use crate::Calls;
use async_trait::async_trait;
use stageway_core::call::{Answer, Call, Function, Log, LogLevel, Reply, Stop, Value};

/// What a script says to a call.
type Script = Box<dyn FnMut(&Call) -> Option<Reply> + Send>;

/// Answers the calls of a guest from a script, and keeps them in the order they were made.
///
/// Log lines are answered and kept apart, because a script is rarely about them. A call that the script has no answer for
/// stops the guest with a fault that names it.
pub struct ScriptedCalls {
    script: Script,
    made: Vec<Call>,
    lines: Vec<(LogLevel, String)>,
}

impl Default for ScriptedCalls {
    /// Nothing is answered but log lines.
    fn default() -> Self {
        Self::new(|_| None)
    }
}

impl ScriptedCalls {
    /// Replies with what `script` says; none is a fault.
    pub fn new(script: impl FnMut(&Call) -> Option<Reply> + Send + 'static) -> Self {
        Self { script: Box::new(script), made: Vec::new(), lines: Vec::new() }
    }

    /// Answers with these, one after the other.
    pub fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Vec<Answer> = answers.into_iter().collect();
        let mut answers = answers.into_iter();
        Self::new(move |_| answers.next().map(Reply::Answer))
    }

    /// The calls so far, without log lines.
    pub fn made(&self) -> &[Call] {
        &self.made
    }

    /// The log lines so far.
    pub fn lines(&self) -> &[(LogLevel, String)] {
        &self.lines
    }
}

#[async_trait]
impl Calls for ScriptedCalls {
    async fn call(&mut self, call: Call) -> Reply {
        if let Function::Log(Log::Write { level, message }) = call.function {
            self.lines.push((level, message));
            return Reply::Answer(Ok(Value::Done));
        }
        let reply = (self.script)(&call);
        let (interface, function) = call.function.name();
        self.made.push(call);
        reply.unwrap_or_else(|| {
            Reply::Stop(Stop::Fault(format!("the script has no answer to `{interface}.{function}`")))
        })
    }
}
