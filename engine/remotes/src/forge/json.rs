//! What the shapes of all forges are made of.

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use stageway_core::delivery::{ForgeRepository, HeadChange, Meaning, Push, Revision, cut};
use stageway_core::event::MAX_TEXT;
use stageway_ports::Unreadable;
use std::fmt;
use std::marker::PhantomData;

/// Names of accounts and ids have at most this many bytes, addresses so many.
const MAX_NAME: usize = 256;
const MAX_ADDRESS: usize = 2048;
/// So much is told of what is wrong with a body; it may repeat texts of the body.
const MAX_PROBLEM: usize = 300;

/// Reads the fields of `T` from a body and skips all others.
pub(super) fn parse<'a, T: Deserialize<'a>>(event: &str, body: &'a [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(body).map_err(|error| {
        let problem: String = error.to_string().chars().filter(|c| !c.is_control()).collect();
        // The end says the line and column.
        let problem = match problem.rfind(" at line ") {
            Some(at) if problem.len() > MAX_PROBLEM => format!("{}…{}", cut(&problem, 200), &problem[at..]),
            _ => problem,
        };
        Unreadable::Json { event: event.to_owned(), problem: cut(&problem, MAX_PROBLEM).to_owned() }
    })
}

/// A field that breaks a rule which its type does not know.
pub(super) fn invalid(event: &str, pointer: &str, problem: impl fmt::Display) -> Unreadable {
    let (event, pointer) = (event.to_owned(), pointer.to_owned());
    Unreadable::Invalid { event, pointer, problem: problem.to_string() }
}

/// An object id, or zero for nothing.
pub(super) struct Head(pub(super) Option<Revision>);

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match Revision::is_zero(&text) {
            true => Ok(Self(None)),
            false => Revision::new(text).map(|revision| Self(Some(revision))).map_err(D::Error::custom),
        }
    }
}

/// A text, cut where an event would not take more.
#[derive(Default)]
pub(super) struct Text(pub(super) String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(cut(&text, MAX_TEXT).to_owned()))
    }
}

/// The name of an account.
pub(super) struct Name(pub(super) String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let shown: String = text.chars().filter(|c| !c.is_control()).collect();
        Ok(Self(cut(&shown, MAX_NAME).to_owned()))
    }
}

/// A number or a text that stays the same; one that is too long is no id.
#[derive(PartialEq)]
pub(super) struct Id(pub(super) String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number or a text of at most {MAX_NAME} bytes")
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
                match text.len() {
                    1..=MAX_NAME => Ok(Id(text.to_owned())),
                    _ => Err(E::invalid_length(text.len(), &self)),
                }
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The first `MAX` of a list; whether there are more.
pub(super) struct First<T, const MAX: usize> {
    pub(super) items: Vec<T>,
    pub(super) more: bool,
}

impl<T, const MAX: usize> Default for First<T, MAX> {
    fn default() -> Self {
        Self { items: Vec::new(), more: false }
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for First<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T, const MAX: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
            type Value = First<T, MAX>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut first = First::default();
                while first.items.len() < MAX {
                    let Some(item) = list.next_element()? else { return Ok(first) };
                    first.items.push(item);
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    first.more = true;
                }
                Ok(first)
            }
        }
        deserializer.deserialize_seq(Items(PhantomData))
    }
}

/// Addresses that are there and not absurd.
pub(super) fn addresses(given: impl IntoIterator<Item = Option<String>>) -> Vec<String> {
    let is_address = |text: &String| !text.is_empty() && text.len() <= MAX_ADDRESS;
    given.into_iter().flatten().filter(is_address).take(4).collect()
}

/// A push of one ref. What moves nothing is the forge trying the webhook out.
pub(super) fn push(repository: ForgeRepository, sender: Option<String>, change: HeadChange) -> Meaning {
    pushes(repository, sender, vec![change], false)
}

/// A push of refs.
pub(super) fn pushes(
    repository: ForgeRepository,
    sender: Option<String>,
    mut changes: Vec<HeadChange>,
    partial: bool,
) -> Meaning {
    let all = changes.len();
    changes.retain(|change| !change.is_still());
    match changes.is_empty() {
        true if all > 0 => Meaning::Ping,
        true => Meaning::Unsupported { event: "push of no branch and no tag".into() },
        false => Meaning::Push(Push { repository, sender, changes, partial }),
    }
}
