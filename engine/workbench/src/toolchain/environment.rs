//! What a build must not inherit: this process may itself have been started by cargo or rustup.

use std::process::Command;

/// Settings of the person or machine that stay.
const KEPT: &[&str] = &["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR", "CARGO_TERM_"];

/// Removes what another build set: compiler, flags, target directory, profiles, the crate being built.
pub(super) fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        if is_foreign(text) {
            command.env_remove(&name);
        }
    }
    command.env("CARGO_TERM_COLOR", "never").env("RUSTUP_AUTO_INSTALL", "0");
}

fn is_foreign(name: &str) -> bool {
    let cargo = name.starts_with("CARGO") && !KEPT.iter().any(|kept| name.starts_with(kept));
    cargo
        || matches!(
            name,
            "RUSTC"
                | "RUSTC_WRAPPER"
                | "RUSTC_WORKSPACE_WRAPPER"
                | "RUSTC_BOOTSTRAP"
                | "RUSTFLAGS"
                | "RUSTDOC"
                | "RUSTDOCFLAGS"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_another_build_go_and_those_of_the_machine_stay() {
        for foreign in [
            "CARGO",
            "CARGO_TARGET_DIR",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTFLAGS",
            "RUSTC",
        ] {
            assert!(is_foreign(foreign), "{foreign}");
        }
        for own in [
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_REGISTRIES_X_INDEX",
            "RUSTUP_HOME",
            "RUST_BACKTRACE",
            "PATH",
        ] {
            assert!(!is_foreign(own), "{own}");
        }
    }
}
