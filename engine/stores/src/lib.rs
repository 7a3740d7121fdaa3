//! The stores room of the engine.
