//! SW05, from 20: building and inspecting plugins.

super::pages! {
    TOOLCHAIN_MISSING = 520, "no compiler for plugins",
    "Plugins in Rust are compiled for wasm32-unknown-unknown. No compiler found in the path or in /usr/bin has the \
     library for that target, or its source to build it from.",
    "stageway plugin build .   # with a compiler for this machine alone",
    "run `rustup target add wasm32-unknown-unknown`, or install Debian's rustc-web, cargo-web, rust-web-src and lld-19";
    TOOLCHAIN_LINKER = 521, "no linker for WebAssembly",
    "Compilers of rustup bring `rust-lld`; those of a distribution use LLVM's `wasm-ld`, which is a package of its own.",
    "stageway plugin build .   # without the package lld-19",
    "install LLVM's linker";
    TOOLCHAIN_LIBRARY = 522, "the standard library was not built",
    "Where the target's library is not installed it is built once from its source, with the crates it needs from the registry.",
    "stageway plugin build .   # for the first time, without network",
    "read the output of the compiler; with network it works once, and needs none afterwards";
    BUILD_CRATE = 523, "the folder is no plugin",
    "A plugin is a crate whose library is of the type `cdylib`; the interfaces it may import stand in \
     `[package.metadata.stageway]`.",
    "[lib]   # without crate-type",
    "compare with what `stageway plugin new` writes";
    BUILD_COMPILE = 524, "the plugin does not compile",
    "The compiler refused the crate. Its messages are shown as they are.",
    "let x: u32 = \"one\";",
    "mend what the compiler shows";
    BUILD_IMPORT = 525, "the module imports what no host has",
    "A component imports interfaces of the contract only. Something in the plugin expects JavaScript, WASI or C beneath it.",
    "a dependency that draws random numbers from the browser",
    "find the dependency with `cargo tree` and go without it";
    BUILD_INTERFACE_UNASKED = 526, "an interface is called but not asked for",
    "What a binary imports is its greatest possible permission, so the crate states what that may be.",
    "interfaces = [\"tasks\"]   # and the code calls `http`",
    "add the interface to `interfaces`, or do not call it";
    BUILD_INTERFACE_UNKNOWN = 527, "an interface that the contract does not have",
    "`interfaces` holds names of interfaces of the package stageway:host.",
    "interfaces = [\"task\"]",
    "use a name that the message lists";
    BUILD_ENCODE = 528, "the module makes no component",
    "The module does not export the interface of a stage as the contract has it, or was made for another version.",
    "a crate without `stageway_sdk::export!`",
    "export the stage, with an SDK of this contract";
    BUILD_DESCRIBE = 529, "the component does not describe itself",
    "A build runs `describe` to learn the manifest. It is pure: no host call, one second, and it must not panic.",
    "fn describe() -> Manifest { panic!() }",
    "answer the manifest from constants";
    BUILD_NOT_REPEATABLE = 530, "the manifest is not repeatable",
    "`describe` is run twice on fresh instances and must answer the same, because the answer becomes part of the binary.",
    "a manifest that holds a random number",
    "build the manifest from constants only";
    BUILD_GRANT_UNWANTED = 531, "an import without a wanted grant",
    "The component imports an interface for which its manifest wants no grant, so no pipeline could tell that it needs one.",
    "\"grants\": { \"required\": [] }   # and the component imports `http`",
    "add the interface to the manifest's grants";
    INSPECT_UNREADABLE = 532, "the file is no component",
    "Plugins are components of at most 32 MiB; a core module is what a compiler leaves before `stageway plugin build`.",
    "stageway plugin inspect README.md",
    "name a file that `stageway plugin build` wrote";
    BUILD_FILES = 533, "a file or folder cannot be used",
    "Something could not be read or written while a plugin was made or built.",
    "stageway plugin build . --output /root/x.wasm   # as another user",
    "look at the path and its rights";
    NEW_NAME = 534, "not the name of a plugin",
    "A plugin is named NAMESPACE/NAME in lower-case letters, digits and `-`.",
    "stageway plugin new Coverage",
    "write it like acme/coverage";
}
