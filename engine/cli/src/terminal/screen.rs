//! Observing a run without ever holding it up.

use super::board::Board;
use stageway_conductor::engine::Observer;
use stageway_core::log::{Line, Origin};
use stageway_core::name::{RunId, StageName};
use stageway_core::run::RunEvent;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Lines that wait to be drawn; more are dropped, and it is said how many.
const MOST_LINES: usize = 10_000;
/// Between two drawings of what moves by itself.
const TICK: Duration = Duration::from_millis(100);

/// Draws what happens. Called by one thread; the board has taken the event or line already.
pub(crate) trait Renderer: Send {
    /// An event became durable.
    fn event(&mut self, board: &Board, event: &RunEvent) -> io::Result<()>;
    /// A line was written.
    fn line(&mut self, board: &Board, line: &Line) -> io::Result<()>;
    /// Something to be said beside the run.
    fn notice(&mut self, board: &Board, text: &str) -> io::Result<()>;
    /// Time goes by; `now` is in milliseconds since 1970.
    fn tick(&mut self, board: &Board, now: u64) -> io::Result<()>;
    /// Nothing more will come.
    fn finish(&mut self, board: &Board) -> io::Result<()>;
}

enum Item {
    Event(RunEvent),
    Line(Line),
    Notice(String),
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    lines: usize,
    dropped: u64,
    finished: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A renderer that panicked leaves a queue that is whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, item: Item) {
        let mut queue = self.lock();
        match item {
            Item::Line(_) if queue.lines >= MOST_LINES => queue.dropped += 1,
            item => {
                queue.lines += usize::from(matches!(item, Item::Line(_)));
                queue.items.push_back(item);
            }
        }
        drop(queue);
        self.more.notify_one();
    }
}

/// Behind the last line of the plugin of each attempt: one that is taken up again after a wait says once more what it said before.
#[derive(Default)]
struct Furthest(BTreeMap<(Option<StageName>, u32), (u32, u32)>);

impl Furthest {
    fn is_new(&mut self, line: &Line) -> bool {
        let Origin::Plugin { seq, ordinal } = line.origin else { return true };
        let furthest = self.0.entry((line.stage.clone(), line.attempt)).or_default();
        let is_new = *furthest < (seq, ordinal + 1);
        if is_new {
            *furthest = (seq, ordinal + 1);
        }
        is_new
    }
}

/// Sees one run and has it drawn by a thread of its own.
///
/// # Guarantees
/// Observing never waits for the terminal. Events are all drawn, in order; lines too, unless more than 10,000 wait.
pub(crate) struct Screen {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Screen {
    /// Starts drawing a run.
    ///
    /// # Errors
    /// When no thread can be had.
    pub(crate) fn start(board: Board, renderer: Box<dyn Renderer>) -> io::Result<Arc<Self>> {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let thread = std::thread::Builder::new()
            .name("screen".into())
            .spawn(move || draw(&theirs, board, renderer))?;
        Ok(Arc::new(Self { shared, thread: Mutex::new(Some(thread)) }))
    }

    /// Says something beside the run.
    pub(crate) fn notice(&self, text: impl Into<String>) {
        self.shared.put(Item::Notice(text.into()));
    }

    /// Draws the rest and ends the drawing.
    pub(crate) fn finish(&self) {
        self.shared.lock().finished = true;
        self.shared.more.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A renderer that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}

impl Observer for Screen {
    fn event(&self, _run: &RunId, event: &RunEvent) {
        self.shared.put(Item::Event(event.clone()));
    }

