//! The core room of the engine.
