//! The API of `stageway serve`, and the command line against it.

#[allow(dead_code, reason = "more of it is for the tests of deliveries")]
#[path = "../serve/forge.rs"]
mod forge;
#[allow(dead_code, reason = "more of it is for the tests of deliveries")]
#[path = "../serve/world.rs"]
mod world;

mod command_line;
mod fuzz;
mod login;
mod person;
mod preflight;
