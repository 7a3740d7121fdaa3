//! The host room of the engine.
