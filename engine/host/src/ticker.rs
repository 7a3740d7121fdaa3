use std::io;
use std::thread;
use std::time::Duration;
use wasmtime::Engine;

/// Between two looks at a guest that computes.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Starts the thread that moves an engine's epoch. It ends with the engine.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn start(engine: &Engine) -> io::Result<()> {
    let engine = engine.weak();
    let tick = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    };
    thread::Builder::new().name("guest-epochs".to_owned()).spawn(tick).map(drop)
}
