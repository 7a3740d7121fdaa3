//! Where plugins of a run come from.

use crate::config::Settings;
use stageway_ports::Guests;
use stageway_stores::PluginDirectories;
use std::path::Path;
use std::sync::Arc;

/// The plugins of the settings, and those beside a pipeline file in this folder.
pub(crate) fn plugins(settings: &Settings, guests: Arc<dyn Guests>, folder: &Path) -> PluginDirectories {
    PluginDirectories::new(guests, settings.plugins.clone(), folder)
}
