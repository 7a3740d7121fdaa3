//! The settings of wasmtime. Compiling and running share [`code`], so that what the child compiles is what is loaded.

use crate::options::ComponentLimits;
use std::num::NonZeroUsize;
use wasmtime::{Config, Enabled, Engine, PoolingAllocationConfig, Result};

/// The native stack of an instance, in bytes; above it the guest's own.
const ASYNC_STACK: usize = 1 << 20;
/// The guest's stack, in bytes.
const GUEST_STACK: usize = 512 << 10;
/// Of the native stack so many bytes are zeroed and kept for the next instance: taking pages from the kernel and giving them
/// back costs more than all else that an instance of a small guest does.
const STACK_KEPT: usize = 32 << 10;
/// Frames shown after a trap.
const FRAMES: usize = 20;
/// Core instances of one component: a Python guest has 38.
pub(crate) const CORE_INSTANCES: u32 = 128;

/// Everything that decides which code is accepted and generated.
///
/// A stage needs plain WebAssembly with SIMD and several tables; every other proposal is off, because most defects of a
/// young proposal's implementation cannot be reached where it is not accepted. Several memories in one module are wasmtime's own,
/// in the adapters that it makes between the components inside a component; a guest's modules are refused them before.
fn code() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .gc_support(false)
        .wasm_gc(false)
        .wasm_exceptions(false)
        .wasm_function_references(false)
        .wasm_threads(false)
        .wasm_shared_everything_threads(false)
        .shared_memory(false)
        .wasm_memory64(false)
        .wasm_multi_memory(true)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false)
        .wasm_custom_page_sizes(false)
        .cranelift_nan_canonicalization(true)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .parallel_compilation(true)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(ASYNC_STACK)
        .async_stack_zeroing(true)
        .wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES));
    config
}

/// An engine that only compiles.
///
/// # Errors
/// When wasmtime refuses the settings.
pub(crate) fn compiling() -> Result<Engine> {
    Engine::new(&code())
}

/// The engine that guests run on, with memory reserved for all instances at once.
///
/// # Errors
/// When the address space cannot be reserved.
pub(crate) fn running(instances: u32, bounds: &ComponentLimits) -> Result<Engine> {
    let mut config = code();
    config.allocation_strategy(pool(instances, bounds));
    Engine::new(&config)
}

fn pool(instances: u32, bounds: &ComponentLimits) -> PoolingAllocationConfig {
    let instances = instances.max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_stacks(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances.saturating_mul(bounds.memories))
        .total_tables(instances.saturating_mul(bounds.tables))
        .total_gc_heaps(0)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(bounds.memories)
        .max_tables_per_component(bounds.tables)
        .max_tables_per_module(bounds.tables)
        .max_memory_size(usize::try_from(bounds.memory_bytes).unwrap_or(usize::MAX))
        .table_elements(usize::try_from(bounds.table_elements).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(8 << 20)
        .table_keep_resident(1 << 20)
        .async_stack_keep_resident(STACK_KEPT)
        .pagemap_scan(Enabled::Auto);
    pool
}
