//! Values of secrets from where the policy says they lie: a variable of the engine's environment (`env:NAME`) or a file
//! (`file:PATH`, relative to the folder of the operator's configuration).
//!
//! The value of a variable is taken as it is. Of a file one line end at its end, `\n` or `\r\n`, is not part of the
//! value, because editors and `echo` put it there; anything else is. An empty value is none. A value is read at each
//! use, so a rotated one is seen, and is never kept, logged or put into an error.

mod declared;

pub use declared::{DeclaredSecrets, MAX_SECRET};
