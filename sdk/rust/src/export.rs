//! From a [`Stage`] to the functions that the component exports.

use std::marker::PhantomData;
use std::panic;
use std::sync::Once;

use crate::bindings::exports::stageway::stage::stage::Guest;
use crate::{Issue, Stage, Verdict, log};

/// Exports a type that implements [`Stage`] as the plugin of this crate. Does nothing outside WebAssembly.
#[macro_export]
macro_rules! export {
    ($stage:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, missing_docs)]
        const _: () = {
            type Component = $crate::Exported<$stage>;
    $crate::bindings::export_bindings!(Component with_types_in $crate::bindings);
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() -> $crate::Manifest = <$stage as $crate::Stage>::describe;
    };
}

/// The generated trait implemented through [`Stage`].
pub struct Exported<S>(PhantomData<S>);

impl<S: Stage> Guest for Exported<S> {
    fn describe() -> String {
        report_panics();
        S::describe().to_json()
    }

    fn validate(config: String) -> Vec<Issue> {
        report_panics();
        match serde_json::from_str(&config) {
            Ok(configuration) => S::validate(&configuration),
            Err(error) => vec![Issue::at("", error.to_string())],
        }
    }

    fn run(config: String) -> Result<String, Verdict> {
        report_panics();
        let configuration = serde_json::from_str(&config).map_err(|error| {
            Verdict::errored("stageway/configuration", format!("the configuration is not readable: {error}"))
        })?;
        let outputs = S::run(configuration)?;
        serde_json::to_string(&outputs).map_err(|error| {
            Verdict::errored("stageway/outputs", format!("the outputs are not writable as JSON: {error}"))
        })
    }
}

/// Writes a panic to the log before the instance traps: there is no standard error to print it to.
fn report_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| panic::set_hook(Box::new(|panic| log::error(panic.to_string()))));
}
