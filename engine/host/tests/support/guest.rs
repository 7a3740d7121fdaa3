use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW1, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Where the pieces of a guest start that are written by the tests: `$say` and `$text` use what lies below.
const DATA: usize = 1024;

/// A guest as the pieces of a core module.
///
/// Its functions: `$ok (ptr, len)` answers outputs, `$failed (ptr, len)` a `failed` whose code and message are that text,
/// `$alloc (len)` takes memory. A text placed with [`Plugin::text`] is known as `$NAME` (its place) and `$NAME_len`.
#[derive(Clone)]
pub struct Plugin {
    world: String,
    wit: Option<String>,
    version: &'static str,
    imports: String,
    globals: String,
    data: String,
    next: usize,
    functions: String,
    describe: String,
    validate: String,
    run: String,
    memory: u32,
    manifest: Option<Vec<u8>>,
    is_adapted: bool,
}

impl Plugin {
    /// Answers its configuration as its outputs.
    pub fn echo() -> Self {
        Self {
            world: "stage-plugin".to_owned(),
            wit: None,
            version: "0.1.0",
            imports: String::new(),
            globals: String::new(),
            data: String::new(),
            next: DATA,
            functions: String::new(),
            describe: "(call $text (global.get $manifest) (global.get $manifest_len))".to_owned(),
            validate: "(call $text (i32.const 8) (i32.const 0))".to_owned(),
            run: "(call $ok (local.get 0) (local.get 1))".to_owned(),
            memory: 2,
            manifest: None,
            is_adapted: false,
        }
        .text("manifest", "{}")
    }

    /// What `run` does, with the configuration in locals 0 and 1.
    pub fn run(mut self, body: &str) -> Self {
        self.run = body.to_owned();
        self
    }

    pub fn describe(mut self, body: &str) -> Self {
        self.describe = body.to_owned();
        self
    }

    pub fn validate(mut self, body: &str) -> Self {
        self.validate = body.to_owned();
        self
    }

    /// Another world, written in WIT, whose stage has this version.
    pub fn world(mut self, wit: &str, world: &str, version: &'static str) -> Self {
        self.wit = Some(wit.to_owned());
        self.world = world.to_owned();
        self.version = version;
        self
    }

    /// Imports `function` of `stageway:host/INTERFACE` as `$NAME`.
    pub fn import(self, interface: &str, function: &str, name: &str, signature: &str) -> Self {
        self.import_from(&format!("stageway:host/{interface}@0.1.0"), function, name, signature)
    }

    /// Imports `function` of any interface as `$NAME`.
    pub fn import_from(mut self, interface: &str, function: &str, name: &str, signature: &str) -> Self {
        self.imports += &format!("(import \"{interface}\" \"{function}\" (func ${name} {signature}))\n");
        self
    }

    /// Imports a function of WASI preview 1 as `$NAME`; the adapter that Go guests are encoded with turns it into 0.2.
    pub fn preview1(mut self, function: &str, signature: &str) -> Self {
        self.imports += &format!("(import \"{PREVIEW1}\" \"{function}\" (func ${function} {signature}))\n");
        self.is_adapted = true;
        self
    }

    /// Puts a text into memory.
    pub fn text(mut self, name: &str, text: &str) -> Self {
        let bytes: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        self.data += &format!("(data (i32.const {}) \"{bytes}\")\n", self.next);
        self.globals += &format!(
            "(global ${name} i32 (i32.const {})) (global ${name}_len i32 (i32.const {}))\n",
            self.next,
            text.len()
        );
        self.next += text.len().next_multiple_of(8);
        self
    }

    /// More functions, tables, a start.
    pub fn with(mut self, text: &str) -> Self {
        self.functions += text;
        self
    }

    /// Pages of memory at the start.
    pub fn memory(mut self, pages: u32) -> Self {
        self.memory = pages;
        self
    }

    /// The custom section with the manifest.
    pub fn manifest(mut self, section: &[u8]) -> Self {
        self.manifest = Some(section.to_vec());
        self
    }

    fn module(&self) -> String {
        let Self { version, imports, globals, data, functions, describe, validate, run, memory, .. } = self;
        format!(
            r#"(module
{imports}
(memory (export "memory") {memory})
(global $heap (mut i32) (i32.const 65536))
{globals}{data}
(func $alloc (export "alloc") (param $len i32) (result i32) (local $at i32)
  (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
  (global.set $heap (i32.add (local.get $at) (local.get $len)))
  (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
    (then (drop (memory.grow (i32.add (i32.div_u (local.get $len) (i32.const 65536)) (i32.const 1))))))
  (local.get $at))
(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (call $alloc (local.get 3)))
(func $text (param i32 i32) (result i32)
  (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16))
(func $ok (param i32 i32) (result i32)
  (i32.store (i32.const 32) (i32.const 0))
  (i32.store (i32.const 36) (local.get 0)) (i32.store (i32.const 40) (local.get 1)) (i32.const 32))
(func $failed (param i32 i32) (result i32)
  (i32.store (i32.const 32) (i32.const 1)) (i32.store (i32.const 36) (i32.const 0))
  (i32.store (i32.const 40) (local.get 0)) (i32.store (i32.const 44) (local.get 1))
  (i32.store (i32.const 48) (local.get 0)) (i32.store (i32.const 52) (local.get 1))
  (i32.store (i32.const 56) (i32.const 0)) (i32.const 32))
{functions}
(func $describe (export "stageway:stage/stage@{version}#describe") (result i32) {describe})
(func $validate (export "stageway:stage/stage@{version}#validate") (param i32 i32) (result i32) {validate})
(func $run (export "stageway:stage/stage@{version}#run") (param i32 i32) (result i32) {run}))"#
        )
    }

    /// The component.
    pub fn encode(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.module()).unwrap();
        let mut resolve = Resolve::default();
        let package = match &self.wit {
            None => resolve.push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap().0,
            Some(wit) => resolve.push_str("test.wit", wit).unwrap(),
        };
        let world = resolve.select_world(&[package], Some(&self.world)).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        let mut encoder = ComponentEncoder::default().module(&module).unwrap().validate(true);
        if self.is_adapted {
            encoder = encoder.adapter(PREVIEW1, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER).unwrap();
        }
        let mut bytes = encoder.encode().unwrap();
        if let Some(manifest) = &self.manifest {
            append_section(&mut bytes, "stageway:manifest", manifest);
        }
        bytes
    }
}

/// Appends a custom section.
pub fn append_section(bytes: &mut Vec<u8>, name: &str, data: &[u8]) {
    let mut body = Vec::new();
    leb128(&mut body, name.len());
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    bytes.push(0);
    leb128(bytes, body.len());
    bytes.extend(body);
}

fn leb128(bytes: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}
