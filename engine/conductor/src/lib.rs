//! The conductor room of the engine.