    fn line(&self, _run: &RunId, line: &Line) {
        self.shared.put(Item::Line(line.clone()));
    }
}

/// The life of the drawing thread. A stream that nobody reads ends the drawing, not the run.
fn draw(shared: &Shared, mut board: Board, mut renderer: Box<dyn Renderer>) {
    let mut furthest = Furthest::default();
    loop {
        let mut queue = shared.lock();
        if queue.items.is_empty() && !queue.finished {
            queue = match shared.more.wait_timeout(queue, TICK) {
                Ok((queue, _)) => queue,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        let items = std::mem::take(&mut queue.items);
        let dropped = std::mem::take(&mut queue.dropped);
        let finished = queue.finished;
        queue.lines = 0;
        drop(queue);
        let drawn = batch(&mut board, renderer.as_mut(), &mut furthest, items, dropped);
        let drawn = drawn
            .and_then(|()| if finished { renderer.finish(&board) } else { renderer.tick(&board, now_ms()) });
        if drawn.is_err() || finished {
            return;
        }
    }
}

fn batch(
    board: &mut Board,
    renderer: &mut dyn Renderer,
    furthest: &mut Furthest,
    items: VecDeque<Item>,
    dropped: u64,
) -> io::Result<()> {
    for item in items {
        match item {
            Item::Event(event) => {
                board.event(&event);
                renderer.event(board, &event)?;
            }
            Item::Line(line) if !furthest.is_new(&line) => {}
            Item::Line(line) => {
                board.line(&line);
                renderer.line(board, &line)?;
            }
            Item::Notice(text) => renderer.notice(board, &text)?,
        }
    }
    if dropped > 0 {
        renderer.notice(
            board,
            &format!("{dropped} lines came too fast to be shown here; the log has them all"),
        )?;
    }
    Ok(())
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::sample;

    /// Tells what it was asked to draw, after it has been let.
    struct Slow(Arc<Mutex<Vec<String>>>, Arc<Mutex<()>>);

    impl Renderer for Slow {
        fn event(&mut self, board: &Board, _: &RunEvent) -> io::Result<()> {
            let _gate = self.1.lock();
            self.0.lock().unwrap().push(format!("event {}", board.state.status.as_str()));
            Ok(())
        }
        fn line(&mut self, _: &Board, line: &Line) -> io::Result<()> {
            self.0.lock().unwrap().push(line.text.clone());
            Ok(())
        }
        fn notice(&mut self, _: &Board, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push(text.to_owned());
            Ok(())
        }
        fn tick(&mut self, _: &Board, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn finish(&mut self, _: &Board) -> io::Result<()> {
            self.0.lock().unwrap().push("finish".into());
            Ok(())
        }
    }

    #[test]
    fn what_a_plugin_says_again_after_a_wait_is_drawn_once() {
        let mut furthest = Furthest::default();
        let mut is_new = |attempt, seq, ordinal| {
            let origin = Origin::Plugin { seq, ordinal };
            furthest.is_new(&Line { attempt, origin, ..sample::line("smoke", "so it is") })
        };
        let said = [(1, 0, 0), (1, 0, 1), (1, 4, 0), (1, 0, 0), (1, 0, 1), (1, 4, 0), (1, 4, 1), (2, 0, 0)];
        let drawn = said.map(|(attempt, seq, ordinal)| is_new(attempt, seq, ordinal));
        assert_eq!(drawn, [true, true, true, false, false, false, true, true]);
    }

    #[test]
    fn a_terminal_that_takes_nothing_holds_nobody_up_and_loses_no_event() {
        let (told, gate) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(())));
        let shut = gate.lock().unwrap();
        let screen = Screen::start(sample::board(), Box::new(Slow(told.clone(), gate.clone()))).unwrap();
        let (run, events) = (RunId::new("01RUN").unwrap(), sample::events());
        screen.event(&run, &events[0]);
        // The thread may have taken the first batch: afterwards it stands at the gate.
        for number in 0..2 * MOST_LINES + 10 {
            screen.line(&run, &sample::line("smoke", &number.to_string()));
        }
        events[1..].iter().for_each(|event| screen.event(&run, event));
        drop(shut);
        screen.finish();
        let told = told.lock().unwrap();
        assert_eq!(told.iter().filter(|line| line.starts_with("event")).count(), events.len());
        assert!(
            told.iter()
                .any(|line| line.ends_with("lines came too fast to be shown here; the log has them all"))
        );
        assert_eq!(told.last().map(String::as_str), Some("finish"));
        assert!(told.contains(&"event failed".to_owned()));
    }
}
