use super::Broken;
use stageway_core::call::HostError;
use std::collections::BTreeMap;
use wasmtime::component::{Resource, ResourceTable};

/// Handles of all kinds that an instance may hold at once.
const ALL: usize = 1024;

/// Something a guest holds by a number.
pub(crate) trait Handle: Send + 'static {
    /// What it is called in messages; one name is one account.
    const KIND: &'static str;
    /// How many of its kind an instance may hold at once.
    const CAP: usize;
}

/// Everything that a guest holds, counted by kind.
pub(crate) struct Handles {
    table: ResourceTable,
    live: BTreeMap<&'static str, usize>,
}

impl Handles {
    pub(crate) fn new() -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(ALL);
        Self { table, live: BTreeMap::new() }
    }

    fn is_full<T: Handle>(&self) -> bool {
        let all: usize = self.live.values().sum();
        all >= ALL || self.live.get(T::KIND).is_some_and(|live| *live >= T::CAP)
    }

    /// Asks for room before a call whose answer becomes a handle.
    ///
    /// # Errors
    /// [`HostError::LimitExceeded`] with the kind.
    pub(crate) fn room<T: Handle>(&self) -> Result<(), HostError> {
        if self.is_full::<T>() {
            let message = format!("at most {} handles of the kind `{}` are held at once", T::CAP, T::KIND);
            return Err(HostError::LimitExceeded(message));
        }
        Ok(())
    }

    /// Takes something in.
    ///
    /// # Errors
    /// When there is no room: where a constructor has no way to say so, the instance ends.
    pub(crate) fn push<T: Handle>(&mut self, value: T) -> wasmtime::Result<Resource<T>> {
        if self.is_full::<T>() {
            return Err(wasmtime::Error::new(Broken::limit("handles")));
        }
        let handle = self.table.push(value)?;
        *self.live.entry(T::KIND).or_default() += 1;
        Ok(handle)
    }

    /// Looks at something.
    pub(crate) fn get<T: Handle>(&self, handle: &Resource<T>) -> wasmtime::Result<&T> {
        Ok(self.table.get(handle)?)
    }

    /// Changes something.
    pub(crate) fn get_mut<T: Handle>(&mut self, handle: &Resource<T>) -> wasmtime::Result<&mut T> {
        Ok(self.table.get_mut(handle)?)
    }

    /// Gives something back.
    pub(crate) fn take<T: Handle>(&mut self, handle: Resource<T>) -> wasmtime::Result<T> {
        let value = self.table.delete(handle)?;
        if let Some(live) = self.live.get_mut(T::KIND) {
            *live = live.saturating_sub(1);
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing;
    impl Handle for Thing {
        const KIND: &'static str = "thing";
        const CAP: usize = 2;
    }

    #[test]
    fn a_kind_has_room_again_after_one_is_given_back() {
        let mut handles = Handles::new();
        let first = handles.push(Thing).unwrap();
        handles.push(Thing).unwrap();
        assert!(matches!(handles.room::<Thing>(), Err(HostError::LimitExceeded(_))));
        let error = handles.push(Thing).unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Broken::Limit(name)) if name == "handles"));
        handles.take(first).unwrap();
        assert_eq!(handles.room::<Thing>(), Ok(()));
    }
}
