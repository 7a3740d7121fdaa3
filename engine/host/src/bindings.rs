//! What wasmtime generates from the contract.
//!
//! The builders' members never wait, so they could be synchronous; asynchronous costs them nothing that can be measured
//! and keeps one rule for all.

#![allow(missing_docs, unreachable_pub, reason = "generated")]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "stageway:stage/stage-plugin",
    imports: { default: async | trappable },
    exports: { default: async },
    trappable_error_type: { "stageway:host/types.host-error" => crate::link::Refusal },
    with: {
        "stageway:host/handles.secret": crate::link::handles::Secret,
        "stageway:host/handles.reader": crate::link::handles::Reader,
        "stageway:host/http.request": crate::link::http::RequestDraft,
        "stageway:host/http.response": crate::link::http::Received,
        "stageway:host/tasks.command": crate::link::command::CommandDraft,
        "stageway:host/tasks.task": crate::link::tasks::Task,
    },
});
