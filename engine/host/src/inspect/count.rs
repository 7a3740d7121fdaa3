use super::Trouble;
use crate::options::ComponentLimits;
use wasmparser::{ImportSectionReader, MemorySectionReader, TableSectionReader, TypeRef};

/// A page of a linear memory, in bytes.
const PAGE: u64 = 64 << 10;

/// Sums over all core modules.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) functions: u32,
    pub(super) modules: u32,
    memories: u32,
    tables: u32,
    /// Of the module that is being read, imported ones too.
    own_memories: u32,
}

impl Counts {
    pub(super) fn module(&mut self, limits: &ComponentLimits) -> Result<(), Trouble> {
        self.own_memories = 0;
        add(&mut self.modules, 1, "core modules", limits.modules)
    }

    pub(super) fn imports(&mut self, section: ImportSectionReader<'_>) -> Result<(), Trouble> {
        for import in section.into_imports() {
            if matches!(import?.ty, TypeRef::Memory(_)) {
                self.own_memory(1)?;
            }
        }
        Ok(())
    }

    /// A module has one memory: the proposal of several is on for wasmtime's own adapters only.
    fn own_memory(&mut self, more: u32) -> Result<(), Trouble> {
        add(&mut self.own_memories, more, "memory of one module", 1)
    }

    pub(super) fn functions(&mut self, more: u32, limits: &ComponentLimits) -> Result<(), Trouble> {
        add(&mut self.functions, more, "functions", limits.functions)
    }

    pub(super) fn memories(
        &mut self,
        section: MemorySectionReader<'_>,
        limits: &ComponentLimits,
    ) -> Result<(), Trouble> {
        add(&mut self.memories, section.count(), "memories", limits.memories)?;
        self.own_memory(section.count())?;
        for memory in section {
            let bytes = memory?.initial.saturating_mul(PAGE);
            if bytes > limits.memory_bytes {
                let most = limits.memory_bytes;
                return Err(Trouble::Refused(format!(
                    "a memory of {bytes} bytes is more than the {most} allowed"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn tables(
        &mut self,
        section: TableSectionReader<'_>,
        limits: &ComponentLimits,
    ) -> Result<(), Trouble> {
        add(&mut self.tables, section.count(), "tables", limits.tables)?;
        for table in section {
            let elements = table?.ty.initial;
            if elements > limits.table_elements {
                let most = limits.table_elements;
                return Err(Trouble::Refused(format!(
                    "a table of {elements} elements is more than the {most} allowed"
                )));
            }
        }
        Ok(())
    }
}

fn add(sum: &mut u32, more: u32, what: &str, limit: u32) -> Result<(), Trouble> {
    *sum = sum.saturating_add(more);
    if *sum > limit { Err(Trouble::over(what, limit)) } else { Ok(()) }
}
