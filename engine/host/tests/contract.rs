//! The class comments of the contract and the table of classes say the same.
#![allow(clippy::unwrap_used, clippy::panic)]

use stageway_core::call::Class;
use stageway_core::call::class::TABLE;
use stageway_core::grant::Interface;
use std::collections::BTreeMap;
use wit_parser::{Function, FunctionKind, Resolve, TypeDefKind, TypeId, WorldItem};

/// Builders: their members are local and never cross.
const BUILDERS: [&str; 2] = ["request", "command"];
const CLASSES: [Class; 6] =
    [Class::Fact, Class::Local, Class::Read, Class::Wait, Class::Keyed, Class::Unkeyed];

type Classes = BTreeMap<(String, String), Vec<Class>>;

/// The classes a comment names in brackets, in the order they stand.
fn classes(comment: &str) -> Vec<Class> {
    let mut found: Vec<(usize, Class)> = CLASSES
        .into_iter()
        .filter_map(|class| Some((comment.find(&format!("[{}]", class.as_str()))?, class)))
        .collect();
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, class)| class).collect()
}

fn resource(resolve: &Resolve, id: TypeId) -> String {
    assert_eq!(resolve.types[id].kind, TypeDefKind::Resource);
    resolve.types[id].name.clone().unwrap()
}

/// The function's name in the table; none for a builder's member.
fn name(resolve: &Resolve, function: &Function) -> Option<String> {
    match function.kind {
        FunctionKind::Freestanding => Some(function.name.clone()),
        FunctionKind::Method(id) | FunctionKind::Constructor(id) => {
            let resource = resource(resolve, id);
            let is_builder = BUILDERS.contains(&resource.as_str());
            (!is_builder).then(|| format!("{resource}.{}", function.item_name()))
        }
        ref kind => panic!("the contract has no functions of the kind {kind:?}"),
    }
}

fn of_comments() -> Classes {
    let mut resolve = Resolve::default();
    resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
    let (package, _) = resolve.packages.iter().find(|(_, package)| package.name.name == "host").unwrap();
    let mut classes_of = Classes::new();
    for (interface, id) in &resolve.packages[package].interfaces {
        for function in resolve.interfaces[*id].functions.values() {
            let comment = function.docs.contents.as_deref().unwrap_or_default();
            let found = classes(comment);
            match name(&resolve, function) {
                None => assert_eq!(found, [], "{interface}.{} is a builder's member", function.name),
                Some(name) => {
                    classes_of.insert((interface.clone(), name), found);
                }
            }
        }
    }
    classes_of
}

#[test]
fn comments_and_table_agree() {
    let of_table: Classes = TABLE
        .iter()
        .map(|member| ((member.interface.to_owned(), member.function.to_owned()), member.classes.to_vec()))
        .collect();
    assert_eq!(of_table.len(), TABLE.len(), "a function stands in the table twice");
    let of_comments = of_comments();
    assert!(of_comments.len() > 50, "the contract was read: {}", of_comments.len());
    assert_eq!(of_comments, of_table);
}

/// Interfaces that a world gets by naming one of them.
fn dragged_along(interface: &str) -> Vec<String> {
    let mut resolve = Resolve::default();
    resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap();
    let world = format!("package test:narrow; world narrow {{ import stageway:host/{interface}@0.1.0; }}");
    let package = resolve.push_str("narrow.wit", &world).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let imports = resolve.worlds[world].imports.values().map(|item| match item {
        WorldItem::Interface { id, .. } => resolve.interfaces[*id].name.clone().unwrap(),
        item => panic!("a world imports interfaces only: {item:?}"),
    });
    imports.collect()
}

#[test]
fn an_interface_drags_in_none_that_needs_a_grant() {
    let always = ["types", "handles", "log", "invocation", "clock", "reports"];
    for interface in Interface::WORDS {
        let dragged = dragged_along(interface);
        assert!(dragged.contains(&(*interface).to_owned()), "{interface}: {dragged:?}");
        for other in dragged {
            let is_free = always.contains(&other.as_str()) || other == *interface;
            assert!(is_free, "`{interface}` drags in `{other}`");
        }
    }
}
