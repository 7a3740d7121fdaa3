//! SW05: plugins and their manifests.

super::pages! {
    MANIFEST_JSON = 501, "the manifest is not JSON",
    "The custom section `stageway:manifest` holds one JSON object of at most 64 KiB and 32 levels.",
    "{ \"name\": \"acme/notify\", }",
    "build the component with `stageway plugin build`";
    MANIFEST_SIZE = 502, "the manifest is too large or too deep",
    "A manifest is read for every plan, so it is bounded: 64 KiB, 32 levels.",
    "a configuration schema of a megabyte",
    "shorten the schemas; `$defs` avoids repetition";
    MANIFEST_MEMBER = 503, "a member of the manifest is wrong",
    "A member is missing, unknown or has the wrong type or value.",
    "{ \"name\": \"acme/notify\", \"versoin\": \"1.0.0\" }",
    "mend the member that the pointer shows";
    SCHEMA_INVALID = 504, "a schema of the manifest is not JSON Schema 2020-12",
    "`configuration` and `outputs` are JSON Schemas (2020-12) of objects.",
    "\"configuration\": { \"type\": \"objekt\" }",
    "mend the schema at the pointer";
    SCHEMA_REMOTE = 505, "a schema refers to something outside",
    "The engine fetches nothing to read a manifest: a `$ref` starts with `#`.",
    "{ \"$ref\": \"https://example.com/schema.json\" }",
    "copy what is meant into `$defs`";
    SCHEMA_PATTERN = 506, "a pattern cannot be matched in linear time",
    "Patterns with look-around or back-references can take forever, so they are refused.",
    "{ \"pattern\": \"^(?=.*a).*$\" }",
    "rewrite the pattern without look-around and back-references";
    MANIFEST_GRANT = 507, "a wanted grant is wrong",
    "A wanted grant names an interface and takes its parameters from the configuration by JSON pointer.",
    "{ \"interface\": \"images\", \"hosts\": [{ \"from\": \"/url\" }] }",
    "use the members that the interface has";
    OUTPUTS_SCHEMA = 508, "the schema of the outputs is not an object of named outputs",
    "Outputs are read by name, so their schema states `type: object` with `properties`.",
    "\"outputs\": { \"type\": \"string\" }",
    "declare every output under `properties`";
    PLUGIN_AMBIGUOUS = 509, "one version of a plugin has two digests",
    "A name and version stand for one component. Two directories hold different files that claim to be the same.",
    "plugins/unit-test.wasm and ~/plugins/unit-test.wasm, both stageway/unit-test 1.0.0, with other bytes",
    "remove one of the files, or give one of them another version";
    PLUGIN_UNREADABLE = 510, "a file in a plugin directory is no plugin",
    "Every `.wasm` file of a plugin directory is read for its manifest; this one cannot be.",
    "a core module instead of a component, or a truncated file",
    "build it again with `stageway plugin build`, or remove it";
    PLUGIN_LOCKED = 511, "the lock pins a component that is not there",
    "`stageway.lock` beside the pipeline file decides alone which component a reference means.",
    "\"stageway/unit-test@1\": \"sha256:…\" of a component that no directory holds",
    "put the pinned component into a plugin directory, or take the line out of the lock";
    CONFIGURATION_REFUSED = 512, "the plugin refuses its configuration",
    "Beyond its schema a plugin checks what a schema cannot say.",
    "with: { command: [] }",
    "mend the value that the pointer shows";
}
