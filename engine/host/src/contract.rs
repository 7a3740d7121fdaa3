//! The interfaces of the contract and the versions that are spoken here.

use semver::Version;
use stageway_core::call::CONTRACT;
use stageway_core::grant::Interface;

/// The package of everything that a plugin may import.
pub(crate) const HOST: &str = "stageway:host";
/// The interface that a plugin exports.
pub(crate) const STAGE: &str = "stageway:stage/stage";
/// The custom section that holds the manifest.
pub(crate) const MANIFEST: &str = "stageway:manifest";
/// Interfaces that are always linked.
pub(crate) const ALWAYS: &[&str] = &["types", "handles", "log", "invocation", "clock", "reports"];

/// An import or export as it is spelled, taken apart: `stageway:host/tasks@0.1.0`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    /// `stageway:host`
    pub(crate) package: &'a str,
    /// `tasks`
    pub(crate) interface: &'a str,
    /// `0.1.0`
    pub(crate) version: Option<Version>,
}

impl<'a> Name<'a> {
    /// None for a name that is no interface of a package.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, Some(Version::parse(version).ok()?)),
            None => (text, None),
        };
        let (package, interface) = path.split_once('/')?;
        Some(Self { package, interface, version })
    }
}

/// Whether something built for `wanted` works with what is offered. From 1.0 on the major must be the same, before that
/// the minor; a higher patch or minor only adds functions.
pub(crate) fn speaks(wanted: &Version, offered: &Version) -> bool {
    if !wanted.pre.is_empty() || !offered.pre.is_empty() {
        return wanted == offered;
    }
    wanted.major == offered.major && (wanted.major > 0 || wanted.minor == offered.minor)
}

/// The version of the contract that is offered.
pub(crate) fn offered() -> Version {
    Version::parse(CONTRACT).expect("the contract's own version is a semantic version")
}

/// Whether the contract has an interface of this name.
pub(crate) fn knows(interface: &str) -> bool {
    ALWAYS.contains(&interface) || Interface::of(interface).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let name = Name::parse("stageway:host/tasks@0.1.0").unwrap();
        assert_eq!((name.package, name.interface), (HOST, "tasks"));
        assert_eq!(name.version, Some(Version::new(0, 1, 0)));
        assert_eq!(Name::parse("wasi:io/poll").unwrap().version, None);
        assert!(Name::parse("plain").is_none() && Name::parse("a:b/c@x").is_none());
    }

    #[test]
    fn the_breaking_number_decides() {
        for (wanted, offered, expected) in [
            ("0.1.0", "0.1.0", true),
            ("0.1.7", "0.1.0", true),
            ("0.2.0", "0.1.0", false),
            ("1.0.0", "1.1.0", true),
            ("1.2.0", "1.1.0", true),
            ("2.0.0", "1.1.0", false),
            ("0.1.0-rc.1", "0.1.0", false),
        ] {
            let speaks = speaks(&Version::parse(wanted).unwrap(), &Version::parse(offered).unwrap());
            assert_eq!(speaks, expected, "{wanted} on {offered}");
        }
    }
}
