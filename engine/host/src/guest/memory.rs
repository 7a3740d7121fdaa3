use super::Broken;
use crate::engine::CORE_INSTANCES;
use wasmtime::{Error, ResourceLimiter, Result};

/// Linear memory of all memories of an instance together, and its tables.
///
/// What would go over ends the instance with the limit's name: a guest whose allocator gives up says only `unreachable`.
/// A memory's or table's own maximum is the guest's business and answers -1.
pub(crate) struct Memory {
    limit: u64,
    used: u64,
    table_elements: usize,
    tables: usize,
    memories: usize,
}

impl Memory {
    pub(crate) fn new(limit: u64, bounds: &crate::options::ComponentLimits) -> Self {
        Self {
            limit: limit.min(bounds.memory_bytes),
            used: 0,
            table_elements: usize::try_from(bounds.table_elements).unwrap_or(usize::MAX),
            tables: bounds.tables as usize,
            memories: bounds.memories as usize,
        }
    }

    /// Bytes in use; memories never shrink, so this is also the most.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current) as u64);
        if used > self.limit {
            return Err(Error::new(Broken::limit("memory-bytes")));
        }
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.used = used;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        Err(Error::new(Broken::fault(format!("a guest's memory could not grow: {error}"))))
    }

    fn table_growing(&mut self, _current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        if desired > self.table_elements {
            return Err(Error::new(Broken::limit("table-elements")));
        }
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        self.tables
    }

    fn memories(&self) -> usize {
        self.memories
    }
}
