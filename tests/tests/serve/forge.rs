//! A forge that takes commit statuses in the way of Gitea, and remembers them.

use serde_json::Value as Json;
use stageway_tests::taken::{Taken, take};
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A status as it came: the commit, the context, the state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Told {
    pub(crate) revision: String,
    pub(crate) context: String,
    pub(crate) state: String,
    pub(crate) description: String,
}

pub(crate) struct ScriptedForge {
    pub(crate) port: u16,
    told: Arc<Mutex<Vec<Told>>>,
}

impl ScriptedForge {
    /// Answers on a port of its own until the test ends.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let told = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || answer(&stream, &kept));
            }
        });
        Self { port, told }
    }

    pub(crate) fn told(&self) -> Vec<Told> {
        self.told.lock().expect("no test panics while it holds this").clone()
    }

    /// The states of a commit and context, in order, once the last is one of a run that has ended.
    pub(crate) fn ended(&self, revision: &str, context: &str) -> Vec<String> {
        let (mut heard, mut since) = (0, Instant::now());
        loop {
            let told = self.told();
            // Behind a long queue it is others' turn first.
            if told.len() > heard {
                (heard, since) = (told.len(), Instant::now());
            }
            let mine = told.iter().filter(|told| told.revision == revision && told.context == context);
            let states: Vec<String> = mine.map(|told| told.state.clone()).collect();
            if states.last().is_some_and(|state| !matches!(state.as_str(), "pending" | "running")) {
                return states;
            }
            assert!(since.elapsed() < Duration::from_secs(60), "the forge was told only {told:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn answer(stream: &TcpStream, kept: &Mutex<Vec<Told>>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = take(&mut reader) {
        remember(&request, kept);
        let answer = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        if (&*stream).write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// `POST /api/v1/repos/acme/demo/statuses/REVISION HTTP/1.1`
fn remember(request: &Taken, kept: &Mutex<Vec<Told>>) {
    let Some(revision) = request.path().strip_prefix("/api/v1/repos/acme/demo/statuses/") else { return };
    let body: Json = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    kept.lock().expect("no test panics while it holds this").push(Told {
        revision: revision.to_owned(),
        context: text("context"),
        state: text("state"),
        description: text("description"),
    });
}
