//! The executors room of the engine.
