//! The journal of an attempt: every call of a guest that changes, reads or waits for the outside.
//!
//! Entry 0 is the [`Header`]; entries 1 to n are calls, an [`Intent`] before the [`Entry`] where the class demands it; the
//! [`End`] is the last. A [`Cursor`] answers the calls of a guest that is started again.

mod canonical;
mod cursor;
mod large;
mod record;
mod size;

pub use canonical::{canonical, canonical_value};
pub use cursor::{Cursor, CursorError, Next};
pub use large::{INLINE_BYTES, Restored, WHOLE_BYTES, blobs_of, externalize, restore};
pub use record::{End, Entry, FORMAT, Fact, Header, Intent, Outcome, Record};
pub use size::Size;

pub use crate::call::class;
