//! SW0110 to SW0139: the document is YAML, but not a pipeline or a policy.

super::pages! {
    UNKNOWN_KEY = 110, "the key is not known",
    "Every key has a meaning. One that has none is a slip, and ignoring it would run something else than was meant.",
    "stages:\n  test: { uses: stageway/unit-test@1, need: [build] }",
    "use the key that the message proposes, or remove it";
    MISSING_KEY = 111, "a key is missing",
    "The thing described here is not complete without this key.",
    "stages:\n  test: { needs: [build] }",
    "add the key";
    WRONG_TYPE = 112, "the value has the wrong type",
    "A list, a map, text, a number or a boolean is expected here, and something else is written.",
    "needs: { build: true }",
    "write a value of the type that the message names";
    BAD_VALUE = 113, "the value is not allowed here",
    "Only certain words or numbers have a meaning here.",
    "concurrency: { group: main, when-newer: maybe }",
    "use one of the values that the message lists";
    BAD_NAME = 114, "the name breaks its rule",
    "Names of pipelines, stages and environments have 1 to 63 lower-case letters, digits and `-`, start with a letter \
     and do not end with `-`; variables are written as programs write them.",
    "stages:\n  Unit_Test: { uses: stageway/unit-test@1 }",
    "rename it by the rule that the message states";
    BAD_DURATION = 115, "the duration is not one",
    "A duration is one or more whole numbers, each with a unit, from large to small: `d`, `h`, `m`, `s`, `ms`.",
    "timeout: 10 minutes",
    "write it as in `90s`, `10m` or `1h30m`";
    BAD_GLOB = 116, "the pattern is not a path pattern",
    "`*` matches within a name, `**` across directories, `?` one character, `[ab]` one of some, `{a,b}` one of several \
     texts. Patterns are relative to the root of the tree, with `/`.",
    "inputs: [\"src/[a\"]",
    "mend the pattern";
    UNKNOWN_STAGE = 117, "no stage has this name",
    "`needs` and `from` name stages of the same pipeline.",
    "test: { uses: stageway/unit-test@1, needs: [biuld] }",
    "name a stage of this file";
    SELF_NEED = 118, "a stage needs itself",
    "It could never start.",
    "test: { uses: stageway/unit-test@1, needs: [test] }",
    "remove its own name from `needs`";
    NEEDS_CYCLE = 119, "stages need each other in a circle",
    "None of the stages in the circle could ever start.",
    "a: { uses: x/y@1, needs: [b] }\nb: { uses: x/y@1, needs: [a] }",
    "remove one of the needs that the message shows";
    DUPLICATE_ENTRY = 120, "an entry is written twice",
    "The second says nothing that the first has not said.",
    "needs: [build, build]",
    "remove one of the two";
    BAD_MATRIX = 121, "the matrix makes no sensible cells",
    "A matrix has axes, each with a list of values: text, whole numbers or booleans. The stage is a stage of its own for \
     each combination, called after it and the values: `test-1-95-linux`. `exclude` leaves out the cells that have all \
     values of an entry; `include` adds cells, each with a value for every axis. `matrix.os` is the cell's value in \
     expressions. What needs the stage waits for all cells, and reads `stages.test.outputs[\"1-95-linux\"].NAME`.",
    "test: { uses: stageway/unit-test@1, matrix: { rust: [1.95], exclude: [{ rust: \"1.90\" }] } }",
    "mend the axis or the entry that the message names; versions stand in quotes";
    BAD_PLUGIN_REFERENCE = 122, "the plugin reference is not one",
    "A plugin is named NAMESPACE/NAME@VERSION, where the version is `1`, `1.4` or `1.4.2`, or as a file `./x.wasm`.",
    "uses: unit-test",
    "write it as in `stageway/unit-test@1`";
    BAD_PATH = 123, "the path leaves its place",
    "Paths are relative to the root of the tree, separated by `/`, without `..`, a leading `/` or a trailing one.",
    "artifacts: { binary: ../orderbook }",
    "write a path below the root of the tree";
    BAD_FROM = 124, "`from` names no upstream artifact",
    "`from` lays an artifact of a needed stage into the workspace: `PATH: stages.STAGE.artifacts.NAME`.",
    "from: { bin: build.binary }",
    "write it as in `from: { bin: stages.build.artifacts.binary }`, and need the stage";
    OUT_OF_RANGE = 125, "the number is out of range",
    "The value has the right type, but the engine does not go that far.",
    "retry: { attempts: 1000 }",
    "use a number within the bounds that the message states";
    CONFLICT = 126, "two keys contradict each other",
    "Each of them has a meaning alone, but not together.",
    "clean: { uses: x/y@1, finally: true, environment: production }",
    "remove one of the two";
    NO_STAGES = 127, "the pipeline has no stages",
    "A pipeline without stages has nothing to do.",
    "pipeline: orderbook\nstages: {}",
    "add at least one stage";
    UNSAFE_PATTERN = 128, "the pattern for a grant is too wide",
    "A grant names repositories, hosts or images; a pattern of `*` alone would grant everything.",
    "grants: { http: [\"*\"] }",
    "name what is meant, such as `hooks.example.com:443`";
}
