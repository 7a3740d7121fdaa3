//! The contract as this workbench knows it, and the narrow world of a plugin.

use super::BuildError;
use wit_parser::{Resolve, WorldId};

/// The version of the contract's packages.
pub const VERSION: &str = "0.1.0";

/// Interfaces of `stageway:host` that every plugin may import: linking them grants nothing.
pub const ALWAYS_LINKED: &[&str] = &["types", "handles", "log", "invocation", "clock", "reports"];

/// Interfaces of `stageway:host` that need a grant.
pub const GRANTED: &[&str] = &[
    "approvals",
    "artifacts",
    "cluster",
    "environments",
    "http",
    "images",
    "secrets",
    "source",
    "tasks",
    "workspace",
];

const HOST: &str = include_str!("../../../../wit/deps/stageway-host/host.wit");
const STAGE: &str = include_str!("../../../../wit/stage.wit");

/// The world `pure-stage` with some interfaces beside.
pub(super) fn narrow_world(interfaces: &[String]) -> Result<(Resolve, WorldId), BuildError> {
    let failed = |error: &dyn std::fmt::Display| {
        BuildError::Encode(format!("the contract is not readable: {error:#}"))
    };
    let mut resolve = Resolve::default();
    resolve.push_str("host.wit", HOST).map_err(|error| failed(&error))?;
    resolve.push_str("stage.wit", STAGE).map_err(|error| failed(&error))?;
    let package = resolve.push_str("plugin.wit", &world_text(interfaces)).map_err(|error| failed(&error))?;
    let world = resolve.select_world(&[package], Some("plugin")).map_err(|error| failed(&error))?;
    Ok((resolve, world))
}

fn world_text(interfaces: &[String]) -> String {
    let imports: String =
        interfaces.iter().map(|name| format!("  import stageway:host/{name}@{VERSION};\n")).collect();
    format!(
        "package stageway:plugin;\nworld plugin {{\n  include stageway:stage/pure-stage@{VERSION};\n{imports}}}\n"
    )
}

/// The short name of an interface of this contract's version: `tasks` of `stageway:host/tasks@0.1.0`.
pub(super) fn short_name(import: &str) -> Option<&str> {
    import.strip_prefix("stageway:host/")?.strip_suffix(VERSION)?.strip_suffix('@')
}

#[cfg(test)]
mod tests {
    use super::*;
    use wit_parser::WorldItem;

    #[test]
    fn the_tables_name_every_interface_of_the_contract() {
        let (resolve, _) = narrow_world(&[]).unwrap();
        let host = resolve.packages.iter().find(|(_, package)| package.name.name == "host").unwrap().1;
        let mut named: Vec<&str> = ALWAYS_LINKED.iter().chain(GRANTED).copied().collect();
        let mut there: Vec<&str> = host.interfaces.keys().map(String::as_str).collect();
        named.sort_unstable();
        there.sort_unstable();
        assert_eq!(named, there);
        assert_eq!(host.name.version.as_ref().unwrap().to_string(), VERSION);
    }

    /// A `use`d resource drags its interface into every world that mentions it.
    #[test]
    fn a_world_with_one_interface_has_it_and_always_linked_ones_only() {
        for interface in GRANTED {
            let (resolve, world) = narrow_world(&[(*interface).to_owned()]).unwrap();
            let imports = resolve.worlds[world].imports.iter().filter_map(|(key, item)| match item {
                WorldItem::Interface { .. } => Some(resolve.name_world_key(key)),
                _ => None,
            });
            for import in imports {
                let name = short_name(&import).unwrap();
                assert!(name == *interface || ALWAYS_LINKED.contains(&name), "{interface} drags in {import}");
            }
        }
    }
}
