use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// How a [`Host`](crate::Host) is set up.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Where compiled components and the key that authenticates them are kept; created if it is absent, readable by its
    /// owner only.
    pub directory: PathBuf,
    /// Who compiles.
    pub compile_by: CompileBy,
    /// Bounds of one compilation.
    pub compile: CompileLimits,
    /// What a component may hold.
    pub component: ComponentLimits,
    /// Instances that may live at the same time.
    pub instances: u32,
    /// Components kept ready in this process.
    pub prepared: usize,
    /// Bytes of compiled components kept on disk.
    pub cache_bytes: u64,
}

impl HostOptions {
    /// The defaults of the engine, with everything kept below `directory`.
    pub fn new(directory: impl Into<PathBuf>, compile_by: CompileBy) -> Self {
        Self {
            directory: directory.into(),
            compile_by,
            compile: CompileLimits::default(),
            component: ComponentLimits::default(),
            instances: 128,
            prepared: 512,
            cache_bytes: 2 << 30,
        }
    }
}

/// Who turns a component into machine code.
#[derive(Debug, Clone)]
pub enum CompileBy {
    /// A child process that ends in [`compile_child`](crate::compile_child).
    Child {
        /// The program, usually the running one.
        program: PathBuf,
        /// What makes it call [`compile_child`](crate::compile_child); the host adds its own arguments after these.
        arguments: Vec<OsString>,
    },
    /// This process, without a bound on memory. Only for tests.
    InProcess,
}

/// Bounds of one compilation.
#[derive(Debug, Clone, Copy)]
pub struct CompileLimits {
    /// Memory of the child, in bytes.
    pub memory_bytes: u64,
    /// From start to end.
    pub time: Duration,
    /// Compilations at the same time.
    pub parallel: usize,
}

/// Seconds of a compilation. Python takes a tenth of them in a release; a compiler that was not optimized takes six times as long.
const COMPILE_SECONDS: u64 = if cfg!(debug_assertions) { 360 } else { 60 };

impl Default for CompileLimits {
    fn default() -> Self {
        Self { memory_bytes: 1 << 30, time: Duration::from_secs(COMPILE_SECONDS), parallel: 2 }
    }
}

/// What a component may hold. All of it is counted before anything is compiled.
#[derive(Debug, Clone, Copy)]
pub struct ComponentLimits {
    /// Bytes of the binary.
    pub bytes: u64,
    /// Functions of all core modules.
    pub functions: u32,
    /// Imports of the component.
    pub imports: u32,
    /// Exports of the component.
    pub exports: u32,
    /// Core modules.
    pub modules: u32,
    /// Components and modules within each other.
    pub nesting: u32,
    /// Linear memories.
    pub memories: u32,
    /// Tables.
    pub tables: u32,
    /// Elements of one table.
    pub table_elements: u64,
    /// Bytes of one linear memory.
    pub memory_bytes: u64,
}

impl Default for ComponentLimits {
    fn default() -> Self {
        Self {
            bytes: 32 << 20,
            functions: 100_000,
            imports: 512,
            exports: 64,
            modules: 128,
            nesting: 8,
            memories: 4,
            tables: 16,
            table_elements: 20_000,
            memory_bytes: 512 << 20,
        }
    }
}
