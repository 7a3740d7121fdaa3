//! Objects that were read lately: whoever reads one again does not wait for the open command, which answers one after the other.

use crate::source::objects::Header;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of all of them, of one repository; more are forgotten all at once.
const MOST_BYTES: usize = 256 << 10;
/// A larger one is read each time.
const LARGEST: usize = 64 << 10;
/// About what one takes beside its bytes.
const BESIDE: usize = 200;

/// An object that was read.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) header: Header,
    pub(super) bytes: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Shelf(Mutex<Held>);

#[derive(Default)]
struct Held {
    objects: HashMap<String, Arc<Object>>,
    bytes: usize,
}

impl Shelf {
    /// The object of a whole name, if it was read lately.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Object>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).objects.get(name).cloned()
    }

    /// Keeps an object under its whole name, whatever it was asked for by.
    pub(super) fn keep(&self, object: Object) -> Arc<Object> {
        let (size, object) = (object.bytes.len() + BESIDE, Arc::new(object));
        if size <= LARGEST {
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if held.bytes + size > MOST_BYTES {
                *held = Held::default();
            }
            if held.objects.insert(object.header.object.clone(), object.clone()).is_none() {
                held.bytes += size;
            }
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: usize, size: usize) -> Object {
        let header = Header { object: format!("{name:040x}"), kind: "blob".into(), size: size as u64 };
        Object { header, bytes: vec![7; size] }
    }

    #[test]
    fn it_keeps_what_is_small_and_never_more_than_fits() {
        let shelf = Shelf::default();
        let kept = shelf.keep(object(1, 10));
        assert!(Arc::ptr_eq(&kept, &shelf.find(&kept.header.object).unwrap()));
        let large = shelf.keep(object(2, LARGEST));
        assert!(shelf.find(&large.header.object).is_none());
        for name in 3..1000 {
            shelf.keep(object(name, 10_000));
            let held = shelf.0.lock().unwrap();
            let bytes: usize = held.objects.values().map(|object| object.bytes.len() + BESIDE).sum();
            assert!(bytes == held.bytes && bytes <= MOST_BYTES, "{bytes}");
        }
        assert!(shelf.find(&object(999, 0).header.object).is_some());
    }
}
