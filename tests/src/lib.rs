//! Black-box tests of the engine: scenarios, hostile plugins, real servers.
