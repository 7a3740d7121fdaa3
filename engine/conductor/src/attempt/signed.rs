//! What an approval before the stage has signed, and what it lets through.

use super::mode::signature;
use super::{Attempt, Halt, Mode};
use stageway_core::call::{Class, Function, HostError};
use stageway_core::digest::Digest;
use std::collections::BTreeSet;

/// The effects that an approval signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignedSet {
    /// Digest of (interface, function, canonical request) of each keyed and unkeyed call, in the order of the plan.
    pub calls: Vec<Digest>,
    /// The same of the call at which the plan ended before the stage: from that call on, the stage's grants alone decide.
    pub open_from: Option<Digest>,
}

/// How far an attempt has come with its signed set.
#[derive(Default)]
pub(super) struct Signed {
    /// Unkeyed calls that were made.
    made: BTreeSet<Digest>,
    open: bool,
}

impl Attempt {
    /// Refuses an effect that the approval did not sign. A keyed call may repeat, an unkeyed one not.
    pub(super) fn check_signed(&self, function: &Function) -> Result<(), Halt> {
        let (Some(set), Mode::Live) = (&self.subject.signed, &self.mode) else { return Ok(()) };
        let class = function.class();
        if !matches!(class, Class::Keyed | Class::Unkeyed) {
            return Ok(());
        }
        let signature = signature(function);
        let (interface, name) = function.name();
        if class == Class::Unkeyed && self.signed.made.contains(&signature) {
            let told =
                format!("{interface}.{name} with this request was approved for once, and has been made");
            return Err(Halt::Tell(HostError::Denied(told)));
        }
        if self.signed.open || set.calls.contains(&signature) {
            return Ok(());
        }
        let told =
            format!("{interface}.{name} with this request is not among the effects that were approved");
        Err(Halt::Tell(HostError::Denied(told)))
    }

    /// Notes a call that has an answer, live and on replay alike.
    pub(super) fn note_signed(&mut self, function: &Function) {
        let Some(set) = &self.subject.signed else { return };
        let class = function.class();
        if class == Class::Read {
            return;
        }
        let signature = signature(function);
        self.signed.open |= set.open_from == Some(signature);
        if class == Class::Unkeyed {
            self.signed.made.insert(signature);
        }
    }
}
