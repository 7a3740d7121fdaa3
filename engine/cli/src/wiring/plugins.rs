//! Where plugins of a run come from.

use crate::config::Settings;
use stageway_ports::Guests;
use stageway_stores::PluginDirectories;
pub(crate) use stageway_stores::beside;
use std::sync::Arc;

/// The plugins of the settings.
pub(crate) fn plugins(settings: &Settings, guests: Arc<dyn Guests>) -> PluginDirectories {
    PluginDirectories::new(guests, settings.plugins.clone())
}
