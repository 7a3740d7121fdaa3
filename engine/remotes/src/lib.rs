//! The remotes room of the engine.
