//! The ports room of the engine.
