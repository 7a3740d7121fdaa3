//! What a component imports, and which of it needs a grant.

use super::Interface;
use crate::diagnostic::{Code, codes};
use semver::Version;
use std::collections::BTreeSet;

/// The version of the contract that this engine speaks. In 0.x the minor is the breaking number.
pub const CONTRACT: Version = Version::new(0, 1, 0);

/// Always linked; they grant nothing.
const ALWAYS: [&str; 6] = ["types", "handles", "log", "invocation", "clock", "reports"];
/// The packages of the inert WASI baseline.
const BASELINE: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// An import that cannot be linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportFault {
    /// Unknown, or of another version.
    pub code: Code,
    /// What is wrong with it.
    pub message: String,
}

/// The interfaces of a component that need a grant, and every import that cannot be linked.
pub fn classify(imports: &BTreeSet<String>) -> (BTreeSet<Interface>, Vec<ImportFault>) {
    let (mut interfaces, mut faults) = (BTreeSet::new(), Vec::new());
    for import in imports {
        match one(import) {
            Ok(interface) => interfaces.extend(interface),
            Err(fault) => faults.push(fault),
        }
    }
    (interfaces, faults)
}

fn one(import: &str) -> Result<Option<Interface>, ImportFault> {
    let shown = crate::document::reader::cut(import);
    let unknown = || ImportFault {
        code: codes::IMPORT_UNKNOWN,
        message: format!("the component imports `{shown}`, which nothing links"),
    };
    let (path, version) = import.split_once('@').ok_or_else(unknown)?;
    let version = Version::parse(version).map_err(|_| unknown())?;
    let (package, name) = path.split_once('/').ok_or_else(unknown)?;
    if let Some(area) = package.strip_prefix("wasi:") {
        let baseline = BASELINE.contains(&area) && (version.major, version.minor) == (0, 2);
        return if baseline { Ok(None) } else { Err(unknown()) };
    }
    if package != "stageway:host" {
        return Err(unknown());
    }
    let interface = Interface::of(name);
    if interface.is_none() && !ALWAYS.contains(&name) {
        return Err(unknown());
    }
    if !speaks(&version) {
        let message = format!("the component imports `{shown}`, and this engine speaks {CONTRACT}");
        return Err(ImportFault { code: codes::IMPORT_VERSION, message });
    }
    Ok(interface)
}

/// Whether a component of this version of the contract links.
fn speaks(version: &Version) -> bool {
    let same = version.major == CONTRACT.major && version.pre.is_empty();
    if CONTRACT.major == 0 { same && version.minor == CONTRACT.minor } else { same }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_told_apart() {
        let imports = [
            "stageway:host/log@0.1.0",
            "stageway:host/tasks@0.1.3",
            "stageway:host/handles@0.1.0",
            "wasi:io/streams@0.2.3",
            "stageway:host/http@0.2.0",
            "stageway:host/shell@0.1.0",
            "wasi:http/outgoing-handler@0.2.3",
            "wasi:io/streams@0.3.0",
            "env",
            "evil:x/tasks@0.1.0",
        ];
        let (interfaces, faults) = classify(&imports.map(str::to_owned).into());
        assert_eq!(interfaces, BTreeSet::from([Interface::Tasks]));
        let told: Vec<_> = faults.iter().map(|fault| fault.code).collect();
        let unknown = codes::IMPORT_UNKNOWN;
        assert_eq!(told, [unknown, unknown, codes::IMPORT_VERSION, unknown, unknown, unknown]);
    }
}
