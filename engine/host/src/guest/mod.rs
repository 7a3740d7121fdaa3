//! The state of one instance, and its bounds.

mod broken;
mod clocks;
mod handles;
mod lines;
mod memory;
mod meter;
mod port;
mod state;

pub(crate) use broken::Broken;
pub(crate) use handles::{Handle, Handles};
pub(crate) use memory::Memory;
pub(crate) use meter::{Meter, Metered, OnThread};
pub(crate) use port::{Port, serve};
pub(crate) use state::{Guest, Start};
