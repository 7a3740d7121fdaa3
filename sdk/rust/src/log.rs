//! The stage's own log. Always linked.
//!
//! Lines are limited in rate and size by the host, control characters are escaped and values of secrets masked.

use crate::bindings::stageway::host::log as raw;

/// For whoever follows every step of the plugin.
pub fn trace(message: impl AsRef<str>) {
    raw::write(raw::Level::Trace, message.as_ref());
}

/// For whoever looks for a fault in the plugin.
pub fn debug(message: impl AsRef<str>) {
    raw::write(raw::Level::Debug, message.as_ref());
}

/// For whoever reads what the stage did.
pub fn info(message: impl AsRef<str>) {
    raw::write(raw::Level::Info, message.as_ref());
}

/// For what went on but should be looked at.
pub fn warn(message: impl AsRef<str>) {
    raw::write(raw::Level::Warn, message.as_ref());
}

/// For what stops the stage.
pub fn error(message: impl AsRef<str>) {
    raw::write(raw::Level::Error, message.as_ref());
}
