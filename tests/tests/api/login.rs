//! Tokens and logins.

use crate::person::{Person, Token};
use crate::world::World;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_login_is_tried_out_and_kept_for_its_owner_alone() {
    let token = Token::new("reader", &["read"]);
    assert!(token.text.starts_with("sw_") && token.text.len() == 67, "{}", token.text);
    let world = World::with(&Token::configuration(&[&token]));
    let server = world.start();
    let person = Person::new(&world, &server);
    assert_eq!(person.output(&["runs"]).status.code(), Some(2), "nobody is logged in");
    let wrong = person.login("sw_wrong");
    assert_eq!(wrong.status.code(), Some(13), "{wrong:?}");
    assert!(!person.servers().exists(), "what does not work is not kept");
    let right = person.login(&token.text);
    let said = String::from_utf8_lossy(&right.stdout).into_owned();
    assert!(said.contains("as `reader`, tenant local: read"), "{right:?}");
    assert!(!said.contains(&token.text));
    let mode = std::fs::metadata(person.servers()).expect("it is kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(person.said(&["runs", "--json"]), "");
    for (arguments, exit) in
        [(&["freeze"][..], 13), (&["redeliver", "01ABC"], 13), (&["show", "7"], 2), (&["show"], 2)]
    {
        let output = person.output(arguments);
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {output:?}");
    }
}

#[test]
fn a_server_that_is_gone_is_told() {
    let token = Token::new("reader", &["read"]);
    let world = World::with(&Token::configuration(&[&token]));
    let server = world.start();
    let person = Person::new(&world, &server);
    assert!(person.login(&token.text).status.success());
    server.kill();
    let output = person.output(&["runs"]);
    assert_eq!(output.status.code(), Some(11), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("does not answer"), "{output:?}");
}
