//! Which imports are linked, and why the others are not.

use crate::bindings::stageway::host as interfaces;
use crate::contract::{self, ALWAYS, HOST, Name};
use crate::guest::Guest;
use crate::wasi;
use stageway_core::grant::{Grants, Interface};
use stageway_ports::{GuestError, Linking};
use wasmtime::component::{Component, HasSelf, Linker};

/// The sentence with the line that would grant an interface.
pub(crate) fn not_granted(interface: Interface) -> String {
    match Grants::default().allows(interface) {
        Err(denied) => denied.to_string(),
        Ok(()) => "not granted".to_owned(),
    }
}

/// Whether every import may be linked.
///
/// # Errors
/// [`GuestError::NotLinked`] with every import that may not, and the reason of each.
pub(crate) fn check(imports: &[String], linking: &Linking) -> Result<(), GuestError> {
    let reasons: Vec<String> = imports
        .iter()
        .filter_map(|import| obstacle(import, linking).map(|reason| format!("`{import}`: {reason}")))
        .collect();
    if reasons.is_empty() { Ok(()) } else { Err(GuestError::NotLinked(reasons)) }
}

/// Whether an import is linked to every run.
pub(crate) fn is_free(import: &str) -> bool {
    obstacle(import, &Linking::default()).is_none()
}

/// A linking that grants all there is: for calls that may not make any.
pub(crate) fn everything() -> Linking {
    Linking {
        granted: Interface::WORDS.iter().map(|word| (*word).to_owned()).collect(),
        ..Linking::default()
    }
}

fn obstacle(import: &str, linking: &Linking) -> Option<String> {
    let Some(name) = Name::parse(import) else {
        return Some("not an interface of a package; this engine offers nothing of that name".to_owned());
    };
    if name.package == HOST {
        return missing_version(&name, &contract::offered()).or_else(|| ungranted(name.interface, linking));
    }
    if wasi::knows(name.package, name.interface) {
        return missing_version(&name, &wasi::offered());
    }
    Some(
        "unknown interface; a plugin imports interfaces of `stageway:host` and the WASI baseline only"
            .to_owned(),
    )
}

fn missing_version(name: &Name<'_>, offered: &semver::Version) -> Option<String> {
    match &name.version {
        Some(version) if contract::speaks(version, offered) => None,
        Some(version) => Some(format!("wrong version {version}; this engine offers {offered}")),
        None => Some(format!("it names no version; this engine offers {offered}")),
    }
}

fn ungranted(interface: &str, linking: &Linking) -> Option<String> {
    if ALWAYS.contains(&interface) {
        return None;
    }
    match Interface::of(interface) {
        None => Some(format!("unknown interface; `{HOST}` has none of that name")),
        Some(_) if linking.granted.contains(interface) || linking.denied.contains(interface) => None,
        Some(interface) => Some(not_granted(interface)),
    }
}

/// Links the interfaces that a component imports. Whether it may have them is decided before each run by [`check`];
/// a function of an interface that is only optional looks at the instance's own state and answers `denied`.
///
/// # Errors
/// What wasmtime says about an interface defined twice, which cannot be.
pub(crate) fn link(
    linker: &mut Linker<Guest>,
    component: &Component,
    imports: &[String],
) -> wasmtime::Result<()> {
    let mut linked = Vec::new();
    for name in imports.iter().filter_map(|import| Name::parse(import)) {
        if name.package == HOST && contract::knows(name.interface) && !linked.contains(&name.interface) {
            add(linker, name.interface)?;
            linked.push(name.interface);
        }
    }
    wasi::link(linker, component, imports)
}

/// Adds one interface of the contract.
fn add(linker: &mut Linker<Guest>, interface: &str) -> wasmtime::Result<()> {
    macro_rules! add {
        ($($word:literal => $module:ident),* $(,)?) => {
            match interface {
                $($word => interfaces::$module::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest),)*
                _ => Ok(()),
            }
        };
    }
    add! {
        "types" => types,
        "handles" => handles,
        "log" => log,
        "invocation" => invocation,
        "clock" => clock,
        "reports" => reports,
        "workspace" => workspace,
        "secrets" => secrets,
        "http" => http,
        "tasks" => tasks,
        "images" => images,
        "cluster" => cluster,
        "environments" => environments,
        "approvals" => approvals,
        "source" => source,
        "artifacts" => artifacts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_import_that_is_not_linked_has_its_own_reason() {
        let linking =
            Linking { granted: ["workspace".to_owned()].into(), denied: ["secrets".to_owned()].into() };
        let import = |text: &str| text.to_owned();
        assert_eq!(
            check(
                &[
                    import("stageway:host/log@0.1.0"),
                    import("stageway:host/workspace@0.1.3"),
                    import("stageway:host/secrets@0.1.0")
                ],
                &linking
            ),
            Ok(())
        );
        let Err(GuestError::NotLinked(reasons)) = check(
            &[
                import("stageway:host/tasks@0.1.0"),
                import("stageway:host/log@0.2.0"),
                import("stageway:host/telepathy@0.1.0"),
                import("acme:tools/x@1.0.0"),
                import("run"),
            ],
            &linking,
        ) else {
            panic!("five imports are not linked")
        };
        assert_eq!(reasons.len(), 5);
        assert!(
            reasons[0].contains("not granted") && reasons[0].contains("grants: { tasks"),
            "{}",
            reasons[0]
        );
        assert!(reasons[1].contains("wrong version 0.2.0; this engine offers 0.1.0"), "{}", reasons[1]);
        assert!(reasons[2].contains("unknown interface"), "{}", reasons[2]);
        assert!(reasons[3].contains("unknown interface"), "{}", reasons[3]);
        assert!(reasons[4].contains("not an interface"), "{}", reasons[4]);
    }
}
