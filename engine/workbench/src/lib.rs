//! The workbench room of the engine.
